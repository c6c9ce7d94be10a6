"""Measure `.tflite` models - latency, arena, operators - and read them, without TensorFlow.

The names below load on first use: `import tflite_bench` is instant.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tflite_bench.benchmark import Benchmark, run_benchmark
    from tflite_bench.choice import Wishes, make_runner
    from tflite_bench.comparison import Comparison, compare, read_document
    from tflite_bench.errors import ConfigError, ModelFileError, RunnerError, RuntimeMissingError, TfliteBenchError
    from tflite_bench.litert import LiteRTRunner
    from tflite_bench.model import ModelInfo, OpInfo, TensorInfo, read_model
    from tflite_bench.runner import Runner, RunnerResult
    from tflite_bench.stats import LatencyStats
    from tflite_bench.tflm import Arena, TFLMRunner, measure_arena

_HOMES = {
    "benchmark": ("Benchmark", "run_benchmark"),
    "choice": ("Wishes", "make_runner"),
    "comparison": ("Comparison", "compare", "read_document"),
    "errors": ("ConfigError", "ModelFileError", "RunnerError", "RuntimeMissingError", "TfliteBenchError"),
    "litert": ("LiteRTRunner",),
    "model": ("ModelInfo", "OpInfo", "TensorInfo", "read_model"),
    "runner": ("Runner", "RunnerResult"),
    "stats": ("LatencyStats",),
    "tflm": ("Arena", "TFLMRunner", "measure_arena"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
