"""Reads the file that `benchmark_model --result_file_path` writes: a small protocol buffer."""

from typing import Any

from google.protobuf.message import DecodeError

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.runners.vendor.printout import Printout, without_samples
from tflite_bench.runners.vendor.protobuf import message_class

_LATENCY = ("avg", "min", "max", "std", "median", "p5", "p95", "init", "warmup_first", "warmup_avg")
_RESULT = message_class(
    {
        "Latency": [(f"{name}_ms", number, "float") for number, name in enumerate(_LATENCY, 1)],
        "Memory": [("init_kb", 1, "int64"), ("overall_kb", 2, "int64")],
        "Misc": [("model_size_mb", 1, "float"), ("num_runs", 2, "int64"), ("num_warmup_runs", 3, "int64")],
        "Result": [("latency", 2, "Latency"), ("memory", 3, "Memory"), ("misc", 4, "Misc")],
    },
    "Result",
)


def read_result(content: bytes) -> Printout:
    """Return the figures in a result file; unlike the printed ones they are not rounded when they are large.

    Args:
        content: The whole file.

    Raises:
        RunnerError: The file is empty, cut off or of another form, or its figures are impossible.
    """
    message: Any = _RESULT()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise RunnerError(f"the benchmark program's result file is broken or cut off ({error})") from error
    if not message.HasField("latency") or not message.misc.num_runs > 0:
        raise RunnerError(
            f"the benchmark program's result file is of a form unknown here: expected latencies and a number of runs, "
            f"received {len(content)} bytes without them"
        )
    # Single precision; beyond nanoseconds there are no digits.
    values: dict[str, Any] = {field.name: round(value, 6) for field, value in message.latency.ListFields()}
    if missing := {"avg_ms", "std_ms", "min_ms", "max_ms"} - values.keys():
        raise RunnerError(f"the benchmark program's result file is of a form unknown here: it lacks {sorted(missing)}")
    latency = LatencyStats(**{"median_ms": None, "p5_ms": None, "p95_ms": None} | values)
    memory_bytes = message.memory.overall_kb * 1024 if message.HasField("memory") else None
    return Printout(
        latency, message.misc.num_runs, message.misc.num_warmup_runs, memory_bytes, without_samples(latency)
    )
