"""The cells of a sweep: each board with each budget, equal ones once."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kd_edge.config.inputs import BudgetConfig
from kd_edge.cost.budget import Budget, parse_bytes, parse_mj, parse_ms
from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.errors import ConfigError
from kd_edge.reporting.sentences.formatting import decimal_text
from kd_edge.sweep.wanted import SweepConfig

_LIMITS = ("latency", "ram", "flash")


@dataclass(frozen=True)
class Cell:
    """A board and a budget.

    Attributes:
        name: Of the board and its limits; that of a file, too.
        device: The board.
        budget: The limits.
        asked: The combinations that came to the same, as they were written.
    """

    name: str
    device: DeviceProfile
    budget: Budget
    asked: tuple[str, ...]


def cells_of(wanted: SweepConfig, common: BudgetConfig) -> tuple[Cell, ...]:
    """Return the cells of a sweep, by boards in the order in which they were named.

    A size that a board does not have is no limit there: what the board leaves is. Combinations that come to the same
    budget of a board are one cell.

    Args:
        wanted: Boards and limits.
        common: What holds of all cells where the sweep does not say it.

    Raises:
        ConfigError: A board is unknown, a limit is no number or has no unit, or two boards or two cells have one name.
    """
    cells: list[Cell] = []
    for device in _devices(wanted, common):
        own: dict[Budget, Cell] = {}
        for limits in _combinations(wanted, common):
            budget, kept = _budget(limits, device)
            asked = ", ".join(f"{name} {value}" for name, value in kept.items()) or "what the board leaves"
            before = own.get(budget)
            name = "-".join([device.name, *(_part(key, value) for key, value in kept.items())])
            cell = Cell(name, device, budget, (asked,))
            own[budget] = cell if before is None else replace(before, asked=(*before.asked, asked))
        cells += [replace(cell, asked=tuple(dict.fromkeys(cell.asked))) for cell in own.values()]
    _check_names(cells)
    return tuple(cells)


def _check_names(cells: Sequence[Cell]) -> None:
    """Refuse a board that is called as another one with a limit."""
    known: dict[str, Cell] = {}
    for cell in cells:
        other = known.setdefault(cell.name, cell)
        if other is not cell:
            raise ConfigError(
                f"two budgets of a sweep are called {cell.name!r}: expected different names, received those of "
                f"{other.device.name!r} and {cell.device.name!r}; rename one of the files"
            )


def _devices(wanted: SweepConfig, common: BudgetConfig) -> Iterator[DeviceProfile]:
    known: dict[str, DeviceProfile] = {}
    for text in wanted.values("device") or (common.device,):
        device = load_device(str(text))
        if device.name not in known:
            yield device
        elif device != known[device.name]:
            raise ConfigError(
                f"two devices of a sweep are called {device.name!r}: expected different names; rename one of the files"
            )
        known[device.name] = device


def _combinations(wanted: SweepConfig, common: BudgetConfig) -> Iterator[BudgetConfig]:
    lists = [wanted.values(key) or (getattr(common, key),) for key in _LIMITS]
    for values in itertools.product(*lists):
        yield replace(common, **dict(zip(_LIMITS, values, strict=True)))


def _budget(limits: BudgetConfig, device: DeviceProfile) -> tuple[Budget, dict[str, str | int | float]]:
    """Return the limits on a board, and of those that were asked for the ones that are limits there."""
    kept = {key: getattr(limits, key) for key in _LIMITS if getattr(limits, key) is not None}
    sizes = {key: parse_bytes(kept[key]) for key in ("ram", "flash") if key in kept}
    for key, size in sizes.items():
        if size > getattr(device, f"{key}_bytes"):
            del kept[key]
    budget = Budget.of(
        device,
        flash_bytes=sizes["flash"] if "flash" in kept else None,
        ram_bytes=sizes["ram"] if "ram" in kept else None,
        latency_ms=parse_ms(kept["latency"]) if "latency" in kept else None,
        latency_at=limits.latency_at,
        energy_mj=None if limits.energy is None else parse_mj(limits.energy),
    )
    return budget, {key: _in_one_line(value) for key, value in kept.items()}


def _in_one_line(value: str | int | float) -> str | int | float:
    """Return a limit without the tabs and line breaks that may stand before its unit."""
    return " ".join(value.split()) if isinstance(value, str) else value


def _part(key: str, value: str | int | float) -> str:
    text = decimal_text(value) if isinstance(value, float) else str(value).replace(" ", "")
    return (text if text[-1:].isalpha() else f"{text}ms") if key == "latency" else f"{key}{text}"
