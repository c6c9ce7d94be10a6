"""Compares the cost model with the real converter and the real TFLM and writes the tables of docs/cost_model.md.

Needs the extra `train`. Takes a few minutes: `python -m tools.benchmarks.cost_accuracy --models ../shared/models`.
"""

import argparse
import datetime
import importlib.metadata
import json
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kd_edge.conversion.converter import convert
from kd_edge.cost.file_size import flash_bytes
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.files import write_bytes
from kd_edge.ir.graph import Graph
from kd_edge.ir.lowering import lower
from tflite_bench.errors import TfliteBenchError
from tflite_bench.runners.tflm import measure_arena
from tools.networks import zoo

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "results" / "cost_model.json"
PAGE = DOCS / "cost_model.md"
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "tflite-micro", "numpy")
# Which kernels the firmware of mcufit-bench has on each chip.
_CHIPS = {"esp32": "reference", "nano33ble": "cmsis-nn"}
_LATENCY_ROWS = {
    "baseline: k x MACs per board": "baseline: a constant times MACs, per board",
    "baseline: per-op profile of other submitters": "baseline: per-op profile of other submitters",
    "without_board": "kd-edge, one benchmark of the board left out",
    "without_submitter": "kd-edge, one benchmark and all else of its submitter left out",
    "without_benchmark": "kd-edge, one benchmark left out on all boards",
}
_COVERAGE_ROWS = {
    "networks": "a network, and all else of its submitter",
    "submitters": "everything of a submitter",
    "pairs": "everything of a core with its kind of kernels",
}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="a folder of .tflite files to compare as well")
    parser.add_argument("--chips", type=Path, help="mcufit_bench_results.jsonl: arenas measured on chips")
    parser.add_argument("--only-render", action="store_true", help="write the page from the results that are there")
    args = parser.parse_args()
    if not args.only_render:
        write_bytes(RESULTS, (json.dumps(compare(args), indent=2) + "\n").encode())
    results = json.loads(RESULTS.read_text())
    calibration = json.loads((DOCS / "results" / "calibration.json").read_text())
    write_bytes(PAGE, rendered(PAGE.read_text(), results, calibration).encode())


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was computed beside what the converter, TFLM and chips measured."""
    return {
        "tool": "tools/benchmarks/cost_accuracy.py",
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in _PACKAGES},
        "machine": platform.machine(),
        "zoo": [network_row(name) for name in zoo.NETWORKS],
        "models": [model_row(path) for path in sorted(args.models.glob("*.tflite"))] if args.models else [],
        "chips": list(chip_rows(args.chips, args.models)) if args.chips and args.models else [],
    }


def network_row(name: str) -> dict[str, Any]:
    """Convert a network of the zoo and compare its file with what was predicted from the Keras model."""
    model = zoo.build(name)
    content = convert(model, zoo.samples(model))
    predicted, real = lower(model), lower(content)
    row = {"name": name, "num_ops": len(real.ops), "same_graph": predicted == real.canonical()}
    return row | file_figures(content, predicted) | arena_figures(content, real)


def model_row(path: Path) -> dict[str, Any]:
    """Compare a file with what is computed from it."""
    content = path.read_bytes()
    graph = lower(content)
    return {"name": path.stem, "num_ops": len(graph.ops)} | file_figures(content, graph) | arena_figures(content, graph)


def file_figures(content: bytes, graph: Graph) -> dict[str, Any]:
    """Return the size of a file, measured and computed."""
    return {"flash_bytes": len(content), "predicted_flash_bytes": flash_bytes(graph)}


def arena_figures(content: bytes, graph: Graph) -> dict[str, Any]:
    """Return TFLM's arena on this machine, measured and computed, and the computed one of a microcontroller."""
    predicted = arena_bytes(graph, pointer_bytes=8)
    row: dict[str, Any] = {
        "predicted_nonpersistent_bytes": predicted.nonpersistent_bytes,
        "predicted_arena_bytes": predicted.arena_bytes,
        "microcontroller_arena_bytes": arena_bytes(graph).arena_bytes,
    }
    try:
        real = measure_arena(content)
    except TfliteBenchError as error:
        return row | {"nonpersistent_bytes": None, "arena_bytes": None, "unavailable_reason": str(error)}
    return row | {"nonpersistent_bytes": real.nonpersistent_bytes, "arena_bytes": real.arena_bytes}


def chip_rows(results: Path, models: Path) -> Iterator[dict[str, Any]]:
    """Yield every arena that was measured on a chip next to the computed one."""
    seen = set()
    for line in results.read_text().splitlines():
        row = json.loads(line)
        key = (row.get("target"), row.get("model"))
        if key[0] not in _CHIPS or key in seen:
            continue
        seen.add(key)
        (path,) = models.glob(f"*_{row['model']}")
        kernels = _CHIPS[row["target"]]
        predicted = arena_bytes(lower(path), kernels=kernels).arena_bytes
        yield {
            "chip": row["target"],
            "model": path.stem,
            "kernels": kernels,
            "arena_bytes": row["arena_used_bytes"],
            "predicted_arena_bytes": predicted,
        }


def rendered(page: str, results: dict[str, Any], calibration: dict[str, Any]) -> str:
    """Return the page with every table between its markers replaced."""
    tables = {
        "environment": environment(results),
        "summary": summary(results),
        "zoo": table(results["zoo"], ("name", "num_ops"), network_cells),
        "models": table(results["models"], ("name", "num_ops"), network_cells),
        "chips": chips(results["chips"]),
        "latency": latency(calibration),
        "coverage": coverage(calibration),
        "intervals": intervals(calibration),
    }
    for name, text in tables.items():
        page = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", lambda m, t=text: f"{m[1]}{t}\n{m[2]}", page, flags=re.S
        )
    return page


