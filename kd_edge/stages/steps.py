"""The stages that train, as functions: teach, design, distil, train the baseline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.config import DesignConfig, DistillConfig, TeacherConfig
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.results import Recipe
from kd_edge.search.results import CandidateTraining
from kd_edge.stages.results import BaselineResult, DesignResult, DistillResult, Scores, TeacherResult
from kd_edge.verification.confidence import paired_difference

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kd_edge.distillation.training import Training
    from kd_edge.search.space.student_space import Screening, StudentSpace


@dataclass(frozen=True, eq=False)
class Taught:
    """A trained teacher and what its training found."""

    model: "keras.Model"
    result: TeacherResult


@dataclass(frozen=True, eq=False)
class Distilled:
    """A distilled student and what its training found."""

    model: "keras.Model"
    result: DistillResult


def start_teacher(wanted: TeacherConfig, data: Dataset) -> "keras.Model":
    """Return the teacher before its training: built here, or read, trained already, from the file that is named.

    Args:
        wanted: Path or width.
        data: The samples it has to read.

    Raises:
        ModelError: There is no such file, or it does not belong to the data.
    """
    from kd_edge.distillation.model_files import load_teacher
    from kd_edge.distillation.teacher_models import build_teacher

    if wanted.path is not None:
        return load_teacher(wanted.path, data)
    return build_teacher(data.input_shape, data.num_classes, width=wanted.width)


def teach(
    teacher: "keras.Model",
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
    from kd_edge.distillation.training import train

    if wanted.path is not None:
        return Taught(teacher, TeacherResult(**_scores(teacher, data), path=wanted.path))
    training = train(teacher, data, _recipe(wanted, seed), callbacks=callbacks)
    return Taught(teacher, TeacherResult(**_scores(teacher, data), **_training(training)))


def space_of(family: str, teacher: "keras.Model", data: Dataset) -> "StudentSpace":
    """Return the networks to choose from: a general family, or the teacher with less of everything."""
    from kd_edge.search.space.student_space import FROM_TEACHER, StudentSpace

    if family == FROM_TEACHER:
        return StudentSpace.from_teacher(teacher)
    return StudentSpace.family(family, data.input_shape, data.num_classes)


def screen(
    space: "StudentSpace",
    teacher: "keras.Model",
    wanted: DesignConfig,
    *,
    device: DeviceProfile,
    budget: Budget,
    seed: int = 0,
) -> "Screening":
    """Return which networks of a space fit; it needs no trained teacher.

    Raises:
        BudgetError: None does; the message says what binds.
    """
    from kd_edge.cost.model import CostModel
    from kd_edge.search.tuner import macs_limit

    max_macs = macs_limit(teacher, wanted.teacher_ratio)
    return space.screen(CostModel(device), budget, max_macs=max_macs, seed=seed)


def design_student(
    teacher: "keras.Model",
    data: Dataset,
    wanted: DesignConfig,
    distillation: DistillConfig,
    *,
    device: DeviceProfile,
    budget: Budget,
    directory: Path,
    seed: int = 0,
    space: "StudentSpace | None" = None,
    screening: "Screening | None" = None,
    overwrite: bool = False,
    on_trial: Callable[[int, int], None] = lambda done, planned: None,
) -> DesignResult | None:
    """Search the best student; `None` in a process that is a worker of another one's search.

    Args:
        teacher: The trained teacher.
        data: Training and validation samples.
        wanted: The search.
        distillation: How candidates are trained, but for the epochs.
        device: The board.
        budget: The limits.
        directory: Where the search keeps its state.
        seed: Makes the search repeatable.
        space: From `space_of`, by default that of `wanted`.
        screening: From `screen`, for this space, device and budget; made by default.
        overwrite: Whether an older search in the directory is deleted.
        on_trial: Called with the numbers of finished and of planned trials.

    Raises:
        BudgetError: No network of the space fits.
        ConfigError: The directory holds another search.
    """
    from kd_edge.search.tuner import design

    found = design(
        teacher,
        data,
        device=device,
        budget=budget,
        space=space or space_of(wanted.family, teacher, data),
        recipe=replace(_recipe(distillation, seed), epochs=wanted.epochs, augment="none"),
        search=wanted.search,
        num_trials=wanted.trials,
        teacher_ratio=wanted.teacher_ratio,
        importance=wanted.importance,
        temperature=distillation.temperature,
        student_loss_weight=distillation.student_loss_weight,
        screening=screening,
        directory=directory,
        overwrite=overwrite,
        on_trial=on_trial,
    )
    return None if found is None else DesignResult.of(found, device.name, budget)


def distill_student(
    student: "keras.Model",
    data: Dataset,
    wanted: DistillConfig,
    *,
    teacher: "keras.Model",
    seed: int = 0,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> Distilled:
    """Train a student with its guides, in place.

    Args:
        student: Ends in logits.
        data: Training and validation samples.
        wanted: How.
        teacher: The trained teacher.
        seed: Makes the training repeatable.
        callbacks: For example a progress display.
    """
    from kd_edge.distillation.halting.early_halting import EarlyHalting
    from kd_edge.distillation.training import distill

    training = distill(
        student,
        data,
        _recipe(wanted, seed),
        teacher=teacher,
        trainee=None if wanted.trainee == "none" else wanted.trainee,
        temperature=wanted.temperature,
        student_loss_weight=wanted.student_loss_weight,
        trainee_loss_weight=wanted.trainee_loss_weight,
        halting=EarlyHalting(rule=wanted.rule, patience=wanted.patience, start_from_epoch=wanted.start_from_epoch),
        callbacks=callbacks,
    )
    return Distilled(student, DistillResult(**_scores(student, data), **_training(training)))


def was_distilled(design: DesignResult, wanted: DistillConfig, *, seed: int = 0) -> bool:
    """Return whether the search has trained the chosen student just as `distill_student` would, without a trainee."""
    training = design.training
    return (
        wanted.trainee == "none"
        and training.initial_epoch == 0
        and training.recipe == _recipe(wanted, seed)
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
    result = DistillResult(**_scores(student, data), **_training(training), from_search=True)
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
    from kd_edge.distillation.training import test_samples_right, train

    training = train(student, data, _recipe(wanted, seed), callbacks=callbacks)
    right = test_samples_right(student, data)
    gain = paired_difference(test_samples_right(distilled, data), right, seed=seed)
    return BaselineResult(**_scores(student, data, right), **_training(training), distillation_gain=gain)


def _recipe(wanted: TeacherConfig | DistillConfig, seed: int) -> Recipe:
    return Recipe(wanted.epochs, wanted.batch_size, wanted.learning_rate, wanted.augment, seed=seed)


def _scores(model: "keras.Model", data: Dataset, right: "np.ndarray | None" = None) -> dict[str, Any]:
    """Return the fields of `Scores`; `right`: of each test sample whether it is classified right, where it is known."""
    from kd_edge.distillation.training import test_samples_right
    from kd_edge.ir.lowering import lower

    right = test_samples_right(model, data) if right is None else right
    return vars(Scores(test_accuracy=float(right.mean()), macs=lower(model).total_macs, params=model.count_params()))


def _training(training: "Training | CandidateTraining") -> dict[str, Any]:
    return {"history": training.history, "seconds": training.seconds, "halting": training.halting}
