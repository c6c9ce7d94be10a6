"""What shapes each stage besides the stages before it: where that has changed, the stage is done again."""

from dataclasses import fields, replace
from typing import Any

from kd_edge.config.choices import STREAMING
from kd_edge.config.run import RunConfig
from kd_edge.files import content_digest
from kd_edge.stages.context import RunContext
from kd_edge.stages.own_code import own_code_in

Shaping = tuple[object, ...]


def without_paths(config: RunConfig) -> dict[str, Any]:
    """Return the tables of a configuration without the paths of data, teacher and device, whose contents count."""
    named: dict[str, Any] = {key: "" for key in ("path", "outputs") if getattr(config.teacher, key) is not None}
    tables = {table.name: getattr(config, table.name) for table in fields(config)}
    return tables | {
        "data": replace(config.data, source=""),
        "teacher": replace(config.teacher, **named),
        "budget": replace(config.budget, device=""),
    }


def data_shape(context: RunContext) -> Shaping:
    """Return what shapes the data beside the samples."""
    return without_paths(context.config)["data"], context.config.seed


def teacher_shape(context: RunContext) -> Shaping:
    """Return what shapes the teacher; a file, a folder or code of the user's may have changed under its name."""
    wanted = context.config.teacher
    path = wanted.path if wanted.outputs is None else wanted.outputs
    shape = replace(without_paths(context.config)["teacher"], folds=0)  # their teachers are others
    return (shape, *(() if path is None else (content_digest(path),)), *own_code_in(wanted))


def design_shape(context: RunContext) -> Shaping:
    """Return what shapes the search; a device may have been calibrated anew under its name."""
    distill = context.config.distill
    training = (distill.batch_size, distill.learning_rate, distill.temperature, distill.student_loss_weight)
    step = (context.config.convert.stream,) if context.config.design.family == STREAMING else ()
    return context.budget, context.config.design, training, context.device, *step, *own_code_in(context.config.design)


def distill_shape(context: RunContext) -> Shaping:
    """Return what shapes the race and with it the distillation; which student is handed on is chosen later."""
    wanted = context.config.distill
    return replace(wanted, student="best"), context.config.teacher.folds, *own_code_in(wanted)


def guided_shape(context: RunContext) -> Shaping:
    """Return what shapes the distillation beside the race: a demand for what the race advises against."""
    demanded = context.results["race"].verdict == "hurts" and context.config.distill.student == "distilled"
    return ("distilled",) if demanded else ()


def choice_shape(context: RunContext) -> Shaping:
    """Return what shapes the choice of the student that is handed on."""
    return (context.config.distill.student,)


def convert_shape(context: RunContext) -> Shaping:
    """Return what shapes the conversion."""
    return (context.config.convert,)


def verify_shape(context: RunContext) -> Shaping:
    """Return what shapes the verification."""
    return (context.config.verify,)
