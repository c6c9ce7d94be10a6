"""How a source is read where its text alone does not say it: columns, windows, sizes, what is left out."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from kd_edge.errors import ConfigError, nearest
from kd_edge.toml import field_types, typed

# What a network may be asked for; see `Task`.
TASKS = ("multiclass", "binary", "multilabel", "regression", "reconstruction")
# A task for each of several outputs.
SEVERAL = "several"
# The built-in data set.
WATCH = "watch"
COLORS = ("rgb", "grayscale")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options of a data source; each belongs to some kinds of sources, and where it means nothing it is refused.

    Attributes:
        label: Column of a table with the class.
        group: Column with what belongs together, such as the person. Without it a recording is a group.
        split: Column with `train`, `val` or `test`.
        recording: Column with the recording; a table that has it holds one row a time step.
        window: Rows of a sample. Without it a recording is a sample.
        hop: Rows from one window to the next. Defaults to `window`.
        ignore: Columns of a table, or arrays of a file, that are left out.
        group_pattern: Regular expression with one pair of brackets around the part of a file's name that says what
            belongs together.
        image_size: Height and width in pixels to which images are scaled. Without it all have to be alike.
        color: `"rgb"` or `"grayscale"`. Defaults to that of the images.
        seconds: Length of a recording of sound; shorter ones are followed by silence, of longer ones the middle is
            taken. Without it all have to be alike.
        skip_bad: Whether files or rows that cannot be used are left out, instead of being an error.
        test_share: Share of the samples that test where the source says none.
        task: What a network is asked for, one of `TASKS`; of several outputs `"NAME:TASK,NAME:TASK"`, where those that
            are left out are found. Defaults to what the labels say; see `targets_of`.
        units: Of the measured values of a regression, one each.

    Raises:
        ConfigError: An option is of another type or out of its range, or `units` are those of another task.
    """

    label: str = "label"
    group: str = "group"
    split: str = "split"
    recording: str = "recording"
    window: int | None = None
    hop: int | None = None
    ignore: list[str] | None = None
    group_pattern: str | None = None
    image_size: list[int] | None = None
    color: str | None = None
    seconds: float | None = None
    skip_bad: bool = False
    test_share: float = 0.2
    task: str | None = None
    units: list[str] | None = None

    def __post_init__(self) -> None:
        for name, kind in field_types(SourceOptions).items():
            value = _plain(getattr(self, name))
            object.__setattr__(self, name, typed(kind, value, f"option {name!r} of the data"))
        for name in ("window", "hop", "seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"bad value for option {name!r} of the data: expected more than 0, received {value}")
        if not 0 < self.test_share < 1:
            raise ConfigError(
                f"bad value for option 'test_share' of the data: expected between 0 and 1, received {self.test_share}"
            )
        if self.color is not None and self.color not in COLORS:
            raise ConfigError(
                f"bad value for option 'color' of the data: expected one of {', '.join(COLORS)}, "
                f"received {self.color!r}"
            )
        self._check_task()
        if self.units is not None and self.task != "regression":
            raise ConfigError(
                f"bad option 'units' of the data: expected it with task 'regression', received {self.task!r}"
            )
        size = self.image_size
        if size is not None and (len(size) != 2 or not all(type(side) is int and side > 0 for side in size)):
            raise ConfigError(
                f"bad value for option 'image_size' of the data: expected height and width in pixels, received {size}"
            )

    def _check_task(self) -> None:
        if self.task is None:
            return
        pairs = self.task.split(",") if ":" in self.task else []
        if not all(":" in pair for pair in pairs):
            raise ConfigError(f"bad option 'task' of the data: expected NAME:TASK,NAME:TASK, received {self.task!r}")
        names = [pair.rpartition(":")[0].strip() for pair in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"bad option 'task' of the data: received {twice[0]!r} twice; give each output one task")
        for kind in self.tasks.values() if pairs else [self.task]:
            if kind not in TASKS:
                raise ConfigError(f"unknown task {kind!r}: {nearest(kind, TASKS)}")

    @property
    def tasks(self) -> dict[str, str]:
        """The tasks that were said of several outputs, by the outputs' names."""
        pairs = (pair.rpartition(":") for pair in (self.task or "").split(",") if ":" in pair)
        return {name.strip(): kind.strip() for name, _, kind in pairs}

    def check_known(self, known: Iterable[str], source: str) -> None:
        """Refuse options that were given and mean nothing to a source.

        Args:
            known: Names of those that it reads.
            source: What the user wrote for it.

        Raises:
            ConfigError: One was given.
        """
        usual, names = SourceOptions(), sorted(known)
        for f in fields(self):
            if f.name not in names and getattr(self, f.name) != getattr(usual, f.name):
                expected = ", ".join(names) or "none"
                raise ConfigError(f"bad option {f.name!r} of the data {source!r}: its source reads {expected}")


def _plain(value: Any) -> Any:
    """Return a number of NumPy as Python's, and a tuple as a list of such."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
