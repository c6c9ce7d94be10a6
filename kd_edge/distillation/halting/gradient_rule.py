"""Halts a guide whose gradient does the student no good: against held-out labels, or explained by what remains."""

import math
from collections import deque
from dataclasses import dataclass

from kd_edge.distillation.halting.registry import GRADIENTS, register_rule


@dataclass(frozen=True, slots=True)
class GradientEvidence:
    """How the gradient that a guide gives the student lies to others, at one moment of a training.

    Attributes:
        alignment: Cosine with the gradient of the held-out labels' loss, -1 to 1; NaN where a loss is no number.
        explained: Share of the squared norm of the guide's gradient that what remains without the guide explains, 0 to
            1; NaN as above.
        remaining: What remains: `"teacher"`, `"trainee"`, or `"labels"` where there is no other guide.
    """

    alignment: float
    explained: float
    remaining: str


@register_rule("gradient")
class GradientRule:
    """Halts a guide that is harmful or redundant.

    *Harmful*: a step along its gradient raises the loss on held-out labels, that is, the cosine of the two gradients is
    negative. *Redundant*: most of its gradient is what the student is told anyway. Both are averaged over the last
    `patience` checks: the cosines of two batches of some hundred samples scatter by 0.1 to 0.2 from one epoch to the
    next, around zero, too, so that single signs say little.

    Source: the cosine of an auxiliary loss' gradient with that of the main one as the test of whether it helps is that
    of Y. Du et al., "Adapting Auxiliary Losses Using Gradient Similarity", arXiv 1812.02224; to compare tasks by
    projecting the gradient of one on that of another is that of T. Yu et al., "Gradient Surgery for Multi-Task
    Learning", NeurIPS 2020, arXiv 2001.06782. The averages and thresholds are this package's own.

    Args:
        min_delta: How far below 0 the mean alignment has to be. Defaults to 0.1.
        baseline: Share of the gradient that has to be explained on average, 0 to 1. Defaults to 0.5: a cosine of 0.7.
            Where only labels remain it is at least 0.9: what a guide knows beyond them is the smaller part of what it
            says as long as the student knows little, and goes on when the larger part is learnt.
        patience: Checks that are averaged. Defaults to 3.
    """

    metric = GRADIENTS

    def __init__(self, *, min_delta: float = 0.1, baseline: float = 0.5, patience: int = 3) -> None:
        self._min_delta = min_delta
        self._baseline = baseline
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Forget the evidence."""
        self._remaining = ""
        self._alignments: deque[float] = deque(maxlen=self._patience)
        self._explained: deque[float] = deque(maxlen=self._patience)

    def reason(self, value: GradientEvidence, epoch: int) -> str | None:
        """Average the evidence with that of the last checks; a check whose gradients are no numbers does not count."""
        del epoch
        if value.remaining != self._remaining:
            self._remaining = value.remaining
            self._explained.clear()
        if not (math.isfinite(value.alignment) and math.isfinite(value.explained)):
            return None
        self._alignments.append(value.alignment)
        self._explained.append(value.explained)
        alignment, explained = self._mean(self._alignments), self._mean(self._explained)
        if alignment < -self._min_delta:
            return f"harmful: cosine {alignment:.2f} with the held-out labels' gradient"
        alone = self._remaining == "labels"
        if explained > (max(self._baseline, _ALONE) if alone else self._baseline):
            return f"redundant: {_OWNERS[self._remaining]} gradient explains {explained:.0%} of it"
        return None

    def _mean(self, values: deque[float]) -> float:
        """NaN, of which no comparison holds, until there are enough."""
        return sum(values) / len(values) if len(values) == self._patience else math.nan


_ALONE = 0.9
_OWNERS = {"teacher": "the teacher's", "trainee": "the trainee's", "labels": "the training labels'"}
