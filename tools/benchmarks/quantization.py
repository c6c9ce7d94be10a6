"""Measures what int8 costs on four data sets, and how long conversion and verification take.

Trains small students (3 seeds per data set, few epochs); `--write` keeps the figures in
`docs/results/quantization.json` and the tables in `docs/quantization.md`. Needs the extra `train` and the reference
data beside the checkout; about 20 minutes.
"""

import argparse
import datetime
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.export import convert_for
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.data.splits.groups import GROUPS
from kd_edge.distillation.outputs.decisions import test_samples_right
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.training import train
from kd_edge.files import write_json
from kd_edge.reporting.documents import make_document
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.verification.intervals.difference import paired_difference
from kd_edge.verification.verifier import verify
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert
from tools.fill_docs import fill

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KD_EDGE_SHARED", ROOT.parent / "shared"))
SEEDS = (0, 1, 2)
LIMIT_POINTS = 0.5
# Arrays of the sets that are not read.
UNREAD = SourceOptions(
    ignore=[
        *("channel_names", "sampling_hz", "feature_scale", "feature_offset"),
        *(f"{who}_{split}" for who in ("subject", "speaker") for split in ("train", "val", "test")),
    ]
)


@dataclass(frozen=True)
class Task:
    """A data set, a student for it and how long that is trained."""

    title: str
    source: str
    values: dict[str, float]
    epochs: int
    num_train: int = 10_000
    num_test: int = 3_000
    image: bool = False


_SEQUENCE = {"stem_kernel": 5, "stem_stride": 2, "num_blocks": 3, "num_strided": 2, "kernel": 5, "growth": 1.25}
_IMAGE = {"stem_kernel": 5, "stem_stride": 2, "num_blocks": 3, "num_strided": 1, "kernel": 3, "growth": 1.25}
TASKS = {
    "watch": Task("watch", "watch", {"width": 24, **_SEQUENCE}, 12),
    "har": Task("UCI HAR recordings, re-windowed", "uci_har_raw.npz", {"width": 24, **_SEQUENCE}, 8),
    "speech": Task("Arabic speech commands", "arabic_speech_commands_logmel.npz", {"width": 48, **_SEQUENCE}, 20),
    "fashion": Task("Fashion-MNIST", "fashion_mnist.npz", {"width": 16, **_IMAGE}, 6, image=True),
}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--write", action="store_true", help="write the results and the tables of the page")
    args = parser.parse_args()
    rows = [measure(TASKS[name], seed) for name in args.data for seed in SEEDS]
    result = {"limit_points": LIMIT_POINTS, "rows": rows, "speed": speed()}
    document = make_document("bench_quantization") | {"result": result}
    del document["machine"]["system"]
    if args.write:
        write_json(ROOT / "docs" / "results" / "quantization.json", document)
        fill(ROOT / "docs" / "quantization.md", "bench", tables(document))


def load(task: Task, seed: int) -> Dataset:
    """Return the samples of a task, a seeded subset where there are many."""
    if task.source == "watch":
        data = load_data("watch", seed=seed)
    else:
        data = load_data(SHARED / "data" / task.source, normalize=True, seed=seed, options=UNREAD)
    arrays: dict[str, Any] = {}
    for split, most in (("train", task.num_train), ("val", task.num_test), ("test", task.num_test)):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        chosen = np.sort(np.random.default_rng(seed).permutation(len(y))[:most])
        arrays[f"x_{split}"] = x[chosen][..., np.newaxis] if task.image else x[chosen]
        arrays[f"y_{split}"] = y[chosen]
    return replace(data, **arrays, **dict.fromkeys(GROUPS))


def measure(task: Task, seed: int) -> dict[str, Any]:
    """Train a student and return its accuracy on the test samples in float and int8."""
    start = time.perf_counter()
    data = load(task, seed)
    keras.utils.set_random_seed(seed)
    space = StudentSpace.family("ds_cnn", data.input_shape, data.num_classes)
    student = space.blueprint(task.values).to_keras()
    train(student, data, Recipe(task.epochs, learning_rate=4e-3, seed=seed))
    plain = convert_for(student, data, ConvertConfig(qat="never"), seed=seed, metadata=False)
    made = convert_for(student, data, ConvertConfig(), seed=seed, metadata=False)
    right = test_samples_right(student, data)
    row = {
        "data": task.title,
        "seed": seed,
        "num_train": len(data.y_train),
        "num_test": len(data.y_test),
        "params": student.count_params(),
        "flash_bytes": len(made.content),
        "float_accuracy": float(np.mean(right)),
        "int8_accuracy": float(np.mean(int8_right(plain.content, data))),
        "final_accuracy": float(np.mean(int8_right(made.content, data))),
        "loss": paired_difference(right, int8_right(made.content, data), seed=seed),
        "qat": asdict(made.qat),
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(row), flush=True)
    return row


