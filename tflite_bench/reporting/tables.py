"""Renders results as tables for people."""

import math
import re
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tflite_bench.benchmark import Benchmark
from tflite_bench.calibration.calibrate import Calibration
from tflite_bench.comparison import Change, Comparison
from tflite_bench.measurement.power_series import Energy
from tflite_bench.model.info import ModelInfo, TensorInfo
from tflite_bench.model.runtime_support import sizes_text
from tflite_bench.processes.program import one_line
from tflite_bench.reporting.drawing import drawn
from tflite_bench.reporting.model_contents import constant_bytes
from tflite_bench.runners.base import Execution, RunnerResult
from tflite_bench.runners.figures import sizes_of
from tflite_bench.runners.spec import Device


def benchmark_text(benchmark: Benchmark) -> str:
    """Return a measurement as a table for people."""
    result, machine = benchmark.result, benchmark.machine
    table = Table(title=f"{result.runner}: {result.kind}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right", overflow="fold")
    for name, value in _rows(result):
        table.add_row(name, Text(value))
    state = f"governor {machine.governor or 'unknown'}, load {machine.load_average}"
    where = ", ".join(f"{key} {value}" for key, value in result.device.items())
    lines = [
        result.note,
        where or f"{machine.cpu}, {machine.num_cores} cores, {state}",
        f"model sha256 {benchmark.model.sha256}",
    ]
    lines += _warnings(result)
    return drawn(table) + _parts_text(result) + "\n".join(line for line in lines if line)


def model_text(model: ModelInfo, *, missing_ops: tuple[str, ...] | None, missing_reason: str | None = None) -> str:
    """Return what a model holds as tables for people; see `model_document` for the arguments."""
    ops = Table(title="Operators", title_justify="left")
    for column in ("#", "op", "inputs", "outputs", "output shape", "options"):
        ops.add_column(column, overflow="fold")
    for op in model.ops:
        options = ", ".join(f"{key}={value}" for key, value in op.options.items())
        shapes = ", ".join(str(model.tensors[i].shape) for i in op.outputs if i >= 0)
        cells = (op.index, op.name, _numbers(op.inputs), _numbers(op.outputs), shapes, options)
        ops.add_row(*(Text(str(cell)) for cell in cells))
    tensors = Table(title="Tensors", title_justify="left")
    for column in ("#", "name", "shape", "type", "constant B", "scale", "zero point"):
        tensors.add_column(column, no_wrap=True, overflow="ellipsis", max_width=44)
    for tensor in model.tensors:
        tensors.add_row(*(Text(str(cell)) for cell in _tensor_cells(tensor)))
    return drawn(ops) + drawn(tensors) + "\n".join(_totals(model, missing_ops, missing_reason))


def comparison_text(comparison: Comparison) -> str:
    """Return a comparison as a table for people."""
    table = Table(title=Text(one_line(comparison.runner)), title_justify="left")
    for column in ("figure", "kind", "before", "after", "change", ""):
        table.add_column(column, justify="left" if column in ("figure", "kind", "") else "right")
    for change in comparison.changes:
        verdict = _verdict(change)
        values = (_amount(value, change.unit) for value in (change.before, change.after))
        table.add_row(change.figure, change.kind, *values, _growth(change), verdict)
    return drawn(table) + "\n".join(f"warning: {one_line(text)}" for text in comparison.warnings)


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if float(value).is_integer() else f"{value:,.6g} {unit}"


def _growth(change: Change) -> str:
    return f"{change.share:+z.1%}" if math.isfinite(change.share) else "from nothing"


def _verdict(change: Change) -> str:
    if change.failed:
        return "WORSE"
    return {None: "too few runs", True: "beyond noise", False: "within noise"}[change.beyond_noise]


