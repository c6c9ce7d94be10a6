"""The rules that come with the package, each behind the same small interface."""

import math

from kd_edge.distillation.halting.gradient_rule import GradientRule
from kd_edge.distillation.halting.registry import HaltingRule, find_rule, make_rule, register_rule

__all__ = [
    "Agreement",
    "FixedEpoch",
    "GradientRule",
    "HaltingRule",
    "Plateau",
    "find_rule",
    "make_rule",
    "register_rule",
]


@register_rule("plateau")
class Plateau:
    """Halts when the guide's divergence from the student has stopped changing.

    Args:
        min_delta: Smallest relative change that counts, in either direction: a divergence that grows says that
            the guide learns faster than the student and has something to give.
        patience: Values in a row without such a change.
    """

    metric = "divergence"

    def __init__(self, *, min_delta: float = 0.05, patience: int = 3) -> None:
        self._min_delta = min_delta
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Forget the values."""
        self._level = math.nan
        self._wait = 0

    def reason(self, value: float, epoch: int) -> str | None:
        """Compare a value with the last level that counted."""
        del epoch
        if math.isfinite(self._level) and abs(value - self._level) <= self._min_delta * abs(self._level):
            self._wait += 1
        else:
            self._level, self._wait = value, 0
        if self._wait < self._patience:
            return None
        return f"divergence within {self._min_delta:.0%} of {self._level:.4g} for {self._wait} checks"


@register_rule("agreement")
class Agreement:
    """Halts when the student gives the guide's answer for enough samples.

    Args:
        baseline: Share of the samples, 0 to 1.
        patience: Values in a row that reach it.
    """

    metric = "agreement"

    def __init__(self, *, baseline: float = 0.8, patience: int = 1) -> None:
        self._baseline = baseline
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Forget the values."""
        self._wait = 0

    def reason(self, value: float, epoch: int) -> str | None:
        """Compare a value with the share that is enough."""
        del epoch
        self._wait = self._wait + 1 if value >= self._baseline else 0
        return f"agreement {value:.3f} reached {self._baseline:g}" if self._wait >= self._patience else None


@register_rule("epoch")
class FixedEpoch:
    """Halts after a number of epochs, whatever the guide does: the ablation.

    Args:
        start_from_epoch: Finished epochs.
    """

    metric = ""

    def __init__(self, start_from_epoch: int) -> None:
        self._epochs = start_from_epoch

    def reset(self) -> None:
        """Nothing to forget."""

    def reason(self, value: float, epoch: int) -> str | None:
        """Compare the epoch with the fixed one."""
        del value
        return f"fixed after {max(self._epochs, 1)} epochs" if epoch >= self._epochs else None