def int8_right(content: bytes, data: Dataset) -> np.ndarray:
    """Return for each test sample whether an int8 file classifies it right."""
    steps = quantize(data.x_test, read_model(content).input_tensors[0])
    return np.asarray(litert.run_outputs(content, steps, reference_kernels=True).argmax(axis=1) == data.y_test)


def speed() -> list[dict[str, Any]]:
    """Time conversion and verification of students of about 100 kB with 2,000 test samples."""
    found = []
    for shape, width in (((128, 6), 60), ((49, 40, 1), 60)):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(2000, *shape)).astype("float32"), np.arange(2000) % 7
        data = Dataset("random", x, y, x[:100], y[:100], x, y, tuple("abcdefg"))
        keras.utils.set_random_seed(0)
        values = {"width": width, "stem_kernel": 5, "stem_stride": 2, "num_blocks": 5, "num_strided": 2}
        space = StudentSpace.family("ds_cnn", shape, 7)
        student = space.blueprint(values | {"kernel": 3, "growth": 1.25}).to_keras()
        start = time.perf_counter()
        made = convert_for(student, data, ConvertConfig(qat="never"))
        converted = time.perf_counter()
        budget = Budget(1 << 20, 1 << 20)
        checked = verify(made.content, data, device=load_device("nucleo-l4r5zi"), budget=budget, student=student)
        end = time.perf_counter()
        row = {"shape": shape, "flash_bytes": len(made.content), "macs": checked.predicted.macs, "num_test": 2000}
        row |= {"convert_seconds": converted - start, "verify_seconds": end - converted}
        row["load_average"] = os.getloadavg()[0]
        print(json.dumps(row), flush=True)
        found.append(row)
    return found


def tables(document: dict[str, Any]) -> str:
    """Return the tables of the page as Markdown."""
    rows, limit = document["result"]["rows"], document["result"]["limit_points"]
    machine, versions = document["machine"], document["versions"]
    lines = [
        "| data | seed | test samples | file | float | int8 | final | loss in points (95 % interval) | QAT |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        *_verdicts(rows, limit),
        "",
        "## Time of conversion and verification",
        "",
        "2,000 test samples, in LiteRT and TFLM, both with reference kernels, side by side and sample by sample: a",
        "file for a batch of 1 has that batch in the constants of its RESHAPE, and LiteRT refuses it with another. The",
        "load average tells what else the machine was doing.",
        "",
        "| samples of shape | file | MACs | conversion | verification | load average |",
        "|---|---|---|---|---|---|",
        *(
            f"| {tuple(r['shape'])} | {r['flash_bytes']:,} B | {r['macs']:,} | {r['convert_seconds']:.1f} s "
            f"| {r['verify_seconds']:.1f} s | {r['load_average']:.1f} |"
            for r in document["result"]["speed"]
        ),
        "",
        f"Measured {datetime.date.fromisoformat(document['created'][:10])} on {machine['cpu']}, "
        f"{machine['num_cores']} CPUs; " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    loss = [100 * row["loss"][key] for key in ("difference", "ci95_low", "ci95_high")]
    tuned = row["qat"]["tuned_accuracy"] is not None
    qat = "used" if row["qat"]["used"] else "tried, not better" if tuned else "not needed"
    shares = " | ".join(f"{row[key]:.3f}" for key in ("float_accuracy", "int8_accuracy", "final_accuracy"))
    return (
        f"| {row['data']} | {row['seed']} | {row['num_test']:,} | {row['flash_bytes']:,} B | {shares} "
        f"| {loss[0]:+.2f} ({loss[1]:+.2f} to {loss[2]:+.2f}) | {qat} |"
    )


def _verdicts(rows: list[dict[str, Any]], limit: float) -> list[str]:
    lines = []
    for name in dict.fromkeys(row["data"] for row in rows):
        losses = [100 * row["loss"]["difference"] for row in rows if row["data"] == name]
        num_test = next(row["num_test"] for row in rows if row["data"] == name)
        mean, num_over = float(np.mean(losses)), sum(loss > limit for loss in losses)
        word = "at most" if mean <= limit else "more than"
        lines.append(
            f"* {name}: mean loss {mean:+.2f} points, {word} {limit}; worst seed {max(losses):+.2f}, {num_over} of "
            f"{len(losses)} seeds above {limit}. One of the {num_test:,} test samples is {100 / num_test:.2f} points."
        )
    return lines


if __name__ == "__main__":
    main()
