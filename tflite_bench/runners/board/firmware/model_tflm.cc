// TFLM's MicroInterpreter around models that are uploaded into RAM. The build may give the sizes of its two memories and
// a list of operators: -DBENCH_ARENA_BYTES=... -DBENCH_MODEL_MEMORY=... -DBENCH_OPS_HEADER='"my_ops.h"'.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "bench.h"
#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/micro/recording_micro_allocator.h"
#include "tensorflow/lite/schema/schema_generated.h"

#ifndef BENCH_ARENA_BYTES
#define BENCH_ARENA_BYTES (96 * 1024)
#endif
#ifndef BENCH_MODEL_MEMORY
#define BENCH_MODEL_MEMORY (96 * 1024)
#endif
#ifndef BENCH_RUNTIME
#define BENCH_RUNTIME "tflm"
#endif
#ifndef BENCH_RUNTIME_VERSION
#define BENCH_RUNTIME_VERSION "unknown"
#endif

extern "C" {
extern const char* const model_runtime = BENCH_RUNTIME;
extern const char* const model_build = "tflm " BENCH_RUNTIME_VERSION ", " __VERSION__;
}

namespace {

constexpr uint32_t kMaxTensors = 8;
constexpr uint32_t kMaxProfiled = 256;
constexpr unsigned kMaxOps = 128;

alignas(16) uint8_t arena[BENCH_ARENA_BYTES];
// Beside the zeroed memory: what was uploaded outlives a reset.
alignas(16) BENCH_NOINIT uint8_t memory[BENCH_MODEL_MEMORY];
alignas(tflite::MicroInterpreter) uint8_t interpreter_memory[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter* interpreter = nullptr;

// What TFLM said of memory that it lacks: it says so in its log and nowhere else. Its planner does not say how much.
uint32_t missing_bytes = 0;
bool memory_is_short = false;

class Profiler : public tflite::MicroProfilerInterface {
 public:
  uint32_t BeginEvent(const char* tag) override {
    if (!on_ || count_ == kMaxProfiled) return kMaxProfiled;
    tags_[count_] = tag;
    cycles_[count_] = bench_counter();
    return count_++;
  }
  void EndEvent(uint32_t event) override {
    if (event < count_) cycles_[event] = bench_counter() - cycles_[event];
  }
  void Start() {
    on_ = true;
    count_ = 0;
  }
  uint32_t Stop() {
    on_ = false;
    return count_;
  }
  const char* Tag(uint32_t index) const { return index < count_ ? tags_[index] : ""; }
  uint64_t Cycles(uint32_t index) const { return index < count_ ? cycles_[index] : 0; }

 private:
  bool on_ = false;
  uint32_t count_ = 0;
  const char* tags_[kMaxProfiled] = {};
  uint64_t cycles_[kMaxProfiled] = {};
};

Profiler profiler;

using Resolver = tflite::MicroMutableOpResolver<kMaxOps>;

#ifdef BENCH_OPS_HEADER
#include BENCH_OPS_HEADER
#else
// The operators of image, sound and sensor networks; a list of your own replaces it.
void AddOps(Resolver& ops) {
  ops.AddAdd();
  ops.AddAveragePool2D();
  ops.AddConcatenation();
  ops.AddConv2D();
  ops.AddDepthwiseConv2D();
  ops.AddDequantize();
  ops.AddFullyConnected();
  ops.AddHardSwish();
  ops.AddLeakyRelu();
  ops.AddLogistic();
  ops.AddMaxPool2D();
  ops.AddMaximum();
  ops.AddMean();
  ops.AddMinimum();
  ops.AddMul();
  ops.AddPad();
  ops.AddPadV2();
  ops.AddPrelu();
  ops.AddQuantize();
  ops.AddReduceMax();
  ops.AddRelu();
  ops.AddRelu6();
  ops.AddReshape();
  ops.AddResizeNearestNeighbor();
  ops.AddShape();
  ops.AddSoftmax();
  ops.AddSplit();
  ops.AddSqueeze();
  ops.AddStridedSlice();
  ops.AddSub();
  ops.AddTanh();
  ops.AddTranspose();
  ops.AddTransposeConv();
  ops.AddUnidirectionalSequenceLSTM();
}
#endif

Resolver& Ops() {
  static Resolver ops;
  static bool filled = false;
  if (!filled) {
    AddOps(ops);
    filled = true;
  }
  return ops;
}

void Fail(model_error* error, uint8_t code, uint32_t number, const char* text) {
  error->code = code;
  error->number = number;
  std::strncpy(error->text, text, sizeof error->text - 1);
  error->text[sizeof error->text - 1] = '\0';
}

// Names the first operator of the file that was not built in.
bool HasOps(const tflite::Model* model, model_error* error) {
  for (const tflite::OperatorCode* code : *model->operator_codes()) {
    const auto deprecated = static_cast<tflite::BuiltinOperator>(code->deprecated_builtin_code());
    const auto kind = code->builtin_code() > deprecated ? code->builtin_code() : deprecated;
    const bool custom = kind == tflite::BuiltinOperator_CUSTOM;
    const char* name = custom ? (code->custom_code() ? code->custom_code()->c_str() : "")
                              : tflite::EnumNameBuiltinOperator(kind);
    if (custom ? !Ops().FindOp(name) : !Ops().FindOp(kind)) {
      Fail(error, BENCH_MISSING_OP, 0, name);
      return false;
    }
  }
  return true;
}

bool IsModel(uint32_t num_bytes) {
  flatbuffers::Verifier verifier(memory, num_bytes);
  if (!tflite::VerifyModelBuffer(verifier)) return false;
  const tflite::Model* model = tflite::GetModel(memory);
  return model->version() == TFLITE_SCHEMA_VERSION && model->operator_codes() && model->subgraphs() &&
         model->subgraphs()->size() > 0;
}

model_tensor Describe(TfLiteTensor* tensor) {
  if (!tensor) return {nullptr, 0, 0};
  uint8_t type = 255;
  switch (tensor->type) {
    case kTfLiteFloat32: type = tflite::TensorType_FLOAT32; break;
    case kTfLiteInt8: type = tflite::TensorType_INT8; break;
    case kTfLiteUInt8: type = tflite::TensorType_UINT8; break;
    case kTfLiteInt16: type = tflite::TensorType_INT16; break;
    case kTfLiteInt32: type = tflite::TensorType_INT32; break;
    case kTfLiteBool: type = tflite::TensorType_BOOL; break;
    default: break;
  }
  return {static_cast<uint8_t*>(tensor->data.data), static_cast<uint32_t>(tensor->bytes), type};
}

}  // namespace

extern "C" {

#ifndef BENCH_OWN_DEBUG_LOG
void DebugLog(const char* format, va_list args) {
  static char line[160];
  std::vsnprintf(line, sizeof line, format, args);
  if (const char* at = std::strstr(line, "missing: ")) missing_bytes = std::strtoul(at + 9, nullptr, 10);
  if (missing_bytes || std::strstr(line, "Too many buffers")) memory_is_short = true;
}
#endif

uint8_t* model_memory(uint32_t* num_bytes) {
  *num_bytes = sizeof memory;
  return memory;
}

uint32_t model_arena_bytes(void) { return sizeof arena; }

const char* model_op(uint32_t index) {
  for (int kind = tflite::BuiltinOperator_MIN; kind <= tflite::BuiltinOperator_MAX; ++kind) {
    const auto op = static_cast<tflite::BuiltinOperator>(kind);
    if (op != tflite::BuiltinOperator_CUSTOM && Ops().FindOp(op) && index-- == 0) {
      return tflite::EnumNameBuiltinOperator(op);
    }
  }
  return nullptr;
}

void model_load(uint32_t num_bytes, uint32_t checksum, model_facts* facts, model_error* error) {
  if (interpreter) interpreter->~MicroInterpreter();
  interpreter = nullptr;
  if (!IsModel(num_bytes)) return Fail(error, BENCH_BAD_MODEL, 0, "no .tflite file");
  const tflite::Model* model = tflite::GetModel(memory);
  if (!HasOps(model, error)) return;
  missing_bytes = 0;
  memory_is_short = false;
  auto* allocator = tflite::RecordingMicroAllocator::Create(arena, sizeof arena);
  interpreter = new (interpreter_memory) tflite::MicroInterpreter(model, Ops(), allocator, nullptr, &profiler);
  if (interpreter->AllocateTensors() != kTfLiteOk) {
    return Fail(error, memory_is_short ? BENCH_ARENA_TOO_SMALL : BENCH_BAD_MODEL, missing_bytes, "AllocateTensors");
  }
  if (interpreter->inputs_size() > kMaxTensors || interpreter->outputs_size() > kMaxTensors) {
    return Fail(error, BENCH_BAD_MODEL, kMaxTensors, "too many inputs or outputs");
  }
  const auto* sizes = allocator->GetSimpleMemoryAllocator();
  facts->num_bytes = num_bytes;
  facts->checksum = checksum;
  facts->arena = interpreter->arena_used_bytes();
  facts->persistent = sizes->GetPersistentUsedBytes();
  facts->nonpersistent = sizes->GetNonPersistentUsedBytes();
  facts->num_inputs = interpreter->inputs_size();
  facts->num_outputs = interpreter->outputs_size();
}

model_tensor model_input(uint32_t index) { return Describe(interpreter->input(index)); }

model_tensor model_output(uint32_t index) { return Describe(interpreter->output(index)); }

void model_invoke(model_error* error) {
  if (interpreter->Invoke() != kTfLiteOk) Fail(error, BENCH_INVOKE_FAILED, 0, "Invoke");
}

uint32_t model_profile(model_error* error) {
  profiler.Start();
  model_invoke(error);
  return profiler.Stop();
}

const char* model_profiled(uint32_t index, uint64_t* cycles) {
  *cycles = profiler.Cycles(index);
  return profiler.Tag(index);
}

uint8_t model_has_profiler(void) { return 1; }

}  // extern "C"
