/* A runtime of the program that loads this as a shared library: tests and demonstrations run TFLM's wheel so. */
#include <stddef.h>

#include "bench.h"

#ifndef BENCH_MODEL_MEMORY
#define BENCH_MODEL_MEMORY (512u * 1024u)
#endif

typedef struct {
    uint32_t arena_bytes;
    const char *(*op)(uint32_t index);
    void (*load)(const uint8_t *file, uint32_t num_bytes, model_facts *facts, model_error *error);
    void (*tensor)(uint32_t is_output, uint32_t index, model_tensor *tensor);
    void (*invoke)(model_error *error);
    uint32_t (*profile)(model_error *error);
    const char *(*profiled)(uint32_t index, uint64_t *cycles);
} bench_callbacks;

bench_callbacks bench_runtime;
uint32_t bench_model_memory_bytes = BENCH_MODEL_MEMORY;

static _Alignas(16) uint8_t memory[BENCH_MODEL_MEMORY];

const char *const model_runtime = "tflm";
const char *const model_build = "tflite-micro wheel";

uint8_t *model_memory(uint32_t *num_bytes) {
    *num_bytes = bench_model_memory_bytes;
    return memory;
}

uint32_t model_arena_bytes(void) { return bench_runtime.arena_bytes; }

const char *model_op(uint32_t index) { return bench_runtime.op(index); }

void model_load(uint32_t num_bytes, uint32_t checksum, model_facts *facts, model_error *error) {
    bench_runtime.load(memory, num_bytes, facts, error);
    facts->num_bytes = num_bytes;
    facts->checksum = checksum;
}

static model_tensor tensor_of(uint32_t is_output, uint32_t index) {
    model_tensor tensor = {NULL, 0, 0};
    bench_runtime.tensor(is_output, index, &tensor);
    return tensor;
}

model_tensor model_input(uint32_t index) { return tensor_of(0, index); }

model_tensor model_output(uint32_t index) { return tensor_of(1, index); }

void model_invoke(model_error *error) { bench_runtime.invoke(error); }

uint32_t model_profile(model_error *error) { return bench_runtime.profile(error); }

const char *model_profiled(uint32_t index, uint64_t *cycles) { return bench_runtime.profiled(index, cycles); }

uint8_t model_has_profiler(void) { return bench_runtime.profile != NULL; }
