"""How much a teacher's outputs tell beyond the labels."""

from dataclasses import dataclass

import numpy as np

from kd_edge.data.metrics.named_class import share_right
from kd_edge.errors import DataError
from tflite_bench.provenance import Measured

_KNOWN_BY_HEART = 0.99  # share of the samples that a teacher names right
_LITTLE = 0.05  # bits beyond the label


@dataclass(frozen=True, slots=True)
class TeacherInformation:
    """What a teacher's outputs for its samples tell a student that has the labels already.

    Attributes:
        num_samples: Samples that were looked at.
        accuracy: Share of them that the teacher names right, 0 to 1.
        entropy_bits: Mean entropy of its probabilities at temperature 1.
        bits_beyond_label: Mean divergence of its probabilities for a sample from their mean over the samples of the
            same label: the conditional mutual information I(X; Y' | Y) of sample X and answer Y', given the label Y.
    """

    num_samples: Measured[int]
    accuracy: Measured[float]
    entropy_bits: Measured[float]
    bits_beyond_label: Measured[float]

    @property
    def learnt_by_heart(self) -> bool:
        """Whether the outputs hardly differ from the labels: 99 % right, and less than 0.05 bits beyond the label.

        Where the line is, and which teachers it parts, is on the page on teaching.
        """
        return self.accuracy >= _KNOWN_BY_HEART and self.bits_beyond_label < _LITTLE

    @property
    def sentence(self) -> str:
        """What was found, and what can be done where it is nothing."""
        found = (
            f"the teacher's outputs carry {self.bits_beyond_label:.3f} bits beyond the label "
            f"(training accuracy {self.accuracy:.3f}, entropy {self.entropy_bits:.3f} bits)"
        )
        if not self.learnt_by_heart:
            return found
        return (
            f"{found}: it has learnt its samples by heart; cross-fitting gives targets from teachers that have not "
            "seen the sample"
        )


def teacher_information(logits: np.ndarray, labels: np.ndarray) -> TeacherInformation:
    """Measure how much a teacher's outputs tell beyond the labels.

    The conditional mutual information is that of Ye et al., "Bayes conditional distribution estimation for knowledge
    distillation based on conditional mutual information", ICLR 2024, arXiv 2401.08732, eq. 7, in bits.

    One logit is that of the second of two classes. Of labels that hold together the figures are means over the labels,
    each with its own logit.

    Args:
        logits: The teacher's outputs for samples that it was trained on, shape `(samples, classes)`; a network's, or
            of stored targets `targets.rows_of(...)`. Not probabilities.
        labels: The samples' classes from 0, shape `(samples,)`; of several labels 0 or 1 each.

    Raises:
        DataError: The shapes do not fit together.

    Example:

    ```python
    found = teacher_information(teacher.predict(data.x_train), data.y_train)
    print(found.sentence)
    ```
    """
    if labels.ndim == 2 and labels.shape == logits.shape and labels.size:
        return _mean([teacher_information(logits[:, i : i + 1], labels[:, i]) for i in range(labels.shape[1])])
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
        raise DataError(
            f"bad outputs of a teacher: expected logits of shape (samples, classes) and a label for each sample, "
            f"received {logits.shape} and {labels.shape}"
        )
    logs = _log_probabilities(logits)
    probabilities = np.exp(logs)
    divergence = 0.0
    for label in np.unique(labels):
        rows = labels == label
        mean = probabilities[rows].mean(axis=0)
        # A class without any probability has none in each sample; 0 log 0 is 0.
        divergence += float((probabilities[rows] * (logs[rows] - np.log(np.maximum(mean, 1e-300)))).sum())
    return TeacherInformation(
        num_samples=len(labels),
        accuracy=share_right(logits, labels),
        entropy_bits=_bits(-float((probabilities * logs).sum()) / len(labels)),
        bits_beyond_label=_bits(divergence / len(labels)),
    )


def _mean(found: list[TeacherInformation]) -> TeacherInformation:
    means = {
        name: float(np.mean([getattr(one, name) for one in found]))
        for name in ("accuracy", "entropy_bits", "bits_beyond_label")
    }
    return TeacherInformation(num_samples=found[0].num_samples, **means)


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _bits(nats: float) -> float:
    """Return nats as bits; rounding may have left a sum of zeros a little below 0."""
    return max(nats, 0.0) / float(np.log(2))
