"""Reads the per-operator profiles of `benchmark_model`: its protocol buffer, and the CSV file of older releases."""

import csv
import re

from google.protobuf.message import DecodeError

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.numbers import read_number
from tflite_bench.processes.program import one_line
from tflite_bench.runners.base import OpResult
from tflite_bench.runners.vendor.printout import check_time
from tflite_bench.runners.vendor.protobuf import message_class

_RUNS_TITLE = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_ORDER_TITLE = re.compile(r"=+ Run Order =+")
_COLUMNS = ["node type", "first", "avg_ms", "%", "cdf%", "mem KB", "times called", "name"]
_PROFILE = message_class(
    {
        "Profile": [("runtime_profile", 3, "Model")],
        "Model": [("subgraph_profiles", 1, "[Subgraph]"), ("delegate_profiles", 2, "[Delegate]")],
        "Subgraph": [("per_op_profiles", 3, "[Op]")],
        "Delegate": [("per_op_profiles", 2, "[Op]")],
        "Op": [
            ("node_type", 1, "string"),
            ("inference_microseconds", 2, "Times"),
            ("times_called", 4, "int64"),
            ("name", 5, "string"),
            ("run_order", 6, "int64"),
        ],
        "Times": [("sum", 8, "int64"), ("count", 9, "int64")],
    },
    "Profile",
)
_NODE = re.compile(r":(\d+)$")


def read_proto(content: bytes) -> tuple[OpResult, ...]:
    """Return the operators in the profile that `--op_profiling_output_mode=proto` writes, by order of execution.

    Its mean times are whole microseconds; the sum over the profiled inferences is exact, so it is taken.

    Args:
        content: The whole file.

    Raises:
        RunnerError: The file is broken, cut off, holds no operator, or an impossible time.
    """
    data = _PROFILE()
    try:
        data.ParseFromString(content)
    except DecodeError as error:
        raise RunnerError(f"the profile of operators is broken or cut off ({error})") from error
    profiles = [
        profile
        for part in (data.runtime_profile.subgraph_profiles, data.runtime_profile.delegate_profiles)
        for owner in part
        for profile in owner.per_op_profiles
    ]
    if not profiles:
        raise RunnerError("the profile of operators is of a form unknown here, or empty")
    ops: list[OpResult] = []
    for profile in sorted(profiles, key=lambda profile: profile.run_order):
        time_us = profile.inference_microseconds
        if time_us.count < 1:
            raise RunnerError(f"the profile of operators has no time for {one_line(profile.node_type)}: it never ran")
        latency_ms = time_us.sum / time_us.count * profile.times_called / 1e3
        ops.append(_op(profile.name, len(ops), profile.node_type, latency_ms))
    return tuple(ops)


def read_csv(text: str) -> tuple[OpResult, ...]:
    """Return the operators in the profile that older releases write, by order of execution.

    The file is a sequence of small tables; the "Run Order" of the regular runs is the precise one.

    Args:
        text: The whole file.

    Raises:
        RunnerError: The file is cut off, has other columns, or an impossible time.
    """
    _, title, runs = text.replace("\r\n", "\n").partition(_RUNS_TITLE)
    order = _ORDER_TITLE.search(runs)
    if not title or order is None:
        raise RunnerError(f"the profile of operators is cut off: expected the title {_RUNS_TITLE!r} and a run order")
    table, blank, _ = runs[order.end() :].strip("\n").partition("\n\n")
    try:
        header, *rows = csv.reader(table.split("\n"), skipinitialspace=True)
    except csv.Error as error:
        raise RunnerError(f"the profile of operators is broken ({error})") from error
    if header != _COLUMNS:
        raise RunnerError(f"the profile of operators has other columns: expected {_COLUMNS}, received {header}")
    if not blank or not rows:
        raise RunnerError(f"the profile of operators is cut off after {len(rows)} operators")
    return tuple(_csv_op(row, position) for position, row in enumerate(rows))


def _csv_op(row: list[str], position: int) -> OpResult:
    # A tensor's name may hold commas.
    whole = len(row) >= len(_COLUMNS) and row[_COLUMNS.index("%")].endswith("%")
    try:
        latency_ms = read_number(row[_COLUMNS.index("avg_ms")] if whole else "")
    except ValueError:
        raise RunnerError(f"the profile of operators has no time in the row {','.join(row)[:80]!r}") from None
    return _op(row[-1], position, row[0], latency_ms)


def _op(name: str, position: int, kind: str, latency_ms: float) -> OpResult:
    check_time(one_line(kind), latency_ms)
    return OpResult(_node(name, position), kind, latency_ms)


def _node(name: str, position: int) -> int:
    """Return the index of the model's operator, which the profiler appends to the name of its tensors."""
    found = _NODE.search(name)
    return int(found[1]) if found else position
