"""Trains teachers and students: one recipe, so that what is compared differs in nothing but the guides."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from kd_edge.compat.tensorflow import release_traced_graphs
from kd_edge.config.by_task import learning_rate_for
from kd_edge.config.choices import STUDENT_LOSS_WEIGHT, TEMPERATURE
from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.distillation.batches import Batches
from kd_edge.distillation.by_task import check_recipe, guidance, label_loss, metric_of
from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.feed import steps_per_execution
from kd_edge.distillation.guides.fresh import fresh_copy
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.outputs.names import check_outputs
from kd_edge.distillation.recipe.auto_augment import choose_augmentation
from kd_edge.distillation.recipe.best_epoch import BestEpoch
from kd_edge.distillation.recipe.mean_score import MeanScore
from kd_edge.distillation.recipe.optimizer import make_optimizer
from kd_edge.distillation.recipe.rate_finder import find_learning_rate
from kd_edge.distillation.recipe.recipe_batches import plain_batches, taught_batches, validation
from kd_edge.distillation.results import HaltingReport, Recipe, metric_in
from kd_edge.distillation.targets.recipe_targets import check_views, store_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.trainer_support import build_before_trace, steps_at_once
from tflite_bench.provenance import Measured


@dataclass(frozen=True, slots=True)
class Training:
    """What one training gave.

    Attributes:
        model: The trained network, as it was after `best_epoch`.
        history: Metrics per epoch, as in `keras.callbacks.History`.
        seconds: Wall-clock time, the teacher's passes over the samples included.
        recipe: How it was trained: with the rate that was found, where none was given.
        best_epoch: The epoch, from 1, with the best metric on the validation samples, of equal ones the lowest loss.
        halting: One report per guide; empty without guides.
    """

    model: keras.Model
    history: Measured[dict[str, list[float]]]
    seconds: Measured[float]
    best_epoch: Measured[int]
    recipe: Recipe
    halting: tuple[HaltingReport, ...] = ()

    @property
    def val_accuracy(self) -> float:
        """The task's metric of the best epoch on the validation samples: of classes the accuracy, 0 to 1."""
        return self.history[f"val_{metric_in(self.history)}"][self.best_epoch - 1]


