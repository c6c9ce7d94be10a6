"""Whether a model that was given as a trained one knows anything of the samples as they were read."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from kd_edge.data.dataset import Dataset, standardized, unscaled
from kd_edge.data.metrics import confusion_matrix, named_classes, score_of
from kd_edge.errors import ModelError

_MAX_ASKED = 500
# Below that a good model may look like chance.
_FEWEST_PER_CLASS = 5
_NUM_DEVIATIONS = 2.0


@dataclass(frozen=True, slots=True)
class _Skill:
    """Balanced accuracy on samples that a model was asked about, and how far chance may reach there."""

    value: float
    chance: float
    reach: float

    @property
    def is_chance(self) -> bool:
        return self.value <= self.chance + self.reach

    @property
    def is_proven(self) -> bool:
        return self.value > self.chance + 2 * self.reach


def check_trained(model: keras.Model, data: Dataset, *, role: str = "teacher") -> None:
    """Check that a trained classifier is better than chance on the data as they were read.

    It is asked about training and validation samples, up to 500 of each. At chance is a mean recall of the classes no
    more than two standard deviations above that of guessing.

    Args:
        model: The classifier.
        data: Samples and labels.
        role: What the model is called in the message. Only of a teacher it is known that it was trained: another model
            is refused only where other values of the same integers show that it was.

    Raises:
        ModelError: It is at chance; the message says where it is not, or that the scale is the likely reason.
    """
    found = _skill(model, data)
    if found is None or not found.is_chance:
        return
    other = _otherwise_scaled(data)
    better = None if other is None else _skill(model, other)
    said = f"mean recall {found.value:.3f}, guessing gives {found.chance:.3f}"
    if better is not None and better.is_proven:
        used, known, option = (
            ("scaled by mean and deviation", "as they are", "normalize = false (--no-normalize)")
            if data.scale
            else ("as they are", "scaled by mean and deviation", "normalize = true (--normalize)")
        )
        raise ModelError(
            f"the {role} {model.name!r} is at chance on {data.name} ({said}) with integers {used}, and is not with "
            f"integers {known} ({better.value:.3f}): their scale is wrong for it; set {option}"
        )
    if role == "teacher":
        values = data.x_train
        raise ModelError(
            f"the teacher {model.name!r} is at chance on {data.name} ({said}): expected a trained one, and the likely "
            "reason is the scale of the samples: expected them scaled as in its training, received values from "
            f"{values.min():.3g} to {values.max():.3g}; see 'normalize' (--normalize, --no-normalize), scale them "
            "before, or number the classes as in its training"
        )


def _otherwise_scaled(data: Dataset) -> Dataset | None:
    if not data.integers:
        return None
    return standardized(data) if data.scale is None else unscaled(data)


def _skill(model: keras.Model, data: Dataset) -> _Skill | None:
    """Return how good a model is; `None` where there are too few samples to tell, or it is no classifier of them."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(len(array))[:_MAX_ASKED] for array in (data.y_train, data.y_val)]
    samples = np.concatenate([data.x_train[chosen[0]], data.x_val[chosen[1]]])
    labels = np.concatenate([data.y_train[chosen[0]], data.y_val[chosen[1]]])
    counts = np.bincount(labels, minlength=data.num_classes)
    counts = counts[counts > 0]
    scores = np.asarray(model.predict(samples, batch_size=256, verbose=0))
    if counts.min() < _FEWEST_PER_CLASS or len(counts) < 2 or scores.size != len(labels) * data.num_classes:
        return None
    chance = 1 / len(counts)
    reach = _NUM_DEVIATIONS * math.sqrt(float((chance * (1 - chance) / counts).sum())) / len(counts)
    table = confusion_matrix(named_classes(scores), labels, data.num_classes)
    return _Skill(float(score_of(table, "balanced_accuracy")), chance, reach)
