"""Measures the design of students: speed of costing, what inherited weights save, and the search against others.

`python -m tools.benchmarks.design.run PART... [--seeds N] [--sets SET...]` runs the parts that are named and writes
docs/results/bench_design.json and the tables of docs/design.md; whatever is in runs/bench_design already is not done
again. Parts:

speed       candidates drawn, rendered and costed per second on one core
inherit     accuracy from inherited and from fresh weights, after brief and after whole trainings
size        what tells the better ones of the networks that fit
stock       our search against stock keras-tuner at equal training time
references  our search against networks made by hand, at their budget
boards      one teacher designed for five boards, each student verified in the real runtimes

All but `speed` and the parts on the built-in set need the reference data beside the checkout ($KD_EDGE_SHARED).
"""

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.data.splits.groups import GROUPS
from kd_edge.errors import BudgetError
from kd_edge.files import write_json
from kd_edge.reporting.documents import make_document
from kd_edge.search.space.student_space import FROM_TEACHER, StudentSpace
from tools.benchmarks.design.results import render
from tools.fill_docs import fill

ROOT = Path(__file__).parents[3]
REPORT = ROOT / "docs" / "results" / "bench_design.json"
PAGE = ROOT / "docs" / "design.md"
WORK = ROOT / "runs" / "bench_design"
SHARED = Path(os.environ.get("KD_EDGE_SHARED", ROOT.parent / "shared"))
BOARD = "nucleo-l4r5zi"
# Arrays of the sets that are not read.
UNREAD = SourceOptions(
    ignore=[
        *("channel_names", "sampling_hz", "feature_scale", "feature_offset"),
        *(f"{who}_{split}" for who in ("subject", "speaker") for split in ("train", "val", "test")),
    ]
)

# The sets, with the epochs of teacher, candidate and final training, and the budget of the comparison with stock.
SETS = {
    "watch": ("watch", (12, 3, 12), Budget(16 * 1024, 8 * 1024, 4.0, "expected")),
    "har": ("uci_har_raw", (8, 3, 12), Budget(16 * 1024, 8 * 1024, 4.0, "expected")),
    "arabic": ("arabic_speech_commands_logmel", (12, 3, 15), Budget(32 * 1024, 16 * 1024, 15.0, "expected")),
    "fashion": ("fashion_mnist", (4, 2, 6), Budget(32 * 1024, 24 * 1024, 15.0, "expected")),
}
NUM_DRAWN = 20_000
MOST_TRAIN, MOST_VAL = 6000, 1500
# From a Cortex-M0+ to a phone: the board, and the longest time allowed. With a limit that binds on no board, the same
# draws fit all of them, and the students are equal.
BOARDS = (
    ("nucleo-g0b1re", 6.0),
    ("nrf52840", 10.0),
    ("nucleo-l4r5zi", 2.0),
    ("stm32f746", 2.0),
    ("pixel-3a", 1.0),
)


def data_of(name: str) -> Dataset:
    """Return a set, images and spectrograms with a channel axis; of many samples a seeded draw."""
    source = SETS[name][0]
    data = load_data("watch") if name == "watch" else load_data(SHARED / "data" / f"{source}.npz", options=UNREAD)
    arrays = {}
    for part, most in (("train", MOST_TRAIN), ("val", MOST_VAL), ("test", None)):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        chosen = np.random.default_rng(0).permutation(len(y))[:most]
        arrays[f"x_{part}"] = x[chosen][..., None] if name in ("arabic", "fashion") else x[chosen]
        arrays[f"y_{part}"] = y[chosen]
    return replace(data, **arrays, **dict.fromkeys(GROUPS))


