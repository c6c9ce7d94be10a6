"""The context of a run: what its stages hand on, each read or made once."""

import functools
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kd_edge.compat.tfmot import check_installed
from kd_edge.config.by_task import objective_for
from kd_edge.config.choices import STREAMING
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import DistillConfig
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.data.class_weights import with_class_weight
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.splits.folds import fold_numbers
from kd_edge.data.task import Task
from kd_edge.distillation.halting.rules import find_rule
from kd_edge.errors import ConfigError, MissingDependencyError
from kd_edge.search.strategies import find_strategy
from kd_edge.stages.own_code import own_code_in
from kd_edge.stages.results import DesignResult
from kd_edge.stages.store import StageStore, stage_key

if TYPE_CHECKING:
    import keras

    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.search.space.screening import Screening
    from kd_edge.search.space.student_space import StudentSpace
    from kd_edge.search.weight_inheritance import WeightInheritance

TEACHER, STUDENT, MODEL = "teacher.keras", "student.keras", "model.tflite"
DISTILLED, ALONE = "distilled.keras", "alone.keras"
_DRAWING = ("matplotlib", "jinja2", "vl_convert")


class Progress(Protocol):
    """Told what a run is doing."""

    def __call__(self, stage: str, done: float, message: str = "") -> None:
        """Report that a share `done`, 0 to 1, of one of `STAGES` is finished."""


class RunContext:
    """What the stages of one run hand on: configuration, data, results, and the models, each read or made once."""

    def __init__(self, config: RunConfig, folder: Path, progress: Progress) -> None:
        self.config = config
        self.progress = progress
        self.device = load_device(config.budget.device)
        self.budget = config.budget.budget(self.device)
        check_costs(config.convert.quantize, self.device, self.budget)
        _check_drawing()
        if config.convert.qat == "always" or config.convert.compress != "none":
            check_installed()
        wanted = config.data
        data = load_data(
            wanted.source,
            normalize=wanted.normalize,
            seed=config.seed,
            models=[config.teacher.path] if config.teacher.path else [],
            options=wanted.options,
        )
        self.data = with_class_weight(data, wanted.class_weight)
        # Behind the data, whose Python file may have registered one.
        find_strategy(config.design.search)
        self.config = replace(config, distill=config.distill.for_task(data.task))
        find_rule(self.config.distill.rule or "")
        self.store = StageStore(folder)
        self.results: dict[str, Any] = {}
        self.keys: dict[str, str] = {}

    def check(self, first: str) -> None:
        """Say what is wrong, or that nothing fits, before `first` and with it anything is made."""
        self.check_recipes()
        if first in ("data", "teacher", "design"):
            _ = self.screening

    def check_recipes(self) -> None:
        """Say what is wrong with how teacher and student are to be trained."""
        from kd_edge.distillation.augmentation.registry import check_augmentation
        from kd_edge.distillation.by_task import check_recipe

        for wanted in (self.config.teacher, self.config.distill):
            if wanted.augment != "auto":
                check_recipe(wanted.augment, self.data.task)
                check_augmentation(wanted.augment, self.data.input_shape)
        objective_for(self.config.design.objective, self.data.task)
        _check_rule(self.config.distill, self.data.task)
        if self.config.teacher.folds:
            _check_folds(self.data)
            folds, groups = self.config.teacher.folds, self.data.group_train
            fold_numbers(self.data.y_train, folds, groups=groups, seed=self.config.seed)

    def forget_untrained(self) -> None:
        """Drop a teacher that `check` has built before its stage was seen to be done: the trained one is in a file."""
        self.__dict__.pop("teacher", None)

    @property
    def search(self) -> str:
        """The folder of the search within the run's; one that is done anew for another reason is another search."""
        return f"search/{self.keys['design'][:16]}"

    @functools.cached_property
    def teacher(self) -> "keras.Model | SoftTargets":
        """The teacher: trained where its stage is done; the outputs of one that lives elsewhere."""
        import keras

        from kd_edge.stages.teacher import start_teacher

        if "teacher" in self.results and self.config.teacher.outputs is None:
            return self.load(TEACHER)
        keras.utils.set_random_seed(self.config.seed)
        return start_teacher(self.config.teacher, self.data)

    @property
    def teacher_network(self) -> Any:
        """The teacher where it is a network; `None` where there are its outputs alone."""
        return None if self.config.teacher.outputs is not None else self.teacher

    @functools.cached_property
    def space(self) -> "StudentSpace":
        """The networks to choose from; a teacher that is yet to be trained has its architecture already."""
        from kd_edge.stages.search import space_of

        family = self.config.design.family
        frames = self.config.convert.stream if family == STREAMING else None
        return space_of(family, self.teacher, self.data, frames=frames)

    @functools.cached_property
    def screening(self) -> "Screening":
        """Which networks of the space fit."""
        from kd_edge.stages.search import screen

        return screen(
            self.space,
            self.teacher,
            self.data,
            self.config.design,
            device=self.device,
            budget=self.budget,
            seed=self.config.seed,
        )

    @functools.cached_property
    def inheritance(self) -> "WeightInheritance | None":
        """The trained teacher's weights for students that are derived from it."""
        from kd_edge.search.weight_inheritance import WeightInheritance

        prunable = self.space.prunable
        if prunable is None:
            return None
        return WeightInheritance(self.teacher_network, importance=self.config.design.importance, prunable=prunable)

    @functools.cached_property
    def guidance(self) -> "keras.Model | SoftTargets":
        """What the student learns from: the teacher's outputs, stored; where that cannot be, the teacher."""
        from kd_edge.distillation.targets.recipe_targets import store_targets, views_of
        from kd_edge.stages.teacher import cross_fit
        from kd_edge.stages.training_fields import recipe_of

        wanted, recipe = self.config.teacher, recipe_of(self.config.distill, self.config.seed)
        if wanted.outputs is not None:
            return self.teacher
        if wanted.folds:
            shape = (wanted.folds, views_of(recipe), *own_code_in(self.config.distill))
            key = stage_key(self.keys["teacher"], "folds", *shape)
            directory = self.store.folder / f"folds/{key[:16]}"
            return cross_fit(
                self.teacher_network, self.data, wanted, recipe, directory=directory, seed=self.config.seed
            )
        if recipe.augment == "auto":
            return self.teacher
        return store_targets(self.teacher_network, self.data, recipe) or self.teacher

    @functools.cached_property
    def trainee(self) -> "keras.Model | None":
        """The untrained network that learns beside the student, where one is asked for."""
        import keras

        from kd_edge.distillation.guides.fresh import fresh_copy
        from kd_edge.distillation.models.foreign_models import only_answers

        if self.config.distill.trainee == "none" or only_answers(self.teacher) or self.config.teacher.outputs:
            return None
        keras.utils.set_random_seed(self.config.seed)  # targets that are made, not read, have drawn numbers
        return fresh_copy(self.teacher_network)

    @functools.cached_property
    def distilled(self) -> "keras.Model":
        """The student that was trained with guides."""
        return self.load(DISTILLED)

    @functools.cached_property
    def alone(self) -> "keras.Model":
        """The student that was trained without guides."""
        return self.load(ALONE)

    @functools.cached_property
    def student(self) -> "keras.Model":
        """The student that is handed on."""
        return self.load(STUDENT)

    def fresh_student(self) -> "keras.Model":
        """Return the chosen student before its training."""
        import keras

        design: DesignResult = self.results["design"]
        inheritance = self.inheritance
        keras.utils.set_random_seed(self.config.seed)
        if inheritance is None:
            return design.blueprint.to_keras()
        return inheritance.student(design.chosen.values, self.data.x_train)

    def load(self, name: str) -> "keras.Model":
        """Return a model in the run's folder."""
        from kd_edge.distillation.models.model_files import load_model

        return load_model(self.store.folder / name)

    def epochs(self, stage: str, epochs: int) -> "list[keras.callbacks.Callback]":
        """Return the callback that shows a training."""
        from kd_edge.distillation.training import epochs_shown

        return [epochs_shown(self.progress, stage, epochs)]


