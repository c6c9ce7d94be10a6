"""The vendors' benchmark programs on this machine: where they are, and their runners."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tflite_bench.errors import RuntimeMissingError
from tflite_bench.measurement.environment import read_versions
from tflite_bench.runners.base import Runner
from tflite_bench.runners.spec import Device, RunnerSpec, Wishes
from tflite_bench.runners.vendor.programs import PLAN, BenchmarkModel, LiteRTBenchmark, Settings
from tflite_bench.runners.vendor.runner import BinaryRunner

VARIABLE = "BENCHMARK_MODEL"


def find_benchmark_model(path: str | None = None) -> Path:
    """Return the `benchmark_model` of this machine: the given one, that of `$BENCHMARK_MODEL`, or the one on `PATH`.

    Raises:
        RuntimeMissingError: There is none.
    """
    named = path or os.environ.get(VARIABLE)
    found = shutil.which(named or "benchmark_model")
    if found is None:
        where = f"no program at {named}" if named else "none on PATH"
        raise RuntimeMissingError(
            f"benchmark_model not found: {where}; name it with --binary or ${VARIABLE} "
            "(no package index has it: download it from the LiteRT or TensorFlow project, or build it)"
        )
    return Path(found).absolute()


def local_runner(
    name: str,
    *,
    binary: str | None = None,
    settings: Settings | None = None,
    cpus: tuple[int, ...] = (),
    profile: bool = False,
) -> BinaryRunner:
    """Return the runner of a program on this machine.

    Args:
        name: `"benchmark_model"` or `"litert-benchmark"`.
        binary: Path of `benchmark_model`; see `find_benchmark_model`.
        settings: How it is to run the model.
        cpus: Cores to bind it to.
        profile: Also measure every operator.

    Raises:
        RuntimeMissingError: The program is not there.
    """
    settings = settings or Settings()
    if name == "litert-benchmark":
        command: tuple[str, ...] = (sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model")
        return BinaryRunner(LiteRTBenchmark(), command, settings=settings, cpus=cpus, profile=profile)
    command = (str(find_benchmark_model(binary)),)
    return BinaryRunner(BenchmarkModel(), command, settings=settings, cpus=cpus, profile=profile)


def _make(name: str, wishes: Wishes) -> Runner:
    return local_runner(
        name, binary=wishes.binary, settings=Settings.of(wishes), cpus=wishes.cpus, profile=wishes.profile
    )


def _discover_litert() -> Iterator[Device]:
    yield Device("litert-benchmark", True, f"ai-edge-litert {read_versions()['ai-edge-litert']}")


def _discover_benchmark_model() -> Iterator[Device]:
    yield Device("benchmark_model", True, str(find_benchmark_model()))


SPECS = (
    RunnerSpec(
        "litert-benchmark",
        make=lambda rest, wishes: _make("litert-benchmark", wishes),
        discover=_discover_litert,
        options=frozenset({"num_threads", "cpus", "flags"}),
        plan=PLAN,
    ),
    RunnerSpec(
        "benchmark_model",
        make=lambda rest, wishes: _make("benchmark_model", wishes),
        discover=_discover_benchmark_model,
        options=frozenset({"num_threads", "xnnpack", "cpus", "profile", "binary", "flags"}),
        plan=PLAN,
    ),
)
