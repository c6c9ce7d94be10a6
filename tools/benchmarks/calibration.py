"""Calibrates this machine and predicts the latency of networks that the calibration has not seen.

The unseen networks are students of kd_edge's families, converted from Keras (needs the extra `train`), the zoo, and
the models given as files. Each is measured before and after the calibration; as there, the lower median counts, and
`repeat` shows how far the two are apart.

    python -m tools.benchmarks.calibration ../shared/models/*.tflite

writes docs/results/calibration_host.json and the tables of docs/calibration.md; about 15 minutes on a quiet machine.
"""

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kd_edge import StudentSpace
from kd_edge.conversion.converter import convert
from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.cost.latency import latency_ms
from kd_edge.files import write_json
from kd_edge.ir.lowering import lower
from tflite_bench.calibration.calibrate import Calibration, calibrate
from tflite_bench.calibration.op_work import count_work
from tflite_bench.calibration.profile import profile_toml
from tflite_bench.errors import TfliteBenchError
from tflite_bench.measurement.environment import read_machine, read_versions
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
from tflite_bench.runners.litert import LiteRTRunner
from tools.fill_docs import fill
from tools.networks import zoo

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "results" / "calibration_host.json"
PAGE = ROOT / "docs" / "calibration.md"
_FAMILIES: dict[str, list[tuple[int, ...]]] = {
    "ds_cnn": [(49, 10, 1), (128, 6), (64, 64, 3)],
    "resnet": [(32, 32, 3), (100, 3)],
    "mlp": [(32,), (640,)],
}
_PER_SHAPE = 2
# From here on the work of the ops decides, not the calls.
_LONG_MS = 0.01


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--only-render", action="store_true", help="write the page from the results that are there")
    args = parser.parse_args()
    if not args.only_render:
        write_json(REPORT, compare(args.models))
    result = json.loads(REPORT.read_text())
    fill(PAGE, "summary", summary_table(result))
    fill(PAGE, "networks", network_table(result))


def compare(models: list[Path]) -> dict[str, Any]:
    """Calibrate, measure and predict."""
    published = [(path.name, path.read_bytes()) for path in models]
    sources = {"student": list(students()), "zoo": list(zoo_networks()), "published": published}
    unseen = [(source, name, content) for source, networks in sources.items() for name, content in networks]
    before = {name: measure(name, content) for _, name, content in unseen}
    calibration = calibrate(LiteRTRunner(), progress=lambda name: print(name, file=sys.stderr))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "here.toml").write_text(profile_toml(calibration))
        device = load_device(Path(folder) / "here.toml")
        for source, name, content in unseen:
            if before[name] is not None:
                times = (before[name], measure(name, content))
                rows.append({"source": source} | row(name, content, times, device))
    return document(calibration, rows)


def students() -> Iterator[tuple[str, bytes]]:
    """Yield random students of each family, as int8 and as float."""
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    for family, shapes in _FAMILIES.items():
        for shape in shapes:
            space = StudentSpace.family(family, shape, 10)
            for position in range(_PER_SHAPE):
                model = space.blueprint(space.sample(rng)).to_keras()
                data = rng.normal(size=(32, *shape)).astype("float32")
                for quantize in ("int8", "none"):
                    name = f"{family} {'x'.join(map(str, shape))} #{position} {quantize}"
                    yield name, convert(model, data, quantize=quantize)


def zoo_networks() -> Iterator[tuple[str, bytes]]:
    """Yield the networks of the zoo, as int8."""
    for name in zoo.NETWORKS:
        model = zoo.build(name)
        yield f"zoo {name} int8", convert(model, zoo.samples(model))


def measure(name: str, content: bytes) -> float | None:
    """Return the median latency in ms; None if the runtime refuses the model."""
    try:
        return LiteRTRunner().benchmark(content, Plan(time_limit_s=4.0)).latency.median_ms
    except TfliteBenchError as error:
        print(f"{name}: left out, {error}", file=sys.stderr)
        return None


def row(name: str, content: bytes, times: tuple[float, float], device: DeviceProfile) -> dict[str, Any]:
    """Return what was measured and predicted for one network."""
    measured_ms = min(times)
    predicted_ms = latency_ms(lower(content), device).ms
    return {
        "network": name,
        "measured_ms": round(measured_ms, 5),
        "predicted_ms": round(predicted_ms, 5),
        "error": round(predicted_ms / measured_ms - 1, 4),
        "repeat": round(times[1] / times[0] - 1, 4),
        "covered": covered(content),
    }


def covered(content: bytes) -> bool:
    """Return whether the calibration has networks with all of the model's operators."""
    try:
        count_work(read_model(content))
    except KeyError:
        return False
    return True


def document(calibration: Calibration, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return everything as plain data."""
    return {
        "tool": "tools/benchmarks/calibration.py",
        "date": datetime.date.today().isoformat(),
        "machine": vars(read_machine()),
        "versions": read_versions(),
        "calibration": {
            "networks": len(calibration.networks),
            "blocks": {dtype: asdict(blocks) for dtype, blocks in calibration.blocks.items()},
            "held_out_mean_error": round(calibration.mean_error, 4),
            "error_percent": calibration.error_percent,
        },
        "networks": rows,
    }


def summary_table(result: dict[str, Any]) -> str:
    """Return how far the predictions are off, as Markdown."""
    rows = list(result["networks"])
    others = [row for row in rows if row["source"] != "student"]
    parts = {
        "zoo and published models": others,
        "of these, from 10 us on": [row for row in others if row["measured_ms"] >= _LONG_MS],
        "students, int8": [row for row in rows if row["source"] == "student" and not _is_float(row)],
        "students, float32": [row for row in rows if row["source"] == "student" and _is_float(row)],
        "all": rows,
    }
    machine, spread = result["machine"], 1 + result["calibration"]["error_percent"] / 100
    lines = [
        f"Measured on {result['date']} on {machine['cpu']}, {machine['num_cores']} cores, one thread, load "
        f"{machine['load_average']}, with ai-edge-litert {result['versions']['ai-edge-litert']} and XNNPACK:",
        "",
        "| networks | mean error | median error | mean of predicted / measured | number |",
        "|---|---|---|---|---|",
    ]
    for name, part in parts.items():
        errors = np.array([row["error"] for row in part])
        size = np.abs(errors)
        lines.append(f"| {name} | {size.mean():.1%} | {np.median(size):.1%} | {1 + errors.mean():.2f} | {len(part)} |")
    inside = sum(1 / spread <= 1 + row["error"] <= spread for row in rows)
    return "\n".join(
        [
            *lines,
            "",
            f"Among its own {result['calibration']['networks']} networks, each predicted from a fit without it, the "
            f"mean error is {result['calibration']['held_out_mean_error']:.1%}; 90 % are within a factor of "
            f"{spread:.2f}, which is what the profile states as its error. Of the {len(rows)} networks above, {inside} "
            "lie within it.",
        ]
    )


def network_table(result: dict[str, Any]) -> str:
    """Return every network as a row of Markdown."""
    lines = ["| network | measured ms | predicted ms | error | |", "|---|---|---|---|---|"]
    for row in result["networks"]:
        name, covers = row["network"].removesuffix(".tflite"), "" if row["covered"] else "other operators"
        lines.append(f"| {name} | {row['measured_ms']} | {row['predicted_ms']} | {row['error']:+.1%} | {covers} |")
    return "\n".join(lines)


def _is_float(row: dict[str, Any]) -> bool:
    return str(row["network"]).removesuffix(".tflite").endswith(("none", "float"))


if __name__ == "__main__":
    main()
