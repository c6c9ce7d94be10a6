#include "model.h"

#include <cstring>

{% if tflm_header %}
#include <{{ tflm_header }}>
{% endif %}
#include "model_data.h"
#include "op_resolver.h"
{% if num_variables %}
#include "tensorflow/lite/micro/micro_allocator.h"
{% endif %}
#include "tensorflow/lite/micro/micro_interpreter.h"
{% if num_variables %}
#include "tensorflow/lite/micro/micro_resource_variable.h"
{% endif %}
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

// The version of the file format that TFLM reads.
constexpr unsigned int kSchemaVersion = 3;

alignas(16) uint8_t arena[MODEL_ARENA_BYTES];
tflite::MicroInterpreter *interpreter = nullptr;

int NumElements(const TfLiteTensor *tensor) {
  int product = 1;
  for (int i = 0; i < tensor->dims->size; ++i) product *= tensor->dims->data[i];
  return product;
}

}  // namespace

extern "C" int model_init(void) {
  static ModelOpResolver resolver;
  static bool has_ops = false;
  if (interpreter != nullptr) return MODEL_OK;
  const tflite::Model *model = tflite::GetModel(g_model_data);
  if (model->version() != kSchemaVersion) return MODEL_WRONG_SCHEMA;
  if (!has_ops && RegisterModelOps(resolver) != kTfLiteOk) return MODEL_MISSING_OP;
  has_ops = true;
{% if num_variables %}
  static tflite::MicroAllocator *const allocator = tflite::MicroAllocator::Create(arena, sizeof arena);
  static tflite::MicroResourceVariables *const variables =
      tflite::MicroResourceVariables::Create(allocator, {{ num_variables }});
  static tflite::MicroInterpreter made(model, resolver, allocator, variables);
{% else %}
  static tflite::MicroInterpreter made(model, resolver, arena, sizeof arena);
{% endif %}
  if (made.AllocateTensors() != kTfLiteOk) return MODEL_ARENA_TOO_SMALL;
  if (NumElements(made.input(0)) != MODEL_INPUT_ELEMENTS || made.input(0)->type != {{ input_type }} ||
{% for count in output_counts %}
      NumElements(made.output({{ loop.index0 }})) != {{ count }} || made.output({{ loop.index0 }})->type != {{ output_type }}{{ ") {" if loop.last else " ||" }}
{% endfor %}
    return MODEL_UNLIKE_SETTINGS;
  }
  interpreter = &made;
  return MODEL_OK;
}

extern "C" int model_invoke(const model_input_t *input, model_output_t *output) {
  if (interpreter == nullptr) return MODEL_NOT_READY;
  std::memcpy(interpreter->input(0)->data.raw, input, MODEL_INPUT_ELEMENTS * sizeof *input);
  if (interpreter->Invoke() != kTfLiteOk) return MODEL_INVOKE_FAILED;
{% if output_counts | length == 1 %}
  std::memcpy(output, interpreter->output(0)->data.raw, MODEL_OUTPUT_ELEMENTS * sizeof *output);
{% else %}
{% for count in output_counts %}
  std::memcpy(output, interpreter->output({{ loop.index0 }})->data.raw, {{ count }} * sizeof *output);
{% if not loop.last %}
  output += {{ count }};
{% endif %}
{% endfor %}
{% endif %}
  return MODEL_OK;
}

extern "C" int model_reset(void) {
  if (interpreter == nullptr) return MODEL_NOT_READY;
  return interpreter->Reset() == kTfLiteOk ? MODEL_OK : MODEL_INVOKE_FAILED;
}

extern "C" unsigned long model_arena_used_bytes(void) {
  return interpreter == nullptr ? 0ul : static_cast<unsigned long>(interpreter->arena_used_bytes());
}

extern "C" const char *model_status_text(int status) {
  switch (status) {
    case MODEL_OK: return "ready";
    case MODEL_WRONG_SCHEMA: return "the file is of another version than TFLM reads";
    case MODEL_MISSING_OP: return "TFLM was built without an operator of op_resolver.h";
    case MODEL_ARENA_TOO_SMALL: return "AllocateTensors failed: raise MODEL_ARENA_BYTES";
    case MODEL_UNLIKE_SETTINGS: return "input or output has another size or type than model_settings.h says";
    case MODEL_NOT_READY: return "model_init was not called, or failed";
    default: return "Invoke failed";
  }
}
