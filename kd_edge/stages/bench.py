"""The stage `bench`: how fast the file is on this computer."""

from pathlib import Path

from tflite_bench.benchmark import BenchmarkSummary, run_benchmark
from tflite_bench.errors import RunnerError
from tflite_bench.runners.litert import LiteRTRunner

_SECONDS = 10.0


def measure_here(model: Path, *, seed: int = 0) -> BenchmarkSummary:
    """Measure a file on this computer; a board is reached by `tflite-bench run --on`.

    Where XNNPACK refuses the file, as it does activations that are nearly constant, it is measured without.

    Args:
        model: Path of the `.tflite` file.
        seed: Draws the input values.

    Raises:
        RunnerError: LiteRT refuses the file, crashed or hung.
    """
    try:
        return run_benchmark(model, time_limit_s=_SECONDS, seed=seed).summary()
    except RunnerError:
        return run_benchmark(model, runner=LiteRTRunner(xnnpack=False), time_limit_s=_SECONDS, seed=seed).summary()
