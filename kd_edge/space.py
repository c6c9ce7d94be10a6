"""The networks that a search may choose from."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kd_edge.blueprint import Blueprint, Sketch
from kd_edge.budget import Budget
from kd_edge.cost import Cost, CostModel
from kd_edge.errors import BudgetError, ConfigError, nearest
from kd_edge.layers import (
    Add,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    ReLU,
    Reshape,
)

Values = Mapping[str, int | float]


@dataclass(frozen=True)
class StudentSpace:
    """A finite space of student networks: every combination of its choices is a valid network.

    Attributes:
        name: What the space is called in reports.
        input_shape: Shape of one sample: `(features,)`, `(time, channels)` or `(height, width, channels)`.
        num_classes: Number of logits.
        choices: The values that each hyperparameter may take, from the cheapest network to the dearest.
    """

    name: str
    input_shape: tuple[int, ...]
    num_classes: int
    choices: Mapping[str, tuple[int | float, ...]]
    _draw: Callable[["StudentSpace", Values], Blueprint]

    @classmethod
    def family(cls, name: str, input_shape: Sequence[int], num_classes: int) -> "StudentSpace":
        """Return one of the general families.

        Students end in logits and use only ops that TFLM, CMSIS-NN and the C code generators all have. Sequences are
        convolved as images of width 1, which needs fewer ops in TFLite than Conv1D.

        Args:
            name: `"ds_cnn"` (depthwise separable convolutions), `"resnet"` (residual blocks) or `"mlp"` (dense layers).
            input_shape: Shape of one sample.
            num_classes: Number of logits.

        Raises:
            ConfigError: The family is unknown, or cannot read samples of this shape.
        """
        if name not in _FAMILIES:
            raise ConfigError(f"unknown family {name!r}: {nearest(name, _FAMILIES)}")
        choices, draw = _FAMILIES[name]
        if draw is not _mlp and len(input_shape) not in (2, 3):
            raise ConfigError(
                f"family {name!r} reads (time, channels) or (height, width, channels), received samples of shape "
                f"{tuple(input_shape)}; use the family 'mlp'"
            )
        return cls(name, tuple(input_shape), num_classes, MappingProxyType(dict(choices)), draw)

    @property
    def size(self) -> int:
        """Number of combinations."""
        return math.prod(map(len, self.choices.values()))

    def blueprint(self, values: Values) -> Blueprint:
        """Return the network that belongs to one value of each choice."""
        return self._draw(self, values)

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
    ) -> "Screening":
        """Cost many networks without building one.

        Args:
            cost_model: Computes the costs.
            budget: What the networks have to keep.
            max_macs: Most multiply-accumulates that a network may have.
            num_samples: How many combinations are drawn; duplicates are costed once.
            seed: Draws them.

        Raises:
            BudgetError: None of them fits, nor does the cheapest network that a search by coordinates finds.
        """
        rng = np.random.default_rng(seed)
        drawn: dict[tuple[int | float, ...], Values] = {
            tuple(values.values()): values for values in (self.sample(rng) for _ in range(num_samples))
        }
        costs = [(values, cost_model.estimate(self.blueprint(values).to_graph())) for values in drawn.values()]
        feasible = [(values, cost) for values, cost in costs if cost.fits(budget) and cost.macs <= max_macs]
        if not feasible:
            feasible = self._cheapest_that_fits(cost_model, budget, max_macs)
        return Screening(len(costs), len(feasible), tuple(sorted(cost.macs for _, cost in feasible)))

    def _cheapest_that_fits(self, cost_model: CostModel, budget: Budget, max_macs: float) -> list[tuple[Values, Cost]]:
        cheapest = {
            name: self._cheapest(cost_model, name) for name in ("flash_bytes", "arena_bytes", "latency_ms", "macs")
        }
        for values, cost in cheapest.values():
            if cost.fits(budget) and cost.macs <= max_macs:
                return [(values, cost)]
        raise BudgetError(_explain(self, {name: cost for name, (_, cost) in cheapest.items()}, budget, max_macs))

    def _cheapest(self, cost_model: CostModel, measure: str) -> tuple[Values, Cost]:
        """Descend by one choice at a time to the network that needs least of one resource."""
        values: dict[str, int | float] = {name: options[0] for name, options in self.choices.items()}
        best = cost_model.estimate(self.blueprint(values).to_graph())
        improved = True
        while improved:
            improved = False
            for neighbour in self._neighbours(values):
                cost = cost_model.estimate(self.blueprint(neighbour).to_graph())
                if getattr(cost, measure) < getattr(best, measure):
                    values, best, improved = neighbour, cost, True
        return values, best

    def _neighbours(self, values: Values) -> Iterator[dict[str, int | float]]:
        for name, options in self.choices.items():
            for option in options:
                if option != values[name]:
                    yield {**values, name: option}


@dataclass(frozen=True, slots=True)
class Screening:
    """What costing many networks of a space said.

    Attributes:
        num_costed: Different networks costed.
        num_feasible: Those that fit the budget.
        feasible_macs: Their MACs, ascending.
    """

    num_costed: int
    num_feasible: int
    feasible_macs: tuple[int, ...]

    def macs_quantile(self, fraction: float) -> int:
        """Return the MACs that `fraction` of the feasible networks stay below."""
        return self.feasible_macs[min(int(fraction * self.num_feasible), self.num_feasible - 1)]


def _explain(space: StudentSpace, cheapest: Mapping[str, Cost], budget: Budget, max_macs: float) -> str:
    needs = {
        "flash": (cheapest["flash_bytes"].flash_bytes, budget.flash_bytes, "B"),
        "RAM": (cheapest["arena_bytes"].arena_bytes, budget.ram_bytes, "B"),
        "latency": (round(cheapest["latency_ms"].latency_ms, 3), budget.latency_ms or math.inf, "ms"),
        "teacher ratio": (cheapest["macs"].macs, max_macs, "MACs"),
    }
    binding = [
        f"{name}: the smallest candidate needs {need:,} {unit}, {limit:,} {unit} allowed"
        for name, (need, limit, unit) in needs.items()
        if need > limit
    ]
    what = "; ".join(binding) or "each limit can be kept, but not all by one candidate"
    return (
        f"no candidate of the space {space.name!r} fits the budget: {what}; raise what binds or choose another device"
    )


def _start(space: StudentSpace) -> tuple[Sketch, tuple[int, int], Callable[[int], tuple[int, int]]]:
    """Return a sketch with an image as its last value, the image's size, and what makes a window of a kernel size."""
    sketch = Sketch(space.input_shape)
    if len(space.input_shape) == 3:
        return sketch, space.input_shape[:2], lambda k: (k, k)
    time, channels = space.input_shape
    sketch.add(Reshape((time, 1, channels)))
    return sketch, (time, 1), lambda k: (k, 1)


