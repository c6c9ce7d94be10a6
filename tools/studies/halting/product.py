"""What the package itself does with what the compiled loop does not have: halting by sample and the rate finder."""

from dataclasses import replace

import keras

from kd_edge.compat.tensorflow import free_memory
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.batches import Batches
from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.sample_halting import SampleHalting
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.distillation.recipe.rate_finder import find_learning_rate
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.training import distill
from tools.studies.halting.rows import Row
from tools.studies.halting.tasks import Task
from tools.studies.halting.trainings import Plan, Trainer

BY_SAMPLE, RATE = "by sample", "rate finder"
BY_SAMPLE_SET, BY_SAMPLE_SEEDS = "fashion-2000", range(3)
_RECIPE = Recipe(40, learning_rate=8e-2)


def halted_by_sample(task: Task, data: Dataset, targets: SoftTargets, seed: int, *, by_sample: bool) -> Row:
    """Train a student beside a trainee that is, or is not, left alone by samples that the student answers like it."""
    student = task.build_student(data, seed)
    keras.utils.set_random_seed(seed)
    trainee = build_teacher(data.input_shape, data.num_classes, width=task.teacher.width)
    callbacks = [SampleHalting("trainee")] if by_sample else []
    recipe = replace(_RECIPE, seed=seed)
    training = distill(student, data, recipe, teacher=targets, trainee=trainee, callbacks=callbacks)
    report = next(report for report in training.halting if report.guide == "trainee")
    figures = {
        "val": training.val_accuracy,
        "test": accuracy(student, data),
        "share_asked": report.share_asked,
        "seconds": training.seconds,
    }
    free_memory()
    return figures


def found_rate(task: Task, data: Dataset, targets: SoftTargets | None, trainer: Trainer, plan: Plan, seed: int) -> Row:
    """Find a learning rate as `learning_rate="auto"` does, and train with it, else by a plan."""
    student = task.build_student(data, seed)
    batches = Batches(
        x=data.x_train,
        y=data.y_train,
        x_unlabeled=None if targets is None else data.x_unlabeled,
        seed=seed,
        drop_remainder=True,
        targets=targets,
        with_index=targets is not None,
    )
    fitted = student
    if targets is not None:
        fitted = Distiller(targets, student, keras.distillation.LogitsDistillation(2.0), student_loss_weight=0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = find_learning_rate(fitted, student, batches, loss=loss)
    free_memory()
    trained = trainer.train(data, replace(plan, rate=rate), seed, targets)
    return {"rate": rate, "val": trained.val, "test": trained.test}