def train(
    model: keras.Model, data: Dataset, recipe: Recipe, *, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> Training:
    """Train a network on labels alone and keep its best validation epoch.

    Args:
        model: Ends in what the task asks for, as logits or probabilities; its weights are changed in place.
        data: Training and validation samples.
        recipe: How.
        callbacks: For example a progress display.

    Returns:
        The network as it was after its best validation epoch, and what the training was.

    Raises:
        ModelError: The network has other outputs than the task asks for.
    """
    start = time.perf_counter()
    recipe, _ = settle(model, data, recipe)
    batches = plain_batches(model, data, recipe)
    model.compile(**_compiled(recipe, batches, model, data))
    with steps_at_once(model, steps_per_execution(batches.num_steps, callbacks)):
        return _fit(model, model, data, recipe, batches, callbacks, start)


def distill(
    student: keras.Model,
    data: Dataset,
    recipe: Recipe,
    *,
    teacher: "keras.Model | SoftTargets | None",
    trainee: keras.Model | str | None = None,
    temperature: float = TEMPERATURE,
    student_loss_weight: float = STUDENT_LOSS_WEIGHT,
    trainee_loss_weight: float = 0.5,
    halting: EarlyHalting | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Training:
    """Train a student with guides, by the same recipe as `train`, and keep its best validation epoch.

    A teacher is asked before the training, once about each sample or, where the recipe changes the samples, about
    several changed forms of it, which are what the student sees; see `store_targets`. Samples without labels in the
    data join those with labels.

    Args:
        student: Ends in what the task asks for, as logits or probabilities; its weights are changed in place.
        data: Training and validation samples.
        recipe: How.
        teacher: The trained network, or its soft targets for the training samples.
        trainee: An untrained large network that learns beside the student, `"like_teacher"`, or none.
        temperature: Softens the guides' outputs. Defaults to 2.
        student_loss_weight: Weight of the labels, 0 to 1; the guides have the rest. Defaults to 0.1.
        trainee_loss_weight: Weight of the trainee beside the teacher's 1.
        halting: Takes a guide out of the training; never by default, and without effect where there is no such guide.
        callbacks: For example a progress display.

    Returns:
        The student as it was after its best validation epoch, what the training was, and a report for each guide.

    Raises:
        ModelError: The student, or a guide, has other outputs than the task asks for.
        DataError: The soft targets do not belong to the samples, or to the recipe's changes of them.
    """
    start = time.perf_counter()
    if trainee == "like_teacher" and isinstance(teacher, keras.Model):
        trainee = fresh_copy(teacher)
    settings = {"temperature": temperature, "student_loss_weight": student_loss_weight}
    recipe, guide = settle(student, data, recipe, teacher=teacher, **settings)
    batches = taught_batches(student, data, recipe, guide)
    distiller = _distiller(
        student, guide, data.task, **settings, trainee=trainee, trainee_loss_weight=trainee_loss_weight
    )
    distiller.compile(**_compiled(recipe, batches, student, data))
    halts = [halting] if halting and halting.guide in distiller.guides else []
    return _fit(distiller, student, data, recipe, batches, [*halts, *callbacks], start)


def settle(
    student: keras.Model,
    data: Dataset,
    recipe: Recipe,
    *,
    teacher: "keras.Model | SoftTargets | None" = None,
    temperature: float = TEMPERATURE,
    student_loss_weight: float = STUDENT_LOSS_WEIGHT,
) -> "tuple[Recipe, keras.Model | SoftTargets | None]":
    """Decide what a recipe leaves open, as `train` and `distill` do before they begin.

    First the augmentation is chosen, then the teacher is asked about the samples, then a learning rate is found.

    Args:
        student: What will be trained; it has its weights again afterwards.
        data: Training and validation samples.
        recipe: Whose `augment` or `learning_rate` may be `"auto"`.
        teacher: As for `distill`; none for a training on labels alone.
        temperature: As for `distill`.
        student_loss_weight: As for `distill`.

    Returns:
        The recipe without anything open, and the teacher's stored targets for it, or the teacher itself where it has to
        run in every step; `None` without a teacher.

    Raises:
        DataError: The soft targets do not belong to the recipe's changes of the samples.
    """
    settings = {"temperature": temperature, "student_loss_weight": student_loss_weight}
    check_outputs(student, data)
    if recipe.learning_rate is None:
        recipe = replace(recipe, learning_rate=learning_rate_for(data.task))
    if recipe.augment != "auto":
        check_recipe(recipe.augment, data.task)
    else:
        recipe = _augmentation_of(recipe, student, data, teacher, settings)
    if isinstance(teacher, keras.Model):
        teacher = store_targets(teacher, data, recipe) or teacher
    elif teacher is not None:
        check_views(teacher, recipe)
    if recipe.learning_rate != "auto":
        return recipe, teacher
    if teacher is None:
        fitted, batches = student, plain_batches(student, data, recipe)
    else:
        fitted = _distiller(student, teacher, data.task, **settings)
        batches = taught_batches(student, data, recipe, teacher)
    rate = find_learning_rate(fitted, student, batches, loss=_loss(recipe, student, data))
    return replace(recipe, learning_rate=rate), teacher


def epochs_shown(show: Callable[[str, float, str], None], stage: str, epochs: int) -> keras.callbacks.Callback:
    """Return a callback that shows the progress of a training.

    Args:
        show: Called with the stage, the share of epochs that are done, and a message.
        stage: Name of the stage.
        epochs: How many there will be.
    """

    def on_epoch_end(epoch: int, logs: dict[str, float]) -> None:
        metric = metric_in(logs)
        score = f"validation {metric.replace('_', ' ')} {logs[f'val_{metric}']:z.3f}"
        show(stage, (epoch + 1) / epochs, f"epoch {epoch + 1} of {epochs}, {score}")

    return keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)


def _distiller(student: keras.Model, teacher: Any, task: Task, *, temperature: float, **kwargs: Any) -> Distiller:
    return Distiller(teacher, student, guidance(task, temperature), **kwargs)


def _augmentation_of(
    recipe: Recipe, student: keras.Model, data: Dataset, teacher: Any, settings: Mapping[str, Any]
) -> Recipe:
    """Return the recipe with the augmentation that suits the student; stored targets have decided on it."""
    if isinstance(teacher, SoftTargets):
        views = teacher.views
        return replace(recipe, augment=views.augment if views else "none", strength=views.strength if views else 1.0)

    def attempt(short: Recipe) -> Training:
        if teacher is None:
            return train(student, data, short)
        return distill(student, data, short, teacher=teacher, **settings)

    return choose_augmentation(student, data, recipe, attempt)


def _compiled(recipe: Recipe, batches: Batches, model: keras.Model, data: Dataset) -> dict[str, Any]:
    assert isinstance(recipe.learning_rate, float | int)  # it is settled
    optimizer = make_optimizer(recipe.learning_rate, epochs=recipe.epochs, steps_per_epoch=batches.num_steps)
    weighted = {} if batches.sample_weight is None else {"weighted_metrics": [metric_of(model, data)]}
    found = metric_of(model, data)
    metrics = found if data.task.parts else [found]
    return {"optimizer": optimizer, "loss": _loss(recipe, model, data), "metrics": metrics, **weighted}


def _loss(recipe: Recipe, model: keras.Model, data: Dataset) -> Any:
    return label_loss(model, data, one_hot=recipe.augment == "mixup")


def _fit(
    fitted: keras.Model,
    model: keras.Model,
    data: Dataset,
    recipe: Recipe,
    batches: Batches,
    callbacks: Sequence[keras.callbacks.Callback],
    start: float,
) -> Training:
    best, feed = BestEpoch(model), batches.feed(recipe.epochs)
    if fitted is model:
        build_before_trace(model, feed.element_spec)
    history = fitted.fit(
        feed,
        **validation(model, data, recipe),
        epochs=recipe.epochs,
        steps_per_epoch=batches.num_steps,
        callbacks=[MeanScore(data.task), best, *callbacks],
        shuffle=False,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    release_traced_graphs()  # or every network that was ever trained would stay in memory
    halting = tuple(getattr(fitted, "halting_reports", ()))
    return Training(model, history.history, seconds, best.epoch, recipe, halting)
