"""The stage `teacher`: read, built or trained, or known by its outputs alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.config.inputs import TeacherConfig
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.information import TeacherInformation, teacher_information
from kd_edge.stages.results import TeacherResult
from kd_edge.stages.training_fields import recipe_of, scores_of, training_fields

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kd_edge.distillation.targets.stored import SoftTargets


@dataclass(frozen=True, eq=False)
class Taught:
    """A trained teacher, or its outputs, and what its training found."""

    model: "keras.Model | SoftTargets"
    result: TeacherResult


def start_teacher(wanted: TeacherConfig, data: Dataset) -> "keras.Model | SoftTargets":
    """Return the teacher before its training: built here, or read, trained already, from the file that is named.

    Of a teacher that lives elsewhere its outputs are read.

    Args:
        wanted: Path, outputs or width.
        data: The samples it has to read.

    Raises:
        ModelError: There is no such file, or it does not belong to the data.
    """
    from kd_edge.distillation.models.model_files import load_teacher
    from kd_edge.distillation.models.teacher_models import build_teacher

    if wanted.outputs is not None:
        from kd_edge.distillation.targets.teacher_outputs import read_outputs

        return read_outputs(wanted.outputs, data)
    if wanted.path is not None:
        return load_teacher(wanted.path, data)
    reconstructs = data.task.kind == "reconstruction"
    return build_teacher(
        data.input_shape, data.num_outputs, width=wanted.width, reconstructs=reconstructs, heads=data.heads
    )


def teach(
    teacher: "keras.Model | SoftTargets",
    data: Dataset,
    wanted: TeacherConfig,
    *,
    seed: int = 0,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> Taught:
    """Train a teacher on labels, in place; one that was read from a file is only judged.

    Args:
        teacher: From `start_teacher`.
        data: Training and validation samples.
        wanted: How.
        seed: Makes the training repeatable.
        callbacks: For example a progress display.
    """
    from kd_edge.distillation.models.foreign_models import only_answers
    from kd_edge.distillation.models.given_models import check_trained
    from kd_edge.distillation.outputs.decisions import answer_logits
    from kd_edge.distillation.outputs.predictions import predictions
    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.distillation.training import train

    if isinstance(teacher, SoftTargets):
        return Taught(teacher, _known_of_outputs(teacher, data, wanted))
    if wanted.path is not None:
        check_trained(teacher, data)
        found: dict[str, Any] = {"path": wanted.path}
    else:
        found = training_fields(train(teacher, data, recipe_of(wanted, seed), callbacks=callbacks))
    scores: dict[str, Any] = scores_of(teacher, data)
    information, reasons = _information(lambda: answer_logits(teacher, data, predictions(teacher, data.x_train)), data)
    if scores["macs"] is None:
        reasons["macs"] = "the teacher has layers whose operators nobody counts"
    if only_answers(teacher):
        scores["params"], reasons["params"] = None, "the teacher's weights are not Keras'"
    result = TeacherResult(**scores, **found, information=information, unavailable_reason=reasons)
    return Taught(teacher, result)


def _known_of_outputs(targets: "SoftTargets", data: Dataset, wanted: TeacherConfig) -> TeacherResult:
    """Return what is known of a teacher by its outputs for the training samples alone."""
    import numpy as np

    answers = targets.outputs(np.arange(len(data.y_train)))
    information, reasons = _information(lambda: answers[0], data)
    reason = "the teacher lives elsewhere: its outputs for the training samples are all that is here"
    return TeacherResult(
        test_accuracy=None,
        macs=None,
        params=None,
        path=wanted.outputs,
        metric=data.task.metric,
        information=information,
        unavailable_reason={**dict.fromkeys(("test_accuracy", "macs", "params"), reason), **reasons},
    )


def _information(answer: "Callable[[], np.ndarray]", data: Dataset) -> tuple[TeacherInformation | None, dict[str, str]]:
    """Return what a teacher's logits tell beyond the labels, or why that is not known."""
    if data.task.parts:
        return None, {"information": "bits beyond a label are those of one output's classes: there are several outputs"}
    if data.task.kind in ("regression", "reconstruction"):
        return None, {"information": f"bits beyond a label are those of classes: the task is a {data.task.kind}"}
    return teacher_information(answer(), data.y_train), {}


def cross_fit(
    teacher: "keras.Model", data: Dataset, wanted: TeacherConfig, recipe: Recipe, *, directory: Path, seed: int = 0
) -> "SoftTargets":
    """Return targets from teachers that have not seen the sample.

    Args:
        teacher: Its network is trained anew without each fold.
        data: Training samples; their groups, where they have some, stay together.
        wanted: How many folds, and how the teachers are trained.
        recipe: The student's: whether its samples are changed.
        directory: Where finished folds are kept.
        seed: Draws the folds.
    """
    from kd_edge.distillation.guides.fresh import fresh_copy
    from kd_edge.distillation.targets.cross_fitting import cross_fitted_targets
    from kd_edge.distillation.targets.recipe_targets import views_of
    from kd_edge.distillation.training import train

    def train_on(model: "keras.Model", x: Any, y: Any) -> None:
        part = replace(data, x_train=x, y_train=y, group_train=None, x_unlabeled=None)
        train(model, part, recipe_of(wanted, seed))

    return cross_fitted_targets(
        lambda: fresh_copy(teacher),
        data.x_train,
        data.y_train,
        train=train_on,
        folds=wanted.folds,
        groups=data.group_train,
        x_unlabeled=data.x_unlabeled,
        directory=directory,
        **views_of(recipe),
    )
