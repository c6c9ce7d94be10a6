/* The protocol of the measuring firmware: frames in, frames out. No malloc, and no length that comes over the wire is
   believed before it is compared with what there is. */
#include "bench.h"

#include <string.h>

#ifndef BENCH_NAME
#define BENCH_NAME "tflite-bench firmware"
#endif

enum { HELLO = 1, OPS, BEGIN, DATA, LOAD, INPUT, RUN, OUTPUT, PROFILE, ANSWER = 0x80, FAILURE = 0xff };
enum { HEAD = 8u, TAIL = 4u, MAX_FRAME = HEAD + BENCH_MAX_PAYLOAD + TAIL, MAX_BLOCK = 254u };

typedef struct {
    uint32_t magic, num_bytes, checksum, received, received_checksum, check;
} upload_state;

#define UPLOAD_MAGIC 0x7f11eb3cu

static BENCH_NOINIT upload_state upload;

static uint8_t request[MAX_FRAME];
static uint32_t request_size;
static uint8_t answer[MAX_FRAME];
static uint32_t answer_size;

static uint8_t block_left, block_full, overlong;
static uint32_t session, last_checksum, profiled;
static uint8_t greeted, answered, loaded;
static model_facts facts;

uint32_t bench_crc32(uint32_t crc, const uint8_t *bytes, uint32_t size) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
        0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    crc = ~crc;
    for (uint32_t i = 0; i < size; ++i) {
        crc = table[(crc ^ bytes[i]) & 15u] ^ (crc >> 4);
        crc = table[(crc ^ (uint32_t)(bytes[i] >> 4)) & 15u] ^ (crc >> 4);
    }
    return ~crc;
}

static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8; }
static uint32_t get32(const uint8_t *at) { return get16(at) | get16(at + 2) << 16; }

/* ---- Answers: each put does nothing where there is no room. ---- */

static uint32_t room(void) { return HEAD + BENCH_MAX_PAYLOAD - answer_size; }

static void put(const void *bytes, uint32_t size) {
    if (size > room()) return;
    memcpy(answer + answer_size, bytes, size);
    answer_size += size;
}

static void put_number(uint64_t value, uint32_t size) {
    uint8_t bytes[8];
    for (uint32_t i = 0; i < size; ++i) bytes[i] = (uint8_t)(value >> (8u * i));
    put(bytes, size);
}

static uint32_t short_length(const char *text) {
    uint32_t size = 0;
    while (size < 47u && text[size]) ++size;
    return size;
}

static void put_text(const char *text) {
    uint32_t size = short_length(text);
    put_number(size, 1);
    put(text, size);
}

static void fail(uint8_t code, uint32_t number, const char *text) {
    answer[1] = FAILURE;
    answer_size = HEAD;
    put_number(code, 1);
    put_number(number, 4);
    put_text(text);
}

/* Write the answer: its blocks without zeros, each behind its length, and a zero. */
static void send(void) {
    const uint8_t zero = 0;
    uint32_t start = 0;
    for (;;) {
        uint32_t end = start;
        while (end < answer_size && answer[end] && end - start < MAX_BLOCK) ++end;
        const uint8_t code = (uint8_t)(end - start + 1u);
        bench_write(&code, 1);
        if (end > start) bench_write(answer + start, end - start);
        if (end == answer_size) break;
        start = code == MAX_BLOCK + 1u ? end : end + 1u; /* a full block stands for no zero */
    }
    bench_write(&zero, 1);
}

/* ---- Requests. ---- */

static uint32_t upload_check(void) { return bench_crc32(0, (const uint8_t *)&upload, sizeof upload - sizeof upload.check); }

static void hello(void) {
    uint32_t memory = 0;
    const uint8_t has_upload = model_memory(&memory) != NULL;
    greeted = 1;
    put_number(BENCH_MAX_PAYLOAD, 4);
    put_number(has_upload ? memory : 0u, 4);
    put_number(model_arena_bytes(), 4);
    put_number(bench_this_board.clock_hz, 4);
    put_number((uint32_t)has_upload | (uint32_t)(model_has_profiler() ? 2u : 0u), 1);
    put_number(bench_this_counter.counts, 1);
    put_number(bench_this_counter.bits, 1);
    put_text(bench_this_counter.name);
    put_text(BENCH_NAME);
    put_text(model_build);
    put_text(bench_this_board.core);
    put_text(bench_this_board.board);
    put_text(model_runtime);
}

static void ops(const uint8_t *payload, uint32_t size) {
    if (size != 2u) {
        fail(BENCH_BAD_LENGTH, 2, "");
        return;
    }
    const uint32_t first = get16(payload);
    uint32_t total = 0;
    while (total < 0xffffu && model_op(total)) ++total;
    put_number(total, 2);
    put_number(first, 2);
    for (uint32_t i = first; i < total && short_length(model_op(i)) < room(); ++i) put_text(model_op(i));
}

