"""What teachers tell beyond the labels, and whether cross-fitting helps; the tables are in docs/teaching.md.

Each finished training is a row of docs/results/teaching.json at once: a study that was interrupted goes on where it
was. Needs the extra `train`, and for Fashion-MNIST and UCI HAR their files in the folder `--data`; about half an hour
on one core.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kd_edge.compat.tensorflow import free_memory
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.cross_fitting import cross_fitted_targets
from kd_edge.distillation.targets.information import teacher_information
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.training import distill, train
from tools.fill_docs import fill
from tools.studies.halting.results import difference, tests
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import TASKS, Task

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "teaching.json"
PAGE = ROOT / "docs" / "teaching.md"
SEEDS = range(5)
ALONE, PLAIN, CROSS_FITTED = "alone", "the plain teacher's targets", "cross-fitted"
_STUDENT = Recipe(30, learning_rate=8e-2)


@dataclass(frozen=True)
class Teaching:
    """A teacher and its samples.

    Attributes:
        title: In the table.
        task: Whose samples.
        num_samples: The first so many of them; all by default.
        width: Of `build_teacher`.
        recipe: How it is trained.
    """

    title: str
    task: Task
    num_samples: int | None
    width: int
    recipe: Recipe

    def data(self, folder: Path) -> Dataset:
        """Return the samples."""
        data = self.task.load(folder, 0)
        count, groups = self.num_samples, data.group_train
        return replace(
            data,
            x_train=data.x_train[:count],
            y_train=data.y_train[:count],
            group_train=None if groups is None else groups[:count],
        )

    def build(self, data: Dataset) -> keras.Model:
        """Return the teacher before its training."""
        keras.utils.set_random_seed(0)
        return build_teacher(data.input_shape, data.num_classes, width=self.width)


_FASHION, _FASHION_10000, _WATCH, _HAR = (TASKS[name] for name in ("fashion-2000", "fashion-10000", "watch", "har"))
TEACHINGS = (
    Teaching("Fashion-MNIST, width 10, 120 epochs, rate 1e-2", _FASHION, 500, 10, Recipe(120, learning_rate=1e-2)),
    Teaching("watch, width 24, 16 epochs", _WATCH, None, 24, Recipe(16, learning_rate=2e-3)),
    Teaching("watch, the same with `augment='imu'`", _WATCH, None, 24, Recipe(16, learning_rate=2e-3, augment="imu")),
    Teaching("UCI HAR, width 12, 12 epochs", _HAR, 2_000, 12, Recipe(12, learning_rate=2e-3)),
    Teaching("Fashion-MNIST, width 10, 30 epochs", _FASHION, 2_000, 10, Recipe(30, learning_rate=2e-3)),
    Teaching("Fashion-MNIST, width 10, 10 epochs", _FASHION_10000, None, 10, Recipe(10, learning_rate=2e-3)),
)
COMPARED = {"watch, folds by person": TEACHINGS[1], "Fashion-MNIST, 500 samples": TEACHINGS[0]}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of .npz files")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "teaching", help="folder of targets")
    args = parser.parse_args()
    rows = Rows(RESULTS, args.work / "locks", command="study_teaching", tool="tools/studies/teaching.py")
    for teaching in TEACHINGS:
        rows.once(lambda teaching=teaching: _information(teaching, args.data), part="information", title=teaching.title)
    for title, teaching in COMPARED.items():
        _compare(title, teaching, args, rows)
    fill(PAGE, "information", "\n".join(_information_table(rows.all)))
    fill(PAGE, "cross-fitting", "\n".join(_comparison_table(rows.all)))


def _information(teaching: Teaching, folder: Path) -> Row:
    data = teaching.data(folder)
    model = train(teaching.build(data), data, teaching.recipe).model
    own, others = (
        teacher_information(model.predict(x, batch_size=256, verbose=0), y)
        for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val))
    )
    return {
        "num_samples": len(data.y_train),
        "train_accuracy": own.accuracy,
        "entropy_bits": own.entropy_bits,
        "bits_beyond_label": own.bits_beyond_label,
        "learnt_by_heart": own.learnt_by_heart,
        "held_out_accuracy": others.accuracy,
        "held_out_bits": others.bits_beyond_label,
    }


def _compare(title: str, teaching: Teaching, args: argparse.Namespace, rows: Rows) -> None:
    data = teaching.data(args.data)
    folder = args.work / title.split(",")[0]
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[], SoftTargets | None]] = {
        ALONE: lambda: None,
        PLAIN: lambda: _plain(teaching, data, folder / "plain.npy"),
        CROSS_FITTED: lambda: _cross_fitted(teaching, data, folder / "folds"),
    }
    for arm, make in makers.items():
        identities = [{"part": "cross-fitting", "title": title, "arm": arm, "seed": seed} for seed in SEEDS]
        if all(rows.find(**identity) for identity in identities):
            continue
        targets = make()
        for identity in identities:
            rows.once(lambda i=identity, t=targets: _student(teaching.task, data, t, i["seed"]), **identity)
            free_memory()
        if targets is not None:
            rows.once(lambda t=targets: _told(t, data), part="targets", title=title, arm=arm)


def _told(targets: SoftTargets, data: Dataset) -> Row:
    told = teacher_information(np.asarray(targets.lookup(data.x_train)), data.y_train)
    return {"accuracy": told.accuracy, "bits_beyond_label": told.bits_beyond_label}


def _plain(teaching: Teaching, data: Dataset, path: Path) -> SoftTargets:
    if path.is_file():
        return SoftTargets.load(path)
    model = train(teaching.build(data), data, teaching.recipe).model
    return soft_targets(model, data.x_train, path=path)


def _cross_fitted(teaching: Teaching, data: Dataset, folder: Path) -> SoftTargets:
    def train_on(model: keras.Model, x: Any, y: np.ndarray) -> None:
        train(model, replace(data, x_train=x, y_train=y, group_train=None), teaching.recipe)

    return cross_fitted_targets(
        lambda: teaching.build(data),
        data.x_train,
        data.y_train,
        train=train_on,
        groups=data.group_train,
        directory=folder,
    )


def _student(task: Task, data: Dataset, targets: SoftTargets | None, seed: int) -> Row:
    student, recipe = task.build_student(data, seed), replace(_STUDENT, seed=seed)
    training = train(student, data, recipe) if targets is None else distill(student, data, recipe, teacher=targets)
    return {"val": training.val_accuracy, "test": accuracy(student, data)}


def _information_table(rows: Sequence[Row]) -> Iterator[str]:
    yield "`tools/studies/teaching.py`, one seed each:"
    yield ""
    columns = "training accuracy | entropy, bits | bits beyond the label | held out: accuracy | bits"
    yield f"| teacher | samples | {columns} |"
    yield "|---|---|---|---|---|---|---|"
    for row in (row for row in rows if row["part"] == "information"):
        told = f"{row['train_accuracy']:.3f} | {row['entropy_bits']:.3f} | {row['bits_beyond_label']:.3f}"
        others = f"{row['held_out_accuracy']:.3f} | {row['held_out_bits']:.3f}"
        yield f"| {row['title']} | {row['num_samples']:,} | {told} | {others} |"


def _comparison_table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| data | alone | plain targets against alone | cross-fitted against plain |"
    yield "|---|---|---|---|"
    for title in COMPARED:
        own = {"part": "cross-fitting", "title": title}
        by_arm = {arm: tests(rows, arm=arm, **own) for arm in (ALONE, PLAIN, CROSS_FITTED)}
        alone = 100 * sum(by_arm[ALONE].values()) / len(by_arm[ALONE])
        plain, crossed = difference(by_arm[PLAIN], by_arm[ALONE]), difference(by_arm[CROSS_FITTED], by_arm[PLAIN])
        yield f"| {title} | {alone:.1f} | {_points(plain)} | {_points(crossed)} |"
    yield ""
    yield "| targets for the training samples | right | bits beyond the label |"
    yield "|---|---|---|"
    for row in (row for row in rows if row["part"] == "targets"):
        yield f"| {row['title']}: {row['arm']} | {row['accuracy']:.3f} | {row['bits_beyond_label']:.3f} |"


def _points(found: Mapping[str, Any] | None) -> str:
    assert found is not None
    return f"{found['points']:+.1f} ± {found['half_width']:.1f}"


if __name__ == "__main__":
    main()
