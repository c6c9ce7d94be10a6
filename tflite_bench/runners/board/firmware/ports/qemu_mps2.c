/* Arm's MPS2 and MPS3 boards as QEMU emulates them: UART 0, and SysTick as a count of instructions. QEMU has no model
   of time: it is started with -icount shift=6, where each instruction takes 64 ns of the clock that SysTick divides.
   The build gives BENCH_CORE, BENCH_UART and BENCH_CLOCK_HZ. */
#include "bench.h"

enum { NS_PER_INSTRUCTION = 64, RELOAD = 0xffffff };

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_DATA REGISTER(BENCH_UART)
#define UART_STATE REGISTER(BENCH_UART + 4u)
#define UART_CTRL REGISTER(BENCH_UART + 8u)
#define UART_BAUDDIV REGISTER(BENCH_UART + 16u)
#define SYST_CSR REGISTER(0xe000e010u)
#define SYST_RVR REGISTER(0xe000e014u)
#define SYST_CVR REGISTER(0xe000e018u)

extern uint32_t bench_stack_end, bench_data_load, bench_data_start, bench_data_end, bench_bss_start, bench_bss_end;

const bench_board bench_this_board = {BENCH_CORE, "QEMU " BENCH_MACHINE, 1000000000u / NS_PER_INSTRUCTION};
const bench_counter_kind bench_this_counter = {"SysTick under -icount", BENCH_INSTRUCTIONS, 56};

static volatile uint32_t wraps;

uint32_t bench_read(uint8_t *bytes, uint32_t size) {
    uint32_t count = 0;
    while (count < size && (UART_STATE & 2u)) bytes[count++] = (uint8_t)UART_DATA;
    return count;
}

void bench_write(const uint8_t *bytes, uint32_t size) {
    for (uint32_t i = 0; i < size; ++i) {
        while (UART_STATE & 1u) {
        }
        UART_DATA = bytes[i];
    }
}

void bench_counter_start(void) {
    wraps = 0;
    SYST_RVR = RELOAD;
    SYST_CVR = 0;
    SYST_CSR = 7;
}

uint64_t bench_counter(void) {
    uint32_t before, value;
    do {
        before = wraps;
        value = SYST_CVR;
    } while (before != wraps);
    const uint64_t ticks = (uint64_t)before * (RELOAD + 1u) + (RELOAD - value);
    return ticks * 1000000000u / ((uint64_t)BENCH_CLOCK_HZ * NS_PER_INSTRUCTION);
}

static void bench_wrapped(void) { ++wraps; }

__attribute__((noreturn)) void bench_reset(void);
__attribute__((noreturn)) void bench_reset(void) {
    const uint32_t *source = &bench_data_load;
    for (volatile uint32_t *word = &bench_data_start; word < &bench_data_end;) *word++ = *source++;
    for (volatile uint32_t *word = &bench_bss_start; word < &bench_bss_end;) *word++ = 0;
    UART_BAUDDIV = 16;
    UART_CTRL = 3;
    bench_start();
    for (;;) bench_poll();
}

/* A fault starts the firmware again; the host is told by the first answer that knows no session. */
__attribute__((noreturn)) static void bench_fault(void) {
    REGISTER(0xe000ed0cu) = 0x05fa0004u;
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const bench_vectors[16] = {
    &bench_stack_end, (const void *)bench_reset, (const void *)bench_fault, (const void *)bench_fault,
    (const void *)bench_fault, (const void *)bench_fault, (const void *)bench_fault, 0, 0, 0, 0, 0, 0, 0, 0,
    (const void *)bench_wrapped,
};
