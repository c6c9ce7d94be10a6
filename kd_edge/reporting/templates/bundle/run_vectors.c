#include "run_vectors.h"

#include <stdio.h>

#include "check_vectors.h"
#include "model.h"

{% if not in_order %}
/* Each vector is answered by a model that has seen no other. */
static int run(const model_input_t *input, model_output_t *output) {
  const int status = model_reset();
  return status != MODEL_OK ? status : model_invoke(input, output);
}

{% endif %}
int run_vectors(void (*print_line)(const char *line)) {
  static char line[128];
{% if in_order %}
  /* The vectors are the first steps of a stream: the model keeps what it needs of those before. */
  int status = model_init();
  if (status == MODEL_OK) status = model_reset();
{% else %}
  const int status = model_init();
{% endif %}
  if (status != MODEL_OK) {
    snprintf(line, sizeof line, "FAILED: model_init: %s", model_status_text(status));
    print_line(line);
    return -1;
  }
  snprintf(line, sizeof line, "arena: %lu of %lu B in use", model_arena_used_bytes(), (unsigned long)MODEL_ARENA_BYTES);
  print_line(line);
  const int num_failed = check_vectors({{ "model_invoke" if in_order else "run" }});
  snprintf(line, sizeof line, "%s: %d of %d test vectors agree", num_failed == 0 ? "PASSED" : "FAILED",
           NUM_TEST_VECTORS - num_failed, NUM_TEST_VECTORS);
  print_line(line);
  return num_failed;
}
