"""What a neural architecture search found: candidates, the best of them, the Pareto front."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kd_edge.cost.budget import Budget
from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.distillation.results import HaltingReport, Recipe
from kd_edge.ir.blueprint import Blueprint
from tflite_bench.provenance import Computed, Given, Measured

# The chosen student as the search trained it, in the search's folder.
STUDENT = "student.keras"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One trained network of a search.

    Attributes:
        values: Its hyperparameters.
        cost: What it costs on the device.
        accuracy: Of the float network on the validation samples after the brief training, 0 to 1; of tasks without
            classes their metric, which is then the search's objective.
        trial: Its number in the search's folder.
        score: What the search ranks by, on the same samples; `None` where that is the accuracy, or the task's metric.
    """

    values: Computed[dict[str, int | float]]
    cost: Cost
    accuracy: Measured[float]
    trial: str = ""
    score: Measured[float | None] = None

    @property
    def rank(self) -> float:
        """What the search ranks by."""
        return self.accuracy if self.score is None else self.score


@dataclass(frozen=True, slots=True)
class CandidateTraining:
    """How a candidate was trained and how it went: a stage that would train the very same way can keep the student.

    Attributes:
        recipe: How; its epochs are those of this training alone.
        temperature: Softened the teacher's outputs.
        student_loss_weight: Weight of the labels, 0 to 1; the rest is the teacher's. There was no trainee.
        initial_epoch: Epochs of earlier rounds, from whose weights it went on; 0 but in Hyperband's later rounds.
        history: Metrics per epoch, as in `keras.callbacks.History`; None where one was not finite.
        seconds: Wall-clock time.
        halting: What the teacher cost.
    """

    recipe: Recipe
    temperature: Given[float]
    student_loss_weight: Given[float]
    initial_epoch: Computed[int]
    history: Measured[dict[str, list[float | None]]]
    seconds: Measured[float]
    halting: tuple[HaltingReport, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        space: Name of the space.
        chosen: The candidate with the best objective on the validation samples, of equal ones the fastest.
        blueprint: Its network.
        front: Candidates that no other beats in the objective, latency, RAM and flash at once.
        candidates: All that were trained, best first.
        num_costed: Networks costed before training.
        num_feasible: Those of them that fit the budget.
        num_over: How many of them exceed each limit, by its name in `Budget`, the teacher's share of MACs, and
            `refusals` by the runtime.
        shares: The part of each limit that the chosen candidate uses; the largest is the one that binds.
        training: That of the chosen candidate, which left the student that the search keeps.
        objective: What candidates are ranked by; see `objective_for`.
    """

    space: str
    chosen: Candidate
    blueprint: Computed[Blueprint]
    front: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    num_costed: Computed[int]
    num_feasible: Computed[int]
    num_over: Computed[dict[str, int]]
    shares: Computed[dict[str, float]]
    training: CandidateTraining
    objective: str = "accuracy"


def sort_candidates(
    candidates: Iterable[Candidate], *, identify: Callable[[Mapping[str, int | float]], Hashable] | None = None
) -> tuple[Candidate, ...]:
    """Return candidates by the objective, of equal ones the fastest, then the first trained; each network once.

    Args:
        candidates: What was trained.
        identify: Returns of hyperparameters what is equal of equal networks, such as `StudentSpace.graph`; by default
            they are.
    """
    identify = identify or (lambda values: tuple(sorted(values.items())))
    best: dict[Hashable, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.rank, c.cost.latency_ms, c.trial)):
        best.setdefault(identify(candidate.values), candidate)
    return tuple(best.values())


def pareto_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that no other beats in the objective, latency, RAM and flash at once."""
    return tuple(c for c in candidates if not any(_beats(other, c) for other in candidates))


def budget_shares(cost: Cost | UntimedCost, budget: Budget) -> dict[str, float]:
    """Return the part of each limit that a network uses, by the limit's name in `Budget`."""
    shares = {"flash_bytes": cost.flash_bytes / budget.flash_bytes, "ram_bytes": cost.ram_bytes / budget.ram_bytes}
    figure = budget.latency_figure
    return shares | {name: float(getattr(cost, figure)) / limit_ms for name, limit_ms in budget.times_ms.items()}


def _beats(one: Candidate, other: Candidate) -> bool:
    def losses(c: Candidate) -> tuple[float, ...]:
        return -c.rank, c.cost.latency_ms, c.cost.ram_bytes, c.cost.flash_bytes

    pairs = list(zip(losses(one), losses(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