static void begin(const uint8_t *payload, uint32_t size) {
    uint32_t memory_size = 0;
    const uint8_t *memory = model_memory(&memory_size);
    if (size != 8u) {
        fail(BENCH_BAD_LENGTH, 8, "");
    } else if (!memory) {
        fail(BENCH_NOT_SUPPORTED, 0, "upload");
    } else if (get32(payload) > memory_size) {
        fail(BENCH_MODEL_TOO_LARGE, memory_size, "");
    } else {
        const uint32_t num_bytes = get32(payload), checksum = get32(payload + 4);
        const int goes_on = upload.magic == UPLOAD_MAGIC && upload.check == upload_check() &&
                            upload.num_bytes == num_bytes && upload.checksum == checksum &&
                            upload.received <= num_bytes &&
                            bench_crc32(0, memory, upload.received) == upload.received_checksum;
        if (!goes_on) {
            const upload_state fresh = {UPLOAD_MAGIC, num_bytes, checksum, 0, 0, 0};
            upload = fresh;
            upload.check = upload_check();
        }
        loaded = 0;
        put_number(upload.received, 4);
    }
}

static void data(const uint8_t *payload, uint32_t size) {
    uint32_t memory_size = 0;
    uint8_t *memory = model_memory(&memory_size);
    if (size < 4u) {
        fail(BENCH_BAD_LENGTH, 4, "");
    } else if (!memory) {
        fail(BENCH_NOT_SUPPORTED, 0, "upload");
    } else if (upload.magic != UPLOAD_MAGIC || upload.check != upload_check() || upload.num_bytes > memory_size ||
               upload.received > upload.num_bytes) {
        fail(BENCH_INCOMPLETE, 0, "");
    } else if (size - 4u > upload.num_bytes - upload.received && get32(payload) == upload.received) {
        fail(BENCH_BAD_LENGTH, upload.num_bytes - upload.received, "");
    } else {
        /* Another offset than that of the next byte stores nothing; the answer says which one is expected. */
        if (get32(payload) == upload.received) {
            loaded = 0;
            memcpy(memory + upload.received, payload + 4, size - 4u);
            upload.received_checksum = bench_crc32(upload.received_checksum, payload + 4, size - 4u);
            upload.received += size - 4u;
            upload.check = upload_check();
        }
        put_number(upload.received, 4);
    }
}

static void put_tensor(model_tensor tensor) {
    put_number(tensor.num_bytes, 4);
    put_number(tensor.type, 1);
}

static void load(uint32_t size) {
    uint32_t memory_size = 0, num_bytes = 0, checksum = 0;
    const uint8_t *memory = model_memory(&memory_size);
    model_error error = {0, 0, ""};
    loaded = 0;
    if (size != 0u) {
        fail(BENCH_BAD_LENGTH, 0, "");
        return;
    }
    if (memory) {
        if (upload.magic != UPLOAD_MAGIC || upload.check != upload_check() || upload.num_bytes > memory_size ||
            upload.received != upload.num_bytes) {
            fail(BENCH_INCOMPLETE, upload.magic == UPLOAD_MAGIC ? upload.received : 0u, "");
            return;
        }
        num_bytes = upload.num_bytes;
        checksum = bench_crc32(0, memory, num_bytes);
        if (checksum != upload.checksum) {
            upload.magic = 0;
            fail(BENCH_BAD_CHECKSUM, checksum, "");
            return;
        }
    }
    memset(&facts, 0, sizeof facts);
    model_load(num_bytes, checksum, &facts, &error);
    if (error.code) {
        fail(error.code, error.number, error.text);
        return;
    }
    loaded = 1;
    put_number(facts.num_bytes, 4);
    put_number(facts.checksum, 4);
    put_number(facts.arena, 4);
    put_number(facts.persistent, 4);
    put_number(facts.nonpersistent, 4);
    put_number(facts.num_inputs, 1);
    put_number(facts.num_outputs, 1);
    for (uint32_t i = 0; i < facts.num_inputs; ++i) put_tensor(model_input(i));
    for (uint32_t i = 0; i < facts.num_outputs; ++i) put_tensor(model_output(i));
}

static void input(const uint8_t *payload, uint32_t size) {
    if (size < 5u) {
        fail(BENCH_BAD_LENGTH, 5, "");
    } else if (payload[0] >= facts.num_inputs) {
        fail(BENCH_BAD_INDEX, facts.num_inputs, "");
    } else {
        const model_tensor tensor = model_input(payload[0]);
        const uint32_t offset = get32(payload + 1);
        if (offset > tensor.num_bytes || size - 5u > tensor.num_bytes - offset) {
            fail(BENCH_BAD_LENGTH, tensor.num_bytes, "");
        } else {
            memcpy(tensor.data + offset, payload + 5, size - 5u);
        }
    }
}

static void output(const uint8_t *payload, uint32_t size) {
    if (size != 9u) {
        fail(BENCH_BAD_LENGTH, 9, "");
    } else if (payload[0] >= facts.num_outputs) {
        fail(BENCH_BAD_INDEX, facts.num_outputs, "");
    } else {
        const model_tensor tensor = model_output(payload[0]);
        const uint32_t offset = get32(payload + 1), wanted = get32(payload + 5);
        if (wanted > BENCH_MAX_PAYLOAD || offset > tensor.num_bytes || wanted > tensor.num_bytes - offset) {
            fail(BENCH_BAD_LENGTH, tensor.num_bytes, "");
        } else {
            put(tensor.data + offset, wanted);
        }
    }
}

