"""Executes a network on an emulated Cortex-M and counts its instructions."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import ClassVar

import numpy as np

from tflite_bench.errors import RunnerError, RuntimeMissingError
from tflite_bench.measurement.inputs import random_inputs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.processes.isolation import Array
from tflite_bench.processes.program import one_line, run_process
from tflite_bench.runners import litert
from tflite_bench.runners.base import Execution, FunctionCount, OpResult, RunnerResult
from tflite_bench.runners.parity import Parity, compare_outputs
from tflite_bench.runners.qemu.firmware import CORES, Core, Firmware, build_firmware
from tflite_bench.runners.qemu.firmware import is_installed as can_build
from tflite_bench.runners.spec import Device, RunnerSpec

EMULATOR = "qemu-system-arm"
NOTE = (
    "instructions executed on an emulated processor: QEMU models neither cycles nor memory, so they are no time; "
    "a count means nothing without the kernels beside it"
)

_NUM_INPUTS = 4
_OUTPUT = re.compile(r"^(?:[0-9a-f]{2})+$", re.MULTILINE)
_VERSION = re.compile(r"version (\d+)")
_START_SECONDS = 300.0
_HARNESS = "bench_"


@dataclass(frozen=True)
class QemuRunner:
    """Counts the instructions of one inference on an emulated Cortex-M.

    The counts are means over four random inputs: a few instructions depend on the values. They repeat exactly.

    Attributes:
        core: `"m4"`, `"m7"` or `"m55"`.
    """

    core: str = "m4"
    calibrates: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name in results."""
        return f"qemu:{self.core}"

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Execute the model on random inputs; see `Runner`."""
        info = read_model(model)
        _require_one_input(info)
        inputs = np.concatenate([random_inputs(info, seed=plan.seed + i)[0] for i in range(_NUM_INPUTS)])
        core = CORES[self.core]
        with tempfile.TemporaryDirectory(prefix="tflite-bench-") as name:
            firmware = build_firmware(model, inputs, core, Path(name))
            outputs, counts = run_firmware(firmware, core, Path(name), time_limit_s=_START_SECONDS + plan.time_limit_s)
        expected, _ = litert.run_reference(model, inputs)
        no_time = "QEMU counts instructions and has no model of time"
        return RunnerResult(
            runner=self.name,
            kind="instructions",
            note=NOTE,
            num_runs=_NUM_INPUTS,
            latency=None,
            execution=_execution(firmware, core, counts, parity=_parity(outputs, expected)),
            ops=tuple(OpResult(op.index, op.name) for op in info.ops),
            unavailable_reason={"latency": no_time, "ops.latency_ms": no_time},
        )


def _require_one_input(info: ModelInfo) -> None:
    shapes = [tensor.shape for tensor in info.input_tensors]
    if len(shapes) != 1 or shapes[0][:1] != (1,):
        received = ", ".join(map(str, shapes)) or "none"
        raise RunnerError(f"cannot emulate the model: expected one input, of batch 1, received inputs {received}")


def is_installed() -> bool:
    """Return whether the emulator is installed, and a compiler for its plugin."""
    return not _missing()


def run_firmware(
    firmware: Firmware, core: Core, folder: Path, *, time_limit_s: float
) -> tuple[bytes, Mapping[str, int]]:
    """Run a program on the emulator.

    Args:
        firmware: The program.
        core: Its processor.
        folder: Folder for temporary files.
        time_limit_s: The emulator is stopped after this time.

    Returns:
        The outputs of all inputs, one after the other; and how many instructions each function executed in total.

    Raises:
        RuntimeMissingError: The emulator or a compiler for its plugin is not installed.
        RunnerError: The program failed or did not end.
    """
    if missing := _missing():
        raise RuntimeMissingError(f"cannot emulate a Cortex-M: {' and '.join(missing)} not found")
    plugin, counts = _compile_plugin(folder), folder / "counts.txt"
    done = run_process(
        [
            EMULATOR, "-machine", core.machine, "-nographic", "-monitor", "none", "-serial", "none", "-nodefaults",
            "-semihosting-config", "enable=on,target=native", "-kernel", str(firmware.path),
            "-plugin", f"{plugin},path={counts}",
        ],
        time_limit_s=time_limit_s,
    )  # fmt: skip
    text = done.stdout + done.stderr  # Semihosting prints on the emulator's stderr.
    outputs = bytes.fromhex("".join(_OUTPUT.findall(text)))
    if done.returncode != 0 or not counts.is_file() or "fault\n" in text or not outputs:
        told = f"; it said: {one_line(text[-200:])}" if text.strip() else ""
        raise RunnerError(f"the network failed on the emulated {core.name}: {EMULATOR} {done.describe_end()}{told}")
    pairs = (line.split(" ", 1) for line in counts.read_text().splitlines())
    return outputs, {name: int(count) for count, name in pairs}


def _execution(firmware: Firmware, core: Core, counts: Mapping[str, int], *, parity: Parity) -> Execution:
    own = {name: count for name, count in counts.items() if count and not name.startswith(_HARNESS)}
    functions = [FunctionCount(name, round(count / _NUM_INPUTS)) for name, count in own.items()]
    return Execution(
        instructions=round(sum(own.values()) / _NUM_INPUTS),
        functions=tuple(sorted(functions, key=lambda function: (-function.instructions, function.name))),
        matches_reference=parity.matches,
        largest_difference=parity.largest_difference,
        code_bytes=firmware.code_bytes,
        constant_bytes=firmware.constant_bytes,
        workspace_bytes=firmware.workspace_bytes,
        processor=core.name,
        kernels=firmware.kernels,
        compiler=firmware.compiler,
    )


def _parity(outputs: bytes, expected: Array) -> Parity:
    if len(outputs) != expected.size:
        raise RunnerError(f"the network printed {len(outputs)} outputs, expected {expected.size}")
    return compare_outputs([(np.frombuffer(outputs, np.int8), expected)])


def _missing() -> list[str]:
    wanted = {f"{EMULATOR} (Debian: apt install qemu-system-arm)": EMULATOR, "cc (Debian: apt install gcc)": "cc"}
    return [name for name, program in wanted.items() if shutil.which(program) is None]


def _compile_plugin(folder: Path) -> Path:
    plugin = folder / "counter.so"
    with as_file(files("tflite_bench.runners.qemu") / "emulator" / "counter.c") as source:
        command = ["cc", "-O2", "-shared", "-fPIC", f"-DPLUGIN_API={_plugin_api()}", str(source), "-o", str(plugin)]
        done = run_process(command, time_limit_s=_START_SECONDS)
    if done.returncode != 0:
        raise RunnerError(f"cc cannot compile the counter for {EMULATOR}: {one_line(done.stderr)}")
    return plugin


def _plugin_api() -> int:
    """Return a version of the plugin interface that the emulator knows: QEMU 9 gave up the first one."""
    found = _VERSION.search(run_process([EMULATOR, "--version"], time_limit_s=_START_SECONDS).stdout)
    return 1 if found and int(found[1]) < 9 else 2


def _discover() -> Iterator[Device]:
    ready = can_build() and is_installed()
    packages = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm gcc"
    detail = "" if ready else f"; pip install 'kd-edge[qemu]', apt install {packages}"
    for name, core in CORES.items():
        yield Device(f"qemu:{name}", ready, f"{core.name}, emulated{detail}")


SPEC = RunnerSpec(
    f"qemu:{'|'.join(CORES)}",
    make=lambda rest, wishes: QemuRunner(rest),
    discover=_discover,
    choices=tuple(CORES),
    plan=frozenset({"seed", "time_limit_s"}),
)
