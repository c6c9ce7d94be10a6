/* Runs the network once for each of the inputs in inputs.h on an emulated Cortex-M and prints the outputs in
   hexadecimal through semihosting. Everything here starts with bench_, so that it is not counted as the network's. */
#include <stdint.h>

#include "bknn_net.h"
#include "inputs.h"

enum { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18, APPLICATION_EXIT = 0x20026 };

extern uint32_t bench_stack_end, bench_data_load, bench_data_start, bench_data_end, bench_bss_start, bench_bss_end;

static _Alignas(16) uint8_t bench_arena[BKNN_NET_ARENA_SIZE > 0u ? BKNN_NET_ARENA_SIZE : 1u];
static int8_t bench_output[BKNN_NET_OUTPUT_SIZE];
static char bench_text[2u * BKNN_NET_OUTPUT_SIZE + 2u];

static void bench_call(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void bench_print(void) {
    for (uint32_t i = 0; i < BKNN_NET_OUTPUT_SIZE; ++i) {
        uint8_t value = (uint8_t)bench_output[i];
        bench_text[2u * i] = "0123456789abcdef"[value >> 4];
        bench_text[2u * i + 1u] = "0123456789abcdef"[value & 15u];
    }
    bench_text[2u * BKNN_NET_OUTPUT_SIZE] = '\n';
    bench_text[2u * BKNN_NET_OUTPUT_SIZE + 1u] = 0;
    bench_call(SYS_WRITE0, bench_text);
}

__attribute__((noreturn)) void bench_reset(void) {
    const uint32_t *source = &bench_data_load;
    for (volatile uint32_t *word = &bench_data_start; word < &bench_data_end;) *word++ = *source++;
    for (volatile uint32_t *word = &bench_bss_start; word < &bench_bss_end;) *word++ = 0;
    for (uint32_t i = 0; i < BENCH_NUM_INPUTS; ++i) {
        bknn_net_infer(bench_arena, bench_inputs[i], bench_output);
        bench_print();
    }
    bench_call(SYS_EXIT, (const void *)APPLICATION_EXIT);
    for (;;) {
    }
}

__attribute__((noreturn)) void bench_fault(void) {
    bench_call(SYS_WRITE0, "fault\n");
    bench_call(SYS_EXIT, (const void *)1);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const bench_vectors[16] = {
    &bench_stack_end, bench_reset, bench_fault, bench_fault, bench_fault, bench_fault, bench_fault,
};
