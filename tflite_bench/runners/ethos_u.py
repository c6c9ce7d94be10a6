"""Asks the compiler for Arm's Ethos-U accelerators (ethos-u-vela) what it expects of a network."""

import csv
import importlib.metadata
import importlib.util
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ai_edge_litert import schema_py_generated as schema

from tflite_bench.errors import RunnerError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.flatbuffer import enum_name
from tflite_bench.model.reader import read_file, read_model
from tflite_bench.processes.program import one_line, run_process
from tflite_bench.runners.base import Estimate, OpResult, RunnerResult
from tflite_bench.runners.spec import Device, RunnerSpec

ACCELERATORS = (
    "ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512",
    "ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048",
)  # fmt: skip

_DEFAULT = "ethos-u55-128"
_NPU_OP = "ethos-u"
_OF_THE_NPU = ("latency_ms", "sram_bytes", "flash_bytes", "dram_bytes")
_START_SECONDS = 600.0


@dataclass(frozen=True)
class EthosURunner:
    """Asks Vela for its estimate of one inference, and which operators it leaves to the CPU.

    Attributes:
        accelerator: One of `ACCELERATORS`; its clock and memories are Vela's default for it.
    """

    accelerator: str = _DEFAULT
    calibrates: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name in results."""
        return f"ethos-u:{self.accelerator}"

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Compile the model; see `Runner`."""
        info = read_model(model)
        with tempfile.TemporaryDirectory(prefix="tflite-bench-") as folder:
            summary, compiled = _compile(model, self.accelerator, Path(folder), _START_SECONDS + plan.time_limit_s)
        cpu_ops = _cpu_ops(compiled)
        estimate = _estimate(summary, cpu_ops, num_npu_ops=max(0, len(info.ops) - len(cpu_ops)))
        no_time = "Vela estimates, it measures nothing"
        reasons = {"latency": no_time, "ops.latency_ms": no_time}
        absent = _absent_reason(estimate, summary)
        reasons |= {f"estimate.{name}": absent for name in _OF_THE_NPU if getattr(estimate, name) is None}
        return RunnerResult(
            runner=self.name,
            kind="compiler estimate",
            note=_note(estimate),
            num_runs=0,
            latency=None,
            estimate=estimate,
            ops=tuple(OpResult(op.index, op.name) for op in info.ops),
            unavailable_reason=reasons,
        )


def is_installed() -> bool:
    """Return whether ethos-u-vela is installed."""
    return importlib.util.find_spec("ethosu") is not None


def _compile(model: bytes, accelerator: str, folder: Path, time_limit_s: float) -> tuple[Mapping[str, str], bytes]:
    """Return Vela's summary, and the model that it made."""
    if not is_installed():
        raise RuntimeMissingError("ethos-u-vela not found; pip install 'kd-edge[ethos-u]'")
    (folder / "model.tflite").write_bytes(model)
    done = run_process(
        [
            sys.executable, "-m", "ethosu.vela", str(folder / "model.tflite"),
            "--output-dir", str(folder / "out"), "--accelerator-config", accelerator,
        ],
        time_limit_s=time_limit_s,
    )  # fmt: skip
    summaries = list((folder / "out").glob("model_summary_*.csv"))
    compiled = folder / "out" / "model_vela.tflite"
    if done.returncode != 0 or len(summaries) != 1 or not compiled.is_file():
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no reason given"]
        raise RunnerError(f"Vela cannot compile the model ({done.describe_end()}): {one_line(lines[-1])}")
    with summaries[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return (rows[0] if rows else {}), read_file(compiled)


def _cpu_ops(compiled: bytes) -> tuple[str, ...]:
    """Return the operators of a model that Vela made which are not its own."""
    model = schema.ModelT.InitFromPackedBuf(compiled, 0)
    names = []
    for operator in model.subgraphs[0].operators or ():
        code = model.operatorCodes[operator.opcodeIndex]
        custom = (code.customCode or b"").decode("utf-8", errors="replace")
        names.append(custom or enum_name("BuiltinOperator", max(code.builtinCode, code.deprecatedBuiltinCode)))
    return tuple(one_line(name) for name in names if name != _NPU_OP)


def _estimate(summary: Mapping[str, str], cpu_ops: tuple[str, ...], *, num_npu_ops: int) -> Estimate:
    try:
        time_ms = float(summary["inference_time"]) * 1e3
        sram, dram, *flash = (_size(summary, name) for name in ("sram", "dram", "on_chip_flash", "off_chip_flash"))
        system = f"{float(summary['core_clock']) / 1e6:g} MHz, {summary['system_config']}, {summary['memory_mode']}"
        accelerator = f"{summary['accelerator_configuration']}, {system}"
    except (KeyError, ValueError) as error:
        raise RunnerError(f"Vela's summary is of a form unknown here: {one_line(repr(error))}") from error
    on_npu = num_npu_ops > 0 and math.isfinite(time_ms) and time_ms > 0
    return Estimate(
        latency_ms=time_ms if on_npu else None,
        num_npu_ops=num_npu_ops,
        cpu_ops=cpu_ops,
        sram_bytes=sram if on_npu else None,
        flash_bytes=sum(flash) if on_npu and not dram else None,
        accelerator=accelerator,
        compiler=f"ethos-u-vela {importlib.metadata.version('ethos-u-vela')}",
        dram_bytes=dram if on_npu and dram else None,
    )


def _size(summary: Mapping[str, str], memory: str) -> int:
    return round(float(summary[f"{memory}_memory_used"]) * 1024)


def _absent_reason(estimate: Estimate, summary: Mapping[str, str]) -> str:
    """Return why figures of an estimate are None."""
    if estimate.latency_ms is None:
        return "not on the NPU: Vela left every operator to the CPU"
    used = "DRAM, no flash" if estimate.flash_bytes is None else "flash, no DRAM"
    return f"Vela's memory mode {one_line(summary['memory_mode'])} has constants and commands in {used}"


def _note(estimate: Estimate) -> str:
    where = f"{estimate.accelerator}, {estimate.compiler}"
    if estimate.latency_ms is None:
        return f"not on the NPU: nothing of the model runs on {where}"
    rest = "; the operators left to the CPU take time that it does not know" if estimate.cpu_ops else ""
    return f"the compiler's estimate, not measured: {where}{rest}"


def _discover() -> Iterator[Device]:
    found = is_installed()
    yield Device("ethos-u", found, "Vela's estimate" if found else "pip install 'kd-edge[ethos-u]'")


SPEC = RunnerSpec(
    "ethos-u[:NAME]",
    make=lambda rest, wishes: EthosURunner(rest or _DEFAULT),
    discover=_discover,
    choices=ACCELERATORS,
    plan=frozenset({"time_limit_s"}),
)
