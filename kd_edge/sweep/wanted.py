"""What a sweep is asked for: the table `[sweep]` of a configuration, or the options in its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kd_edge.config.paths import located
from kd_edge.config.run import RunConfig
from kd_edge.cost.budget import parse_bytes, parse_ms
from kd_edge.cost.devices import load_device
from kd_edge.errors import ConfigError
from kd_edge.toml import from_table, read_toml

# A search that hands on the better candidates trains those that fit small budgets least.
_HALVING = "hyperband"
_MEANINGS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"device": lambda text: load_device(str(text)), "latency": parse_ms, "ram": parse_bytes, "flash": parse_bytes}
)


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """The boards, and the limits of which each is combined with each board and each other limit.

    A key holds a list, one value, or a text of values with commas between them. What is missing is that of `[budget]`.
    """

    device: list[str] | str | None = None
    latency: list[str | float] | str | int | float | None = None
    ram: list[str | int] | str | int | None = None
    flash: list[str | int] | str | int | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            self.values(f.name)

    def values(self, key: str) -> tuple[str | int | float, ...] | None:
        """Return the values of a key; `None` where it is missing.

        Raises:
            ConfigError: There are none, or one of them is empty.
        """
        given = getattr(self, key)
        if given is None:
            return None
        values = tuple(given.split(",") if isinstance(given, str) else given if isinstance(given, list) else [given])
        cleaned = tuple(value.strip() if isinstance(value, str) else value for value in values)
        bad = [value for value in cleaned if value == "" or isinstance(value, bool | list | dict)]
        if bad or not cleaned:
            raise ConfigError(
                f"bad value for {key!r} of a sweep: expected one or more with commas between them, received {given!r}"
            )
        return cleaned


def load_sweep(path: str | Path, options: Mapping[str, str | None] | None = None) -> tuple[RunConfig, SweepConfig]:
    """Return the run that a TOML file asks for, and its boards and limits.

    Paths begin in the file's folder, as for `load_config`. Without a device in `[sweep]` and in the options it is that
    of `[budget]`, a table that may be missing where they name some.

    Args:
        path: The configuration.
        options: Those of the command line, by the keys of `SweepConfig`.

    Raises:
        ConfigError: A key is unknown or has a bad value, or an option and the table say different things.
    """
    folder = Path(path).parent
    table = located(read_toml(path), folder)
    own = table.pop("sweep", {})
    if not isinstance(own, Mapping):
        raise ConfigError(f"bad value for {path}, key 'sweep': expected a table, received {own!r}")
    wanted = _located(from_table(SweepConfig, own, f"{path}, key 'sweep'"), folder)
    wanted = _with_options(wanted, options or {})
    devices = wanted.values("device")
    budget = table.get("budget", {})
    if devices is not None and isinstance(budget, Mapping):
        table["budget"] = {"device": str(devices[0]), **budget}
    config = from_table(RunConfig, table, str(path))
    if devices is not None:
        config = replace(config, budget=replace(config.budget, device=str(devices[0])))
    if config.design.search == _HALVING:
        raise ConfigError(
            "bad value for key 'search' in [design]: expected 'random', 'bayesian' or 'grid' for a sweep, whose "
            f"candidates serve small and large budgets alike, received {_HALVING!r}; name another"
        )
    return config, wanted


def _with_options(wanted: SweepConfig, options: Mapping[str, str | None]) -> SweepConfig:
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    for key, value in given.items():
        before, now = _meant(wanted, key), _meant(SweepConfig(**{key: value}), key)
        if before and not (all(each in now for each in before) and all(each in before for each in now)):
            raise ConfigError(
                f"--{key} and the key {key!r} in [sweep] differ: expected one of them, received {value!r} and "
                f"{getattr(wanted, key)!r}; leave one out"
            )
    return replace(wanted, **given)


def _meant(wanted: SweepConfig, key: str) -> list[Any]:
    """Return the boards that a sweep names, or its limits in bytes or milliseconds; the order says nothing."""
    return [_MEANINGS[key](value) for value in wanted.values(key) or ()]


def _located(wanted: SweepConfig, folder: Path) -> SweepConfig:
    """Return a sweep whose devices are names, and paths from the working folder."""
    devices = wanted.values("device")
    if devices is None:
        return wanted
    tables = [located({"budget": {"device": str(device)}}, folder) for device in devices]
    return replace(wanted, device=[str(table["budget"]["device"]) for table in tables])