def _check_rule(wanted: DistillConfig, task: Task) -> None:
    """Say before a teacher is trained that guide and student never agree on measured values."""
    metric = getattr(find_rule(wanted.rule or ""), "metric", "")
    if wanted.trainee != "none" and not task.decides and metric == "agreement":
        raise ConfigError(
            f"bad value for key 'rule': expected one that needs no decisions for the task {task.kind!r}, 'plateau', "
            f"'gradient' or 'epoch', received {wanted.rule!r}; name one, or leave the trainee out (trainee = \"none\")"
        )


def _check_folds(data: Dataset) -> None:
    if not data.task.classifies:
        raise ConfigError(
            f"bad value for key 'folds': expected 0 for the task {data.task.kind!r}, which has no classes to draw the "
            "folds by; leave it out"
        )


def _check_drawing() -> None:
    """Say before a teacher is trained that the report could not be drawn in the end."""
    missing = [name for name in _DRAWING if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"{missing[0]} is not installed, the report needs it: pip install 'kd-edge[report]'"
        )


def check_costs(quantize: str, device: DeviceProfile, budget: Budget) -> None:
    """Say before a teacher is trained that the latency of the file cannot be checked in the end.

    Args:
        quantize: Of the conversion.
        device: The board.
        budget: Its limits.

    Raises:
        ConfigError: The latency is limited, and nobody knows it in the numbers of the file.
    """
    numbers = {"int8": "int8", "int16x8": "int16"}.get(quantize, "float32")
    if budget.times_ms and getattr(device, numbers) is None:
        raise ConfigError(
            f"no latency on {device.name}: expected a 'quantize' whose costs its profile has, received {quantize!r}; "
            f"convert to int8, leave out the limits 'latency' and 'energy', or add a table [{numbers}] to a profile of "
            "your own"
        )
