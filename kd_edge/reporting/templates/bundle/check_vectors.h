#ifndef CHECK_VECTORS_H_
#define CHECK_VECTORS_H_

#include "test_vectors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the model once: reads MODEL_INPUT_ELEMENTS values, writes MODEL_OUTPUT_ELEMENTS. Not 0 is a failure. */
typedef int (*model_run_t)(const model_input_t *input, model_output_t *output);

/* Returns how many test vectors fail: `run` fails, or an output is more than MODEL_TOLERANCE off. */
int check_vectors(model_run_t run);

#ifdef __cplusplus
}
#endif

#endif /* CHECK_VECTORS_H_ */