def teacher_of(name: str, data: Dataset) -> Any:
    """Return the set's teacher, trained once and kept."""
    import keras

    from kd_edge.distillation.models.teacher_models import build_teacher
    from kd_edge.distillation.results import Recipe
    from kd_edge.distillation.training import train
    from kd_edge.files import write_model

    path = WORK / f"teacher_{name}.keras"
    if not path.is_file():
        keras.utils.set_random_seed(0)
        teacher = build_teacher(data.input_shape, data.num_classes, width=32)
        train(teacher, data, Recipe(SETS[name][1][0], learning_rate=2e-3))
        write_model(path, teacher)
    return keras.models.load_model(path, compile=False)


def kept(name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a result from its file, or compute it and keep it."""
    path = WORK / f"{name}.json"
    if not path.is_file():
        write_json(path, compute())
        print(f"{name}: {path.read_text()}", flush=True)
    return dict(json.loads(path.read_text()))


def speed(seeds: int, sets: Sequence[str]) -> dict[str, Any]:
    """Count candidates per second of several spaces, from the first one on; TensorFlow is not imported."""
    from tools.networks.teachers import TEACHERS

    spaces = [StudentSpace.family("ds_cnn", (128, 6), 7), StudentSpace.family("mlp", (64,), 7)]
    named = {space.name: space for space in spaces}
    named |= {f"from {name}": StudentSpace.from_teacher(TEACHERS[name]()) for name in ("har", "ds_cnn", "resnet8")}
    rates = {}
    for name, space in named.items():
        model, start = CostModel(load_device(BOARD)), time.process_time()
        for values in space.samples(np.random.default_rng(0), NUM_DRAWN):
            model.estimate(space.graph(values))
        rates[name] = round(NUM_DRAWN / (time.process_time() - start))
    assert not {"tensorflow", "keras"} & sys.modules.keys()
    return {"num_drawn": NUM_DRAWN, "per_second_of_processor_time": rates}


def inherit(seeds: int, sets: Sequence[str]) -> dict[str, Any]:
    """Compare students that start from the teacher's weights with the same ones from fresh weights."""
    runs = [
        kept(f"inherit_{name}_{seed}", lambda name=name, seed=seed: _inherit(name, seed))
        for name in SETS
        if name in sets
        for seed in range(seeds)
    ]
    return {"runs": runs}


def _inherit(name: str, seed: int) -> dict[str, Any]:
    from tools.benchmarks.design.starts import compare_starts

    data = data_of(name)
    teacher = teacher_of(name, data)
    space = StudentSpace.from_teacher(teacher)
    screening = space.screen(CostModel(load_device(BOARD)), SETS[name][2], seed=seed)
    size = screening.feasible_sizes[-1]
    trainings = compare_starts(space, screening.feasible_values[-1], teacher, data, seed)
    return {"data": name, "seed": seed, **asdict(size), "trainings": trainings}


def size(seeds: int, sets: Sequence[str]) -> dict[str, Any]:
    """Train networks alike that were drawn uniformly from those that fit, to see what tells the better ones."""
    spaces = (FROM_TEACHER, "ds_cnn")
    return {
        "runs": [
            kept(f"size_{name}_{space}", lambda name=name, space=space: _size(name, space))
            for name in SETS
            if name in sets
            for space in spaces
        ]
    }


def _size(name: str, space: str, num: int = 20) -> dict[str, Any]:
    """Train networks of a space that fit what the board leaves and have at most half of the teacher's MACs."""
    import keras

    from kd_edge.distillation.results import Recipe
    from kd_edge.distillation.targets.soft_targets import soft_targets
    from kd_edge.distillation.training import distill
    from kd_edge.search.sizing import macs_limit
    from kd_edge.search.weight_inheritance import WeightInheritance

    data = data_of(name)
    teacher = teacher_of(name, data)
    students, start = StudentSpace.family("ds_cnn", data.input_shape, data.num_outputs), None
    if space == FROM_TEACHER:
        students, start = StudentSpace.from_teacher(teacher), WeightInheritance(teacher)
    board = load_device(BOARD)
    screening = students.screen(CostModel(board), Budget.of(board), max_macs=macs_limit(teacher, 2.0))
    targets, recipe = soft_targets(teacher, data.x_train), Recipe(SETS[name][1][1], learning_rate=4e-3)
    networks = []
    for place in np.sort(np.random.default_rng(0).permutation(screening.num_feasible)[:num]):
        keras.utils.set_random_seed(0)
        values = screening.feasible_values[place]
        student = students.blueprint(values).to_keras() if start is None else start.student(values, data.x_train)
        training = distill(student, data, recipe, teacher=targets)
        found = {"accuracy": max(training.history["val_accuracy"]), "seconds": round(training.seconds, 1)}
        networks.append(asdict(screening.feasible_sizes[place]) | found)
    return {"data": name, "space": space, "networks": networks}


def stock(seeds: int, sets: Sequence[str]) -> dict[str, Any]:
    """Compare our search with stock keras-tuner: same space, same recipe, same seconds of training."""
    runs = [
        kept(f"stock_{name}_{seed}", lambda name=name, seed=seed: _stock(name, seed))
        for name in ("watch", "har", "arabic")
        if name in sets
        for seed in range(seeds)
    ]
    return {"runs": runs}


def _stock(name: str, seed: int) -> dict[str, Any]:
    import keras

    from kd_edge.distillation.outputs.decisions import accuracy
    from kd_edge.distillation.results import Recipe
    from kd_edge.search.sizing import design
    from tools.benchmarks.design.stock_tuner import search_stock

    data = data_of(name)
    teacher, budget = teacher_of(name, data), SETS[name][2]
    folder, recipe = WORK / f"search_{name}_{seed}", Recipe(SETS[name][1][1], learning_rate=4e-3, seed=seed)
    # A search that resumed would count only part of its time.
    start = time.perf_counter()
    found = design(
        teacher, data, device=BOARD, budget=budget, recipe=recipe, num_trials=6, directory=folder, overwrite=True
    )
    seconds = time.perf_counter() - start
    assert found is not None
    ours = keras.models.load_model(folder / "student.keras", compile=False)
    space = StudentSpace.from_teacher(teacher)
    theirs = search_stock(space, data, CostModel(load_device(BOARD)), budget, recipe, seconds)
    return {
        "data": name,
        "seed": seed,
        "seconds": seconds,
        "ours": {"val": found.chosen.accuracy, "test": accuracy(ours, data), "num_trained": len(found.candidates)},
        "stock": theirs,
    }


def references(seeds: int, sets: Sequence[str]) -> dict[str, Any]:
    """Compare with networks made by hand: our student has to fit into what each of them needs."""
    from tools.benchmarks.design.references import REFERENCES

    runs = [
        kept(f"reference_{name}_{seed}", lambda name=name, seed=seed: _reference(name, seed))
        for name, reference in REFERENCES.items()
        if reference.data in sets
        for seed in range(seeds)
    ]
    return {"runs": runs}


def _reference(name: str, seed: int) -> dict[str, Any]:
    import keras

    from kd_edge.distillation.outputs.decisions import accuracy
    from kd_edge.distillation.results import Recipe
    from kd_edge.distillation.targets.soft_targets import soft_targets
    from kd_edge.distillation.training import distill
    from kd_edge.search.sizing import design
    from tools.benchmarks.design.references import REFERENCES

    reference = REFERENCES[name]
    data = data_of(reference.data)
    teacher = teacher_of(reference.data, data)
    drawn = reference.draw(data.input_shape, data.num_classes)
    model = CostModel(load_device(BOARD))
    cost = model.estimate(drawn.to_graph())
    budget = Budget(cost.flash_bytes, cost.arena_bytes, cost.latency_ms, "expected")
    _, brief, final = SETS[reference.data][1]
    folder = WORK / f"search_{name}_{seed}"
    space = StudentSpace.from_teacher(teacher)
    try:
        space.screen(model, budget)
    except BudgetError:
        # So small a network has no room for a teacher's blocks.
        space = StudentSpace.family("ds_cnn", data.input_shape, data.num_classes)
    found = design(
        teacher, data, device=BOARD, budget=budget, space=space, directory=folder,
        recipe=Recipe(brief, learning_rate=4e-3, seed=seed), num_trials=6,
    )  # fmt: skip
    assert found is not None
    keras.utils.set_random_seed(seed)
    students = {"hand-made": drawn.to_keras(), "ours": keras.models.load_model(folder / "student.keras", compile=False)}
    targets = soft_targets(teacher, data.x_train)
    result: dict[str, Any] = {"reference": name, "data": reference.data, "source": reference.source, "seed": seed}
    result["space"] = space.name
    for kind, student in students.items():
        # The search has trained ours already.
        epochs = final + brief if kind == "hand-made" else final
        distill(student, data, Recipe(epochs, learning_rate=4e-3, seed=seed), teacher=targets)
        figures = cost if kind == "hand-made" else found.chosen.cost
        result[kind] = {"test_accuracy": accuracy(student, data), **asdict(figures)}
    return result


def boards(seeds: int, sets: Sequence[str]) -> dict[str, Any]:
    """Design for five boards with the same teacher and verify each student in the real runtimes."""
    return {"runs": [kept(f"board_{name}", lambda name=name, ms=ms: _board(name, ms)) for name, ms in BOARDS]}


def _board(board: str, latency_ms: float) -> dict[str, Any]:
    import keras

    from kd_edge.conversion.converter import convert
    from kd_edge.distillation.outputs.decisions import accuracy
    from kd_edge.distillation.results import Recipe
    from kd_edge.search.sizing import design
    from kd_edge.verification.verifier import verify

    data, device = data_of("watch"), load_device(board)
    teacher = teacher_of("watch", data)
    budget = Budget.of(device, latency_ms=latency_ms)
    folder = WORK / f"search_{board}"
    found = design(
        teacher,
        data,
        device=device,
        budget=budget,
        recipe=Recipe(3, learning_rate=4e-3),
        num_trials=4,
        directory=folder,
    )
    assert found is not None
    student = keras.models.load_model(folder / "student.keras", compile=False)
    content = convert(student, data.x_train, quantize="int8", num_calibration_samples=300, seed=0)
    verification = verify(content, data, device=device, budget=budget, student=student)
    return {
        "board": board,
        "budget": asdict(budget),
        "blueprint": found.blueprint.to_dict(),
        "cost": asdict(found.chosen.cost),
        "test_accuracy": accuracy(student, data),
        "passed": verification.passed,
        "measured": asdict(verification.measured),
    }


PARTS: dict[str, Callable[[int, Sequence[str]], dict[str, Any]]] = {
    part.__name__: part for part in (speed, inherit, size, stock, references, boards)
}


def lines(part: str, result: dict[str, Any]) -> Iterator[str]:
    """Yield what a part found, without the curves and networks."""
    for run in result.get("runs", [result]):
        yield f"{part}: " + json.dumps({k: v for k, v in run.items() if k not in ("val_accuracy", "blueprint")})


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=tuple(SETS))
    args = parser.parse_args()
    for part in args.parts:
        result = PARTS[part](args.seeds, args.sets)
        document = make_document("bench_design")
        made = {"date": datetime.date.today().isoformat()}
        made |= {name: document[name] for name in ("machine", "versions")}
        # Another process may have written its part meanwhile.
        report = json.loads(REPORT.read_text()) if REPORT.is_file() else {"parts": {}}
        report["parts"][part] = result | {"made": made}
        write_json(REPORT, report)
        for line in lines(part, result):
            print(line, flush=True)
    fill(PAGE, "bench", render(json.loads(REPORT.read_text())))


if __name__ == "__main__":
    main()
