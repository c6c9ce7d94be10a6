#include "check_vectors.h"

/* Returns how far number i of the output may be from the expected one. */
static double tolerance_of(int i) {
{% for unit in units %}
  if (i < {{ unit.end }}) return MODEL_TOLERANCE * {{ unit.size | c_double }};
{% endfor %}
  return 0.0;
}

/* Returns a number that is not the expected number i of the output. */
static model_output_t other_than(model_output_t expected, int i) {
  const double away = 2.0 * tolerance_of(i) + 1.0;
  return (model_output_t)((double)expected > away ? (double)expected - away : (double)expected + away);
}

static int differs(const model_output_t *output, const model_output_t *expected) {
  for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) {
    const double difference = (double)output[i] - (double)expected[i], tolerance = tolerance_of(i);
    if (!(difference <= tolerance && difference >= -tolerance)) return 1;
  }
  return 0;
}

int check_vectors(model_run_t run) {
  static model_output_t output[MODEL_OUTPUT_ELEMENTS];
  int num_failed = 0;
  for (int vector = 0; vector < NUM_TEST_VECTORS; ++vector) {
    const model_output_t *expected = test_outputs[vector];
    for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) output[i] = other_than(expected[i], i);
    if (run(test_inputs[vector], output) != 0 || differs(output, expected)) ++num_failed;
  }
  return num_failed;
}
