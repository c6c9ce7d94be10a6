"""Whether any network of a space keeps a budget, and if not, what the nearest budget is that one would keep."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Context
from functools import partial
from typing import Any

import numpy as np

from kd_edge.cost.file_size import SIZE_ERROR
from kd_edge.cost.gate import digits_apart
from kd_edge.cost.kernels import why_between
from kd_edge.cost.model import Cost, CostModel
from kd_edge.errors import BudgetError
from kd_edge.ir.graph import Graph

Values = Mapping[str, int | float]
_Objective = Callable[[Cost], Any]

# Networks that are costed for a proof: a few seconds.
_MOST_PROOFS = 4000
_NUM_RANDOM_STARTS = 3

_TITLES = {
    "flash_bytes": "flash",
    "ram_bytes": "RAM",
    "latency_ms": "latency",
    "latency_high_ms": "latency",
    "energy_mj": "energy",
    "macs": "teacher ratio",
}
_UNITS = {"flash_bytes": "B", "ram_bytes": "B", "macs": "MACs"}
_UNITS |= {"latency_ms": "ms", "latency_high_ms": "ms", "energy_mj": "mJ"}
_FINE = ("ms", "mJ")


@dataclass
class FeasibilityProblem:
    """A space and the limits that one of its networks should keep.

    Attributes:
        choices: The values that each hyperparameter may take, from the cheapest network to the dearest.
        channel_choices: Those that change nothing but numbers of channels.
        render: Returns the graph of the network that belongs to one value of each choice.
        cost_model: Computes the costs.
        limits: The largest value of some of a `Cost`'s figures, by their names, and of `"energy_mj"`.
        energy: Figure of a `Cost` that the energy is in proportion to, and how many millijoules a millisecond takes.
    """

    choices: Mapping[str, tuple[int | float, ...]]
    channel_choices: frozenset[str]
    render: Callable[[Values], Graph]
    cost_model: CostModel
    limits: Mapping[str, float]
    energy: tuple[str, float] = ("latency_ms", 0.0)
    _costs: dict[tuple[int | float, ...], Cost] = field(default_factory=dict, repr=False)

    def cost(self, values: Values) -> Cost:
        """Return the cost of one network."""
        key = tuple(values.values())
        if key not in self._costs:
            self._costs[key] = self.cost_model.estimate(self.render(values))
        return self._costs[key]

    def figure(self, cost: Cost, name: str) -> float:
        """Return what is held against a limit."""
        time, power = self.energy
        return float(getattr(cost, time)) * power if name == "energy_mj" else float(getattr(cost, name))

    def worst_ratio(self, cost: Cost) -> float:
        """Return the largest share of a limit that a network uses; at most 1 means that it fits."""
        return max(self.figure(cost, name) / limit for name, limit in self.limits.items())

    @property
    def num_costed(self) -> int:
        """Number of networks costed so far."""
        return len(self._costs)


@dataclass(frozen=True, slots=True)
class FeasibilityResult:
    """Whether a network fits, and what the nearest budget is.

    Attributes:
        values: A network that fits, or None.
        limits: The limits that were asked for.
        smallest: The least that was found for each limited figure, whatever the others are.
        alone: For some of the limits the figure that would be enough if all others stayed.
        together: The exceeded figures of the network whose largest relative excess is least.
        proof: How it is known that nothing fits.
        at_upper_end: Whether limited times and energies are the upper ends of their intervals.
    """

    values: Values | None
    limits: Mapping[str, float]
    smallest: Mapping[str, float]
    alone: Mapping[str, float]
    together: Mapping[str, float]
    proof: str
    at_upper_end: bool = False

    def explanation(self) -> str:
        """Return the rest of a sentence that says why nothing fits, how that is known, and what would."""
        binding = [
            _missed(name, need, limit) for name, need in self.smallest.items() if need > (limit := self.limits[name])
        ]
        what = "; ".join(binding) or "each limit can be kept, but not all by one candidate"
        ways = [self._raised({name: need}) for name, need in self.alone.items()] or [self._raised(self.together)]
        upper = "; times and energies are the upper ends of their intervals (latency_at = 'expected' takes the middles)"
        note = upper if self.at_upper_end else ""
        return f"{self.proof}): {what}; one would fit with {', or with '.join(ways)}{note}"

    def _raised(self, figures: Mapping[str, float]) -> str:
        return " and ".join(
            f"{_TITLES[name]} {_enough(name, need)} ({_more(name, need - self.limits[name])})"
            for name, need in figures.items()
        )


class NothingFitsError(BudgetError):
    """No network of the space fits the budget, and it is known what would.

    Attributes:
        result: What binds, and the nearest budget.
    """

    def __init__(self, message: str, result: FeasibilityResult) -> None:
        super().__init__(message)
        self.result = result


def find_fitting(problem: FeasibilityProblem, *, seed: int = 0) -> FeasibilityResult:
    """Search a network that fits; where there is none, the nearest budget.

    Coordinates are descended, one choice at a time, from several starts. That nothing fits is proved by costing all
    networks of a small space. Of a larger one each structure is drawn with the fewest channels: more of them cost more
    flash, MACs and time, and no less memory than `CostModel.least_ram_bytes` says of these, so that the narrowest
    decides for all.

    Args:
        problem: The space and the limits.
        seed: Draws some of the starts.
    """
    limits = {name: limit for name, limit in problem.limits.items() if limit < math.inf}
    cheapest = {name: options[0] for name, options in problem.choices.items()}
    figure = problem.figure
    least = {name: _descend(problem, cheapest, partial(figure, name=name)) for name in limits}
    rng = np.random.default_rng(seed)
    drawn = [
        {name: options[int(rng.integers(len(options)))] for name, options in problem.choices.items()}
        for _ in range(_NUM_RANDOM_STARTS)
    ]
    starts = [cheapest, *least.values(), *drawn]
    best = _best(problem, starts, problem.worst_ratio)
    alone = {}
    for name, limit in limits.items():
        values = _best(problem, [best, *least.values()], _only(problem, limits, name))
        cost = problem.cost(values)
        if all(figure(cost, other) <= limits[other] for other in limits if other != name):
            alone[name] = figure(cost, name)
            best = values if alone[name] <= limit else best
    cost, smallest = problem.cost(best), {n: figure(problem.cost(v), n) for n, v in least.items()}
    fits = problem.worst_ratio(cost) <= 1
    together = {n: figure(cost, n) for n, limit in limits.items() if figure(cost, n) > limit}
    upper = "latency_high_ms" in limits or (problem.energy[0] == "latency_high_ms" and "energy_mj" in limits)
    result = FeasibilityResult(best if fits else None, limits, smallest, alone, together, "", upper)
    return result if fits else _proved(problem, result)


def _best(problem: FeasibilityProblem, starts: Iterable[Values], objective: _Objective) -> Values:
    ends = [_descend(problem, start, objective) for start in starts]
    return min(ends, key=lambda values: objective(problem.cost(values)))


def _only(problem: FeasibilityProblem, limits: Mapping[str, float], name: str) -> _Objective:
    """Return what puts keeping all other limits first and needing little of one figure second."""

    def objective(cost: Cost) -> tuple[float, float]:
        excess = max((problem.figure(cost, other) / limits[other] for other in limits if other != name), default=0.0)
        return max(excess, 1.0), problem.figure(cost, name)

    return objective


def _descend(problem: FeasibilityProblem, start: Values, objective: _Objective) -> Values:
    values, best = dict(start), objective(problem.cost(start))
    improved = True
    while improved:
        improved = False
        for name, options in problem.choices.items():
            for option in options:
                neighbour = {**values, name: option}
                if option != values[name] and (figure := objective(problem.cost(neighbour))) < best:
                    values, best, improved = neighbour, figure, True
    return values


def _proved(problem: FeasibilityProblem, result: FeasibilityResult) -> FeasibilityResult:
    """Say how it is known that nothing fits; or find what fits after all."""
    size = math.prod(map(len, problem.choices.values()))
    if size <= _MOST_PROOFS:
        for values in _combinations(problem.choices):
            if problem.worst_ratio(problem.cost(values)) <= 1:
                return replace(result, values=values)
        costed, leanest = f"each of its {size:,} networks was costed", problem.cost_model.ram_of_leanest_kernels
        for values in _combinations(problem.choices):
            if _may_fit(problem, values, leanest):
                return replace(result, proof=f"not proved: {costed}, but {_doubt(problem, values)}")
        return replace(result, proof=f"proved: {costed}")
    narrowest = {
        name: options[:1] if name in problem.channel_choices else options for name, options in problem.choices.items()
    }
    num_structures = math.prod(map(len, narrowest.values()))
    least_ram = problem.cost_model.least_ram_bytes
    if num_structures <= _MOST_PROOFS and not any(_may_fit(problem, v, least_ram) for v in _combinations(narrowest)):
        return replace(
            result, proof=f"proved: of each of its {num_structures:,} structures the narrowest network breaks a limit"
        )
    return replace(result, proof=f"not proved: none of {problem.num_costed:,} networks that a search costed")


def _may_fit(problem: FeasibilityProblem, values: Values, least_ram: Callable[[Graph], int]) -> bool:
    """Return whether a network fits by the least that its file and its arena may take."""
    graph, cost = problem.render(values), problem.cost(values)
    least = {name: problem.figure(cost, name) for name in problem.limits}
    least["flash_bytes"] = problem.cost_model.flash_ends(graph, cost.flash_bytes)[0]
    least["ram_bytes"] = least_ram(graph)
    return all(least[name] <= limit for name, limit in problem.limits.items())


def _doubt(problem: FeasibilityProblem, values: Values) -> str:
    """Return which of the figures by which a network breaks limits are not known to the byte."""
    cost = problem.cost(values)
    broken = {name for name, limit in problem.limits.items() if problem.figure(cost, name) > limit}
    doubts = [SIZE_ERROR] if "flash_bytes" in broken else []
    if "ram_bytes" in broken and not problem.cost_model.kernels_known:
        doubts.append(why_between(problem.cost_model.device))
    return "; ".join(doubts)


def _combinations(choices: Mapping[str, tuple[int | float, ...]]) -> Iterator[Values]:
    return (dict(zip(choices, options, strict=True)) for options in itertools.product(*choices.values()))


def _missed(name: str, need: float, limit: float) -> str:
    more = digits_apart(need, limit, partial(_figure, name))
    needs, allowed = (_figure(name, value, more) for value in (need, limit))
    return f"{_TITLES[name]}: the smallest candidate needs {needs}, {allowed} allowed"


def _figure(name: str, value: float, more: int = 0) -> str:
    unit = _UNITS[name]
    return f"{value:,.{5 + more}g} {unit}" if unit in _FINE else f"{math.floor(value):,} {unit}"


def _enough(name: str, value: float) -> str:
    unit = _UNITS[name]
    if unit not in _FINE:
        return _figure(name, value)
    return f"{Context(prec=5, rounding=ROUND_CEILING).create_decimal(str(value)):,f} {unit}"


def _more(name: str, value: float) -> str:
    if _UNITS[name] in _FINE:
        return f"+{value:.3g} {_UNITS[name]}"
    return f"+{value / 1024:,.1f} kB" if _UNITS[name] == "B" else f"+{value:,.0f} MACs"
