"""The rules by which a guide is halted, each behind the same small interface."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from kd_edge.errors import ConfigError, nearest


class HaltingRule(Protocol):
    """Decides from one observed value at a time whether a guide still helps.

    Attributes:
        metric: What it observes, without the guide's name: `"divergence"` is `trainee_divergence` in the history.
    """

    metric: str

    def reset(self) -> None:
        """Forget everything; called at the start of a training."""

    def reason(self, value: float, epoch: int) -> str | None:
        """Return why the guide should halt now, `None` to go on.

        Args:
            value: The metric's mean since the last call; NaN where the rule observes nothing.
            epoch: Finished epochs.
        """


_Made = TypeVar("_Made", bound=Callable[..., HaltingRule])
_RULES: dict[str, Callable[..., HaltingRule]] = {}


def register_rule(name: str) -> Callable[[_Made], _Made]:
    """Return a decorator that makes a class, or function, known by a name: to `EarlyHalting(rule=...)` and to `run`.

    It is called with those arguments of `EarlyHalting` that it names, of `min_delta`, `patience`, `baseline` and
    `start_from_epoch`; those that the user leaves out keep its own defaults.

    Args:
        name: The name.

    Raises:
        ConfigError: Another rule has the name.
    """
    if name in _RULES:
        raise ConfigError(f"cannot register the halting rule {name!r}: expected a new name, it is taken")

    def register(make: _Made) -> _Made:
        _RULES[name] = make
        return make

    return register


def make_rule(rule: str | HaltingRule, arguments: Mapping[str, Any]) -> HaltingRule:
    """Return a rule by its name, or the rule itself.

    Args:
        rule: The name of a registered rule, or an object with the methods of `HaltingRule`.
        arguments: What the user gave to `EarlyHalting`; `None` stands for the rule's own default.

    Raises:
        ConfigError: There is no rule of that name.
    """
    if not isinstance(rule, str):
        return rule
    make = find_rule(rule)
    taken = inspect.signature(make).parameters
    return make(**{name: value for name, value in arguments.items() if name in taken and value is not None})


def find_rule(name: str) -> Callable[..., HaltingRule]:
    """Return what makes a rule, by the rule's name.

    Raises:
        ConfigError: There is no rule of that name.
    """
    if name not in _RULES:
        raise ConfigError(f"unknown halting rule {name!r}; {nearest(name, tuple(_RULES))}")
    return _RULES[name]


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
        if abs(value - self._level) < self._min_delta * self._level:
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
        return f"fixed after {self._epochs} epochs" if epoch >= self._epochs else None
