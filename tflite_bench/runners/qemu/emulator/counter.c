/* A plugin for QEMU's translator that counts the executed instructions of every function.
   The declarations are those of QEMU's plugin interface, whose header Debian does not package. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*callback)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(
    struct qemu_plugin_insn *instruction, void (*callback)(unsigned, void *), int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *instruction);

int qemu_plugin_version = PLUGIN_API;

struct function {
    char *name;
    uint64_t count;
    struct function *next;
};

/* Instructions of one function that are executed one after the other. */
struct run {
    struct function *function;
    uint64_t length;
};

static struct function *functions;
static const char *path;

static struct function *find(const char *name) {
    struct function *function = functions;
    while (function != NULL && strcmp(function->name, name) != 0) function = function->next;
    if (function == NULL) {
        function = calloc(1, sizeof *function);
        function->name = strdup(name);
        function->next = functions;
        functions = function;
    }
    return function;
}

static void executed(unsigned cpu, void *data) {
    struct run *run = data;
    (void)cpu;
    run->function->count += run->length;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
    struct run *run = NULL;
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); ++i) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        const char *name = qemu_plugin_insn_symbol(instruction);
        struct function *function = find(name == NULL ? "?" : name);
        if (run == NULL || run->function != function) {
            run = calloc(1, sizeof *run);
            run->function = function;
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, 0, run);
        }
        run->length += 1;
    }
}

static void finished(plugin_id id, void *data) {
    FILE *file = fopen(path, "w");
    (void)id;
    (void)data;
    if (file == NULL) return;
    for (struct function *function = functions; function != NULL; function = function->next)
        fprintf(file, "%llu %s\n", (unsigned long long)function->count, function->name);
    fclose(file);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "path=", 5) != 0) return -1;
    path = strdup(argv[0] + 5);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
