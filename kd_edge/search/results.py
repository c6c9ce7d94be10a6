"""What a search trained, and the best of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kd_edge.cost.budget import Budget
from kd_edge.cost.model import Cost
from kd_edge.ir.blueprint import Blueprint


@dataclass(frozen=True, slots=True)
class Candidate:
    """One trained network of a search.

    Attributes:
        values: Its hyperparameters.
        cost: What it costs on the device.
        accuracy: Of the float network on the validation samples after the brief training, 0 to 1.
        trial: Its number in the search's folder.
    """

    values: dict[str, int | float]
    cost: Cost
    accuracy: float
    trial: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        space: Name of the space.
        chosen: The candidate with the best validation accuracy, of equal ones the fastest.
        blueprint: Its network.
        front: Candidates that no other beats in accuracy, latency, RAM and flash at once.
        candidates: All that were trained, best first.
        num_costed: Networks costed before training.
        num_feasible: Those of them that fit the budget.
        num_over: How many of them exceed each limit, by its name in `Budget`, and the teacher's share of MACs.
        shares: The part of each limit that the chosen candidate uses; the largest is the one that binds.
    """

    space: str
    chosen: Candidate
    blueprint: Blueprint
    front: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    num_costed: int
    num_feasible: int
    num_over: dict[str, int] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)


def sort_candidates(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates by accuracy, of equal ones the fastest first, each network once with its best training."""
    best: dict[tuple[tuple[str, int | float], ...], Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.accuracy, c.cost.latency_ms)):
        best.setdefault(tuple(sorted(candidate.values.items())), candidate)
    return tuple(best.values())


def pareto_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that no other beats in accuracy, latency, RAM and flash at once."""
    return tuple(c for c in candidates if not any(_beats(other, c) for other in candidates))


def budget_shares(cost: Cost, budget: Budget) -> dict[str, float]:
    """Return the part of each limit that a network uses, by the limit's name in `Budget`."""
    shares = {"flash_bytes": cost.flash_bytes / budget.flash_bytes, "ram_bytes": cost.arena_bytes / budget.ram_bytes}
    return shares if budget.latency_ms is None else shares | {"latency_ms": cost.latency_ms / budget.latency_ms}


def _beats(one: Candidate, other: Candidate) -> bool:
    def losses(c: Candidate) -> tuple[float, ...]:
        return -c.accuracy, c.cost.latency_ms, c.cost.arena_bytes, c.cost.flash_bytes

    pairs = list(zip(losses(one), losses(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
