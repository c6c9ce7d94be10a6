"""Trains teachers and students: one recipe, so that what is compared differs in nothing but the guides."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.compat.tensorflow import release_traced_graphs
from kd_edge.config import STUDENT_LOSS_WEIGHT
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics import classified_right
from kd_edge.distillation.augmentation.imu import augment
from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.results import HaltingReport, Recipe
from kd_edge.distillation.targets.soft_targets import SoftTargets
from tflite_bench.provenance import Measured


@dataclass(frozen=True, slots=True)
class Training:
    """What one training gave.

    Attributes:
        model: The trained network.
        history: Metrics per epoch, as in `keras.callbacks.History`.
        seconds: Wall-clock time.
        halting: One report per guide; empty without guides.
    """

    model: keras.Model
    history: Measured[dict[str, list[float]]]
    seconds: Measured[float]
    halting: tuple[HaltingReport, ...] = ()


def train(
    model: keras.Model, data: Dataset, recipe: Recipe, *, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> Training:
    """Train a network on labels alone.

    Args:
        model: Ends in logits; its weights are changed in place.
        data: Training and validation samples.
        recipe: How.
        callbacks: For example a progress display.
    """
    model.compile(**_compiled(data, recipe))
    return _fit(model, model, data, recipe, callbacks)


def distill(
    student: keras.Model,
    data: Dataset,
    recipe: Recipe,
    *,
    teacher: "keras.Model | SoftTargets | None",
    trainee: keras.Model | str | None = None,
    temperature: float = 4.0,
    student_loss_weight: float = STUDENT_LOSS_WEIGHT,
    trainee_loss_weight: float = 0.5,
    halting: EarlyHalting | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Training:
    """Train a student with guides, by the same recipe as `train`.

    Args:
        student: Ends in logits; its weights are changed in place.
        data: Training and validation samples.
        recipe: How.
        teacher: The trained network, or its soft targets for `data.x_train`.
        trainee: An untrained large network that learns beside the student, `"like_teacher"`, or none.
        temperature: Softens the guides' outputs.
        student_loss_weight: Weight of the labels, 0 to 1; the guides have the rest. Defaults to 0.3.
        trainee_loss_weight: Weight of the trainee beside the teacher's 1.
        halting: Takes a guide out of the training; never by default, and without effect where there is no such guide.
        callbacks: For example a progress display.
    """
    distiller = Distiller(
        teacher=teacher,
        student=student,
        trainee=trainee,
        distillation_losses=keras.distillation.LogitsDistillation(temperature),
        student_loss_weight=student_loss_weight,
        trainee_loss_weight=trainee_loss_weight,
    )
    distiller.compile(**_compiled(data, recipe))
    halts = [halting] if halting and halting.guide in distiller.guides else []
    return _fit(distiller, student, data, recipe, [*halts, *callbacks])


def accuracy(model: keras.Model, data: Dataset) -> float:
    """Return the share of the test samples that a model classifies right."""
    return float(test_samples_right(model, data).mean())


def test_samples_right(model: keras.Model, data: Dataset) -> np.ndarray:
    """Return for each test sample whether a model classifies it right."""
    return classified_right(model.predict(data.x_test, batch_size=256, verbose=0), data.y_test)


def epochs_shown(show: Callable[[str, float, str], None], stage: str, epochs: int) -> keras.callbacks.Callback:
    """Return a callback that shows the progress of a training.

    Args:
        show: Called with the stage, the share of epochs that are done, and a message.
        stage: Name of the stage.
        epochs: How many there will be.
    """

    def on_epoch_end(epoch: int, logs: dict[str, float]) -> None:
        accuracy = logs["val_accuracy"]
        show(stage, (epoch + 1) / epochs, f"epoch {epoch + 1} of {epochs}, validation accuracy {accuracy:.3f}")

    return keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)


def _compiled(data: Dataset, recipe: Recipe) -> dict[str, Any]:
    steps = len(data.x_train) // recipe.batch_size or 1
    warm_up = min(2, recipe.epochs - 1) * steps
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20,
        max(recipe.epochs * steps - warm_up, 1),
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-2)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return {
        "optimizer": optimizer,
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy"],
    }


def _batches(data: Dataset, recipe: Recipe) -> tf.data.Dataset:
    size = min(recipe.batch_size, len(data.x_train))
    batches = (
        tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
        .shuffle(len(data.x_train), seed=recipe.seed)
        .batch(size, drop_remainder=True)
    )
    return augment(batches, recipe.augment, seed=recipe.seed).prefetch(2)


def _fit(
    fitted: keras.Model,
    model: keras.Model,
    data: Dataset,
    recipe: Recipe,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Training:
    start = time.perf_counter()
    history = fitted.fit(
        _batches(data, recipe),
        validation_data=(data.x_val, data.y_val),
        validation_batch_size=256,
        epochs=recipe.epochs,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    release_traced_graphs()  # or every network that was ever trained would stay in memory
    return Training(model, history.history, seconds, tuple(getattr(fitted, "halting_reports", ())))
