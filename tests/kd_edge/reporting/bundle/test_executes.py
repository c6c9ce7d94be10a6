"""The bundle's program really runs, on this machine and on an emulated Cortex-M4.

Instead of TFLM, whose library no package brings, bakenn's C code of the same network stands behind `model.h`.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tflite_bench.runners.qemu.explicit_ops import spell_out
from tflite_bench.runners.qemu.firmware import CORES, is_installed

DATA = Path(__file__).parents[3] / "data"
EMULATOR = Path(__file__).parents[4] / "tflite_bench" / "runners" / "qemu" / "emulator"
OWN = ("main.c", "run_vectors.c", "check_vectors.c", "test_vectors.c")
# model.h for bakenn's code; OFF is added to an answer, STATUS is what model_init says.
MODEL = """#include "bknn_net.h"
#include "model.h"
static _Alignas(16) uint8_t arena[BKNN_NET_ARENA_SIZE];
int model_init(void) { return STATUS; }
int model_reset(void) { return MODEL_OK; }
int model_invoke(const model_input_t *input, model_output_t *output) {
  bknn_net_infer(arena, input, output);
  output[0] = (model_output_t)(output[0] > 0 ? output[0] - OFF : output[0] + OFF);
  return MODEL_OK;
}
unsigned long model_arena_used_bytes(void) { return sizeof arena; }
const char *model_status_text(int status) { return status == MODEL_ARENA_TOO_SMALL ? "too small" : ""; }
"""
# Start, output and end of a program for the emulated board: what a tool chain's own start-up code does.
START = """#include <stddef.h>
#include <stdint.h>
extern uint32_t bench_stack_end, bench_data_load, bench_data_start, bench_data_end, bench_bss_start, bench_bss_end;
int main(void);
static void call(int operation, const void *argument) {
  register int r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
int _write(int file, const char *text, int length) {
  (void)file;
  for (int i = 0; i < length; ++i) call(0x03, &text[i]);
  return length;
}
void *_sbrk(int bytes) {
  static _Alignas(8) char heap[8192];
  static int used;
  used += bytes;
  return used > (int)sizeof heap ? (void *)-1 : heap + used - bytes;
}
void bench_reset(void) {
  const uint32_t *source = &bench_data_load;
  for (volatile uint32_t *word = &bench_data_start; word < &bench_data_end;) *word++ = *source++;
  for (volatile uint32_t *word = &bench_bss_start; word < &bench_bss_end;) *word++ = 0;
  call(0x18, main() == 0 ? (const void *)0x20026 : (const void *)1);
  for (;;) {}
}
__attribute__((section(".vectors"), used)) static const void *const vectors[4] = {&bench_stack_end, bench_reset};
"""

pytestmark = pytest.mark.skipif(not is_installed() or shutil.which("gcc") is None, reason="bakenn, gcc not installed")


@pytest.fixture(scope="module")
def translated(tmp_path_factory):
    """The network as C: sources and the folders of their headers."""
    import bakenn

    content = spell_out((DATA / "residual_int8.tflite").read_bytes())
    made = bakenn.compile_tflite(content, tmp_path_factory.mktemp("c"), name="net").artifacts
    sources = (made.model_source, made.weights_source, made.kernels_source, *made.support_sources)
    return [str(path) for path in sources], [str(path) for path in (made.output_dir, *made.support_include_dirs)]


def build(compiler, folder, translated, target, *flags, off=0, status=0):
    """Compile the bundle's program with the translated network; its `main` is the one that was written."""
    sources, headers = translated
    (target / "model.c").write_text(MODEL)
    include = [part for path in (folder, *headers) for part in ("-I", path)]
    own = [target / "model.c", *(folder / name for name in OWN)]
    command = [compiler, "-std=c11", "-O1", *flags, f"-DOFF={off}", f"-DSTATUS={status}", *include, *own, *sources]
    done = subprocess.run([*map(str, command), "-o", str(target / "program"), "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target / "program"


@pytest.mark.parametrize(
    ("off", "status", "said", "returncode"),
    [
        (0, 0, "PASSED: 10 of 10 test vectors agree", 0),
        (3, 0, "FAILED: 0 of 10 test vectors agree", 1),
        (0, 3, "FAILED: model_init: too small", 1),
    ],
)
def test_the_program_says_whether_the_vectors_agree(bundled, translated, tmp_path, off, status, said, returncode):
    program = build("gcc", bundled("cmake").folder, translated, tmp_path, off=off, status=status)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert done.returncode == returncode
    assert done.stdout.splitlines()[-1] == said


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
def test_an_emulated_cortex_m4_passes_its_vectors(bundled, translated, tmp_path):
    core = CORES["m4"]
    (tmp_path / "start.c").write_text(START)
    places = zip(("CODE_START", "CODE_SIZE", "DATA_START", "DATA_SIZE"), (*core.code, *core.data), strict=True)
    flags = [f"-Wl,--defsym={name}={value}" for name, value in places]
    flags += [f"-mcpu={core.compiler_cpu}", "-mthumb", "-mfloat-abi=soft", "-nostartfiles", "--specs=nosys.specs"]
    flags += ["-T", str(EMULATOR / "link.ld"), str(tmp_path / "start.c")]
    program = build("arm-none-eabi-gcc", bundled("cmake").folder, translated, tmp_path, *flags)
    command = ["qemu-system-arm", "-machine", core.machine, "-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-nodefaults", "-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    arena, verdict = (done.stdout + done.stderr).splitlines()[-2:]
    assert (done.returncode, verdict) == (0, "PASSED: 10 of 10 test vectors agree")
    assert arena.startswith("arena: ")
