"""The study of teaching and halting; its tables are in docs/halting.md.

Each finished training is a row of docs/results/halting.json at once: a study that was interrupted goes on where it was.
Several processes may run it side by side, each does what no other does. Teachers and their stored targets are kept in
runs/halting. Needs the extras `train` and `study`, and the files of the data sets in the folder `--data`.
"""

import argparse
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from kd_edge.data.dataset import Dataset
from tools.studies.halting import gain
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import ALL, AMOUNTS, FEW, TASKS, Task, with_few_labels
from tools.studies.halting.teachers import Teachers
from tools.studies.halting.trainings import Trainer

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "results" / "halting.json"
PARTS = ("gain",)


@dataclass(frozen=True)
class Job:
    """A part of the study that one process does.

    Attributes:
        name: Of its lock.
        run: Does what is missing.
        is_done: Tells from the rows whether nothing is missing.
    """

    name: str
    run: Callable[[], None]
    is_done: Callable[[list[Row]], bool]


class Study:
    """All trainings of the study.

    Args:
        samples: Folder of the data sets' files.
        work: Folder of teachers, targets and locks.
        rows: Of the results.
    """

    def __init__(self, samples: Path, work: Path, rows: Rows) -> None:
        self._samples, self._rows = samples, rows
        self._teachers = Teachers(samples, work, rows)
        self._trainer = functools.lru_cache(maxsize=2)(self._make_trainer)
        self._loaded = functools.lru_cache(maxsize=4)(self._load)

    def run(self, parts: list[str], sets: list[str]) -> None:
        """Do the jobs that no other process does, until none is left."""
        jobs = [job for part in parts for name in sets for job in self._jobs(part, TASKS[name])]
        while todo := [job for job in jobs if not job.is_done(self._rows.all)]:
            if not any([self._try(job) for job in todo]):
                return

    def _try(self, job: Job) -> bool:
        with self._rows.claimed(job.name) as mine:
            if mine and not job.is_done(self._rows.all):
                job.run()
            return mine

    def _jobs(self, part: str, task: Task) -> Iterator[Job]:
        del part
        for amount in AMOUNTS:
            for side in gain.sides(task, amount):
                done = functools.partial(gain.is_done, task=task, amount=amount, side=side)
                yield Job(f"gain-{task.name}-{amount}-{side}", functools.partial(self._gain, task, amount, side), done)

    def _gain(self, task: Task, amount: str, side: str) -> None:
        data_of = functools.partial(self._data, task, amount)
        parts = {"trainer": self._trainer(task.name), "teachers": self._teachers, "rows": self._rows}
        gain.Gain(task, amount, side, data_of=data_of, **parts).run()

    def _data(self, task: Task, amount: str, seed: int) -> Dataset:
        return self._loaded(task.name, amount, task.fold(seed))

    def _make_trainer(self, name: str) -> Trainer:
        return Trainer(TASKS[name], self._data(TASKS[name], ALL, 0))

    def _load(self, name: str, amount: str, fold: int) -> Dataset:
        data = TASKS[name].load(self._samples, fold)
        return with_few_labels(data) if amount == FEW else data


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of .npz files")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "halting", help="folder of teachers and targets")
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sets", nargs="+", choices=list(TASKS), default=list(TASKS))
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    rows = Rows(RESULTS, args.work / "locks")
    Study(args.data, args.work, rows).run(args.parts, args.sets)


if __name__ == "__main__":
    main()
