"""The measuring firmware compiles against TFLM's real headers, for a PC and four Cortex-M cores."""

import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

FIRMWARE = Path(str(files("tflite_bench.runners.board") / "firmware"))
# tools/install puts them there; the package's namespace is not TFLM's own, which a macro puts right.
HEADERS = Path(sys.prefix) / "tflm_headers" / "xmos_ai_tools" / "runtime" / "include"
GEMMLOWP = Path("/usr/include/gemmlowp")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
CORES = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55")
ARM = [("arm-none-eabi", f"-mcpu={core}", "-mthumb") for core in CORES]

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("arm-none-eabi-g++") is None,
    reason="needs g++ and arm-none-eabi-g++ (tools/install-system)",
)


def compiler(tool: str, *target: str) -> list[str]:
    return [f"{target[0]}-{tool}", *target[1:]] if target else [tool]


@pytest.mark.skipif(
    not (HEADERS.is_dir() and GEMMLOWP.is_dir()),
    reason="needs TFLM's headers (tools/install all,test) and libgemmlowp-dev (tools/install-system)",
)
@pytest.mark.parametrize("target", [(), *ARM], ids=["host", *CORES])
def test_the_side_of_tflm_compiles_without_a_warning(target: tuple[str, ...]) -> None:
    done = subprocess.run(
        [
            *compiler("g++", *target), "-std=c++17", "-fsyntax-only", "-fno-exceptions", "-fno-rtti", *WARNINGS,
            "-Dtflite=tflite_micro", f"-I{FIRMWARE}", "-isystem", HEADERS, "-isystem", GEMMLOWP,
            FIRMWARE / "model_tflm.cc",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("source", ["bench.c", "cycles.c", "ports/qemu_mps2.c"])
@pytest.mark.parametrize("target", ARM, ids=CORES)
def test_the_protocol_and_the_counters_compile_without_a_warning(target: tuple[str, ...], source: str) -> None:
    board = ("-DBENCH_UART=1u", "-DBENCH_CLOCK_HZ=1u", '-DBENCH_CORE=""', '-DBENCH_MACHINE=""')
    command = [*compiler("gcc", *target), "-std=c11", "-fsyntax-only", *WARNINGS, *board, f"-I{FIRMWARE}"]
    done = subprocess.run([*command, FIRMWARE / source], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
