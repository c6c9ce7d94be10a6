/* The counter of the core. The build may choose one: -DBENCH_COUNTER_DWT, _ESP, _MCYCLE, _SYSTICK or _PORT. */
#include "bench.h"

#if !defined(BENCH_COUNTER_DWT) && !defined(BENCH_COUNTER_ESP) && !defined(BENCH_COUNTER_MCYCLE) && \
    !defined(BENCH_COUNTER_SYSTICK) && !defined(BENCH_COUNTER_PORT)
#if defined(ESP_PLATFORM)
#define BENCH_COUNTER_ESP
#elif defined(__riscv)
#define BENCH_COUNTER_MCYCLE
#elif defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
#define BENCH_COUNTER_SYSTICK
#elif defined(__arm__)
#define BENCH_COUNTER_DWT
#else
#define BENCH_COUNTER_PORT
#endif
#endif

#define REGISTER(address) (*(volatile uint32_t *)(address))

#if defined(BENCH_COUNTER_DWT) || defined(BENCH_COUNTER_ESP)
/* 32 bits are made more as long as somebody asks once per round; the host refuses inferences that may take longer. */
static uint64_t extend(uint32_t value) {
    static uint64_t last;
    last += (uint32_t)(value - (uint32_t)last);
    return last;
}
#endif

#if defined(BENCH_COUNTER_DWT)
/* Arm's Data Watchpoint and Trace unit: CYCCNT, 32 bits. */
#define DEMCR REGISTER(0xe000edfcu)
#define DWT_CTRL REGISTER(0xe0001000u)
#define DWT_CYCCNT REGISTER(0xe0001004u)
#define DWT_LAR REGISTER(0xe0001fb0u)
const bench_counter_kind bench_this_counter = {"DWT", BENCH_CYCLES, 32};
void bench_counter_start(void) {
    DEMCR |= 1u << 24;
    DWT_LAR = 0xc5acce55u; /* a Cortex-M7 has it locked */
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}
uint64_t bench_counter(void) { return extend(DWT_CYCCNT); }

#elif defined(BENCH_COUNTER_ESP)
#include "esp_cpu.h"
const bench_counter_kind bench_this_counter = {"esp_cpu_get_cycle_count", BENCH_CYCLES, 32};
void bench_counter_start(void) {}
uint64_t bench_counter(void) { return extend((uint32_t)esp_cpu_get_cycle_count()); }

#elif defined(BENCH_COUNTER_MCYCLE)
const bench_counter_kind bench_this_counter = {"mcycle", BENCH_CYCLES, 64};
void bench_counter_start(void) {}
uint64_t bench_counter(void) {
#if __riscv_xlen == 64
    uint64_t value;
    __asm__ volatile("csrr %0, mcycle" : "=r"(value));
    return value;
#else
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, mcycleh\n csrr %1, mcycle\n csrr %2, mcycleh" : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
#endif
}

#elif defined(BENCH_COUNTER_SYSTICK)
/* 24 bits, made more by its interrupt: where the board's own software owns SysTick_Handler, call
   bench_systick_wrapped() there, or choose BENCH_COUNTER_PORT and give a timer of the board. */
#define SYST_CSR REGISTER(0xe000e010u)
#define SYST_RVR REGISTER(0xe000e014u)
#define SYST_CVR REGISTER(0xe000e018u)
#define ICSR REGISTER(0xe000ed04u)
enum { RELOAD = 0xffffff };
static volatile uint32_t wraps;
const bench_counter_kind bench_this_counter = {"SysTick", BENCH_CYCLES, 56};
void bench_systick_wrapped(void);
void bench_systick_wrapped(void) { ++wraps; }
#if !defined(BENCH_OWN_SYSTICK_HANDLER)
void SysTick_Handler(void);
void SysTick_Handler(void) { bench_systick_wrapped(); }
#endif
void bench_counter_start(void) {
    wraps = 0;
    SYST_RVR = RELOAD;
    SYST_CVR = 0;
    SYST_CSR = 7; /* the core's clock, its interrupt, on */
}
uint64_t bench_counter(void) {
    uint32_t before, value;
    do {
        before = wraps;
        value = SYST_CVR;
        /* Gone round, and the interrupt has not come yet. */
    } while (before != wraps || (ICSR & (1u << 26)));
    return (uint64_t)before * (RELOAD + 1u) + (RELOAD - value);
}
#endif
