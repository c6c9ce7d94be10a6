"""The tables of what is given: samples, budget and teacher."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kd_edge.config.checks import check_choice, check_numbers, check_rate
from kd_edge.cost.budget import LATENCY_AT, Budget, parse_bytes, parse_mj, parse_ms
from kd_edge.cost.devices import DeviceProfile
from kd_edge.data.options import SourceOptions
from kd_edge.errors import ConfigError

_TEACHER_EPOCHS, _TEACHER_RATE = 16, 2e-3


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which samples, see `load_data`; how much those of each class count in a training, see `with_class_weight`.

    `options` say how the source is read.

    Raises:
        ConfigError: A class' weight is no finite number above 0.
    """

    source: str
    normalize: bool | None = None
    class_weight: str | Mapping[str, float] | None = None
    options: SourceOptions = field(default_factory=SourceOptions)

    def __post_init__(self) -> None:
        if isinstance(self.class_weight, str):
            check_choice("class_weight", self.class_weight, ("balanced",))
        for name, weight in self.class_weight.items() if isinstance(self.class_weight, Mapping) else ():
            if not 0 < weight < math.inf:
                raise ConfigError(
                    f"bad value for key 'class_weight', class {name!r}: expected more than 0, a finite number, "
                    f"received {weight!r}"
                )


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What the student has to keep on `device`; a missing size is what the device leaves, a missing time no limit.

    `latency_at` says which end of a latency's interval the search holds against the limit; see `Budget`.
    """

    device: str
    flash: str | int | None = None
    ram: str | int | None = None
    latency: str | int | float | None = None
    latency_at: str = "upper"
    energy: str | int | float | None = None

    def __post_init__(self) -> None:
        check_choice("latency_at", self.latency_at, LATENCY_AT)

    def budget(self, device: DeviceProfile) -> Budget:
        """Return the limits in bytes and milliseconds."""
        return Budget.of(
            device,
            flash_bytes=_optional(parse_bytes, self.flash),
            ram_bytes=_optional(parse_bytes, self.ram),
            latency_ms=_optional(parse_ms, self.latency),
            latency_at=self.latency_at,
            energy_mj=_optional(parse_mj, self.energy),
        )

    def budget_within(self, device: DeviceProfile) -> Budget:
        """Return the limits, of sizes that the device does not have what it leaves: boards are compared.

        Raises:
            ConfigError: There is a limit of the energy, or a size or time is none.
        """
        if self.energy is not None:
            raise ConfigError("bad --energy: expected one --device, and its power; leave it out to compare boards")
        flash, ram = _optional(parse_bytes, self.flash), _optional(parse_bytes, self.ram)
        return Budget.of(
            device,
            flash_bytes=None if flash is None or flash > device.flash_bytes else flash,
            ram_bytes=None if ram is None or ram > device.ram_bytes else ram,
            latency_ms=_optional(parse_ms, self.latency),
        )


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """A trained model at `path`, see `load_model`, or how a teacher is trained here when `path` is missing.

    `outputs` instead names a file of the outputs of a teacher that lives elsewhere, see `read_outputs`.
    With `folds`, each sample's targets come from a teacher that has not seen it; see `cross_fitted_targets`. Those
    teachers are trained here, for which a file's network needs `epochs` and `learning_rate`.

    Raises:
        ConfigError: A value is out of its range, or two of them exclude one another.
    """

    path: str | None = None
    width: int = 48
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float | str | None = None
    augment: str = "none"
    strength: float = 1.0
    folds: int = 0
    outputs: str | None = None

    def __post_init__(self) -> None:
        check_rate(self.learning_rate)
        check_numbers(self)
        if self.folds == 1:
            raise ConfigError("bad value for key 'folds': expected 0 for none, or 2 and more, received 1")
        if self.outputs is not None and (self.path is not None or self.folds):
            raise ConfigError(
                "bad value for key 'outputs': expected a teacher's outputs without 'path' and 'folds', received "
                f"{'both' if self.path is not None else 'folds'}; leave one out"
            )
        if self.path is None:
            object.__setattr__(self, "epochs", self.epochs or _TEACHER_EPOCHS)
            object.__setattr__(self, "learning_rate", self.learning_rate or _TEACHER_RATE)
        elif self.folds and (self.epochs is None or self.learning_rate is None):
            raise ConfigError(
                "bad value for key 'folds': expected the recipe of a teacher that is a file, 'epochs' and "
                f"'learning_rate', since its network is trained anew on {self.folds} folds; received the path alone"
            )


def _optional(parse: Callable[[Any], Any], value: object) -> Any:
    return None if value is None else parse(value)
