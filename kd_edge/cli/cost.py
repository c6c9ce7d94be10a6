"""The command `kd-edge cost`."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.cli.options import json_option, load_graph, print_document, with_budget
from kd_edge.reporting.documents import make_document

if TYPE_CHECKING:
    from kd_edge.cost.budget import Budget
    from kd_edge.cost.devices import DeviceProfile


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@with_budget
@json_option
def cost(model: Path, device: "DeviceProfile", budget: "Budget", as_json: bool) -> None:
    """Compute what MODEL (.tflite, or .keras as if quantized to int8) costs.

    Exit code 1 when it does not fit, or when --latency is given and the latency is not known.
    """
    from kd_edge.cost.model import CostModel
    from kd_edge.cost.runtime_size import runtime_flash
    from kd_edge.reporting import text_tables

    graph = load_graph(model)
    cost_model = CostModel(device)
    estimate, unknown = cost_model.estimate_known(graph)
    if not device.runs_tflm:
        unknown = {**unknown, "runtime_flash": f"known of TFLM alone, and {device.name} has {device.runtime}"}
    file_bytes = model.stat().st_size if model.suffix != ".keras" else None
    known = estimate if file_bytes is None else replace(estimate, flash_bytes=file_bytes)
    result = {
        "model": str(model),
        "device": device.name,
        "budget": asdict(budget),
        **asdict(estimate),
        "unavailable_reason": unknown,
        "measured": {"flash_bytes": file_bytes},
        "fits": known.fits(budget),
        "excess": known.excess(budget),
        "runtime_flash": asdict(runtime_flash(op.kind for op in graph.ops)) if device.runs_tflm else None,
        "ops": [asdict(op) for op in cost_model.per_op(graph)],
        "timeline": [asdict(step) for step in cost_model.timeline(graph)],
    }
    print_document(make_document("cost", result, device=device), as_json, text_tables.cost_tables)
    sys.exit(0 if result["fits"] else 1)
