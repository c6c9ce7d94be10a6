"""Halting rules by their names, and the interface that each has."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from kd_edge.errors import ConfigError, nearest

GRADIENTS = "gradients"


class HaltingRule(Protocol):
    """Decides from one observation at a time whether a guide still helps.

    Attributes:
        metric: What it observes: a metric in the history, named without the guide (`"divergence"` is
            `trainee_divergence`), or `GRADIENTS`.
    """

    metric: str

    def reset(self) -> None:
        """Forget everything; called at the start of a training."""

    def reason(self, value: Any, epoch: int) -> str | None:
        """Return why the guide should halt now, `None` to go on.

        Args:
            value: The metric's mean since the last call, a float, NaN where the rule observes nothing; with `GRADIENTS`
                a `GradientEvidence`, measured for this call.
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
        ConfigError: There is no rule of that name, or the object lacks something.
    """
    if not isinstance(rule, str):
        if isinstance(rule, type) or not all(hasattr(rule, name) for name in ("metric", "reset", "reason")):
            raise ConfigError(
                "bad halting rule: expected a name, or an object with metric, reset and reason, received "
                f"{rule!r}; known names: {', '.join(sorted(_RULES))}"
            )
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
