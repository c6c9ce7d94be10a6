"""The stage `design`: which networks fit, and which of them is the best."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kd_edge.config.choices import STREAMING
from kd_edge.config.stages import DesignConfig, DistillConfig
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError
from kd_edge.silence import say
from kd_edge.stages.results import DesignResult
from kd_edge.stages.training_fields import candidate_recipe

if TYPE_CHECKING:
    import keras

    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.search.space.screening import Screening
    from kd_edge.search.space.student_space import StudentSpace


def space_of(
    family: str, teacher: "keras.Model | SoftTargets", data: Dataset, *, frames: int | None = None
) -> "StudentSpace":
    """Return the networks to choose from: a general family, or the teacher with less of everything.

    Args:
        family: `"from_teacher"`, or the name of a general family.
        teacher: The teacher, or its outputs.
        data: The samples to read.
        frames: How many frames a step takes where the family is `"streaming"`.
    """
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
    return StudentSpace.family(family, data.input_shape, data.num_outputs, frames=frames, heads=data.heads)


def screen(
    space: "StudentSpace",
    teacher: "keras.Model | SoftTargets",
    data: Dataset,
    wanted: DesignConfig,
    *,
    device: DeviceProfile,
    budget: Budget,
    seed: int = 0,
) -> "Screening":
    """Return which networks of a space fit; it needs no trained teacher.

    Raises:
        BudgetError: None does; the message says what binds.
        ConfigError: The space is too large for the search.
    """
    from kd_edge.conversion.metadata import metadata_bytes
    from kd_edge.cost.model import CostModel
    from kd_edge.search.sizing import macs_limit
    from kd_edge.search.strategies import find_strategy

    find_strategy(wanted.search).check(space)
    max_macs = macs_limit(teacher, wanted.teacher_ratio)
    model = CostModel(device, beside_bytes=metadata_bytes(data))
    return space.screen(model, budget, max_macs=max_macs, seed=seed)


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
    from kd_edge.conversion.metadata import metadata_bytes
    from kd_edge.search.sizing import design

    space = space or space_of(wanted.family, teacher, data)
    distillation = distillation.for_task(data.task)
    if space.name == STREAMING:
        say("each candidate is costed as a step of its stream: MACs, RAM and latency are those of a step")
    found = design(
        teacher,
        data,
        device=device,
        budget=budget,
        space=space,
        recipe=candidate_recipe(distillation, wanted.epochs, seed),
        search=wanted.search,
        num_trials=wanted.trials,
        teacher_ratio=wanted.teacher_ratio,
        importance=wanted.importance,
        temperature=distillation.temperature,
        student_loss_weight=distillation.student_loss_weight,
        objective=wanted.objective,
        beside_bytes=metadata_bytes(data),
        screening=screening,
        directory=directory,
        overwrite=overwrite,
        on_trial=on_trial,
    )
    return None if found is None else DesignResult.of(found, device.name, budget)
