/* A network that bakenn has translated to C and that is compiled in: there is no upload, and the host is told which
   file it was. The build gives BENCH_MODEL_BYTES, BENCH_MODEL_CHECKSUM and BENCH_MODEL_BUILD. */
#include <stddef.h>

#include "bench.h"
#include "bknn_net.h"

enum { INT8 = 9 };

static _Alignas(16) uint8_t arena[BKNN_NET_ARENA_SIZE > 0u ? BKNN_NET_ARENA_SIZE : 1u];
static int8_t input[BKNN_NET_INPUT_BYTES];
static int8_t output[BKNN_NET_OUTPUT_BYTES];

const char *const model_runtime = "bakenn";
const char *const model_build = BENCH_MODEL_BUILD;

uint8_t *model_memory(uint32_t *num_bytes) {
    *num_bytes = 0;
    return NULL;
}

uint32_t model_arena_bytes(void) { return sizeof arena; }

const char *model_op(uint32_t index) {
    (void)index;
    return NULL;
}

void model_load(uint32_t num_bytes, uint32_t checksum, model_facts *facts, model_error *error) {
    (void)num_bytes;
    (void)checksum;
    (void)error;
    facts->num_bytes = BENCH_MODEL_BYTES;
    facts->checksum = BENCH_MODEL_CHECKSUM;
    facts->arena = BKNN_NET_ARENA_SIZE;
    facts->persistent = BENCH_UNKNOWN;
    facts->nonpersistent = BENCH_UNKNOWN;
    facts->num_inputs = facts->num_outputs = 1;
}

model_tensor model_input(uint32_t index) {
    const model_tensor tensor = {(uint8_t *)input, sizeof input, INT8};
    (void)index;
    return tensor;
}

model_tensor model_output(uint32_t index) {
    const model_tensor tensor = {(uint8_t *)output, sizeof output, INT8};
    (void)index;
    return tensor;
}

void model_invoke(model_error *error) {
    (void)error;
    bknn_net_infer(BKNN_NET_ARENA_SIZE > 0u ? arena : NULL, input, output);
}

uint32_t model_profile(model_error *error) {
    (void)error;
    return 0;
}

const char *model_profiled(uint32_t index, uint64_t *cycles) {
    (void)index;
    *cycles = 0;
    return "";
}

uint8_t model_has_profiler(void) { return 0; }
