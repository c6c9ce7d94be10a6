"""General families of small networks, for when a teacher's architecture is of no use.

Students end in logits and use only ops that TFLM, CMSIS-NN and the C code generators all have. Sequences are convolved
as images of width 1, which needs fewer ops in TFLite than Conv1D.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from kd_edge.config.choices import STREAMING
from kd_edge.errors import ConfigError
from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.layers import Add, AveragePooling2D, Conv2D, DepthwiseConv2D, Flatten, ReLU, Reshape
from kd_edge.ir.layers.core import BatchNormalization, Dense

Values = Mapping[str, int | float]
Shape = tuple[int, ...]
Pair = tuple[int, int]
Widths = Sequence[int]

"""The family whose networks are costed and deployed as a step of a few frames."""


@dataclass(frozen=True, slots=True)
class Family:
    """A family of networks.

    Attributes:
        choices: The values that each hyperparameter may take, from the cheapest network to the dearest.
        channel_choices: Those that change nothing but numbers of channels, and never make fewer when they grow.
        ranks: Numbers of dimensions that a sample may have.
        widths: Returns the numbers of channels that belong to one value of each choice.
        draw: Makes a network of the shape of a sample, the number of outputs, one value of each choice, of which it
            reads no `channel_choices`, and the numbers of channels.
        windows: Choices that change nothing but the windows of convolutions with padding.
    """

    choices: Mapping[str, tuple[int | float, ...]]
    channel_choices: frozenset[str]
    ranks: tuple[int, ...]
    widths: Callable[[Values], Widths]
    draw: Callable[[Shape, int, Values, Widths], Blueprint]
    windows: tuple[str, ...] = ()


class _Drawing:
    """A sketch that knows the size of the image it is at."""

    def __init__(self, input_shape: Shape) -> None:
        self.sketch = Sketch(input_shape)
        self.is_sequence = len(input_shape) == 2
        self.size: Pair = (input_shape[0], 1) if self.is_sequence else (input_shape[0], input_shape[1])
        if self.is_sequence:
            self.sketch.add(Reshape((input_shape[0], 1, input_shape[1])))

    def pair(self, size: int) -> Pair:
        """Return a window or stride of the given size, which a sequence has along time only."""
        return (size, 1) if self.is_sequence else (size, size)

    def convolve(self, width: int, kernel: int, stride: int = 1, *, source: int | None = None) -> int:
        """Add a convolution with batch normalization."""
        layer = Conv2D(width, self.pair(kernel), self.pair(stride), "same", use_bias=False)
        self.sketch.add(layer, *(() if source is None else (source,)))
        if source is None:
            self._slide(self.pair(stride))
        return self.sketch.add(BatchNormalization())

    def convolve_depthwise(self, kernel: int, stride: int = 1) -> int:
        """Add a depthwise convolution with batch normalization and ReLU."""
        # TensorFlow runs depthwise convolutions with equal strides only; a width of 1 stays 1.
        self.sketch.add(DepthwiseConv2D(self.pair(kernel), (stride, stride), "same", use_bias=False))
        self._slide((stride, stride))
        self.sketch.add(BatchNormalization())
        return self.activate()

    def activate(self) -> int:
        """Add a ReLU."""
        return self.sketch.add(ReLU())

    def finish(self, num_classes: int) -> Blueprint:
        """Average over the whole image with a pooling op, which more runtimes have than MEAN, and add the logits."""
        if self.size != (1, 1):
            self.sketch.add(AveragePooling2D(self.size, self.size))
        self.sketch.add(Flatten())
        return self.sketch.blueprint(self.sketch.add(Dense(num_classes)))

    def _slide(self, strides: Pair) -> None:
        self.size = (-(-self.size[0] // strides[0]), -(-self.size[1] // strides[1]))


def _channels(width: float) -> int:
    return max(4, 4 * round(width / 4))


def _growing(values: Values, count: int) -> list[int]:
    """Return numbers of channels that grow by a factor."""
    width, growth = float(values["width"]), float(values["growth"])
    return [_channels(width * growth**place) for place in range(count)]


def _ds_cnn(input_shape: Shape, num_classes: int, values: Values, widths: Widths) -> Blueprint:
    """Draw a DS-CNN in the manner of *Hello Edge* (arXiv 1711.07128): a convolution, then separable blocks."""
    drawing = _Drawing(input_shape)
    drawing.convolve(widths[0], int(values["stem_kernel"]), int(values["stem_stride"]))
    drawing.activate()
    for block, width in enumerate(widths[1:]):
        drawing.convolve_depthwise(int(values["kernel"]), 2 if block < values["num_strided"] else 1)
        drawing.convolve(width, 1)
        drawing.activate()
    return drawing.finish(num_classes)


def _resnet(input_shape: Shape, num_classes: int, values: Values, widths: Widths) -> Blueprint:
    """Draw a residual network (arXiv 1512.03385): blocks of two convolutions, the width growing with each stage."""
    drawing, kernel = _Drawing(input_shape), int(values["kernel"])
    drawing.convolve(widths[0], kernel, int(values["stem_stride"]))
    drawing.activate()
    for stage, width in enumerate(widths):
        _residual(drawing, width, kernel, 2 if stage else 1, projects=stage > 0)
    return drawing.finish(num_classes)


def _residual(drawing: _Drawing, width: int, kernel: int, stride: int, *, projects: bool) -> None:
    shortcut = drawing.sketch.last
    drawing.convolve(width, kernel, stride)
    drawing.activate()
    branch = drawing.convolve(width, kernel)
    if projects:
        shortcut = drawing.convolve(width, 1, stride, source=shortcut)
    drawing.sketch.add(Add(), branch, shortcut)
    drawing.activate()


def _mobilenet(input_shape: Shape, num_classes: int, values: Values, widths: Widths) -> Blueprint:
    """Draw a network of inverted residuals (arXiv 1801.04381) with linear bottlenecks and ReLU.

    Each stage begins with a stride of 2 and has a second block, which adds its input, where `depth` is 2.
    """
    drawing, count = _Drawing(input_shape), int(values["num_stages"])
    drawing.convolve(widths[0], 3, int(values["stem_stride"]))
    drawing.activate()
    for width, expanded in zip(widths[:count], widths[count:], strict=False):
        for block in range(int(values["depth"])):
            source = drawing.sketch.last
            drawing.convolve(expanded, 1)
            drawing.activate()
            drawing.convolve_depthwise(int(values["kernel"]), 1 if block else 2)
            branch = drawing.convolve(width, 1)
            if block:
                drawing.sketch.add(Add(), branch, source)
    drawing.convolve(widths[-1], 1)
    drawing.activate()
    return drawing.finish(num_classes)


def _mobilenet_widths(values: Values) -> list[int]:
    """Return the widths of the stages, their expanded ones, and that of the last convolution."""
    count, width, growth = int(values["num_stages"]), float(values["width"]), float(values["growth"])
    expanded = [_channels(width * growth**place * values["expansion"]) for place in range(count)]
    return [*_growing(values, count), *expanded, _channels(2 * width * growth**count)]


def _tcn(input_shape: Shape, num_classes: int, values: Values, widths: Widths) -> Blueprint:
    """Draw a temporal residual network in the manner of TC-ResNet (arXiv 1904.03814): features are channels.

    A stage halves the time; strides, not dilations, make the field of view grow, since dilated convolutions cost more
    in TFLM and the C generators do not have them. A spectrogram's bands become the channels of the first convolution.
    """
    steps, channels = input_shape[0], input_shape[1] * (input_shape[2] if len(input_shape) == 3 else 1)
    drawing, kernel = _Drawing((steps, channels)), int(values["kernel"])
    if len(input_shape) == 3:
        drawing.sketch = Sketch(input_shape)
        drawing.sketch.add(Reshape((steps, 1, channels)))
    drawing.convolve(widths[0], int(values["stem_kernel"]), int(values["stem_stride"]))
    drawing.activate()
    for width in widths[1:]:
        _residual(drawing, width, kernel, 2, projects=True)
    return drawing.finish(num_classes)


def _streaming(input_shape: Shape, num_classes: int, values: Values, widths: Widths) -> Blueprint:
    """Draw a network whose convolutions over time are unpadded, so that a step of a few frames can go on from the last.

    In the shape of the wake words that people deploy: a strided convolution of all features, then separable blocks over
    time, then all that is left of it (see `kd_edge.ir.streaming`). Windows shrink where the time is too short for them.
    """
    time, features = input_shape[0], input_shape[1] * (input_shape[2] if len(input_shape) == 3 else 1)
    stride = int(values["stem_stride"])
    # As many positions as a step brings have to be left.
    least = max(1, int(values.get("frames", stride)) // stride)
    sketch = Sketch(input_shape)
    sketch.add(Reshape((time, 1, features)))
    kernel = min(max(int(values["stem_kernel"]), stride), max(1, time - (least - 1) * stride))
    sketch.add(Conv2D(widths[0], (kernel, 1), (stride, 1), use_bias=False))
    left = (time - kernel) // stride + 1
    for width in widths[1:]:
        _normalize(sketch)
        kernel = min(int(values["kernel"]), left - least + 1)
        sketch.add(DepthwiseConv2D((kernel, 1), use_bias=False))
        sketch.add(BatchNormalization())
        sketch.add(Conv2D(width, (1, 1), use_bias=False))
        left -= kernel - 1
    _normalize(sketch)
    if left > 1 and not values["flattens"]:
        sketch.add(AveragePooling2D((left, 1), (left, 1)))
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def _normalize(sketch: Sketch) -> None:
    sketch.add(BatchNormalization())
    sketch.add(ReLU())


def _mlp(input_shape: Shape, num_classes: int, values: Values, widths: Widths) -> Blueprint:
    sketch = Sketch(input_shape)
    if len(input_shape) > 1:
        sketch.add(Flatten())
    for width in widths:
        sketch.add(Dense(width, activation="relu"))
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def _autoencoder(input_shape: Shape, num_outputs: int, values: Values, widths: Widths) -> Blueprint:
    """Draw dense layers down to a bottleneck and up again, in the manner of MLPerf Tiny's (arXiv 2106.07597)."""
    if num_outputs != prod(input_shape):
        raise ConfigError(
            f"bad family 'autoencoder': expected the task 'reconstruction', whose outputs are the sample's "
            f"{prod(input_shape)} numbers, received {num_outputs} outputs; choose another family"
        )
    sketch = Sketch(input_shape)
    if len(input_shape) > 1:
        sketch.add(Flatten())
    for width in (*widths, int(values["bottleneck"]), *widths[::-1]):
        sketch.add(Dense(width, activation="relu"))
    return sketch.blueprint(sketch.add(Dense(num_outputs)))


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "ds_cnn": Family(
            {
                "width": (4, 8, 12, 16, 20, 24, 32, 40, 48, 64),
                "stem_kernel": (3, 5, 7, 9),
                "stem_stride": (4, 2, 1),
                "num_blocks": (1, 2, 3, 4, 5, 6),
                "num_strided": (3, 2, 1, 0),
                "kernel": (3, 5, 7),
                "growth": (1.0, 1.25, 1.5),
            },
            frozenset({"width", "growth"}),
            (2, 3),
            lambda values: _growing(values, int(values["num_blocks"]) + 1),
            _ds_cnn,
            ("stem_kernel", "kernel"),
        ),
        "resnet": Family(
            {
                "width": (4, 8, 12, 16, 20, 24, 32, 40, 48),
                "kernel": (3, 5, 7),
                "stem_stride": (4, 2, 1),
                "num_stages": (1, 2, 3, 4),
                "growth": (1.0, 1.5, 2.0),
            },
            frozenset({"width", "growth"}),
            (2, 3),
            lambda values: _growing(values, int(values["num_stages"])),
            _resnet,
            ("kernel",),
        ),
        "mobilenet": Family(
            {
                "width": (4, 8, 12, 16, 20, 24, 32, 40),
                "expansion": (1, 2, 3, 4, 6),
                "kernel": (3, 5, 7),
                "stem_stride": (4, 2, 1),
                "num_stages": (1, 2, 3, 4),
                "depth": (1, 2),
                "growth": (1.0, 1.25, 1.5, 2.0),
            },
            frozenset({"width", "growth", "expansion"}),
            (2, 3),
            _mobilenet_widths,
            _mobilenet,
            ("kernel",),
        ),
        "tcn": Family(
            {
                "width": (4, 8, 12, 16, 20, 24, 32, 40, 48),
                "stem_kernel": (3, 5, 9),
                "stem_stride": (4, 2, 1),
                "kernel": (3, 5, 7, 9),
                "num_stages": (1, 2, 3, 4),
                "growth": (1.0, 1.25, 1.5, 2.0),
            },
            frozenset({"width", "growth"}),
            (2, 3),
            lambda values: _growing(values, int(values["num_stages"]) + 1),
            _tcn,
            ("stem_kernel", "kernel"),
        ),
        STREAMING: Family(
            {
                "width": (4, 8, 12, 16, 20, 24, 32, 40, 48, 64),
                "stem_kernel": (3, 5, 7, 9),
                "stem_stride": (1, 2, 3, 4),
                "num_blocks": (1, 2, 3, 4),
                "kernel": (3, 5, 7, 9, 13),
                "flattens": (0, 1),
                "growth": (1.0, 1.25, 1.5),
            },
            frozenset({"width", "growth"}),
            (2, 3),
            lambda values: _growing(values, int(values["num_blocks"]) + 1),
            _streaming,
        ),
        "mlp": Family(
            {
                "width": (8, 16, 24, 32, 48, 64, 96, 128, 192, 256),
                "num_layers": (1, 2, 3),
                "growth": (0.5, 0.75, 1.0),
            },
            frozenset({"width", "growth"}),
            (1, 2, 3),
            lambda values: _growing(values, int(values["num_layers"])),
            _mlp,
        ),
        "autoencoder": Family(
            {
                "width": (8, 16, 24, 32, 48, 64, 96, 128),
                "num_layers": (1, 2, 3, 4),
                "growth": (0.5, 0.75, 1.0),
                "bottleneck": (2, 4, 8, 16),
            },
            frozenset({"width", "growth"}),
            (1, 2, 3),
            lambda values: _growing(values, int(values["num_layers"])),
            _autoencoder,
        ),
    }
)
