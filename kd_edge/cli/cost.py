"""The command `kd-edge cost`."""

import sys
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

    Exit code 1 when it does not fit, when the runtime refuses it, or when --latency is given and the latency is not
    known.
    """
    from kd_edge.cost.refusals import find_refusals
    from kd_edge.cost.report import report_cost
    from kd_edge.reporting import text_tables

    graph, content = load_graph(model)
    refusals = None if content is None else find_refusals(content, runs_tflm=device.runs_tflm)
    file_bytes = None if content is None else len(content)
    estimate, report = report_cost(graph, device, budget, file_bytes=file_bytes, refusals=refusals)
    document = make_document("cost", {"model": str(model)}, estimate, report, device=device)
    print_document(document, as_json, text_tables.cost_tables)
    sys.exit(0 if report.fits else 1)
