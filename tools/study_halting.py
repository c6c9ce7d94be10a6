#!/usr/bin/env python3
"""Compares ways of guiding a student and of halting its guides; the table is in docs/halting.md.

One row of docs/results/halting.json per finished training: an interrupted study that is started again goes on where it
was. Needs the extra `train`; of data sets whose file is not in the folder `--data` it says so and leaves them out.
"""

import argparse
import datetime
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from halting_results import NEVER, render, summarize
from page import fill

from kd_edge.data import Dataset, load_data
from kd_edge.document import make_document
from kd_edge.files import write_json, write_model
from kd_edge.halting import EarlyHalting
from kd_edge.halting_rules import FixedEpoch
from kd_edge.macs import count_macs
from kd_edge.space import StudentSpace
from kd_edge.targets import soft_targets
from kd_edge.teacher import build_teacher
from kd_edge.training import Recipe, Training, accuracy, distill, train

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results" / "halting.json"
PAGE = ROOT / "docs" / "halting.md"


@dataclass(frozen=True)
class Settings:
    """What all trainings of a study have in common; `kd-edge run`'s defaults where it has them."""

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 4e-3
    temperature: float = 4.0
    student_loss_weight: float = 0.3
    trainee_loss_weight: float = 0.5
    fixed_epochs: int = 3
    teacher_epochs: int = 20
    num_val: int = 64
    num_test: int = 3000


@dataclass(frozen=True)
class Task:
    """A data set, and the networks that learn it."""

    name: str
    data: Dataset
    student: Mapping[str, int | float]
    teacher_width: int

    def build_student(self, seed: int) -> keras.Model:
        """Return the student with the weights that belong to a seed."""
        keras.utils.set_random_seed(seed)
        space = StudentSpace.family("ds_cnn", self.data.input_shape, self.data.num_classes)
        return space.blueprint(self.student).to_keras()


@dataclass(frozen=True)
class Arm:
    """One way to train the student."""

    teacher: str = "live"
    trainee: bool = False
    halting: Callable[[Settings], Sequence[EarlyHalting]] = lambda settings: ()


def _plateau(min_delta: float, patience: int, guide: str = "trainee") -> EarlyHalting:
    return EarlyHalting(guide, "plateau", min_delta=min_delta, patience=patience)


def _agreement(baseline: float, patience: int) -> EarlyHalting:
    return EarlyHalting("trainee", "agreement", baseline=baseline, patience=patience)


ARMS = {
    "student alone": Arm(teacher="none"),
    "live teacher": Arm(),
    "soft targets": Arm(teacher="stored"),
    NEVER: Arm(trainee=True),
    "trainee, plateau 5 %, patience 3": Arm(trainee=True, halting=lambda _: [_plateau(0.05, 3)]),
    "trainee, plateau 10 %, patience 2": Arm(trainee=True, halting=lambda _: [_plateau(0.1, 2)]),
    "trainee, agreement 80 %, patience 1": Arm(trainee=True, halting=lambda _: [_agreement(0.8, 1)]),
    "trainee, fixed epoch": Arm(trainee=True, halting=lambda s: [EarlyHalting("trainee", FixedEpoch(s.fixed_epochs))]),
    "trainee and teacher, plateau 10 %, patience 2": Arm(
        trainee=True, halting=lambda _: [_plateau(0.1, 2), _plateau(0.1, 2, "teacher")]
    ),
}

