"""Measures one model with one runner, and records what the figures depend on."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.environment import Machine, read_machine, read_versions
from tflite_bench.measurement.inputs import sizes_note
from tflite_bench.measurement.numbers import finite_number, whole_number
from tflite_bench.measurement.stats import too_few_runs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_file, read_model
from tflite_bench.provenance import Measured
from tflite_bench.runners.base import Runner, RunnerResult
from tflite_bench.runners.figures import reasons_elsewhere
from tflite_bench.runners.registry import make_runner


@dataclass(frozen=True)
class ModelFile:
    """Which file was measured.

    Attributes:
        size_bytes: Its size.
        sha256: Its hash.
    """

    size_bytes: Measured[int]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class BenchmarkSummary(RunnerResult):
    """What a runner measured, and of what.

    Attributes:
        model: The model.
        plan: How long it was to measure.
    """

    model: ModelFile
    plan: Plan


@dataclass(frozen=True)
class Benchmark:
    """A measurement with everything that is needed to repeat it.

    Attributes:
        model: The model, with its hash.
        result: What the runner measured.
        plan: How long it was to measure.
        machine: Where, and in which state.
        versions: Versions of the software.
        created: When, in ISO 8601 with the zone.
    """

    model: ModelInfo
    result: RunnerResult
    plan: Plan
    machine: Machine
    versions: dict[str, str | None]
    created: str

    def summary(self) -> BenchmarkSummary:
        """Return the measurement as documents hold it, with a reason for each figure that is None."""
        few = too_few_runs(self.result.latency, self.result.num_runs)
        reasons = reasons_elsewhere(self.result) | {f"latency.{name}": why for name, why in few.items()}
        reasons |= self.result.unavailable_reason
        values = {part.name: getattr(self.result, part.name) for part in fields(self.result)}
        values |= {"unavailable_reason": reasons, "plan": self.plan}
        return BenchmarkSummary(**values, model=ModelFile(self.model.size_bytes, self.model.sha256))


def run_benchmark(
    model: str | Path | bytes,
    *,
    runner: Runner | str = "litert",
    precision: float = 0.02,
    num_runs: int | None = None,
    time_limit_s: float = 30.0,
    seed: int = 0,
) -> Benchmark:
    """Measure how fast a model is and how much memory it needs.

    Args:
        model: Path or bytes of a `.tflite` file.
        runner: A runner, or the name of one with its defaults, as after `tflite-bench run --on`, e.g. `"tflm"`.
        precision: Measure until half the width of the median's 95 % interval is at most this share of the median.
        num_runs: Measure exactly this many inferences instead; None to go by `precision`.
        time_limit_s: Stop measuring after this many seconds in any case.
        seed: Seed of the random input values and of the bootstrap.

    Returns:
        The figures, with the machine, versions and model hash that they belong to.

    Raises:
        ConfigError: An argument is out of its range.
        ModelFileError: The file is no usable model.
        RunnerError: The runtime is missing, refused the model, crashed or hung.

    Example:

    ```python
    benchmark = run_benchmark("model.tflite", runner=LiteRTRunner(num_threads=2))
    print(benchmark.result.latency.median_ms)
    ```
    """
    plan = _plan(precision, num_runs, time_limit_s, seed)
    chosen = make_runner(runner, plan=plan) if isinstance(runner, str) else runner
    if not callable(getattr(chosen, "benchmark", None)):
        raise ConfigError(f"expected a runner, or the name of one, received {type(runner).__name__}")
    content = model if isinstance(model, bytes) else read_file(model)
    info = read_model(content, name=None if isinstance(model, bytes) else str(model))
    machine = read_machine()
    result = chosen.benchmark(content, plan)
    result = replace(result, note="; ".join(filter(None, (sizes_note(info), result.note))))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Benchmark(info, result, plan, machine, read_versions(), created)


def _plan(precision: float, num_runs: int | None, time_limit_s: float, seed: int) -> Plan:
    """Return a plan of Python's own numbers: those of numpy are no JSON."""
    share, limit_s = finite_number(precision), finite_number(time_limit_s)
    runs, start = whole_number(num_runs), whole_number(seed)
    if share is None or not 0 < share < 1:
        raise ConfigError(f"expected a precision between 0 and 1, e.g. 0.02 for 2 %, received {precision!r}")
    if num_runs is not None and (runs is None or runs < 1):
        raise ConfigError(f"expected num_runs of 1 or more, a whole number, received {num_runs!r}")
    if limit_s is None or not 0 < limit_s <= 86_400:
        raise ConfigError(f"expected a time limit above 0 s and up to a day, received {time_limit_s!r}")
    if start is None or start < 0:
        raise ConfigError(f"expected a seed of 0 or more, a whole number, received {seed!r}")
    return Plan(share, runs, limit_s, start)
