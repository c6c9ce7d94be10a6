/* The firmware with a stand-in for the network, fed from stdin: for the sanitizers. */
#include <stddef.h>
#include <string.h>

#include "bench.h"

static uint8_t memory[3000], input[300], output[700];
extern int bench_host_closed, bench_host_wait_ms;

const char *const model_runtime = "none";
const char *const model_build = "fuzz";

uint8_t *model_memory(uint32_t *num_bytes) {
    *num_bytes = sizeof memory;
    return memory;
}

uint32_t model_arena_bytes(void) { return 1; }

const char *model_op(uint32_t index) { return index < 200u ? "AN_OPERATOR_WITH_A_NAME_LONGER_THAN_THE_PROTOCOL_TAKES" : NULL; }

void model_load(uint32_t num_bytes, uint32_t checksum, model_facts *facts, model_error *error) {
    facts->num_bytes = num_bytes;
    facts->checksum = checksum;
    facts->arena = facts->persistent = facts->nonpersistent = BENCH_UNKNOWN;
    facts->num_inputs = facts->num_outputs = 1;
    if (num_bytes && memory[0] == 255u) {
        error->code = BENCH_MISSING_OP;
        strcpy(error->text, "SOFTMAX");
    }
}

model_tensor model_input(uint32_t index) {
    const model_tensor tensor = {input + 0u * index, sizeof input, 9};
    return tensor;
}

model_tensor model_output(uint32_t index) {
    const model_tensor tensor = {output + 0u * index, sizeof output, 9};
    return tensor;
}

void model_invoke(model_error *error) { error->code = input[0] == 255u ? BENCH_INVOKE_FAILED : 0u; }

uint32_t model_profile(model_error *error) {
    model_invoke(error);
    return 100;
}

const char *model_profiled(uint32_t index, uint64_t *cycles) {
    *cycles = index;
    return "CONV_2D";
}

uint8_t model_has_profiler(void) { return 1; }

int main(void) {
    bench_host_wait_ms = -1;
    bench_start();
    while (!bench_host_closed) bench_poll();
    return 0;
}
