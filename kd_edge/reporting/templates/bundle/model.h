#ifndef MODEL_H_
#define MODEL_H_

#include "model_settings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions below return. */
enum {
  MODEL_OK = 0,
  MODEL_WRONG_SCHEMA = 1,    /* The file is of another version than TFLM reads. */
  MODEL_MISSING_OP = 2,      /* TFLM was built without an operator of op_resolver.h. */
  MODEL_ARENA_TOO_SMALL = 3, /* AllocateTensors failed: raise MODEL_ARENA_BYTES. */
  MODEL_UNLIKE_SETTINGS = 4, /* Input or output has another size or type than model_settings.h says. */
  MODEL_NOT_READY = 5,       /* model_init was not called, or failed. */
  MODEL_INVOKE_FAILED = 6
};

/* Makes the model ready; call it once, before model_invoke. */
int model_init(void);

/* Runs the model once.
   input: MODEL_INPUT_ELEMENTS numbers:
{% for line in reads %}
     {{ line }}{{ "." if loop.last }}
{% endfor %}
{% for line in answers_with %}
   {{ "output: " if loop.first else "  " }}{{ line | in_comment }}
{% endfor %}
   Not for several threads at once. */
int model_invoke(const model_input_t *input, model_output_t *output);

/* Makes the model forget: sets what it keeps between calls, where it keeps anything, as after model_init. */
int model_reset(void);

/* Returns the bytes of the arena that are in use after model_init, of MODEL_ARENA_BYTES. */
unsigned long model_arena_used_bytes(void);

/* Returns what a status means, a short sentence. */
const char *model_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif /* MODEL_H_ */
