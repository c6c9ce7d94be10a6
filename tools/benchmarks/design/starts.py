"""What a student that is derived from a teacher gains by starting from its weights."""

from typing import Any

import keras

from kd_edge.config.stages import DesignConfig, DistillConfig
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.distillation.results import Recipe, kept_accuracy
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.training import distill
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.weight_inheritance import WeightInheritance

FRESH = "fresh"
STARTS = (FRESH, "l1", "batch_norm")
# The trainings of `kd-edge run`, as they are by default: of a candidate, and of the student.
LENGTHS = {"brief": DesignConfig().epochs, "whole": DistillConfig().epochs}


def compare_starts(space: StudentSpace, values: dict[str, Any], teacher: Any, data: Dataset, seed: int) -> list[Any]:
    """Train one student of a space from each start, briefly and wholly, with the teacher's stored targets.

    Args:
        space: Derived from the teacher.
        values: The student.
        teacher: The trained network.
        data: Its samples.
        seed: Of the weights and of the order of the samples.
    """
    targets, rows = soft_targets(teacher, data.x_train), []
    for start in STARTS:
        for length, epochs in LENGTHS.items():
            keras.utils.set_random_seed(seed)
            if start == FRESH:
                student = space.blueprint(values).to_keras()
            else:
                student = WeightInheritance(teacher, importance=start).student(values, data.x_train)
            done = distill(student, data, Recipe(epochs, seed=seed), teacher=targets)
            figures = {"val": kept_accuracy(done.history), "test": accuracy(student, data)}
            rows.append({"start": start, "length": length, "epochs": epochs} | figures)
    return rows
