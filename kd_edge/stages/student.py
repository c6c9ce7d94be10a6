"""The stages `distill` and `baseline`: a student with guides, and the same one without."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from kd_edge.config.stages import DistillConfig
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.silence import say
from kd_edge.stages.results import BaselineResult, DesignResult, DistillResult, TrainingResult
from kd_edge.stages.training_fields import Distilled, recipe_of, scores_of, training_fields
from kd_edge.verification.intervals.difference import paired_difference

if TYPE_CHECKING:
    import keras

    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.distillation.training import Training


def distill_student(
    student: "keras.Model",
    data: Dataset,
    wanted: DistillConfig,
    *,
    teacher: "keras.Model | SoftTargets",
    trainee: "keras.Model | None" = None,
    seed: int = 0,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> Distilled:
    """Train a student with its guides, in place.

    Args:
        student: Ends in logits.
        data: Training and validation samples.
        wanted: How.
        teacher: The trained teacher, or its stored targets.
        trainee: The untrained network to take where `wanted` asks for one and the teacher is no network.
        seed: Makes the training repeatable.
        callbacks: For example a progress display.
    """
    training = distill_by(wanted, student, data, teacher=teacher, trainee=trainee, seed=seed, callbacks=callbacks)
    return Distilled(student, DistillResult(**scores_of(student, data), **training_fields(training)))


def distill_by(
    wanted: DistillConfig,
    student: "keras.Model",
    data: Dataset,
    *,
    teacher: "keras.Model | SoftTargets",
    trainee: "keras.Model | None" = None,
    seed: int = 0,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> "Training":
    """Train a student as a configuration says; the arguments are those of `distill_student`."""
    from kd_edge.distillation.halting.early_halting import EarlyHalting
    from kd_edge.distillation.training import distill

    wanted = wanted.for_task(data.task)
    return distill(
        student,
        data,
        recipe_of(wanted, seed),
        teacher=teacher,
        trainee=_trainee(wanted, teacher, trainee),
        temperature=wanted.temperature,
        student_loss_weight=wanted.student_loss_weight,
        trainee_loss_weight=wanted.trainee_loss_weight,
        halting=EarlyHalting(
            rule=wanted.rule or "", patience=wanted.patience, start_from_epoch=wanted.start_from_epoch
        ),
        callbacks=callbacks,
    )


def _trainee(wanted: DistillConfig, teacher: Any, trainee: Any) -> Any:
    """Return the trainee: none beside a teacher whose layers are not here, which is said."""
    from kd_edge.distillation.models.foreign_models import only_answers
    from kd_edge.distillation.targets.stored import SoftTargets

    if wanted.trainee == "none" or trainee is not None:
        return None if wanted.trainee == "none" else trainee
    if isinstance(teacher, SoftTargets) or only_answers(teacher):
        say("the teacher's layers are not here: there is no trainee like it")
        return None
    return wanted.trainee


def train_unguided(
    student: "keras.Model",
    data: Dataset,
    wanted: DistillConfig,
    *,
    seed: int = 0,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> Distilled:
    """Train a student alone where guides were seen to hurt; the arguments are those of `distill_student`."""
    from kd_edge.distillation.training import train

    training = train(student, data, recipe_of(wanted, seed), callbacks=callbacks)
    return Distilled(student, DistillResult(**scores_of(student, data), **training_fields(training), guided=False))


def was_distilled(design: DesignResult, wanted: DistillConfig, *, seed: int = 0) -> bool:
    """Return whether the search has trained the chosen student just as `distill_student` would, without a trainee."""
    training = design.training
    return (
        wanted.trainee == "none"
        and training.initial_epoch == 0
        and training.recipe == recipe_of(wanted, seed)
        and (training.temperature, training.student_loss_weight) == (wanted.temperature, wanted.student_loss_weight)
    )


def keep_searched(student: "keras.Model", data: Dataset, design: DesignResult) -> Distilled:
    """Return the student that the search trained; see `was_distilled`.

    Args:
        student: As the search left it.
        data: Its test samples judge it.
        design: The search.
    """
    training = design.training
    result = DistillResult(**scores_of(student, data), **training_fields(training), from_search=True)
    return Distilled(student, result)


def train_baseline(
    student: "keras.Model",
    data: Dataset,
    wanted: DistillConfig,
    *,
    distilled: "keras.Model",
    seed: int = 0,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> BaselineResult:
    """Train the same student from the same weights on the same batches, without guides, and compare.

    Args:
        student: As the distilled one was before its training; trained in place.
        data: Training, validation and test samples.
        wanted: How the distilled one was trained.
        distilled: The distilled student.
        seed: That of the distillation.
        callbacks: For example a progress display.
    """
    from kd_edge.distillation.outputs.decisions import decisions_of
    from kd_edge.distillation.training import train

    training = train(student, data, recipe_of(wanted, seed), callbacks=callbacks)
    decisions, judged = decisions_of(student, data, "test"), Judged.of(data)
    right = [judged.credits(answers) for answers in (decisions_of(distilled, data, "test"), decisions)]
    gain = paired_difference(*right, groups=judged.groups, seed=seed)
    return BaselineResult(**scores_of(student, data, decisions), **training_fields(training), distillation_gain=gain)


def baseline_of(unguided: DistillResult) -> BaselineResult:
    """Return as the baseline what was trained without guides in the place of the distilled student."""
    values = {f.name: getattr(unguided, f.name) for f in fields(TrainingResult)}
    return BaselineResult(**values, distillation_gain=None)
