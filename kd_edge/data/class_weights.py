"""Weights of the classes in a training, for data in which some are rare."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError, nearest

BALANCED = "balanced"


def with_class_weight(data: Dataset, class_weight: str | Mapping[str, float] | None) -> Dataset:
    """Return the data set whose training samples count by the weight of their class.

    All trainings from the data set take it: those of teacher, student, baseline and candidates. What is measured on
    validation and test samples counts each of them once.

    Args:
        data: Its training labels are counted.
        class_weight: `"balanced"` gives class `c` the weight `samples / (classes * samples of c)`, so that all classes
            together count alike and a sample counts 1 on average (G. King and L. Zeng, "Logistic regression in rare
            events data", Political Analysis 9 (2001), 137-163). A table gives weights by the classes' names; a class
            that it leaves out has 1. `None` leaves the data as they are.

    Raises:
        ConfigError: A class is unknown, or the text is another.
    """
    if class_weight is None:
        return data
    if not data.task.classifies:
        raise ConfigError(
            f"bad 'class_weight': expected samples of one class each, received the task {data.task.kind!r}; leave "
            "it out"
        )
    if isinstance(class_weight, Mapping):
        for name in class_weight:
            if name not in data.class_names:
                raise ConfigError(f"unknown class {name!r} in 'class_weight': {nearest(name, data.class_names)}")
        weights = [float(class_weight.get(name, 1.0)) for name in data.class_names]
    elif class_weight == BALANCED:
        counts = np.bincount(data.y_train, minlength=data.num_classes)
        weights = (len(data.y_train) / (data.num_classes * counts)).tolist()
    else:
        raise ConfigError(
            f"bad 'class_weight': expected 'balanced' or a table by class name, received {class_weight!r}"
        )
    return replace(data, class_weight=tuple(weights))
