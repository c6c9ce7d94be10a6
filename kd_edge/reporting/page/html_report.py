"""The report of a run as one HTML page that needs no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.cost.latency import why_unknown
from kd_edge.cost.model import CostModel
from kd_edge.files import write_bytes
from kd_edge.ir.graph import Graph
from kd_edge.ir.lowering import lower
from kd_edge.reporting.page.commands import repeating_commands
from kd_edge.reporting.page.keras_layers import keras_blocks
from kd_edge.reporting.page.memory_charts import held_bytes, peak_rows
from kd_edge.reporting.page.network import Drawing, draw, graph_blocks
from kd_edge.reporting.page.rendering import render
from kd_edge.reporting.page.run_charts import run_charts
from kd_edge.reporting.rows.checks import Rows, check_rows, fit_rows, noise_rows, run_accuracy_rows
from kd_edge.reporting.rows.classes import class_rows, score_rows
from kd_edge.reporting.rows.outputs import output_rows
from kd_edge.reporting.rows.tasks import task_rows
from kd_edge.reporting.run_files import read_run, read_run_model, understood
from kd_edge.reporting.sentences.answers import answers_text, asked_for
from kd_edge.reporting.sentences.conversion import convert_lines
from kd_edge.reporting.sentences.energy import energy_lines
from kd_edge.reporting.sentences.halting import halting_lines
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.parity import parity_lines
from kd_edge.reporting.sentences.teaching import teaching_lines
from kd_edge.reporting.sentences.verdicts import reason_lines, verdict_text
from kd_edge.search.space.student_space import FROM_TEACHER
from kd_edge.toml import to_toml
from kd_edge.verification.verdict import outcome


def write_page(run_folder: str | Path, *, device: DeviceProfile | None = None) -> Path:
    """Write `report.html` into the folder of a finished run and return its path.

    Args:
        run_folder: Holds `results.json`, `config.json` and `model.tflite`.
        device: The run's; loaded by its name or path by default.

    Raises:
        ConfigError: The run's device is not known any more, or its file is gone.
        ModelError: The run is not finished, or its model is not the one of its results.
        ModelFileError: Its model cannot be read.
    """
    folder = Path(run_folder)
    results, config = read_run(folder)
    with understood(folder):
        device = device or load_device(config["budget"]["device"])
        text = _page(folder, results, config, device)
    return write_bytes(folder / "report.html", text.encode())


def _page(folder: Path, results: Mapping[str, Any], config: Mapping[str, Any], device: DeviceProfile) -> str:
    run, graph = results["result"], lower(read_run_model(folder, results))
    charts = run_charts(run, graph, device)
    return render(
        "report.html",
        [chart for section in charts.values() for chart in section],
        **{name: run[name] for name in ("data", "design", "verify")},
        **_sections(results, config, device),
        charts=charts,
        networks=_networks(folder, config, graph),
        peak=peak_rows(held_bytes(CostModel(device), graph, run["verify"]["predicted"]["arena_persistent_bytes"])),
        latency_note=_latency_note(graph, device),
    )


def _networks(folder: Path, config: Mapping[str, Any], graph: Graph) -> list[Drawing]:
    """Return the student drawn, and beside it the teacher where its file tells its layers."""
    teacher = keras_blocks(Path(config["teacher"].get("path") or folder / "teacher.keras"))
    networks = {"the student, as its file has it": graph_blocks(graph), "the teacher": teacher}
    most = max((block.channels for blocks in networks.values() for block in blocks), default=1)
    return [draw(title, blocks, most_channels=most) for title, blocks in networks.items() if blocks]


def _latency_note(graph: Graph, device: DeviceProfile) -> str:
    if unknown := why_unknown(graph, device):
        return f"Unknown: {unknown}."
    return (
        f"Computed from the profile of {device.title} with {device.runtime}, which is {device.quality}; "
        f"its interval is \u00b1{device.error_percent:g} %."
    )


def _sections(results: Mapping[str, Any], config: Mapping[str, Any], device: DeviceProfile) -> dict[str, Any]:
    run = results["result"]
    verify = run["verify"]
    return {
        "outcome": outcome(verify).replace("_", " "),
        "verdict": verdict_text(verify),
        "asked": _asked(run, config, device),
        "fit": fit_rows(verify, run["design"]["budget"]),
        "energy": list(energy_lines(verify.get("energy"))),
        "accuracy": run_accuracy_rows(run),
        "metric": metric_word(metric_of(verify["accuracy"])).capitalize(),
        "classes": [*_answer_rows(verify), *output_rows(verify)],
        "reasons": list(reason_lines(verify)),
        "gain": list(teaching_lines(run)),
        "conversion": list(convert_lines(run["convert"])),
        "halting": list(halting_lines(run["halting"])),
        "parity": list(parity_lines(verify)),
        "noise": noise_rows(verify["noise"]),
        "fine_tuned": run["convert"]["qat"]["used"],
        "checks": check_rows(verify["gates"], metric_of(verify["accuracy"])),
        "answers": answers_text(verify),
        "asked_for": asked_for(verify, run["data"]["class_names"]),
        "seed": results["seed"],
        "sha256": run["convert"]["sha256"],
        "commands": repeating_commands(config, run),
        "config": to_toml(config),
        "machine": _machine(results),
    }


def _answer_rows(verify: Mapping[str, Any]) -> list[Rows]:
    return [score_rows(verify), class_rows(verify)] if verify.get("classification") else list(task_rows(verify))


def _asked(run: Mapping[str, Any], config: Mapping[str, Any], device: DeviceProfile) -> Rows:
    budget = run["design"]["budget"]
    latency = "no limit" if budget["latency_ms"] is None else f"{budget['latency_ms']:g} ms"
    family = config["design"]["family"]
    space = "derived from the teacher" if family == FROM_TEACHER else f"family {family}"
    rows = [
        ("data", config["data"]["source"]),
        ("device", f"{device.title}: {device.core}, {device.clock_mhz:g} MHz"),
        ("flash for the model", f"{budget['flash_bytes']:,} B"),
        ("RAM for the tensor arena", f"{budget['ram_bytes']:,} B"),
        ("one inference", latency),
        *([("its energy", f"{budget['energy_mj']:g} mJ")] if budget.get("energy_mj") else []),
        ("student", f"{space}, {config['convert']['quantize']}"),
    ]
    return Rows("", ("", ""), rows, frozenset({0, 1}))


def _machine(results: Mapping[str, Any]) -> Rows:
    machine = results["machine"]
    rows = [("made", results["created"]), ("processor", f"{machine['cpu']}, {machine['num_cores']} CPUs")]
    rows += [("system", machine["system"]), ("Python", machine["python"])]
    return Rows("", ("", ""), [*rows, *results["versions"].items()], frozenset({0, 1}))