def comparison_markdown(comparison: Comparison) -> str:
    """Return a comparison as a table in Markdown."""
    lines = [
        f"### {_cell(comparison.runner)}: {'passed' if comparison.passed else 'WORSE'}",
        "",
        "| figure | before | after | change | |",
        "|---|--:|--:|--:|---|",
    ]
    for change in comparison.changes:
        verdict = f"**{_verdict(change)}**" if change.failed else _verdict(change)
        values = " | ".join(_amount(value, change.unit) for value in (change.before, change.after))
        lines.append(f"| {change.figure} ({change.kind}) | {values} | {_growth(change)} | {verdict} |")
    return "\n".join([*lines, *(f"\n{_cell(text)}" for text in comparison.warnings)]) + "\n"


def _cell(text: str) -> str:
    """Return foreign text as one line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", one_line(text))


def devices_text(devices: Sequence[Device]) -> str:
    """Return a list of devices as a table for people."""
    table = Table(title_justify="left")
    for column in ("--on", "ready", "detail"):
        table.add_column(column, overflow="fold")
    for device in devices:
        table.add_row(Text(device.on), "yes" if device.ready else "no", Text(device.detail))
    return drawn(table).rstrip("\n")


def energy_text(energy: Energy) -> str:
    """Return the energy of a series as a table for people."""
    table = Table(title="energy", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    each = energy.energy_per_inference_mj
    rows = [
        ("samples", f"{energy.num_samples:,} in {energy.duration_s:.6g} s"),
        ("mean and largest current", f"{energy.mean_ma:.4g} and {energy.max_ma:.4g} mA"),
        ("voltage", f"{energy.voltage:.4g} V"),
        ("mean power", f"{energy.mean_mw:.4g} mW"),
        ("charge", f"{energy.charge_mc:.4g} mC"),
        ("energy", f"{energy.energy_mj:.4g} mJ"),
        ("energy per inference", "--inferences tells how many" if each is None else f"{each:.4g} mJ"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return drawn(table).rstrip("\n")


def calibration_text(calibration: Calibration) -> str:
    """Return a calibration as a table for people."""
    table = Table(title=f"{calibration.runner}: wall time, each predicted without itself", title_justify="left")
    for column in ("network", "measured", "predicted", "error"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for row in calibration.networks:
        times = (f"{value:.4g} ms" for value in (row.measured_ms, row.predicted_ms))
        table.add_row(f"{row.dtype} {row.name}", *times, f"{row.predicted_ms / row.measured_ms - 1:+z.1%}")
    worst = 1 + calibration.error_percent / 100
    return drawn(table) + f"mean error {calibration.mean_error:.1%}; 90 % are within a factor of {worst:.2f}"


def _rows(result: RunnerResult) -> list[tuple[str, str]]:
    rows = _run_rows(result) if result.latency is not None else []
    rows += _size_rows(result)
    if (execution := result.execution) is not None:
        rows += [
            ("instructions per inference", f"{execution.instructions:,}"),
            ("outputs equal LiteRT's reference kernels", _parity(execution)),
            *_size_rows(execution),
            ("processor", execution.processor),
            ("kernels", execution.kernels),
            ("compiler", execution.compiler),
        ]
    if (estimate := result.estimate) is not None:
        time_ms = "not on the NPU" if estimate.latency_ms is None else f"{estimate.latency_ms:.4g} ms (an estimate)"
        rows += [("inference", time_ms), ("operators on the NPU", f"{estimate.num_npu_ops}")]
        rows += [("operators left to the CPU", ", ".join(estimate.cpu_ops) or "none")]
        rows += _size_rows(estimate)
    return rows


def _size_rows(part: object) -> list[tuple[str, str]]:
    return [(title, f"{size:,} B") for title, size in sizes_of(part)]


def _parity(execution: Execution) -> str:
    if execution.matches_reference:
        return "yes, bit for bit"
    return "no" if execution.largest_difference is None else f"no, up to {execution.largest_difference} apart"


def _run_rows(result: RunnerResult) -> list[tuple[str, str]]:
    latency = result.latency
    assert latency is not None
    cpus = f", on core {_numbers(result.cpus)}" if result.cpus else ""
    rows = [
        ("runs", f"{result.num_runs} (after {result.num_warmup_runs} to warm up)"),
        ("threads", f"{result.num_threads}{cpus}"),
    ]
    if latency.median_ms is not None:
        rows.append(("median", f"{latency.median_ms:.4g} ms"))
    if latency.ci95_low_ms is not None:
        rows.append(("95 % interval", f"{latency.ci95_low_ms:.4g} to {latency.ci95_high_ms:.4g} ms"))
    names = [name for name in ("min", "p5", "p95", "max") if getattr(latency, f"{name}_ms") is not None]
    rows += [
        ("mean and deviation", f"{latency.avg_ms:.4g} and {latency.std_ms:.3g} ms"),
        (", ".join(names), ", ".join(f"{getattr(latency, f'{name}_ms'):.4g}" for name in names) + " ms"),
    ]
    if latency.init_ms is not None:
        rows.append(("load and allocate", f"{latency.init_ms:.4g} ms"))
    return rows


def _parts_text(result: RunnerResult) -> str:
    """Return the operators with times, or the functions with instructions, as a table; nothing if there are none."""
    if result.execution is not None:
        parts = [(part.name, float(part.instructions)) for part in result.execution.functions]
        unit = "instructions"
    else:
        parts = [(f"{op.index} {op.op}", op.latency_ms) for op in result.ops if op.latency_ms is not None]
        unit = "ms"
    if not parts:
        return ""
    table = Table(title_justify="left")
    total = sum(value for _, value in parts)
    for column in ("function" if unit == "instructions" else "operator", unit, "share"):
        table.add_column(column, justify="left" if column[-2:] in ("on", "or") else "right")
    for name, value in parts:
        cell = f"{value:,.0f}" if unit == "instructions" else f"{value:.4g}"
        table.add_row(Text(name), cell, f"{value / total:.1%}" if total else "")
    return drawn(table)


def _warnings(result: RunnerResult) -> list[str]:
    lines = []
    if result.latency is not None and result.latency.drift is not None:
        lines.append(f"warning: the latency drifted by {result.latency.drift:+z.1%} while measuring")
    if result.latency is not None and result.latency.bimodal:
        lines.append("warning: the latencies fall into two groups; the median may jump between them")
    return lines


def _totals(model: ModelInfo, missing_ops: tuple[str, ...] | None, missing_reason: str | None) -> list[str]:
    lacks = ", ".join(missing_ops) if missing_ops else "none"
    if missing_ops is None:
        lacks = f"unknown: {missing_reason}"
    return [
        _counts(model),
        f"{model.size_bytes:,} B, of which {constant_bytes(model):,} B are constants",
        f"inputs {_numbers(model.inputs)}, outputs {_numbers(model.outputs)}",
        f"{model.description or 'no description'}; metadata: {', '.join(model.metadata) or 'none'}",
        f"operators without a TFLM kernel: {lacks}",
        f"sha256 {model.sha256}",
    ]


def _counts(model: ModelInfo) -> str:
    first = f"{len(model.ops)} operators, {len(model.tensors)} tensors"
    if not model.others:
        return first
    graphs = model.subgraphs
    every = f"{sum(len(graph.ops) for graph in graphs)} and {sum(len(graph.tensors) for graph in graphs)} in all"
    return f"{first} in the first of {len(graphs)} subgraphs, which the tables show; {every}"


def _tensor_cells(tensor: TensorInfo) -> tuple[object, ...]:
    scale = (
        f"{tensor.scales[0]:.6g}"
        if len(tensor.scales) == 1
        else f"{len(tensor.scales)} along {tensor.quantized_dimension}"
    )
    zero_point = tensor.zero_points[0] if len(set(tensor.zero_points)) == 1 else ""
    size = tensor.constant_bytes if tensor.constant else ""
    shape = str(tensor.shape)
    if tensor.shape_signature != tensor.shape:
        shape = f"{shape} of ({sizes_text(tensor)})"
    return tensor.index, tensor.name, shape, tensor.dtype, size, scale if tensor.scales else "", zero_point


def _numbers(values: tuple[int, ...]) -> str:
    return " ".join(map(str, values))
