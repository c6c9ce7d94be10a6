"""The networks that calibrate what a runtime works at otherwise than at the rest of its class of operators."""

from collections.abc import Callable, Iterator
from functools import partial

from tflite_bench.calibration import network_writer_ops as ops
from tflite_bench.calibration.network_writer import SyntheticNetwork

Build = Callable[[SyntheticNetwork], object]

# Shapes of the input, and how often the operator occurs, each time after a pointwise convolution.
_IMAGES = [((12, 12, 3), 2), ((8, 8, 8), 3), ((20, 20, 24), 1)]
_OTHER_IMAGES = {
    "grouped": [((12, 12, 12), 2), ((8, 8, 8), 3), ((20, 20, 24), 1)],
    "transposed": [((6, 6, 4), 1), ((12, 12, 3), 1), ((8, 8, 8), 2), ((10, 10, 24), 1)],
    "resize": [((4, 4, 4), 1), ((12, 12, 3), 1), ((8, 8, 8), 2), ((10, 10, 24), 1)],
}
_SEQUENCES = [((1, 64, 6), 2), ((1, 24, 12), 3)]
_JOINED = [(8,), (16, 24), (32, 12, 20)]
_LSTMS = [((10, 6), 5), ((28, 28), 20), ((40, 16), 32)]


def op_networks(dtype: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and files of the networks of a dtype, `"int8"` or `"float32"`."""
    for name, build in _BUILDS.items():
        images = _OTHER_IMAGES.get(name, _IMAGES)
        shapes = images if name in _IMAGES_ONLY else images + _SEQUENCES[: 2 if name in _BOTH_SEQUENCES else 1]
        for shape, depth in shapes:
            yield _title(name, shape), _chain(SyntheticNetwork(shape, dtype=dtype), build, depth)
    for name, build in _ENDS.items():
        for image, _ in _IMAGES:
            yield _title(name, image), _end(SyntheticNetwork(image, dtype=dtype), build)
    for sizes in _JOINED:
        network = SyntheticNetwork((16,), dtype=dtype)
        for units in sizes:
            first = network.dense(units, relu=True)
            network.dense(units, relu=True)
            ops.join(network, first)
        network.dense(10)
        yield _title("joined dense", sizes), network.to_bytes()
    for sequence, units in _LSTMS:
        network = SyntheticNetwork(sequence, dtype=dtype)
        ops.lstm(network, units)
        network.dense(10)
        yield _title("lstm", sequence), network.to_bytes()


def _title(name: str, shape: tuple[int, ...]) -> str:
    return f"{name}: {'x'.join(map(str, shape))}"


def _chain(network: SyntheticNetwork, build: Build, depth: int) -> bytes:
    for _ in range(depth):
        network.conv(network.shape[3], 1)
        build(network)
    network.pool()
    network.dense(10)
    return network.to_bytes()


def _end(network: SyntheticNetwork, build: Build) -> bytes:
    network.conv(network.shape[3], 1)
    build(network)
    network.dense(10)
    return network.to_bytes()


def _arithmetic(network: SyntheticNetwork) -> None:
    first = network.last
    for kind in ("SUB", "MUL", "MAXIMUM"):
        network.conv(network.shape[3], 1)
        ops.arithmetic(network, kind, first)


def _scaled(network: SyntheticNetwork) -> None:
    ops.arithmetic(network, "MUL")
    ops.arithmetic(network, "ADD")


def _joined(network: SyntheticNetwork) -> None:
    first = network.last
    network.conv(network.shape[3], 1)
    ops.join(network, first)


def _padded(network: SyntheticNetwork) -> None:
    ops.pad(network)
    rows, columns = (min(3, size) for size in network.shape[1:3])
    network.conv(network.shape[3], (rows, columns), valid=True)


def _grouped(network: SyntheticNetwork) -> None:
    network.conv(network.shape[3], 3, groups=4)


def _pooled(kind: str, network: SyntheticNetwork) -> None:
    network.pool((1, 2) if network.shape[1] == 1 else 2, kind=kind)


_BUILDS: dict[str, Build] = {
    "depthwise": lambda network: network.depthwise((1, 5) if network.shape[1] == 1 else 3),
    "large depthwise": lambda network: network.depthwise(7),
    "multiplied depthwise": lambda network: network.depthwise(3, multiplier=2),
    "grouped": _grouped,
    "transposed": lambda network: ops.transposed_conv(network, network.shape[3] + 2, 3),
    "small transposed": lambda network: ops.transposed_conv(network, 3, 2),
    "average pooling": partial(_pooled, "AVERAGE"),
    "maximum pooling": partial(_pooled, "MAX"),
    "arithmetic": _arithmetic,
    "scaled": _scaled,
    "prelu": lambda network: ops.arithmetic(network, "PRELU"),
    "joined": _joined,
    "padded": _padded,
    "cropped": ops.crop,
    "transpose": ops.transpose,
    "tile": ops.tile,
    "resize": ops.resize,
    **{
        kind.lower(): partial(ops.elementwise, kind=kind)
        for kind in ("RELU", "LEAKY_RELU", "ELU", "HARD_SWISH", "LOGISTIC", "TANH", "QUANTIZE")
    },
}
_ENDS: dict[str, Build] = {
    "mean": partial(ops.reduce_image, kind="MEAN"),
    "maximum": partial(ops.reduce_image, kind="REDUCE_MAX"),
    "softmax": lambda network: network.softmax(),
    "rows": lambda network: network.dense(16, relu=True, flat=False),
}
_IMAGES_ONLY = ("cropped", "transposed", "small transposed", "resize")
_BOTH_SEQUENCES = ("depthwise", "maximum pooling", "average pooling", "arithmetic")
