"""Runs the vendors' benchmark programs, here or on a device, and reads their results."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tflite_bench.errors import ConfigError, RunnerError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
from tflite_bench.processes.program import Finished
from tflite_bench.runners.base import OpResult, RunnerResult
from tflite_bench.runners.litert import check_cpus
from tflite_bench.runners.vendor import op_profile
from tflite_bench.runners.vendor.printout import Printout
from tflite_bench.runners.vendor.programs import BenchmarkModel, LiteRTBenchmark, Program, Settings, check_end
from tflite_bench.runners.vendor.text_output import unconsumed_flags
from tflite_bench.transports.base import Here, Target, fresh_folder

_START_SECONDS = 60.0
_MODE_FLAG, _FILE_FLAG = "--op_profiling_output_mode", "--op_profiling_output_file"
_NO_PROFILE = {"ops.latency_ms": "operators were not measured; ask for it with --profile"}


@dataclass(frozen=True)
class BinaryRunner:
    """Measures with a benchmark program, on this machine or on a device.

    Attributes:
        program: Which one.
        command: The command that starts it on the target.
        upload: Program to copy to the target, which then runs instead of `command`; None for none.
        target: Where it runs.
        settings: How it is to run the model.
        cpus: Cores to bind it to, by Linux' numbers; empty for any.
        profile: Also measure every operator, in a run of its own, since that slows the others.
    """

    program: Program
    command: tuple[str, ...]
    upload: Path | None = None
    target: Target = field(default_factory=Here)
    settings: Settings = field(default_factory=Settings)
    cpus: tuple[int, ...] = ()
    profile: bool = False

    @property
    def name(self) -> str:
        """Name in results: the target and the program."""
        return f"{self.target.name} {self.program.name}".strip()

    @property
    def calibrates(self) -> bool:
        """False for a program that rounds its times."""
        return not isinstance(self.program, LiteRTBenchmark)

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Measure one inference on the random input values that the program makes; see `Runner`."""
        info = read_model(model)
        if self.profile and not isinstance(self.program, BenchmarkModel):
            raise ConfigError(f"{self.program.name} measures no single operators; use --on benchmark_model")
        if isinstance(self.target, Here):
            check_cpus(self.cpus)
        with fresh_folder(self.target) as folder:
            command = self._install(folder, model)
            file, result = f"{folder}/model.tflite", f"{folder}/{self.program.result_name}"
            arguments = self.program.arguments(file, result, self.settings, plan)
            done = self.target.run([*command, *arguments], time_limit_s=_START_SECONDS + 2 * plan.time_limit_s)
            figures = self.program.read(done, self.target.pull(result))
            ops, reasons = self._ops(command, folder, plan) if self.profile else ((), _NO_PROFILE)
            device = dict(self.target.describe())
        return RunnerResult(
            runner=self.name,
            kind="wall time",
            note=_note(self.program, self.settings, figures, plan),
            num_runs=figures.num_runs,
            num_warmup_runs=figures.num_warmup_runs,
            num_threads=self.settings.num_threads,
            cpus=self.cpus,
            latency=figures.latency,
            memory_bytes=figures.memory_bytes,
            device=device,
            ops=ops or tuple(OpResult(op.index, op.name) for op in info.ops),
            unavailable_reason={**figures.unavailable_reason, **reasons},
        )

    def _install(self, folder: str, model: bytes) -> list[str]:
        """Copy model and program to the target; return the command that starts the program."""
        with tempfile.TemporaryDirectory(prefix="tflite-bench-") as here:
            local = Path(here) / "model.tflite"
            local.write_bytes(model)
            self.target.push(local, f"{folder}/model.tflite")
        command = list(self.command)
        if self.upload is not None:
            command = [f"{folder}/benchmark_model"]
            self.target.push(self.upload, command[0])
        mask = sum(1 << cpu for cpu in self.cpus)
        return ["taskset", f"{mask:x}", *command] if mask else command

    def _ops(self, command: list[str], folder: str, plan: Plan) -> tuple[tuple[OpResult, ...], dict[str, str]]:
        """Return the operators with their times, from a second run."""
        file = f"{folder}/profile"
        read = op_profile.read_proto
        done = self._run_profiled(command, folder, plan, [f"{_MODE_FLAG}=proto", f"{_FILE_FLAG}={file}"])
        ignored = unconsumed_flags(done.stdout + done.stderr)
        if any(flag.startswith((_MODE_FLAG, _FILE_FLAG)) for flag in ignored):
            read = _read_csv  # A release from before the protocol buffer.
            done = self._run_profiled(command, folder, plan, [f"--profiling_output_csv_file={file}"])
        check_end(self.program.name, done, optional=("--result_file_path=",))
        content = self.target.pull(file)
        if content is None:
            raise RunnerError(f"{self.program.name} wrote no profile of its operators")
        return read(content), {}

    def _run_profiled(self, command: list[str], folder: str, plan: Plan, flags: list[str]) -> Finished:
        arguments = self.program.arguments(f"{folder}/model.tflite", f"{folder}/profiled.pb", self.settings, plan)
        return self.target.run(
            [*command, *arguments, "--enable_op_profiling=true", *flags],
            time_limit_s=_START_SECONDS + 2 * plan.time_limit_s,
        )


def _read_csv(content: bytes) -> tuple[OpResult, ...]:
    return op_profile.read_csv(content.decode("utf-8", errors="replace"))


def _note(program: Program, settings: Settings, figures: Printout, plan: Plan) -> str:
    kernels = "" if settings.xnnpack else ", without XNNPACK"
    flags = f", {' '.join(settings.flags)}" if settings.flags else ""
    rounded = "; it rounds to 0.01 ms, too coarse for small models" if isinstance(program, LiteRTBenchmark) else ""
    is_below = 0 in (figures.latency.median_ms, figures.latency.avg_ms)
    below = f"; times of 0 ms are below its resolution of {figures.step_ms:g} ms" if is_below else ""
    other = plan.num_runs is not None and figures.num_runs != plan.num_runs
    asked = f"; {figures.num_runs:,} runs instead of the {plan.num_runs:,} that were asked for" if other else ""
    return f"{program.name}{kernels}{flags}{rounded}{below}; it decides itself how long to measure{asked}"