def environment(results: dict[str, Any]) -> str:
    """Return when and with what the figures were made."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"Made by `{results['tool']}` on {results['date']}, {results['machine']}, {versions}."


def summary(results: dict[str, Any]) -> str:
    """Return the worst cases of all rows."""
    rows = results["zoo"]
    run = [row for row in (*rows, *results["models"]) if row["arena_bytes"] is not None]
    exact = sum(row["nonpersistent_bytes"] == row["predicted_nonpersistent_bytes"] for row in run)
    total = sum(row["arena_bytes"] == row["predicted_arena_bytes"] for row in run)
    worst = max(rows, key=lambda row: abs(row["predicted_flash_bytes"] - row["flash_bytes"]) / allowed(row))
    off = worst["predicted_flash_bytes"] - worst["flash_bytes"]
    return "\n".join(
        (
            f"* Same graph from the Keras model and from the converter's file: {sum(r['same_graph'] for r in rows)} of "
            f"{len(rows)} networks of the zoo.",
            f"* Non-persistent arena equal to TFLM's to the byte: {exact} of {len(run)} models that TFLM runs; "
            f"total equal to the byte: {total}.",
            f"* File size within 1 % or 128 B: {sum(within(row) for row in rows)} of {len(rows)} networks of the zoo; "
            f"nearest to that limit is `{worst['name']}`, {off:+d} B of {worst['flash_bytes']}.",
        )
    )


def allowed(row: dict[str, Any]) -> float:
    """Return by how much the size of a file may be missed."""
    return max(128.0, 0.01 * row["flash_bytes"])


def within(row: dict[str, Any]) -> bool:
    """Return whether the size of a file is met."""
    return abs(row["predicted_flash_bytes"] - row["flash_bytes"]) <= allowed(row)


def network_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the figures of one network, computed minus measured behind each."""
    return (
        f"{row['flash_bytes']:,} ({row['predicted_flash_bytes'] - row['flash_bytes']:+d})",
        compared(row["nonpersistent_bytes"], row["predicted_nonpersistent_bytes"]),
        compared(row["arena_bytes"], row["predicted_arena_bytes"]),
        f"{row['microcontroller_arena_bytes']:,}",
    )


def compared(measured: int | None, predicted: int) -> str:
    """Return a measured figure with the error behind it."""
    return f"not run; {predicted:,}" if measured is None else f"{measured:,} ({predicted - measured:+d})"


def table(
    rows: Iterable[dict[str, Any]], keys: tuple[str, ...], cells: Callable[[dict[str, Any]], tuple[str, ...]]
) -> str:
    """Return a Markdown table of networks."""
    head = ("network", "ops", "file", "non-persistent", "arena, 64-bit", "arena, 32-bit, computed")
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    lines += [f"| {' | '.join((*(str(row[key]) for key in keys), *cells(row)))} |" for row in rows]
    return "\n".join(lines)


def chips(rows: list[dict[str, Any]]) -> str:
    """Return the table of the arenas on chips."""
    lines = ["| chip | kernels | model | measured | computed | error |", "|---|---|---|---:|---:|---:|"]
    for row in rows:
        error = 100 * (row["predicted_arena_bytes"] / row["arena_bytes"] - 1)
        figures = f"{row['arena_bytes']:,} | {row['predicted_arena_bytes']:,} | {error:+.2f} %"
        lines.append(f"| {row['chip']} | {row['kernels']} | {row['model']} | {figures} |")
    return "\n".join(lines)


def latency(calibration: dict[str, Any]) -> str:
    """Return the errors of the latency model, as its own tool found them."""
    lines = ["| estimate | rows | mean error | median error |", "|---|---:|---:|---:|"]
    for key, title in _LATENCY_ROWS.items():
        scores = calibration["errors"][key]["all"]
        lines.append(f"| {title} | {scores['rows']} | {scores['mean_percent']} % | {scores['median_percent']} % |")
    return "\n".join((*lines, "", f"Made by `{calibration['tool']}` on {calibration['date']}."))


def coverage(calibration: dict[str, Any]) -> str:
    """Return how many held-out rows lie inside widths that their submitter has no part in."""
    lines = ["| held out | rows | inside |", "|---|---:|---:|"]
    for key, title in _COVERAGE_ROWS.items():
        inside, rows = calibration["coverage"][key]
        lines.append(f"| {title} | {rows} | {inside / rows:.0%} |")
    return "\n".join(lines)


def intervals(calibration: dict[str, Any]) -> str:
    """Return the intervals by runtime and what was held out: coverage and width."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in calibration["intervals"]:
        runtime = row["runtime"].split()[0] + (" (not measured)" if row["quality"] == "not measured" else "")
        key = (runtime, row["held_out"] or "nothing: a judgement", f"\u00b1{row['error_percent']:g} %")
        groups.setdefault(key, []).append(row)
    lines = ["| runtime | held out | rows | inside | width | profiles |", "|---|---|---:|---:|---:|---|"]
    for (runtime, held_out, width), rows in sorted(groups.items()):
        names = ", ".join(row["profile"] for row in rows)
        lines.append(f"| {runtime} | {held_out} | {rows[0]['rows']} | {rows[0]['inside']} | {width} | {names} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