static void run(const uint8_t *payload, uint32_t size) {
    model_error error = {0, 0, ""};
    const uint32_t count = size == 2u ? get16(payload) : 0u;
    if (count == 0u || count > (BENCH_MAX_PAYLOAD - 2u) / 8u) {
        fail(BENCH_BAD_LENGTH, (BENCH_MAX_PAYLOAD - 2u) / 8u, "");
        return;
    }
    put_number(count, 2);
    for (uint32_t i = 0; i < count; ++i) {
        const uint64_t start = bench_counter();
        model_invoke(&error);
        const uint64_t end = bench_counter();
        if (error.code) {
            fail(error.code, error.number, error.text);
            return;
        }
        put_number(end - start, 8);
    }
}

static void profile(const uint8_t *payload, uint32_t size) {
    model_error error = {0, 0, ""};
    if (size != 2u) {
        fail(BENCH_BAD_LENGTH, 2, "");
    } else if (!model_has_profiler()) {
        fail(BENCH_NOT_SUPPORTED, 0, "profile");
    } else {
        const uint32_t first = get16(payload);
        if (first == 0u) profiled = model_profile(&error);
        if (error.code) {
            fail(error.code, error.number, error.text);
            return;
        }
        put_number(profiled, 2);
        put_number(first, 2);
        for (uint32_t i = first; i < profiled; ++i) {
            uint64_t cycles = 0;
            const char *name = model_profiled(i, &cycles);
            if (9u + short_length(name) > room()) return;
            put_number(cycles, 8);
            put_text(name);
        }
    }
}

static void handle(const uint8_t *payload, uint32_t size) {
    const uint8_t kind = request[1];
    if (kind == HELLO) {
        session = get32(request + 4);
        hello();
    } else if (!greeted || get32(request + 4) != session) {
        fail(BENCH_NO_SESSION, 0, "");
    } else if (kind == OPS) {
        ops(payload, size);
    } else if (kind == BEGIN) {
        begin(payload, size);
    } else if (kind == DATA) {
        data(payload, size);
    } else if (kind == LOAD) {
        load(size);
    } else if (kind < INPUT || kind > PROFILE) {
        fail(BENCH_UNKNOWN_REQUEST, kind, "");
    } else if (!loaded) {
        fail(BENCH_NOT_LOADED, 0, "");
    } else if (kind == INPUT) {
        input(payload, size);
    } else if (kind == RUN) {
        run(payload, size);
    } else if (kind == OUTPUT) {
        output(payload, size);
    } else {
        profile(payload, size);
    }
}

/* Answer a whole frame; one that comes again gets the answer that it had, and nothing is done twice. */
static void take_frame(void) {
    if (request_size < HEAD + TAIL) return;
    const uint32_t size = request_size - TAIL, checksum = get32(request + size);
    if (bench_crc32(0, request, size) != checksum) return;
    if (!answered || checksum != last_checksum) {
        memcpy(answer, request, HEAD);
        answer[0] = BENCH_VERSION;
        answer[1] = request[1] | ANSWER;
        answer_size = HEAD;
        if (request[0] == BENCH_VERSION) {
            handle(request + HEAD, size - HEAD);
        } else {
            fail(BENCH_BAD_VERSION, BENCH_VERSION, "");
        }
        const uint32_t sum = bench_crc32(0, answer, answer_size);
        for (uint32_t i = 0; i < TAIL; ++i) answer[answer_size++] = (uint8_t)(sum >> (8u * i));
        last_checksum = checksum;
        answered = 1;
    }
    send();
}

static void append(uint8_t byte) {
    if (request_size < MAX_FRAME) {
        request[request_size++] = byte;
    } else {
        overlong = 1;
    }
}

static void take_byte(uint8_t byte) {
    if (byte == 0) {
        if (!overlong && block_left == 0) take_frame();
        request_size = 0;
        block_left = block_full = overlong = 0;
    } else if (block_left) {
        append(byte);
        --block_left;
    } else {
        /* The zero between two blocks is only written when another one follows; the first byte of all has none. */
        if (block_full == 1u) append(0);
        block_left = (uint8_t)(byte - 1u);
        block_full = byte == MAX_BLOCK + 1u ? 2u : 1u;
    }
}

void bench_start(void) {
    request_size = answer_size = 0;
    block_left = block_full = overlong = 0;
    greeted = answered = loaded = 0;
    session = last_checksum = profiled = 0;
    memset(&facts, 0, sizeof facts);
    bench_counter_start();
}

void bench_poll(void) {
    uint8_t bytes[64];
    const uint32_t size = bench_read(bytes, sizeof bytes);
    for (uint32_t i = 0; i < size && i < sizeof bytes; ++i) take_byte(bytes[i]);
}
