/* The measuring firmware: what a board gives it, and what runs the network. docs/serial_protocol.md is its protocol. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_VERSION 1u
#define BENCH_UNKNOWN 0xffffffffu

/* Largest payload of a frame, at least 512. Two buffers of this size are all the RAM that the protocol takes. */
#ifndef BENCH_MAX_PAYLOAD
#define BENCH_MAX_PAYLOAD 4096u
#endif

/* Memory that startup code leaves as it is, so that an upload goes on after a reset. */
#ifndef BENCH_NOINIT
#if defined(__arm__) || defined(__riscv) || defined(ESP_PLATFORM)
#define BENCH_NOINIT __attribute__((section(".noinit")))
#else
#define BENCH_NOINIT
#endif
#endif

enum {
    BENCH_BAD_VERSION = 1,
    BENCH_UNKNOWN_REQUEST,
    BENCH_BAD_LENGTH,
    BENCH_NO_SESSION,
    BENCH_NOT_SUPPORTED,
    BENCH_MODEL_TOO_LARGE,
    BENCH_INCOMPLETE,
    BENCH_BAD_CHECKSUM,
    BENCH_MISSING_OP,
    BENCH_ARENA_TOO_SMALL,
    BENCH_BAD_MODEL,
    BENCH_INVOKE_FAILED,
    BENCH_NOT_LOADED,
    BENCH_BAD_INDEX
};

/* What a clock counts. */
enum { BENCH_CYCLES = 0, BENCH_INSTRUCTIONS = 1, BENCH_NANOSECONDS = 2 };

/* ---- What a board gives: these two functions, its clock and its name. ---- */

/* Read at most `size` bytes that have come; return how many, 0 for none. It must not wait longer than a moment. */
uint32_t bench_read(uint8_t *bytes, uint32_t size);
void bench_write(const uint8_t *bytes, uint32_t size);

typedef struct {
    const char *core;    /* "cortex-m4" */
    const char *board;   /* "nucleo-l4r5zi" */
    uint32_t clock_hz;   /* of the counter */
} bench_board;

extern const bench_board bench_this_board;

/* ---- The counter, in cycles.c. ---- */

void bench_counter_start(void);
uint64_t bench_counter(void);

typedef struct {
    const char *name;  /* "DWT" */
    uint8_t counts;    /* BENCH_CYCLES or another */
    uint8_t bits;      /* after which it begins again */
} bench_counter_kind;

extern const bench_counter_kind bench_this_counter;

/* ---- What runs the network: model_tflm.cc, model_bakenn.c, or one of your own. ---- */

typedef struct {
    uint8_t code;     /* 0, or one of the above */
    uint32_t number;  /* for BENCH_ARENA_TOO_SMALL the bytes that are missing */
    char text[48];    /* for BENCH_MISSING_OP its name */
} model_error;

typedef struct {
    uint8_t *data;
    uint32_t num_bytes;
    uint8_t type;  /* TFLite's TensorType: 9 is int8 */
} model_tensor;

typedef struct {
    uint32_t num_bytes, checksum;                  /* of the .tflite file */
    uint32_t arena, persistent, nonpersistent;     /* BENCH_UNKNOWN where the runtime does not tell */
    uint8_t num_inputs, num_outputs;
} model_facts;

extern const char *const model_runtime; /* "tflm+cmsis-nn" */
extern const char *const model_build;   /* its version */

/* Where to upload a file to, and into how many bytes; NULL where the network is compiled in. */
uint8_t *model_memory(uint32_t *num_bytes);
uint32_t model_arena_bytes(void);
/* Operator number `index` that it was built with; NULL after the last. */
const char *model_op(uint32_t index);
/* Make a file ready to run, of which `num_bytes` were uploaded with this CRC-32. */
void model_load(uint32_t num_bytes, uint32_t checksum, model_facts *facts, model_error *error);
/* An input or output of the network that is loaded. */
model_tensor model_input(uint32_t index);
model_tensor model_output(uint32_t index);
void model_invoke(model_error *error);
/* Run one inference and note the cycles of every operator; return how many there are, 0 without a profiler. */
uint32_t model_profile(model_error *error);
const char *model_profiled(uint32_t index, uint64_t *cycles);
uint8_t model_has_profiler(void);

/* ---- The firmware. ---- */

void bench_start(void); /* once after each reset */
void bench_poll(void);  /* for ever: answers what has come */

uint32_t bench_crc32(uint32_t crc, const uint8_t *bytes, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif
