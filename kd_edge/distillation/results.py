"""How a network is trained and what a training found, without the network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tflite_bench.provenance import Computed, Estimated, Given, Measured, provenance_of

# A task's metric, by its name in a history.
_METRICS = ("accuracy", "label_accuracy", "skill", "score")
# Keras' name of the validation accuracy in which samples have the weights of the training.
WEIGHTED_ACCURACY = "val_weighted_accuracy"
_UNITS = {
    "epoch": "finished epochs",
    "step": "optimizer steps",
    "num_samples": "samples",
    "data_passes": "passes over the training samples",
    "macs_spent": "multiply-accumulates",
    "macs_saved": "multiply-accumulates",
    "seconds_spent": "s",
    "seconds_saved": "s",
    "megabytes_spent": "MB (10^6 bytes)",
    "megabytes_saved": "MB (10^6 bytes)",
    "share_asked": "share of num_samples, 0 to 1",
}
_UNKNOWN = dict.fromkeys(
    ("macs_spent", "macs_saved"), "the network has layers or a form whose MACs cannot be counted"
) | dict.fromkeys(
    ("seconds_spent", "seconds_saved"),
    "needs two epochs with and two without the guide, beside the first of each, which compiles its step, and a "
    "difference beyond their spread",
)


@dataclass(frozen=True, slots=True)
class HaltingReport:
    """What one guide cost and what halting it saved, against keeping it to the end of the same training.

    Attributes:
        guide: `"teacher"` or `"trainee"`.
        halted: Whether it left before the end.
        epoch: Epochs finished when it left, `None` if it stayed.
        step: Optimizer steps done when it left, `None` if it stayed.
        reason: Why it left.
        num_samples: Samples of the training steps while it was there.
        data_passes: How often it ran over the training samples; a fraction counts the part of an epoch.
        macs_spent: Multiply-accumulates of its passes; forward for a teacher, three times that for a trainee. `None`
            where the network cannot be lowered, so that they are unknown.
        macs_saved: Those it would have needed from then on, and before for samples that it was not asked for; `None` as
            above.
        seconds_spent: Wall-clock time that it added to the steps: their number times the difference between a step
            with it and a step without it; `None` where epochs of both kinds do not show one. Never below 0.
        seconds_saved: Wall-clock time that it would have added from then on, by the same difference, less what it took
            to compile a step without it; 0 where that took longer.
        megabytes_spent: Weights and optimizer slots while it was there.
        megabytes_saved: Those freed when it left, from the shapes; whether the process shrinks by them is up to
            TensorFlow's allocator, see `Distiller.halt`.
        share_asked: Share of the samples that it was asked for: 1 without `SampleHalting`.
        unavailable_reason: Why a figure is `None`, by the figure's name.
    """

    guide: str
    halted: bool
    epoch: Measured[int] | None
    step: Measured[int] | None
    reason: str
    num_samples: Measured[int]
    data_passes: Measured[float]
    macs_spent: Computed[int] | None
    macs_saved: Computed[int] | None
    seconds_spent: Estimated[float] | None
    seconds_saved: Estimated[float] | None
    megabytes_spent: Computed[float]
    megabytes_saved: Computed[float]
    share_asked: Measured[float] = 1.0
    unavailable_reason: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        unknown = {name: why for name, why in _UNKNOWN.items() if getattr(self, name) is None}
        object.__setattr__(self, "unavailable_reason", unknown)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with the unit and the provenance of each figure."""
        return {**asdict(self), "units": dict(_UNITS), "provenance": provenance_of(self)}


def metric_in(history: Mapping[str, Any]) -> str:
    """Return the name of the task's metric in a history, in which it stands with `val_` before it."""
    return next(name for name in _METRICS if f"val_{name}" in history)


def kept_accuracy(history: Mapping[str, Sequence[float | None]]) -> float:
    """Return the validation accuracy, or the task's metric, of the epoch that a training has kept; see `BestEpoch`.

    Args:
        history: Metrics per epoch; `None` where one was not finite.
    """
    scores = history[f"val_{metric_in(history)}"]
    ranked = history.get(WEIGHTED_ACCURACY, scores)
    rows = zip(ranked, history["val_loss"], scores, strict=True)
    known = [
        (rank, -loss, score)
        for rank, loss, score in rows
        if rank is not None and loss is not None and score is not None
    ]
    return max(known, key=lambda row: row[:2])[2]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training samples.
        batch_size: Samples per step.
        learning_rate: Peak of the schedule: two epochs of linear warm-up, then a cosine to 1 % of the peak;
            `"auto"` finds it for the network and the samples, see `find_learning_rate`. `None` is that of the task,
            see `learning_rate_for`.
        augment: Name of a kind of random changes of the training samples; see `make_augmentation`.
        strength: Of these changes; 1 by sizes that suit small students.
        seed: Weights, order of the samples and augmentation all follow from it.
    """

    epochs: Given[int]
    batch_size: Given[int] = 64
    learning_rate: Given[float | str | None] = None
    augment: str = "none"
    strength: Given[float] = 1.0
    seed: Given[int] = 0
