"""The vendors' benchmark programs: how each is called, and how its failure is recognized."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tflite_bench.errors import ConfigError, RunnerError
from tflite_bench.measurement.numbers import finite_number, whole_number
from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.measurement.timing import Plan
from tflite_bench.processes.program import Finished, one_line
from tflite_bench.runners.spec import Wishes
from tflite_bench.runners.vendor.printout import Printout, without_samples
from tflite_bench.runners.vendor.result_proto import read_result
from tflite_bench.runners.vendor.text_output import LITERT_STEP_MS, read_printout, unconsumed_flags

PLAN = frozenset({"num_runs", "time_limit_s"})
"""The fields of a plan that they go by: they make their input values themselves, and aim at no precision."""

_DEFAULT_RUNS = 50
_RESULT_FLAG = "--result_file_path="
_LATENCY = ("median", "avg", "std", "min", "max", "p5", "p95", "init", "warmup_first", "warmup_avg")


@dataclass(frozen=True)
class Settings:
    """How a benchmark program is to run a model.

    Attributes:
        num_threads: Threads of the kernels.
        xnnpack: False to switch the XNNPACK delegate off.
        flags: More flags of the program's own, such as `"--use_gpu=true"`.
    """

    num_threads: int = 1
    xnnpack: bool = True
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, wishes: Wishes) -> "Settings":
        """Return those of a user's wishes."""
        return cls(wishes.num_threads, wishes.xnnpack, wishes.flags)


class Program(Protocol):
    """A benchmark program."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def result_name(self) -> str:
        """Name of the file that it leaves its results in."""

    def arguments(self, model: str, result: str, settings: Settings, plan: Plan) -> list[str]:
        """Return its arguments for a model and a result file, both paths on the machine that it runs on."""

    def read(self, done: Finished, result: bytes | None) -> Printout:
        """Return its figures from what it printed and, where it left one, from its result file.

        Raises:
            RunnerError: It failed, did not know a flag, or its output is cut off or of another release's form.
        """


@dataclass(frozen=True)
class BenchmarkModel:
    """TFLite's `benchmark_model`, and LiteRT's `benchmark_litert_model`, which takes the same flags."""

    name: str = "benchmark_model"
    result_name: str = "result.pb"

    def arguments(self, model: str, result: str, settings: Settings, plan: Plan) -> list[str]:
        """Return its arguments; see `Program`."""
        least_s = 0 if plan.num_runs else min(1.0, plan.time_limit_s)
        return [
            f"--graph={model}",
            f"--num_runs={plan.num_runs or _DEFAULT_RUNS}",
            f"--min_secs={least_s:g}",
            f"--max_secs={plan.time_limit_s:g}",
            f"--num_threads={settings.num_threads}",
            *([] if settings.xnnpack else ["--use_xnnpack=false"]),
            f"{_RESULT_FLAG}{result}",
            *settings.flags,
        ]

    def read(self, done: Finished, result: bytes | None) -> Printout:
        """Return its figures; see `Program`. A release that writes no result file has printed them, rounded."""
        check_end(self.name, done, optional=(_RESULT_FLAG,))
        printed = read_printout(done.stdout)
        return read_result(result) if result is not None else printed


@dataclass(frozen=True)
class LiteRTBenchmark:
    """`litert-benchmark`, which comes with ai-edge-litert."""

    name: str = "litert-benchmark"
    result_name: str = "result.json"

    def arguments(self, model: str, result: str, settings: Settings, plan: Plan) -> list[str]:
        """Return its arguments; see `Program`."""
        if not settings.xnnpack:
            raise ConfigError("litert-benchmark cannot switch XNNPACK off; use --on litert or --on benchmark_model")
        return [
            f"--model={model}",
            f"--num_runs={plan.num_runs or _DEFAULT_RUNS}",
            f"--num_threads={settings.num_threads}",
            f"--result_json={result}",
            *settings.flags,
        ]

    def read(self, done: Finished, result: bytes | None) -> Printout:
        """Return its figures; see `Program`."""
        check_end(self.name, done)
        if result is None:
            raise RunnerError("litert-benchmark wrote no result file; its disk may be full")
        try:
            latency = json.loads(result)["latency"]
            return _read_json(latency)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"{type(error).__name__}: {one_line(str(error))}"
            raise RunnerError(f"litert-benchmark's result file is cut off or of another form ({reason})") from error


def check_end(name: str, done: Finished, *, optional: Sequence[str] = ()) -> None:
    """Raise unless a benchmark program has ended well.

    Args:
        name: The program's name.
        done: How it ended.
        optional: Flags, up to their `=`, that it may be too old to know.

    Raises:
        RunnerError: It failed; or it did not know a flag, which it reports and then ignores.
    """
    if done.returncode != 0:
        raise RunnerError(f"{name} {done.describe_end()}{_reason(done)}")
    ignored = [flag for flag in unconsumed_flags(done.stdout + done.stderr) if not flag.startswith(tuple(optional))]
    if ignored:
        raise RunnerError(f"{name} does not know the flag {', '.join(map(one_line, ignored))}; it ran without")


def _reason(done: Finished) -> str:
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    told = errors[:1] or lines[-1:]
    return f"; it said: {one_line(told[0])}" if told else ""


def _read_json(values: Mapping[str, Any]) -> Printout:
    latency = LatencyStats(**{f"{name}_ms": _known(values, f"{name}_ms", finite_number) for name in _LATENCY})
    return Printout(
        latency,
        _known(values, "num_runs", whole_number),
        _known(values, "num_warmup_runs", whole_number),
        unavailable_reason=without_samples(latency) | {"memory_bytes": "litert-benchmark does not tell it"},
        step_ms=LITERT_STEP_MS,
    )


def _known(values: Mapping[str, Any], name: str, number: Callable[[Any], Any]) -> Any:
    found = number(values[name])
    if found is None:
        raise ValueError(f"expected a number for {name}, received {values[name]!r}")
    return found