def _convolve(sketch: Sketch, layer: Conv2D | DepthwiseConv2D, *, activate: bool = True) -> int:
    last = sketch.add(layer)
    last = sketch.add(BatchNormalization())
    return sketch.add(ReLU()) if activate else last


def _finish(space: StudentSpace, sketch: Sketch, size: tuple[int, int]) -> Blueprint:
    """Average over the whole image with a pooling op, which more runtimes have than MEAN, and add the logits."""
    if size != (1, 1):
        sketch.add(AveragePooling2D(size, size))
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(space.num_classes)))


def _halved(size: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // strides[0]), -(-size[1] // strides[1])


def _channels(width: float) -> int:
    return max(4, 4 * round(width / 4))


def _ds_cnn(space: StudentSpace, values: Values) -> Blueprint:
    """Draw a DS-CNN in the manner of *Hello Edge* (arXiv 1711.07128): a convolution, then separable blocks."""
    sketch, size, window = _start(space)
    width, strides = float(values["width"]), window(int(values["stem_stride"]))
    strides = strides if size[1] > 1 else (strides[0], 1)
    _convolve(sketch, Conv2D(_channels(width), window(int(values["stem_kernel"])), strides, "same", use_bias=False))
    size = _halved(size, strides)
    for block in range(int(values["num_blocks"])):
        # TensorFlow runs depthwise convolutions with equal strides only; a width of 1 stays 1.
        strides = (2, 2) if block < values["num_strided"] else (1, 1)
        size = _halved(size, strides)
        _convolve(sketch, DepthwiseConv2D(window(int(values["kernel"])), strides, "same", use_bias=False))
        width *= values["growth"]
        _convolve(sketch, Conv2D(_channels(width), (1, 1), (1, 1), "same", use_bias=False))
    return _finish(space, sketch, size)


def _resnet(space: StudentSpace, values: Values) -> Blueprint:
    """Draw a residual network (arXiv 1512.03385): blocks of two convolutions, the width growing with each stage."""
    sketch, size, window = _start(space)
    width, kernel = float(values["width"]), window(int(values["kernel"]))
    strides = window(int(values["stem_stride"]))
    last = _convolve(sketch, Conv2D(_channels(width), kernel, strides, "same", use_bias=False))
    size = _halved(size, strides)
    for stage in range(int(values["num_stages"])):
        strides, shortcut = (window(2) if stage else (1, 1)), last
        size, channels = _halved(size, strides), _channels(width)
        _convolve(sketch, Conv2D(channels, kernel, strides, "same", use_bias=False))
        branch = _convolve(sketch, Conv2D(channels, kernel, (1, 1), "same", use_bias=False), activate=False)
        if stage:
            shortcut = sketch.add(Conv2D(channels, (1, 1), strides, "same", use_bias=False), shortcut)
            shortcut = sketch.add(BatchNormalization())
        sketch.add(Add(), branch, shortcut)
        last = sketch.add(ReLU())
        width *= values["growth"]
    return _finish(space, sketch, size)


def _mlp(space: StudentSpace, values: Values) -> Blueprint:
    sketch, width = Sketch(space.input_shape), float(values["width"])
    if len(space.input_shape) > 1:
        sketch.add(Flatten())
    for _ in range(int(values["num_layers"])):
        sketch.add(Dense(_channels(width), activation="relu"))
        width *= values["growth"]
    return sketch.blueprint(sketch.add(Dense(space.num_classes)))


_FAMILIES: dict[str, tuple[dict[str, tuple[int | float, ...]], Callable[[StudentSpace, Values], Blueprint]]] = {
    "ds_cnn": (
        {
            "width": (4, 8, 12, 16, 20, 24, 32, 40, 48, 64),
            "stem_kernel": (3, 5, 7, 9),
            "stem_stride": (4, 2, 1),
            "num_blocks": (1, 2, 3, 4, 5, 6),
            "num_strided": (3, 2, 1, 0),
            "kernel": (3, 5, 7),
            "growth": (1.0, 1.25, 1.5),
        },
        _ds_cnn,
    ),
    "resnet": (
        {
            "width": (4, 8, 12, 16, 20, 24, 32, 40, 48),
            "kernel": (3, 5, 7),
            "stem_stride": (4, 2, 1),
            "num_stages": (1, 2, 3, 4),
            "growth": (1.0, 1.5, 2.0),
        },
        _resnet,
    ),
    "mlp": (
        {
            "width": (8, 16, 24, 32, 48, 64, 96, 128, 192, 256),
            "num_layers": (1, 2, 3),
            "growth": (0.5, 0.75, 1.0),
        },
        _mlp,
    ),
}
