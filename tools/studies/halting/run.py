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

from kd_edge.compat.tensorflow import free_memory
from kd_edge.data.dataset import Dataset
from tools.fill_docs import fill
from tools.studies.halting import averages, forms, gain, leaving, product, sizes
from tools.studies.halting.pages import render
from tools.studies.halting.results import summarize
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import ALL, AMOUNTS, FEW, TASKS, Task, with_few_labels
from tools.studies.halting.teachers import Teachers
from tools.studies.halting.trainings import Plan, Trainer

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "results" / "halting.json"
PAGE = ROOT / "docs" / "halting.md"
HALTING_SETS = ("fashion-2000", "mnist-5000", "watch", "har", "arabic")


@dataclass(frozen=True)
class Job:
    """A part of the study that one process does.

    Attributes:
        name: Of its lock.
        run: Does what is missing.
        is_done: Tells from the rows whether nothing is missing.
    """

    name: str
    run: Callable[[], object]
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
        self._loaded = functools.lru_cache(maxsize=4)(self._load)
        self._trainer = functools.lru_cache(maxsize=2)(self._make_trainer)
        self._leaving = functools.lru_cache(maxsize=1)(lambda name: leaving.Leaving(*self._parts(name)))
        self._forms = functools.lru_cache(maxsize=1)(lambda name: forms.Forms(*self._parts(name)))

    def run(self, parts: list[str], sets: list[str]) -> None:
        """Do the jobs that no other process does, until none is left."""
        jobs = [job for part in parts for name in sets for job in PARTS[part](self, TASKS[name])]
        while todo := [job for job in jobs if not job.is_done(self._rows.all)]:
            tried = [self._try(job) for job in todo]
            if not any(tried):
                return

    def gain_jobs(self, task: Task) -> Iterator[Job]:
        """Yield what compares student alone and distilled student, each at its best."""
        for amount in AMOUNTS:
            for side in gain.sides(task, amount):
                done = functools.partial(gain.is_done, task=task, amount=amount, side=side)
                yield Job(f"gain-{task.name}-{amount}-{side}", functools.partial(self._gain, task, amount, side), done)

    def halting_jobs(self, task: Task) -> Iterator[Job]:
        """Yield what compares the rules of halting."""
        for seed in leaving.SEEDS if task.name in HALTING_SETS else ():
            done = functools.partial(leaving.is_done, task=task, seed=seed)
            yield Job(f"halting-{task.name}-{seed}", functools.partial(self._leave, task, seed), done)

    def forms_jobs(self, task: Task) -> Iterator[Job]:
        """Yield what compares the forms of a trainee."""
        for teacher in (True, False) if task.name in forms.SETS else ():
            for seed in forms.SEEDS:
                done = functools.partial(forms.is_done, task=task, seed=seed, teacher=teacher)
                run = functools.partial(self._form, task, seed, teacher=teacher)
                yield Job(f"forms-{task.name}-{seed}-{teacher}", run, done)

    def product_jobs(self, task: Task) -> Iterator[Job]:
        """Yield what tries the rate finder and halting by sample."""
        for side in (gain.ALONE, gain.DISTILLED):
            identity = {"part": product.RATE, "set": task.name, "side": side}
            yield self._single(identity, functools.partial(self._found_rate, task, side))
        for seed in product.BY_SAMPLE_SEEDS if task.name == product.BY_SAMPLE_SET else ():
            for by_sample in (False, True):
                identity = {"part": product.BY_SAMPLE, "set": task.name, "seed": seed, "by_sample": by_sample}
                run = functools.partial(self._halted_by_sample, task, seed, by_sample=by_sample)
                yield self._single(identity, run)

    def sizes_jobs(self, task: Task) -> Iterator[Job]:
        """Yield what tries learning rates with students of several sizes."""
        for width in sizes.WIDTHS if task.name == sizes.SET else ():
            done = functools.partial(sizes.is_done, width=width)
            yield Job(f"sizes-{width}", functools.partial(self._size, task, width), done)

    def averages_jobs(self, task: Task) -> Iterator[Job]:
        """Yield what compares the best epoch's weights with their average."""
        for seed in averages.SEEDS if task.name in averages.SETS else ():
            done = functools.partial(averages.is_done, task=task, seed=seed)
            yield Job(f"averages-{task.name}-{seed}", functools.partial(self._average, task, seed), done)

    def _single(self, identity: Row, make: Callable[[], Row]) -> Job:
        def is_done(rows: list[Row]) -> bool:
            return any(all(row.get(k) == v for k, v in identity.items()) for row in rows)

        return Job("-".join(map(str, identity.values())), lambda: self._rows.once(make, **identity), is_done)

    def _try(self, job: Job) -> bool:
        with self._rows.claimed(job.name) as mine:
            if mine and not job.is_done(self._rows.all):
                job.run()
                free_memory()
                self._rows.put("summary", summarize(self._rows.all))
            return mine

    def _gain(self, task: Task, amount: str, side: str) -> None:
        data_of = functools.partial(self._data, task, amount)
        parts = {"trainer": self._trainer(task.name), "teachers": self._teachers, "rows": self._rows}
        gain.Gain(task, amount, side, data_of=data_of, **parts).run()

    def _leave(self, task: Task, seed: int) -> None:
        data = self._data(task, ALL, seed)
        self._leaving(task.name).run(seed, data, self._teachers.targets(task, seed, data, ALL))

    def _form(self, task: Task, seed: int, *, teacher: bool) -> None:
        data = self._data(task, ALL, seed)
        targets = self._teachers.targets(task, seed, data, ALL)
        self._forms(task.name).run(seed, data, targets, teacher=teacher)

    def _size(self, task: Task, width: int) -> None:
        data = self._data(task, ALL, sizes.SEED)
        targets = self._teachers.targets(task, sizes.SEED, data, ALL)
        sizes.run(task, width, data=data, targets=targets, rows=self._rows)

    def _average(self, task: Task, seed: int) -> None:
        data = self._data(task, ALL, seed)
        targets = self._teachers.targets(task, seed, data, ALL)
        parts = {"trainer": self._trainer(task.name), "targets": targets, "rows": self._rows}
        averages.run(task, data, seed, **parts)

    def _found_rate(self, task: Task, side: str) -> Row:
        data = self._data(task, ALL, 0)
        targets = None if side == gain.ALONE else self._teachers.targets(task, 0, data, ALL)
        plan = Plan(0.0, gain.first_epochs(len(data.y_train) // 64))
        return product.found_rate(task, data, targets, self._trainer(task.name), plan, 0)

    def _halted_by_sample(self, task: Task, seed: int, *, by_sample: bool) -> Row:
        data = self._data(task, ALL, seed)
        targets = self._teachers.targets(task, seed, data, ALL)
        return product.halted_by_sample(task, data, targets, seed, by_sample=by_sample)

    def _parts(self, name: str) -> tuple[Task, Dataset, Trainer, Rows]:
        return TASKS[name], self._data(TASKS[name], ALL, 0), self._trainer(name), self._rows

    def _data(self, task: Task, amount: str, seed: int) -> Dataset:
        return self._loaded(task.name, amount, task.fold(seed))

    def _make_trainer(self, name: str) -> Trainer:
        return Trainer(TASKS[name], self._data(TASKS[name], ALL, 0))

    def _load(self, name: str, amount: str, fold: int) -> Dataset:
        data = TASKS[name].load(self._samples, fold)
        return with_few_labels(data) if amount == FEW else data


PARTS: dict[str, Callable[[Study, Task], Iterator[Job]]] = {
    "gain": Study.gain_jobs,
    "halting": Study.halting_jobs,
    "forms": Study.forms_jobs,
    "product": Study.product_jobs,
    "sizes": Study.sizes_jobs,
    "averages": Study.averages_jobs,
}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of .npz files")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "halting", help="folder of teachers and targets")
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS), help="none: only the page")
    parser.add_argument("--sets", nargs="+", choices=list(TASKS), default=list(TASKS))
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    rows = Rows(RESULTS, args.work / "locks")
    Study(args.data, args.work, rows).run(args.parts, args.sets)
    rows.put("summary", summarize(rows.all))
    fill(PAGE, "study", render(rows.document))


if __name__ == "__main__":
    main()