_HISTORY = ("val_accuracy", "teacher_divergence", "trainee_divergence", "teacher_agreement", "trainee_agreement")
_RESULT = ("accuracy", "guide_macs", "seconds", "halted", "history")
_SEQUENCE = {
    "width": 8,
    "stem_kernel": 5,
    "stem_stride": 2,
    "num_blocks": 3,
    "num_strided": 2,
    "kernel": 5,
    "growth": 1.25,
}
_IMAGE = {**_SEQUENCE, "stem_kernel": 3, "kernel": 3}


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and what is made of it."""

    data: str
    student: Mapping[str, int | float]
    teacher_width: int
    num_train: int
    has_channels: bool = True


SOURCES = {
    "watch": Source("watch", _SEQUENCE, 16, 1536),
    "UCI HAR recordings, re-windowed": Source("uci_har_raw.npz", _SEQUENCE, 18, 1536),
    "Fashion-MNIST": Source("fashion_mnist.npz", _IMAGE, 10, 2048, has_channels=False),
    "Arabic speech commands": Source(
        "arabic_speech_commands_logmel.npz", {**_IMAGE, "num_strided": 3, "growth": 1.5}, 10, 3072, has_channels=False
    ),
}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of .npz files")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "halting", help="where the teachers are kept")
    parser.add_argument("--only-render", action="store_true", help="write the page from the rows that are there")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    settings = Settings()
    study = Study(RESULTS, args.work, settings)
    if not args.only_render:
        study.run(list(tasks(args.data, settings)), range(args.seeds))
    fill(PAGE, "study", render(study.document, summarize(study.document)))


def tasks(folder: Path, settings: Settings) -> Iterator[Task]:
    """Yield the data sets that are there, each reduced to fewer samples."""
    for name, source in SOURCES.items():
        built_in = source.data == "watch"
        path = source.data if built_in else folder / source.data
        if not built_in and not path.is_file():
            print(f"{name} left out: no {path}", flush=True)
            continue
        data = load_data(path, normalize=None if built_in else True)
        limits = {"train": source.num_train, "val": settings.num_val, "test": settings.num_test}
        yield Task(name, reduced(data, limits, has_channels=source.has_channels), source.student, source.teacher_width)


def reduced(data: Dataset, limits: Mapping[str, int], *, has_channels: bool) -> Dataset:
    """Return a seeded draw of the samples, with a channel axis where they have none."""
    arrays = {}
    for split, limit in limits.items():
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        chosen = np.random.default_rng(0).permutation(len(y))[:limit]
        arrays[f"x_{split}"], arrays[f"y_{split}"] = x[chosen] if has_channels else x[chosen, ..., None], y[chosen]
    return replace(data, **arrays)


class Study:
    """The trainings of a study and the file that holds their results.

    Args:
        path: The JSON file; rows that it has are not trained again.
        work: Folder of the trained teachers.
        settings: Of all trainings.

    Raises:
        SystemExit: The file is of a study with other settings.
    """

    def __init__(self, path: Path, work: Path, settings: Settings) -> None:
        self._path, self._work, self._settings = path, work, settings
        self.document = make_document(
            "study_halting", {"settings": asdict(settings), "arms": list(ARMS), "teachers": {}, "rows": []}
        )
        if path.is_file():
            self.document = json.loads(path.read_text())
            if self.document["result"]["settings"] != asdict(settings):
                raise SystemExit(f"{path} is of a study with other settings; move it away to start anew")
        self.document["tool"] = "tools/study_halting.py"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One per finished training."""
        return self.document["result"]["rows"]

    def run(self, tasks: Sequence[Task], seeds: Sequence[int]) -> None:
        """Do the trainings that are missing, seed by seed, so that what is there is balanced."""
        done = {(row["data"], row["seed"], row["arm"]) for row in self.rows}
        for seed in seeds:
            for task in tasks:
                for name, arm in ARMS.items():
                    if (task.name, seed, name) not in done:
                        self._add(task, seed, name, self._same(task, seed, arm) or self._train(task, seed, arm))

    def teacher(self, task: Task) -> keras.Model:
        """Return the one teacher of a data set, trained or read."""
        path = self._work / f"{task.name}.keras"
        known = self.document["result"]["teachers"]
        if task.name in known and path.is_file():
            return keras.models.load_model(path, compile=False)
        keras.utils.set_random_seed(1000)
        model = build_teacher(task.data.input_shape, task.data.num_classes, width=task.teacher_width)
        training = train(model, task.data, self._recipe(self._settings.teacher_epochs, 1000))
        write_model(path, model)
        student = task.build_student(0)
        known[task.name] = {
            "accuracy": accuracy(model, task.data),
            "macs": count_macs(model),
            "params": model.count_params(),
            "seconds": training.seconds,
            "student_macs": count_macs(student),
            "student_params": student.count_params(),
            "num_train": len(task.data.x_train),
            "num_test": len(task.data.x_test),
            "num_classes": task.data.num_classes,
        }
        self._show(f"{task.name}: teacher {known[task.name]['accuracy']:.4f} in {training.seconds:.0f} s")
        return model

    def _same(self, task: Task, seed: int, arm: Arm) -> dict[str, Any] | None:
        """Return the row of another arm that halts at the same epoch: with one thread it is the same training."""
        callbacks = arm.halting(self._settings)
        rows = [
            row for row in self.rows if (row["data"], row["seed"]) == (task.name, seed) and ARMS[row["arm"]].trainee
        ]
        never = next((row for row in rows if row["arm"] == NEVER), None)
        if never is None or len(callbacks) != 1:
            return None
        epoch = _epoch_of_halt(callbacks[0], never["history"])
        wanted = {} if epoch is None else {callbacks[0].guide: epoch}
        row = next((row for row in rows if row["halted"] == wanted), None)
        return row and {name: row[name] for name in _RESULT} | {"same_as": row.get("same_as", row["arm"])}

    def _train(self, task: Task, seed: int, arm: Arm) -> dict[str, Any]:
        teacher, guide_macs = (None if arm.teacher == "none" else self.teacher(task)), 0
        if arm.teacher == "stored":
            guide_macs = len(task.data.x_train) * count_macs(teacher)
            teacher = soft_targets(teacher, task.data.x_train)
        student = task.build_student(seed)
        settings = self._settings
        recipe = self._recipe(settings.epochs, seed)
        if teacher is None:
            training = train(student, task.data, recipe)
        else:
            training = distill(
                student,
                task.data,
                recipe,
                teacher=teacher,
                trainee="like_teacher" if arm.trainee else None,
                temperature=settings.temperature,
                student_loss_weight=settings.student_loss_weight,
                trainee_loss_weight=settings.trainee_loss_weight,
                callbacks=arm.halting(settings),
            )
        return _result(training, task, guide_macs)

    def _recipe(self, epochs: int, seed: int) -> Recipe:
        settings = self._settings
        return Recipe(epochs, batch_size=settings.batch_size, learning_rate=settings.learning_rate, seed=seed)

    def _add(self, task: Task, seed: int, arm: str, result: dict[str, Any]) -> None:
        finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.rows.append({"data": task.name, "seed": seed, "arm": arm, **result, "finished": finished})
        write_json(self._path, self.document)
        self._show(f"{task.name}, seed {seed}, {arm}: {result['accuracy']:.4f} in {result['seconds']:.0f} s")
        keras.backend.clear_session()

    def _show(self, line: str) -> None:
        print(line, flush=True)


def _epoch_of_halt(halting: EarlyHalting, history: Mapping[str, list[float]]) -> int | None:
    """Return when a rule would have halted its guide in a training in which nothing was halted."""
    halting.rule.reset()
    values = history.get(halting.monitor, [math.nan] * len(history["val_accuracy"]))
    for epoch, value in enumerate(values, 1):
        if epoch >= halting.start_from_epoch and halting.rule.reason(value, epoch) is not None:
            return epoch
    return None


def _result(training: Training, task: Task, guide_macs: int) -> dict[str, Any]:
    return {
        "accuracy": accuracy(training.model, task.data),
        "guide_macs": guide_macs + sum(report["macs_spent"] for report in training.halting),
        "seconds": training.seconds,
        "halted": {report["guide"]: report["epoch"] for report in training.halting if report["halted"]},
        "history": {
            name: [float(f"{value:.4g}") for value in values]
            for name, values in training.history.items()
            if name in _HISTORY
        },
    }


if __name__ == "__main__":
    main()
