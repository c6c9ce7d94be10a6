"""The command `kd-edge cost`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd_edge.cli.options import battery_options, budget_options, json_option, load_graph, load_profile, print_document
from kd_edge.errors import ConfigError
from kd_edge.reporting.documents import least_known, make_document

if TYPE_CHECKING:
    from kd_edge.cost.budget import Budget
    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.ir.graph import Graph


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@budget_options
@battery_options
@json_option
def cost(model: Path, device: str, every: str | None, battery: str | None, as_json: bool, **options: Any) -> None:
    """Compute what MODEL (.tflite, or .keras as if quantized to int8) costs.

    With --device all, or several names such as esp32,rp2040, it compares boards. Exit code 0 where all limits are
    proven to be kept and the runtime takes it (by one of the boards), 1 where one is broken or not proven.
    """
    from kd_edge.cost.energy import battery_of, energy_of, no_power

    paid = battery_of(battery, every)
    runtime = options.pop("runtime")
    compares = _compares(device, battery, runtime)
    graph, content = load_graph(model)
    graph = graph if content is None else graph._replace(layers=_layers(content))
    file_bytes = None if content is None else len(content)
    if compares:
        _compare(model, graph, _devices(device, runtime), options, content, as_json)
    from kd_edge.config.inputs import BudgetConfig
    from kd_edge.cost.refusals import find_refusals
    from kd_edge.cost.report import report_cost
    from kd_edge.reporting.tables.cost import cost_tables

    profile = load_profile(device, runtime)
    budget = BudgetConfig(device, **options).budget(profile)
    refusals = None if content is None else find_refusals(content, runs_tflm=profile.runs_tflm)
    estimate, report = report_cost(graph, profile, budget, file_bytes=file_bytes, refusals=refusals)
    energy = energy_of(estimate, profile, battery=paid)
    if energy is None:
        why = report.unavailable_reason.get("latency_ms") or no_power(profile)
        report = replace(report, unavailable_reason={**report.unavailable_reason, "energy": why})
    beside = {"energy": energy}
    document = make_document("cost", {"model": str(model)}, estimate, report, beside, device=profile)
    print_document(document, as_json, cost_tables)
    sys.exit(0 if report.fits else 1)


def _compares(device: str, battery: str | None, runtime: str | None) -> bool:
    """Return whether boards are compared, and refuse what that does not take."""
    if device == "all" and runtime is not None:
        raise ConfigError(
            "bad --runtime: expected boards by their names, received --device all, where each profile has its own; "
            "name the boards, or leave it out"
        )
    compares = device == "all" or "," in device
    if compares and battery is not None:
        raise ConfigError("bad --battery: expected one --device; leave it out to compare boards")
    return compares


def _layers(content: bytes) -> tuple[str, ...]:
    """Return the layer that made each op of a file."""
    from kd_edge.clone.layer_names import layer_of
    from tflite_bench.model.reader import read_model

    info = read_model(content)
    # Files of older converters name a bias by how it was read.
    names = [layer_of(info, op) for op in info.ops]
    return tuple(name.removesuffix("/ReadVariableOp").removesuffix("/BiasAdd") for name in names)


def _devices(names: str, runtime: str | None) -> "list[DeviceProfile]":
    from kd_edge.cost.devices import load_all

    if names == "all":
        return list(load_all())
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        raise ConfigError(f"bad --device: expected a device, several such as esp32,rp2040, or all, received {names!r}")
    return [load_profile(name, runtime) for name in wanted]


def _compare(
    model: Path,
    graph: "Graph",
    devices: "Sequence[DeviceProfile]",
    limits: dict[str, Any],
    content: bytes | None,
    as_json: bool,
) -> None:
    """Print a row per board, and end."""
    from kd_edge.config.inputs import BudgetConfig
    from kd_edge.cost.comparison import compare_boards
    from kd_edge.cost.refusals import find_refusals
    from kd_edge.reporting.tables import comparison as comparison_table

    def budget_of(device: "DeviceProfile") -> "Budget":
        return BudgetConfig(device.name, **limits).budget_within(device)

    of_file: dict[str, Any] = {}
    if content is not None:
        kinds = {device.runs_tflm for device in devices}
        refusals = {runs_tflm: find_refusals(content, runs_tflm=runs_tflm) for runs_tflm in kinds}
        of_file = {"file_bytes": len(content), "refusals": refusals}
    comparison = compare_boards(graph, devices, budget_of, **of_file)
    document = make_document("cost", {"model": str(model)}, comparison, device=least_known(devices))
    print_document(document, as_json, comparison_table.comparison_tables)
    sys.exit(0 if comparison.num_fitting else 1)
