"""Whether a model that was given as a trained one knows anything of the samples as they were read."""

import math
from dataclasses import dataclass, replace

import keras
import numpy as np

from kd_edge.data.dataset import Dataset, standardized, unscaled
from kd_edge.data.metrics.named_class import confusion_matrix, score_of
from kd_edge.distillation.outputs.decisions import answers_probabilities
from kd_edge.distillation.outputs.names import output_of
from kd_edge.errors import ModelError

_MAX_ASKED = 500
# With fewer a good model may look like chance in a class.
_FEWEST_PER_CLASS = 5
_NUM_DEVIATIONS = 2.0


@dataclass(frozen=True, slots=True)
class _Skill:
    """What a model's answers to some samples are worth, and how far chance may reach there."""

    name: str

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
    """Check that a trained model is better than chance on the data as they were read.

    It is asked about training and validation samples, up to 500 of each, of up to 100 classes as many each as there
    are. At chance is a mean recall of the classes, of labels that of each with and without it, no more than two
    standard deviations above that of guessing, where classes with fewer than 5 samples are left out; of measured values
    and reconstructions a skill no more than two standard errors above 0, that of the best constant answer.

    Args:
        model: The model.
        data: Samples and what it should answer.
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
    said = f"{found.name} {found.value:.3f}, guessing gives {found.chance:.3f}"
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
    """Return how good a model is; `None` where there are too few samples to tell, or it answers another task.

    Of several outputs it is that of the output which is nearest to chance.
    """
    if data.task.parts:
        skills = {name: _skill(output_of(model, name), part) for name, part in data.by_output.items()}
        known = [replace(skill, name=f"{skill.name} of {name!r}") for name, skill in skills.items() if skill]
        return min(known, key=lambda skill: skill.value - skill.chance - skill.reach, default=None)
    chosen = _chosen(data)
    samples = np.concatenate([getattr(data, f"x_{split}")[rows] for split, rows in chosen.items()])
    targets = np.concatenate([data.targets(split)[rows] for split, rows in chosen.items()])
    outputs = np.asarray(model.predict(samples, batch_size=256, verbose=0))
    if outputs.size != len(samples) * data.num_outputs:
        return None
    decisions = data.task.decisions(outputs, probabilities=answers_probabilities(model, data))
    if data.task.classifies:
        return _mean_recall([(decisions, targets)])
    if data.task.kind == "multilabel":
        return _mean_recall(list(zip(decisions.T.astype(np.int64), targets.T, strict=True)))
    credits = data.task.credits(decisions, targets)
    return _Skill("skill", float(credits.mean()), 0.0, _NUM_DEVIATIONS * float(credits.std()) / math.sqrt(len(credits)))


def _chosen(data: Dataset) -> dict[str, np.ndarray]:
    """Return the samples of each split that a model is asked about, of classes as many each as there are."""
    rng = np.random.default_rng(0)
    orders = {split: rng.permutation(len(getattr(data, f"x_{split}"))) for split in ("train", "val")}
    if data.task.classifies:
        classes = rng.permutation(np.unique(data.y_train))[: _MAX_ASKED // _FEWEST_PER_CLASS]
        orders = {split: _in_turns(order, data.targets(split), classes) for split, order in orders.items()}
    return {split: order[:_MAX_ASKED] for split, order in orders.items()}


def _in_turns(order: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the samples of some classes in another order: the first one of each, the second one of each."""
    of_class = [order[labels[order] == label] for label in classes]
    turns = np.concatenate([np.arange(len(places)) for places in of_class])
    return np.concatenate(of_class)[np.argsort(turns, kind="stable")]


def _mean_recall(answers: list[tuple[np.ndarray, np.ndarray]]) -> _Skill | None:
    """Return the mean recall of classes, of several decisions on average; `None` where all have too few samples."""
    values, variances, chance = [], [], 0.5
    for named, labels in answers:
        num_classes = int(max(labels.max(), named.max())) + 1
        counts = np.bincount(labels, minlength=num_classes)
        known = counts[labels] >= _FEWEST_PER_CLASS
        counts = counts[counts >= _FEWEST_PER_CLASS]
        if len(counts) < 2:
            continue
        chance = 1 / len(counts)
        variances.append(float((chance * (1 - chance) / counts).sum()) / len(counts) ** 2)
        values.append(float(score_of(confusion_matrix(named[known], labels[known], num_classes), "balanced_accuracy")))
    if not values:
        return None
    reach = _NUM_DEVIATIONS * math.sqrt(sum(variances)) / len(values)
    return _Skill("mean recall", float(np.mean(values)), chance, reach)
