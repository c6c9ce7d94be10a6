"""What shapes each stage besides the stages before it: where that has changed, the stage is done again."""

import hashlib
from dataclasses import replace
from pathlib import Path

from kd_edge.config.choices import STREAMING
from kd_edge.distillation.targets.teacher_outputs import hash_of_outputs
from kd_edge.stages.context import RunContext

Shaping = tuple[object, ...]


def data_shape(context: RunContext) -> Shaping:
    """Return what shapes the data."""
    return context.config.data, context.config.seed


def teacher_shape(context: RunContext) -> Shaping:
    """Return what shapes the teacher; a file may have changed under its name."""
    wanted = replace(context.config.teacher, folds=0)  # their teachers are others
    if wanted.outputs is not None:
        return wanted, hash_of_outputs(wanted.outputs)
    path = wanted.path
    if path is None or not Path(path).is_file():
        return (wanted,)
    return wanted, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def design_shape(context: RunContext) -> Shaping:
    """Return what shapes the search; a device may have been calibrated anew under its name."""
    distill = context.config.distill
    training = (distill.batch_size, distill.learning_rate, distill.temperature, distill.student_loss_weight)
    step = (context.config.convert.stream,) if context.config.design.family == STREAMING else ()
    return context.config.budget, context.config.design, training, context.device, *step


def distill_shape(context: RunContext) -> Shaping:
    """Return what shapes the race and with it the distillation; which student is handed on is chosen later."""
    return replace(context.config.distill, student="best"), context.config.teacher.folds


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
