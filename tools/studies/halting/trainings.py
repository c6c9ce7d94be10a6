"""The trainings of `tools/studies/halting/run.py`: each way is compiled once and used for all seeds.

A training in which a guide leaves after some epoch is the one in which it stays, up to that epoch, and from then on the
one that never had it, with the student and its optimizer as they were: that is what halting does, and what
`tests/kd_edge/distillation/test_early_halting.py` checks of the Distiller. So the epochs
that trainings share are done once.
"""

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.training import Recipe, _batches, _compiled, accuracy
from kd_edge.ir.lowering import lower
from tools.studies.halting.tasks import Settings, Task

_ITERATORS_PER_EPOCH = 2  # that Keras 3.15 makes; a test compares with trainings in one piece
ALONE, STORED, LIVE, TRAINEE = "alone", "stored", "live", "trainee"


@dataclass(frozen=True)
class State:
    """A student between two epochs: its weights, and the state of its optimizer."""

    weights: list[np.ndarray]
    slots: list[np.ndarray]


@dataclass(frozen=True)
class Run:
    """Some epochs of a training.

    Attributes:
        states: The student before the first epoch and after each.
        history: Metrics per epoch.
        seconds: Wall-clock time per epoch.
    """

    states: list[State]
    history: dict[str, list[float]]
    seconds: list[float]

    def until(self, epoch: int) -> "Run":
        """Return the first epochs."""
        history = {name: values[:epoch] for name, values in self.history.items()}
        return Run(self.states[: epoch + 1], history, self.seconds[:epoch])

    def then(self, rest: "Run") -> "Run":
        """Return this run and the epochs that follow it."""
        names = {*self.history, *rest.history}
        history = {name: self.history.get(name, []) + rest.history.get(name, []) for name in names}
        return Run(self.states + rest.states[1:], history, self.seconds + rest.seconds)


class Runs:
    """The ways to train the student of one task.

    Args:
        task: The data set and its student.
        settings: Of the study.
        teacher: The trained teacher.
    """

    def __init__(self, task: Task, settings: Settings, teacher: keras.Model) -> None:
        self._task, self._settings, self._teacher = task, settings, teacher
        guides = {STORED: soft_targets(teacher, task.data.x_train), LIVE: teacher, TRAINEE: teacher}
        self._models = {ALONE: task.build_student(0)} | {way: self._distiller(way, guides[way]) for way in guides}
        for model in self._models.values():
            model.compile(**_compiled(task.data, settings.recipe(0)))
            model.optimizer.build(_student(model).trainable_variables)
            model.fit(_batches(task.data, settings.recipe(0)).take(1), verbose=0, validation_data=self._validation)

    def run(self, way: str, seed: int, *, first_epoch: int = 0, state: State | None = None) -> Run:
        """Train from an epoch to the end.

        Args:
            way: `ALONE`, `STORED`, `LIVE` or `TRAINEE`.
            seed: Of the weights and of the order of the samples.
            first_epoch: Finished epochs.
            state: The student after them; by default the fresh one of the seed.
        """
        model, student = self._models[way], _student(self._models[way])
        state = state or self._fresh(seed)
        _set(model, state)
        if way == TRAINEE:
            self._renew_trainee(seed)
        recorder = _Recorder(student, state)
        history = model.fit(
            self._batches_from(first_epoch, self._settings.recipe(seed)),
            validation_data=self._validation,
            initial_epoch=first_epoch,
            epochs=self._settings.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[recorder],
        )
        return Run(recorder.states, history.history, recorder.seconds)

    def accuracy(self, state: State) -> float:
        """Return the student's accuracy on the test samples."""
        _set(self._models[ALONE], state)
        return accuracy(self._models[ALONE], self._task.data)

    @property
    def teacher_macs(self) -> int:
        """Multiply-accumulates of the teacher for one sample."""
        return lower(self._teacher).total_macs

    @property
    def _validation(self) -> tuple[np.ndarray, np.ndarray]:
        return self._task.data.x_val, self._task.data.y_val

    def _batches_from(self, epoch: int, recipe: Recipe) -> Any:
        batches = _batches(self._task.data, recipe)
        for _ in range(_ITERATORS_PER_EPOCH * epoch):
            iter(batches)  # each has an order of its own
        return batches

    def _distiller(self, way: str, guide: Any, seed: int = 0) -> Distiller:
        settings = self._settings
        return Distiller(
            guide,
            self._task.build_student(seed),
            keras.distillation.LogitsDistillation(settings.temperature),
            student_loss_weight=settings.student_loss_weight,
            trainee="like_teacher" if way == TRAINEE else None,
            trainee_loss_weight=settings.trainee_loss_weight,
        )

    def _fresh(self, seed: int) -> State:
        slots = [np.zeros(v.shape, v.dtype) for v in self._models[ALONE].optimizer.variables]
        return State(self._task.build_student(seed).get_weights(), slots)

    def _renew_trainee(self, seed: int) -> None:
        """Give the trainee the weights, and the seeds of its dropout, that it has beside the student of the seed."""
        fresh = self._distiller(TRAINEE, self._teacher, seed).trainee
        trainee = self._models[TRAINEE].trainee
        for variable, value in zip(trainee.variables, fresh.variables, strict=True):
            variable.assign(value)
        for slot in trainee.optimizer.variables:
            slot.assign(np.zeros(slot.shape, slot.dtype))


class _Recorder(keras.callbacks.Callback):
    """Keeps the student after each epoch, and how long the epoch took."""

    def __init__(self, student: keras.Model, state: State) -> None:
        super().__init__()
        self._student = student
        self.states = [state]
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        slots = [v.numpy() for v in self.model.optimizer.variables]
        self.states.append(State(self._student.get_weights(), slots))


def _student(model: keras.Model) -> keras.Model:
    return getattr(model, "student", model)


def _set(model: keras.Model, state: State) -> None:
    _student(model).set_weights(state.weights)
    for variable, value in zip(model.optimizer.variables, state.slots, strict=True):
        variable.assign(value)
