"""The stages that train, as functions: teach, design, distil, train the baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.config import DesignConfig, DistillConfig, TeacherConfig, objective_for
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.data.class_metrics import classification_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.distillation.results import Recipe, kept_accuracy
from kd_edge.distillation.targets.information import TeacherInformation, teacher_information
from kd_edge.errors import ConfigError
from kd_edge.search.results import CandidateTraining
from kd_edge.silence import say
from kd_edge.stages.results import (
    BaselineResult,
    ChoiceResult,
    DesignResult,
    DistillResult,
    Scores,
    TeacherResult,
    TrainingResult,
)
from kd_edge.verification.confidence import paired_difference

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.distillation.training import Training
    from kd_edge.search.space.student_space import Screening, StudentSpace


@dataclass(frozen=True, eq=False)
class Taught:
    """A trained teacher, or its outputs, and what its training found."""

    model: "keras.Model | SoftTargets"
    result: TeacherResult


@dataclass(frozen=True, eq=False)
class Distilled:
    """A distilled student and what its training found."""

    model: "keras.Model"
    result: DistillResult


def start_teacher(wanted: TeacherConfig, data: Dataset) -> "keras.Model | SoftTargets":
    """Return the teacher before its training: built here, or read, trained already, from the file that is named.

    Of a teacher that lives elsewhere its outputs are read.

    Args:
        wanted: Path, outputs or width.
        data: The samples it has to read.

    Raises:
        ModelError: There is no such file, or it does not belong to the data.
    """
    from kd_edge.distillation.model_files import load_teacher
    from kd_edge.distillation.teacher_models import build_teacher

    if wanted.outputs is not None:
        from kd_edge.distillation.targets.teacher_outputs import read_outputs

        return read_outputs(wanted.outputs, data)
    if wanted.path is not None:
        return load_teacher(wanted.path, data)
    reconstructs = data.task.kind == "reconstruction"
    return build_teacher(data.input_shape, data.num_outputs, width=wanted.width, reconstructs=reconstructs)


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
    from kd_edge.distillation.by_task import answer_logits
    from kd_edge.distillation.foreign_models import only_answers
    from kd_edge.distillation.given_models import check_trained
    from kd_edge.distillation.predictions import predictions
    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.distillation.training import train

    if isinstance(teacher, SoftTargets):
        return Taught(teacher, _known_of_outputs(teacher, data, wanted))
    if wanted.path is not None:
        check_trained(teacher, data)
        found: dict[str, Any] = {"path": wanted.path}
    else:
        found = _training(train(teacher, data, recipe_of(wanted, seed), callbacks=callbacks))
    scores: dict[str, Any] = _scores(teacher, data)
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

    (logits,) = targets.outputs(np.arange(len(data.y_train)))
    information, reasons = _information(lambda: logits, data)
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
    from kd_edge.distillation.guides import fresh_copy
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


def space_of(family: str, teacher: "keras.Model | SoftTargets", data: Dataset) -> "StudentSpace":
    """Return the networks to choose from: a general family, or the teacher with less of everything."""
    from kd_edge.search.space.families import FAMILIES
    from kd_edge.search.space.student_space import FROM_TEACHER, StudentSpace

    if family == FROM_TEACHER:
        from kd_edge.distillation.targets.stored import SoftTargets

        if isinstance(teacher, SoftTargets):
            known = ", ".join(sorted(FAMILIES))
            raise ConfigError(
                "bad family 'from_teacher': expected a teacher's network, received its outputs alone; choose one of "
                f"the general families: {known}"
            )
        return StudentSpace.from_teacher(teacher)
    return StudentSpace.family(family, data.input_shape, data.num_outputs)


def screen(
    space: "StudentSpace",
    teacher: "keras.Model | SoftTargets",
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
    teacher: "keras.Model | SoftTargets",
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
        recipe=replace(recipe_of(distillation, seed), epochs=wanted.epochs, augment="none", strength=1.0),
        search=wanted.search,
        num_trials=wanted.trials,
        teacher_ratio=wanted.teacher_ratio,
        importance=wanted.importance,
        temperature=distillation.temperature,
        student_loss_weight=distillation.student_loss_weight,
        objective=wanted.objective,
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
    return Distilled(student, DistillResult(**_scores(student, data), **_training(training)))


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

    return distill(
        student,
        data,
        recipe_of(wanted, seed),
        teacher=teacher,
        trainee=_trainee(wanted, teacher, trainee),
        temperature=wanted.temperature,
        student_loss_weight=wanted.student_loss_weight,
        trainee_loss_weight=wanted.trainee_loss_weight,
        halting=EarlyHalting(rule=wanted.rule, patience=wanted.patience, start_from_epoch=wanted.start_from_epoch),
        callbacks=callbacks,
    )


def _trainee(wanted: DistillConfig, teacher: Any, trainee: Any) -> Any:
    """Return the trainee: none beside a teacher whose layers are not here, which is said."""
    from kd_edge.distillation.foreign_models import only_answers
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
    return Distilled(student, DistillResult(**_scores(student, data), **_training(training), guided=False))


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
    from kd_edge.distillation.by_task import decisions_of
    from kd_edge.distillation.training import train

    training = train(student, data, recipe_of(wanted, seed), callbacks=callbacks)
    decisions, judged = decisions_of(student, data, "test"), Judged.of(data)
    right = [judged.credits(answers) for answers in (decisions_of(distilled, data, "test"), decisions)]
    gain = paired_difference(*right, groups=judged.groups, seed=seed)
    return BaselineResult(**_scores(student, data, decisions), **_training(training), distillation_gain=gain)


def baseline_of(unguided: DistillResult) -> BaselineResult:
    """Return as the baseline what was trained without guides in the place of the distilled student."""
    values = {f.name: getattr(unguided, f.name) for f in fields(TrainingResult)}
    return BaselineResult(**values, distillation_gain=None)


def choose(
    distilled: DistillResult,
    alone: BaselineResult,
    *,
    asked: str = "best",
    scores: tuple[float, float] | None = None,
    val_difference: Mapping[str, float] | None = None,
) -> ChoiceResult:
    """Return which student is handed on: what was asked for, or the better one on the validation samples.

    Args:
        distilled: The distilled student.
        alone: The one without guides.
        asked: `"best"`, `"distilled"` or `"baseline"`.
        scores: What the two are worth on the validation samples; by default their accuracies.
        val_difference: Of their accuracies there.
    """
    accuracies = distilled.val_accuracy or 0.0, alone.val_accuracy or 0.0
    theirs, own = scores or accuracies
    preferred = "distilled" if distilled.guided and theirs >= own else "alone"
    shipped = {"distilled": "distilled", "baseline": "alone"}.get(asked, preferred)
    return ChoiceResult(
        shipped=shipped if distilled.guided else "alone",
        distilled_accuracy=accuracies[0],
        alone_accuracy=accuracies[1],
        metric=distilled.metric,
        asked=asked,
        preferred=preferred,
        val_difference=val_difference,
        test_difference=alone.distillation_gain,
    )


def compare_students(
    distilled: "keras.Model", alone: "keras.Model", data: Dataset, objective: str | None, *, seed: int = 0
) -> dict[str, Any]:
    """Return `scores` and `val_difference` as `choose` takes them.

    Args:
        distilled: The distilled student.
        alone: The one without guides.
        data: Its validation samples compare.
        objective: What they are worth; see `objective_for`.
        seed: Draws the resamples of the interval.
    """
    from kd_edge.distillation.by_task import decisions_of
    from kd_edge.search.tuner import score_of_decisions

    decisions, judged = [decisions_of(model, data, "val") for model in (distilled, alone)], Judged.of(data, "val")
    difference = paired_difference(*map(judged.credits, decisions), groups=judged.groups, seed=seed)
    worth = objective_for(objective, data.task)
    return {
        "scores": tuple(score_of_decisions(answers, data, worth) for answers in decisions),
        "val_difference": difference,
    }


def recipe_of(wanted: TeacherConfig | DistillConfig, seed: int) -> Recipe:
    """Return how a configuration trains a network."""
    assert wanted.epochs is not None  # only of a teacher that is read and never trained
    assert wanted.learning_rate is not None
    return Recipe(wanted.epochs, wanted.batch_size, wanted.learning_rate, wanted.augment, wanted.strength, seed)


def settled(wanted: DistillConfig, recipe: Recipe | None) -> DistillConfig:
    """Return how a student is to be trained, with what `"auto"` has become in a recipe; as it is without one."""
    if recipe is None:
        return wanted
    return replace(wanted, learning_rate=recipe.learning_rate, augment=recipe.augment, strength=recipe.strength)


def _scores(model: "keras.Model", data: Dataset, decisions: "np.ndarray | None" = None) -> dict[str, Any]:
    """Return the fields of `Scores`; `decisions`: what it says of the test samples, where that is known."""
    from kd_edge.distillation.by_task import decisions_of
    from kd_edge.ir.lowering import macs_of

    decisions = decisions_of(model, data, "test") if decisions is None else decisions
    classes = classification_of(decisions, data.y_test, data.class_names) if data.task.classifies else None
    return vars(
        Scores(
            test_accuracy=float(Judged.of(data).credits(decisions).mean()),
            metric=data.task.metric,
            classification=classes,
            macs=macs_of(model),
            params=model.count_params(),
        )
    )


def _training(training: "Training | CandidateTraining") -> dict[str, Any]:
    return {
        "history": training.history,
        "seconds": training.seconds,
        "halting": training.halting,
        "recipe": training.recipe,
        "val_accuracy": kept_accuracy(training.history),
    }
