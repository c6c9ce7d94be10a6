"""The networks that calibrate a device: each class of operators alone, and the families they occur in."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tflite_bench.calibration.network_writer import SyntheticNetwork

# In every table: the shape of the input, and the arguments of the function that builds the network.
_DENSE = [
    ((16,), 16, 3),
    ((64,), 64, 3),
    ((120,), 32, 2),
    ((128,), 128, 4),
    ((300,), 80, 3),
    ((640,), 128, 4),
    ((640,), 8, 1),
    ((100,), 12, 3),
    ((500,), 250, 2),
]
_CONV = [
    ((32, 32, 3), 16, 3, 1, 1),
    ((32, 32, 16), 16, 3, 1, 3),
    ((16, 16, 32), 32, 3, 1, 2),
    ((8, 8, 64), 64, 3, 1, 2),
    ((49, 10, 1), 64, (10, 4), 2, 1),
    ((96, 96, 3), 8, 3, 2, 1),
    ((28, 28, 1), 16, 3, 1, 3),
    ((24, 24, 24), 24, 3, 1, 2),
    ((64, 64, 1), 16, 5, 2, 1),
    ((32, 32, 12), 12, 5, 1, 2),
    ((48, 48, 3), 4, 5, 4, 1),
    ((49, 10, 1), 4, 3, 2, 1),
    ((20, 20, 6), 6, 3, 1, 3),
    ((64, 64, 16), 32, 3, 1, 2),
]
_POINTWISE = [
    ((25, 5, 64), 64, 4),
    ((48, 48, 8), 16, 2),
    ((24, 24, 32), 32, 3),
    ((6, 6, 128), 128, 3),
    ((3, 3, 256), 256, 2),
    ((20, 20, 20), 40, 2),
]
_DEPTHWISE = [
    ((25, 5, 64), 3),
    ((48, 48, 8), 2),
    ((24, 24, 32), 3),
    ((6, 6, 128), 4),
    ((20, 20, 20), 2),
    ((64, 1, 24), 3),
    ((32, 32, 4), 2),
    ((24, 24, 16), 2, 5),
    ((16, 16, 4), 2, 5),
]
_SEPARABLE = [
    ((96, 96, 3), 8, (16, 32, 32, 64, 64)),
    ((49, 10, 1), 32, (32, 32, 32)),
    ((40, 40, 3), 16, (24, 32, 48, 64)),
    ((32, 32, 1), 12, (16, 24, 32)),
    ((64, 64, 3), 24, (48, 64, 96)),
    ((128, 1, 6), 16, (16, 24, 32)),
    ((100, 1, 3), 24, (24, 24)),
    ((64, 1, 9), 8, (16, 16, 32)),
    ((32, 32, 3), 4, (4, 6, 8)),
]
_RESIDUAL = [
    ((32, 32, 3), 16, 2),
    ((24, 24, 3), 8, 3),
    ((20, 20, 1), 24, 2),
    ((50, 1, 3), 8, 3),
    ((48, 48, 3), 24, 2),
    ((64, 64, 3), 12, 1),
    ((16, 16, 3), 32, 2),
    ((28, 28, 3), 20, 1),
]
_SCORES = [((32,), 200), ((64,), 40), ((16,), 2)]
_SUMS = [((32, 32, 16), 4), ((16, 16, 32), 3), ((8, 8, 64), 6), ((48, 48, 24), 2)]
_POOLED = [
    ((32, 32, 3), 16, 2, "MAX"),
    ((28, 28, 1), 8, 2, "MAX"),
    ((48, 48, 3), 8, 3, "MAX"),
    ((24, 24, 1), 32, 1, "MAX"),
    ((16, 16, 3), 8, 2, "AVERAGE"),
    ((40, 40, 1), 16, 1, "AVERAGE"),
]
_RESHAPED = [((64,), 2), ((64,), 8), ((1024,), 4), ((256,), 1)]


def networks(dtype: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and files of the networks of a dtype, `"int8"` or `"float32"`."""
    plans: tuple[tuple[str, Callable[..., None], Sequence[Any]], ...] = (
        ("dense", _dense, _DENSE),
        ("scores", _scores, _SCORES),
        ("conv", _conv, _CONV),
        ("pointwise", _pointwise, _POINTWISE),
        ("depthwise", _depthwise, _DEPTHWISE),
        ("separable", _separable, _SEPARABLE),
        ("residual", _residual, _RESIDUAL),
        ("sums", _sums, _SUMS),
        ("pooled", _pooled, _POOLED),
        ("reshaped", _reshaped, _RESHAPED),
    )
    for name, build, rows in plans:
        for position, (shape, *arguments) in enumerate(rows, 1):
            network = SyntheticNetwork(shape, dtype=dtype)
            build(network, *arguments)
            yield f"{name} {position}: {'x'.join(map(str, shape))}", network.to_bytes()


def _dense(network: SyntheticNetwork, units: int, depth: int) -> None:
    for _ in range(depth):
        network.dense(units, relu=True)
    network.dense(10)


def _scores(network: SyntheticNetwork, num_classes: int) -> None:
    network.dense(num_classes)
    network.softmax()


def _conv(network: SyntheticNetwork, filters: int, window: int | tuple[int, int], stride: int, depth: int) -> None:
    network.conv(filters, window, stride=stride)
    for _ in range(depth - 1):
        network.conv(filters, 3)
    _classify(network)


def _pointwise(network: SyntheticNetwork, filters: int, depth: int) -> None:
    for _ in range(depth):
        network.conv(filters, 1)
    _classify(network)


def _depthwise(network: SyntheticNetwork, depth: int, window: int | None = None) -> None:
    for _ in range(depth):
        network.depthwise(window or _window(network))
    _classify(network)


def _separable(network: SyntheticNetwork, filters: int, blocks: tuple[int, ...]) -> None:
    window = _window(network)
    network.conv(filters, window, stride=2)
    for position, block in enumerate(blocks):
        network.depthwise(window, stride=2 if position % 2 == 0 and network.shape[1] > 8 else 1)
        network.conv(block, 1)
    _classify(network)


def _residual(network: SyntheticNetwork, filters: int, depth: int) -> None:
    trunk = network.conv(filters, 3)
    for _ in range(depth):
        network.conv(filters, 3)
        network.conv(filters, 3)
        trunk = network.add(trunk)
    _classify(network, softmax=True)


def _sums(network: SyntheticNetwork, depth: int) -> None:
    trunk = network.conv(network.shape[3], 1)
    for _ in range(depth):
        network.add(trunk)
    _classify(network)


def _pooled(network: SyntheticNetwork, filters: int, depth: int, kind: str) -> None:
    for _ in range(depth):
        network.conv(filters, 3)
        network.pool(2, kind=kind)
        filters *= 2
    network.dense(32, relu=True)
    network.dense(10)
    network.softmax()


def _reshaped(network: SyntheticNetwork, depth: int) -> None:
    network.dense(network.shape[1])
    flat = network.shape
    for _ in range(depth):
        network.reshape((1, flat[1] // 8, 8))
        network.reshape(flat)
    network.dense(10)


def _classify(network: SyntheticNetwork, *, softmax: bool = False) -> None:
    network.pool()
    network.dense(10)
    if softmax:
        network.softmax()


def _window(network: SyntheticNetwork) -> int | tuple[int, int]:
    return (5, 1) if network.shape[2] == 1 else 3
