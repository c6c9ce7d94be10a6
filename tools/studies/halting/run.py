"""Compares ways of guiding a student and of halting its guides; the table is in docs/halting.md.

docs/results/halting.json gets the rows of a data set and seed as soon as these are finished: an interrupted study that
is started again goes on where it was. Needs the extra `train`; of data sets whose file is not in the folder `--data` it
says so and leaves them out.
"""

import argparse
import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.halting.rules import FixedEpoch
from kd_edge.distillation.teacher_models import build_teacher
from kd_edge.distillation.training import accuracy, train
from kd_edge.files import write_json, write_model
from kd_edge.ir.lowering import lower
from kd_edge.reporting.documents import make_document
from tools.fill_docs import fill
from tools.studies.halting.results import ALONE as STUDENT_ALONE
from tools.studies.halting.results import NEVER, render, summarize
from tools.studies.halting.tasks import Settings, Task, tasks
from tools.studies.halting.trainings import ALONE, LIVE, STORED, TRAINEE, Run, Runs

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "results" / "halting.json"
PAGE = ROOT / "docs" / "halting.md"


def _plateau(min_delta: float, patience: int, guide: str = "trainee") -> EarlyHalting:
    return EarlyHalting(guide, "plateau", min_delta=min_delta, patience=patience)


def _agreement(baseline: float, patience: int) -> EarlyHalting:
    return EarlyHalting("trainee", "agreement", baseline=baseline, patience=patience)


def halting_arms(settings: Settings) -> dict[str, list[EarlyHalting]]:
    """Return by name what halts the trainee, and what halts the teacher once the trainee has left."""
    return {
        "trainee, plateau 5 %, patience 3": [_plateau(0.05, 3)],
        "trainee, plateau 10 %, patience 2": [_plateau(0.1, 2)],
        "trainee, agreement 95 %, patience 3": [_agreement(0.95, 3)],
        "trainee, agreement 80 %, patience 1": [_agreement(0.8, 1)],
        "trainee, fixed epoch": [EarlyHalting("trainee", FixedEpoch(settings.fixed_epochs))],
        "trainee and teacher, plateau 10 %, patience 2": [_plateau(0.1, 2), _plateau(0.1, 2, "teacher")],
    }


