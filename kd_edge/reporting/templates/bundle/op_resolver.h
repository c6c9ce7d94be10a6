#ifndef OP_RESOLVER_H_
#define OP_RESOLVER_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

// Exactly the operators of the model.
constexpr unsigned int kNumModelOps = {{ methods | length }};
using ModelOpResolver = tflite::MicroMutableOpResolver<kNumModelOps>;

inline TfLiteStatus RegisterModelOps(ModelOpResolver& resolver) {
{% for method in methods %}
  if (resolver.{{ method }}() != kTfLiteOk) return kTfLiteError;
{% endfor %}
  return kTfLiteOk;
}

#endif /* OP_RESOLVER_H_ */
