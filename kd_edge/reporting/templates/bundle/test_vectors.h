#ifndef TEST_VECTORS_H_
#define TEST_VECTORS_H_

#include "model_settings.h"

#define NUM_TEST_VECTORS {{ inputs | length }}

#ifdef __cplusplus
extern "C" {
#endif

{{ ("As the model reads them, and what it has to answer: " ~ vectors_of ~ ".") | c_comment }}
extern const model_input_t test_inputs[NUM_TEST_VECTORS][MODEL_INPUT_ELEMENTS];
extern const model_output_t test_outputs[NUM_TEST_VECTORS][MODEL_OUTPUT_ELEMENTS];
{% if answers %}
/* What these outputs say, as the functions in model_settings.h compute it. */
extern const double test_answers[NUM_TEST_VECTORS][MODEL_NUM_ANSWERS];
{% endif %}

#ifdef __cplusplus
}
#endif

#endif /* TEST_VECTORS_H_ */