WAYS = {STUDENT_ALONE: ALONE, "live teacher": LIVE, "soft targets": STORED, NEVER: TRAINEE}
_HISTORY = ("val_accuracy", "teacher_divergence", "trainee_divergence", "teacher_agreement", "trainee_agreement")


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
        result: dict[str, Any] = {"settings": asdict(settings), "arms": self.arms, "teachers": {}, "rows": []}
        self.document = make_document("study_halting") | {"result": result}
        if path.is_file():
            self.document = json.loads(path.read_text())
            if self.document["result"]["settings"] != asdict(settings):
                raise SystemExit(f"{path} is of a study with other settings; move it away to start anew")
        self.document["tool"] = "tools/studies/halting/run.py"

    @property
    def arms(self) -> list[str]:
        """Names of the ways to train."""
        return [*WAYS, *halting_arms(self._settings)]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One per finished training."""
        return self.document["result"]["rows"]

    def run(self, tasks: Sequence[Task], seeds: Sequence[int]) -> None:
        """Do the trainings that are missing, seed by seed, so that what is there is balanced."""
        done = {(row["data"], row["seed"]) for row in self.rows}
        runs: dict[str, Runs] = {}
        for seed in seeds:
            for task in tasks:
                if (task.name, seed) not in done:
                    if task.name not in runs:
                        runs[task.name] = Runs(task, self._settings, self._teacher(task))
                    self._add(task, seed, Cell(runs[task.name], task, seed, self._settings).results())

    def _teacher(self, task: Task) -> keras.Model:
        """Return the one teacher of a data set, trained or read."""
        path = self._work / f"{task.name}.keras"
        known = self.document["result"]["teachers"]
        if task.name in known and path.is_file():
            return keras.models.load_model(path, compile=False)
        keras.utils.set_random_seed(1000)
        model = build_teacher(task.data.input_shape, task.data.num_classes, width=task.teacher_width)
        training = train(model, task.data, self._settings.recipe(1000, epochs=self._settings.teacher_epochs))
        write_model(path, model)
        student = task.build_student(0)
        known[task.name] = {
            "accuracy": accuracy(model, task.data),
            "macs": lower(model).total_macs,
            "params": model.count_params(),
            "seconds": training.seconds,
            "student_macs": lower(student).total_macs,
            "student_params": student.count_params(),
            "num_train": len(task.data.x_train),
            "num_test": len(task.data.x_test),
            "num_classes": task.data.num_classes,
        }
        print(f"{task.name}: teacher {known[task.name]['accuracy']:.4f} in {training.seconds:.0f} s", flush=True)
        return model

    def _add(self, task: Task, seed: int, results: Mapping[str, dict[str, Any]]) -> None:
        finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        for arm, result in results.items():
            self.rows.append({"data": task.name, "seed": seed, "arm": arm, **result, "finished": finished})
            print(f"{task.name}, seed {seed}, {arm}: {result['accuracy']:.4f} {result['halted']}", flush=True)
        write_json(self._path, self.document)


class Cell:
    """All trainings of one data set with one seed.

    Args:
        runs: The ways to train.
        task: The data set.
        seed: The seed.
        settings: Of the study.
    """

    def __init__(self, runs: Runs, task: Task, seed: int, settings: Settings) -> None:
        self._runs, self._task, self._seed, self._settings = runs, task, seed, settings
        self._branches: dict[tuple[int | None, int | None], Run] = {}

    def results(self) -> dict[str, dict[str, Any]]:
        """Return accuracy, guides' MACs, seconds and halts by arm."""
        whole = {name: self._runs.run(way, self._seed) for name, way in WAYS.items()}
        results = {name: self._result(run, WAYS[name], {}) for name, run in whole.items()}
        self._branches[None, None] = whole[NEVER]
        for name, (first, *others) in halting_arms(self._settings).items():
            trainee_left = _epoch_of_halt(first, whole[NEVER].history)
            run, teacher_left = self._branch(trainee_left, None), None
            for halting in others if trainee_left is not None else ():
                teacher_left = _epoch_of_halt(halting, run.history, first_epoch=trainee_left + 1)
                run = self._branch(trainee_left, teacher_left)
            halts = {"trainee": trainee_left, "teacher": teacher_left}
            results[name] = self._result(run, TRAINEE, {guide: e for guide, e in halts.items() if e is not None})
        return results

    def _branch(self, trainee_left: int | None, teacher_left: int | None) -> Run:
        """Return the training in which the guides leave after these epochs; `None`: they stay."""
        key = trainee_left, teacher_left
        if key not in self._branches:
            if teacher_left is None:
                before, way, epoch = self._branches[None, None], LIVE, trainee_left
            else:
                before, way, epoch = self._branch(trainee_left, None), ALONE, teacher_left
            self._branches[key] = self._joined(before, way, epoch)
        return self._branches[key]

    def _joined(self, before: Run, way: str, epoch: int) -> Run:
        if epoch == self._settings.epochs:
            return before
        rest = self._runs.run(way, self._seed, first_epoch=epoch, state=before.states[epoch])
        return before.until(epoch).then(rest)

    def _result(self, run: Run, way: str, halts: Mapping[str, int]) -> dict[str, Any]:
        return {
            "accuracy": self._runs.accuracy(run.states[-1]),
            "guide_macs": self._guide_macs(way, halts),
            "seconds": sum(run.seconds),
            "halted": dict(halts),
            "history": {
                name: [float(f"{value:.4g}") for value in values]
                for name, values in run.history.items()
                if name in _HISTORY
            },
        }

    def _guide_macs(self, way: str, halts: Mapping[str, int]) -> int:
        """Return what the guides' passes cost: a trainee's three times a teacher's; for soft targets one pass."""
        settings, num_train = self._settings, len(self._task.data.x_train)
        macs = self._runs.teacher_macs
        per_epoch = num_train // settings.batch_size * settings.batch_size * macs
        if way == STORED:
            return num_train * macs
        teacher = per_epoch * halts.get("teacher", settings.epochs) if way in (LIVE, TRAINEE) else 0
        return teacher + (3 * per_epoch * halts.get("trainee", settings.epochs) if way == TRAINEE else 0)


def _epoch_of_halt(halting: EarlyHalting, history: Mapping[str, list[float]], *, first_epoch: int = 1) -> int | None:
    """Return after which epoch a rule halts its guide, given what it observes; `None`: the guide stays.

    Args:
        halting: The rule.
        history: What it observes.
        first_epoch: The first one that it observes.
    """
    halting.rule.reset()
    values = history.get(halting.monitor, [math.nan] * len(history["val_accuracy"]))
    for epoch, value in enumerate(values, 1):
        if epoch >= first_epoch and halting.rule.reason(value, epoch) is not None:
            return epoch
    return None


if __name__ == "__main__":
    main()
