"""The networks that a search may choose from."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from kd_edge.config.choices import STREAMING
from kd_edge.cost.budget import Budget
from kd_edge.cost.model import CostModel
from kd_edge.errors import BudgetError, ConfigError, ModelError, nearest
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.graph import Graph
from kd_edge.ir.heads import with_heads
from kd_edge.ir.lowering import read_layers
from kd_edge.ir.streaming import stream
from kd_edge.search.space.families import FAMILIES
from kd_edge.search.space.feasibility import FeasibilityProblem, NothingFitsError, find_fitting
from kd_edge.search.space.graph_template import GraphTemplate
from kd_edge.search.space.prunable import PrunableNetwork, find_prunable
from kd_edge.search.space.pruning import group_widths, prune, pruning_choices
from kd_edge.search.space.screening import Screening, Size, by_size

if TYPE_CHECKING:
    import keras

Values = Mapping[str, int | float]

FROM_TEACHER = "from_teacher"
"""Name of a space that is derived from a teacher."""


@dataclass(frozen=True)
class StudentSpace:
    """A finite space of student networks: every combination of its choices is a valid network.

    Attributes:
        name: What the space is called in reports.
        input_shape: Shape of one sample: `(features,)`, `(time, channels)` or `(height, width, channels)`.
        num_classes: Number of outputs: of classes the logits.
        choices: The values that each hyperparameter may take, from the cheapest network to the dearest.
        channel_choices: Those that change nothing but numbers of channels, and never make fewer when they grow.
        prunable: The teacher that the students are derived from; None for a general family.
        windows: Choices that change nothing but the windows of convolutions with padding.
    """

    name: str
    input_shape: tuple[int, ...]
    num_classes: int
    choices: Mapping[str, tuple[int | float, ...]]
    channel_choices: frozenset[str]
    _sizes: Callable[[Values], Sequence[int]] = field(repr=False)
    _draw: Callable[[Values, Sequence[int]], Blueprint] = field(repr=False)
    prunable: PrunableNetwork | None = field(default=None, repr=False)
    windows: tuple[str, ...] = ()

    @classmethod
    def family(
        cls,
        name: str,
        input_shape: Sequence[int],
        num_classes: int,
        *,
        frames: int | None = None,
        heads: Mapping[str, int] = MappingProxyType({}),
    ) -> "StudentSpace":
        """Return one of the general families, for when there is no usable teacher architecture.

        Args:
            name: `"ds_cnn"` (depthwise separable convolutions), `"resnet"` (residual blocks), `"mobilenet"` (inverted
                residuals), `"tcn"` (temporal convolutions), `"streaming"` (temporal convolutions that are deployed, and
                costed, as a step of a few frames), `"mlp"` (dense layers) or `"autoencoder"` (dense layers around a
                bottleneck, for a reconstruction).
            input_shape: Shape of one sample.
            num_classes: Number of outputs, `Dataset.num_outputs`: of classes the logits.
            frames: How many frames of time a step of a streaming network takes; by default as many as its first layer
                strides over.
            heads: `Dataset.heads`: of several outputs how many of the numbers each has, by its name. Defaults to one
                output.

        Raises:
            ConfigError: The family is unknown, or cannot read samples of this shape, or is not streamed, or has one
                output.
        """
        if name not in FAMILIES:
            raise ConfigError(f"unknown family {name!r}: {nearest(name, (*FAMILIES, FROM_TEACHER))}")
        family, shape = FAMILIES[name], tuple(input_shape)
        _check_family(name, shape, frames, heads)
        windows = family.windows

        def sizes(values: Values) -> list[int]:
            return [*family.widths(values), *(int(values[window]) for window in windows)]

        def draw(values: Values, sizes: Sequence[int]) -> Blueprint:
            num_widths = len(sizes) - len(windows)
            values = {**values, **dict(zip(windows, sizes[num_widths:], strict=True))}
            return with_heads(family.draw(shape, num_classes, values, sizes[:num_widths]), heads)

        choices = dict(family.choices)
        if frames is not None:
            strides = tuple(stride for stride in choices["stem_stride"] if frames % stride == 0)
            choices |= {"stem_stride": strides, "frames": (frames,)}
        named = MappingProxyType(choices)
        return cls(name, shape, num_classes, named, family.channel_choices, sizes, draw, windows=windows)

    @classmethod
    def from_teacher(cls, teacher: "keras.Model | Blueprint") -> "StudentSpace":
        """Return the smaller networks that a teacher's architecture allows.

        A width factor per group of channels that belong together, left-out residual or repeated blocks, standard
        convolutions made separable, earlier downsampling, smaller windows; see `pruning_choices`. The teacher itself is
        one of them, less its dropout and final softmax. Sequences are convolved as images of width 1.

        Args:
            teacher: A functional or sequential classifier of convolutions, dense layers, batch normalization,
                activations, pooling, Add and Concatenate; or its blueprint.

        Raises:
            ModelError: The teacher cannot be read or pruned. The layer is named.
        """
        names: Sequence[str] = ()
        try:
            if isinstance(teacher, Blueprint):
                blueprint = teacher
            else:
                blueprint, layers = read_layers(teacher)
                names = [layer.name for layer in layers]
            prunable = find_prunable(blueprint, names)
            choices = pruning_choices(prunable)
            if not choices:
                raise ModelError("cannot shrink the teacher: expected a layer whose channels may become fewer")
        except ModelError as error:
            known = ", ".join(sorted(FAMILIES))
            raise ModelError(f"{error}; choose one of the general families instead: {known}") from error
        return cls(
            FROM_TEACHER,
            prunable.shapes[0],
            sum(prunable.shapes[output][-1] for output in prunable.outputs),
            MappingProxyType(choices),
            frozenset(choice for choice in choices if choice.startswith("width")),
            functools.partial(group_widths, prunable),
            lambda values, widths: prune(prunable, values, widths).blueprint,
            prunable,
        )

    @property
    def size(self) -> int:
        """Number of combinations."""
        return math.prod(map(len, self.choices.values()))

    def blueprint(self, values: Values) -> Blueprint:
        """Return the network that belongs to one value of each choice."""
        return self._draw(values, self._sizes(values))

    def graph(self, values: Values) -> Graph:
        """Return the graph that a network is costed by, of a streaming one that of a step.

        It is that of `blueprint(values).to_graph()`, faster: networks that differ in sizes alone share a template.
        """
        if self.name == STREAMING:
            frames = int(values["frames"]) if "frames" in values else None
            return stream(self.blueprint(values), frames).to_graph()
        structure = tuple([values[name] for name in self._structural])
        sizes = self._sizes(values)
        template = self._templates.get(structure)
        if template is None:
            fixed = dict(values)
            template = GraphTemplate(lambda sizes: self._draw(fixed, sizes).to_graph(), len(sizes))
            self._templates[structure] = template
        return template.fill(sizes)

    @functools.cached_property
    def _structural(self) -> tuple[str, ...]:
        return tuple(name for name in self.choices if name not in {*self.channel_choices, *self.windows})

    @functools.cached_property
    def _templates(self) -> dict[tuple[int | float, ...], GraphTemplate]:
        return {}

    def samples(self, rng: np.random.Generator, num_samples: int) -> Iterator[dict[str, int | float]]:
        """Draw many networks: of each one value of each choice, uniformly."""
        columns = [
            [options[place] for place in rng.integers(len(options), size=num_samples).tolist()]
            for options in self.choices.values()
        ]
        return (dict(zip(self.choices, row, strict=True)) for row in zip(*columns, strict=True))

    def sample(self, rng: np.random.Generator) -> dict[str, int | float]:
        """Draw one value of each choice uniformly."""
        return {name: options[int(rng.integers(len(options)))] for name, options in self.choices.items()}

    def screen(
        self,
        cost_model: CostModel,
        budget: Budget,
        *,
        max_macs: float = math.inf,
        num_samples: int = 2000,
        seed: int = 0,
    ) -> Screening:
        """Cost many networks without building one.

        Args:
            cost_model: Computes the costs.
            budget: What the networks have to keep.
            max_macs: Most multiply-accumulates that a network may have.
            num_samples: How many combinations are drawn; those that are the same network are costed once.
            seed: Draws them.

        Raises:
            BudgetError: None of them fits, nor does any that `find_fitting` finds; the message says what binds, the
                smallest cost in the space, the nearest budget that would do, and whether this is proved.
        """
        rng = np.random.default_rng(seed)
        drawn: dict[tuple[int | float, ...], Values] = {
            tuple(values.values()): values for values in self.samples(rng, num_samples)
        }
        networks: dict[Graph, Values] = {}
        for combination in drawn.values():
            networks.setdefault(self.graph(combination), combination)
        costs = [cost_model.estimate(graph) for graph in networks]
        over = [[*cost.excess(budget), *(["teacher_ratio"] if cost.known_macs > max_macs else [])] for cost in costs]
        fitting = [(Size.of(cost), v) for v, cost, o in zip(networks.values(), costs, over, strict=True) if not o]
        fitting = fitting or [self._find_fitting(cost_model, budget, max_macs)]
        sizes, values = zip(*(fitting[place] for place in by_size(size for size, _ in fitting)), strict=True)
        num_over = Counter(name for exceeded in over for name in exceeded)
        return Screening(len(costs), len(fitting), sizes, values, num_over)

    def _find_fitting(self, cost_model: CostModel, budget: Budget, max_macs: float) -> tuple[Size, Values]:
        limits = {
            "flash_bytes": budget.flash_bytes,
            "ram_bytes": budget.ram_bytes,
            budget.latency_figure: budget.latency_ms or math.inf,
            "macs": max_macs,
        }
        power = 0.0
        if budget.energy_mj is not None and budget.energy_time_ms is not None:
            limits["energy_mj"], power = budget.energy_mj, budget.energy_mj / budget.energy_time_ms
        energy = budget.latency_figure, power
        problem = FeasibilityProblem(self.choices, self.channel_choices, self.graph, cost_model, limits, energy)
        result = find_fitting(problem)
        if result.values is None:
            message = f"no candidate of the space {self.name!r} fits the budget ({result.explanation()}"
            if budget.energy_time_ms is not None:
                message += f"; the limit of {budget.energy_mj:g} mJ allows {budget.energy_time_ms:.4g} ms"
            raise NothingFitsError(message, result)
        cost = problem.cost(result.values)
        if cost.refusals:
            raise BudgetError(f"no candidate of the space {self.name!r} fits: TFLM refuses {cost.refusals[0]}")
        return Size.of(cost), result.values


def _check_family(name: str, shape: tuple[int, ...], frames: int | None, heads: Mapping[str, int]) -> None:
    """Refuse samples, frames or outputs that a family does not have."""
    if len(shape) not in FAMILIES[name].ranks:
        raise ConfigError(
            f"family {name!r} reads (time, channels) or (height, width, channels), received samples of shape "
            f"{shape}; use the family 'mlp'"
        )
    if heads and name == STREAMING:
        raise ConfigError(
            f"family {name!r} has one output: expected data of one task, received {', '.join(heads)}; choose "
            "another family"
        )
    if frames is not None and name != STREAMING:
        raise ConfigError(f"family {name!r} is not streamed: expected {STREAMING!r} for a step of {frames} frames")
    if frames is not None and not 1 <= frames <= shape[0]:
        raise ConfigError(f"bad number of frames in a step: expected 1 to {shape[0]}, the window's, received {frames}")
