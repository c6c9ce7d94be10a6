/* This machine: bytes from and to a file descriptor, and the monotonic clock as counter. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

int bench_host_in = 0;
int bench_host_out = 1;
int bench_host_closed = 0;
int bench_host_wait_ms = 20;

const bench_board bench_this_board = {"host", "this PC", 1000000000u};
const bench_counter_kind bench_this_counter = {"CLOCK_MONOTONIC", BENCH_NANOSECONDS, 64};

uint32_t bench_read(uint8_t *bytes, uint32_t size) {
    struct pollfd wait = {bench_host_in, POLLIN, 0};
    if (poll(&wait, 1, bench_host_wait_ms) <= 0) return 0;
    const ssize_t count = read(bench_host_in, bytes, size);
    if (count <= 0) bench_host_closed = 1;
    return count > 0 ? (uint32_t)count : 0u;
}

void bench_write(const uint8_t *bytes, uint32_t size) {
    while (size > 0 && !bench_host_closed) {
        const ssize_t count = write(bench_host_out, bytes, size);
        if (count <= 0) {
            bench_host_closed = 1;
            return;
        }
        bytes += count;
        size -= (uint32_t)count;
    }
}

void bench_counter_start(void) {}

uint64_t bench_counter(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
