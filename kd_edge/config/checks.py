"""Checks of single values of a configuration."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from kd_edge.errors import ConfigError

_SHARES = ("max_int8_loss", "max_accuracy_loss", "max_teacher_loss")
_MAY_BE_ZERO = ("start_from_epoch", "strength", "folds", "student_loss_weight", "trainee_loss_weight", *_SHARES)


def check_numbers(section: Any) -> None:
    """Refuse numbers of a table that are no finite numbers, negative, or 0 or percents where that means nothing."""
    for f in fields(section):
        value = getattr(section, f.name)
        if not isinstance(value, int | float):
            continue
        may_be_zero = f.name in _MAY_BE_ZERO
        if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
            expected = "0 or more" if may_be_zero else "more than 0"
            raise ConfigError(f"bad value for key {f.name!r}: expected {expected}, a finite number, received {value!r}")
        if f.name in _SHARES and value > 1:
            raise ConfigError(
                f"bad value for key {f.name!r}: expected a share of at most 1, such as 0.02 for 2 %, received {value!r}"
            )


def check_share(name: str, value: object) -> None:
    """Refuse what is no share, such as percents, in the place of one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= float(value) <= 1:  # type: ignore[arg-type]
        raise ConfigError(f"bad {name}: expected a share such as 0.02 for 2 %, received {value!r}")


def check_words(section: Any, keys: Sequence[str]) -> None:
    """Refuse an empty text where a key of a table names something."""
    for key in keys:
        if getattr(section, key) == "":
            raise ConfigError(f"bad value for key {key!r}: expected a name or path, received ''")


def check_rate(value: object) -> None:
    """Refuse words in the place of a learning rate other than `"auto"`."""
    if isinstance(value, str) and value != "auto":
        raise ConfigError(f"bad value for key 'learning_rate': expected a number or 'auto', received {value!r}")


def check_choice(key: str, value: str, known: Sequence[str]) -> None:
    """Refuse the value of a key that is none of those that are known."""
    if value not in known:
        raise ConfigError(f"bad value for key {key!r}: expected one of {', '.join(known)}, received {value!r}")
