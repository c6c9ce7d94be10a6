#include "check_vectors.h"

static int differs(const model_output_t *output, const model_output_t *expected) {
  for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) {
    const double difference = (double)output[i] - (double)expected[i];
    if (!(difference <= MODEL_TOLERANCE && difference >= -MODEL_TOLERANCE)) return 1;
  }
  return 0;
}

int check_vectors(model_run_t run) {
  static model_output_t output[MODEL_OUTPUT_ELEMENTS];
  int num_failed = 0;
  for (int vector = 0; vector < NUM_TEST_VECTORS; ++vector) {
    for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) output[i] = 0;
    if (run(test_inputs[vector], output) != 0 || differs(output, test_outputs[vector])) ++num_failed;
  }
  return num_failed;
}
