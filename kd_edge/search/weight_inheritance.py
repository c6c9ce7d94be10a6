"""Weight inheritance: a student that is derived from a teacher starts from its most important channels."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType

import keras
import numpy as np

from kd_edge.errors import ConfigError, ModelError, nearest
from kd_edge.ir.layers import Layer
from kd_edge.ir.lowering import read_layers
from kd_edge.search.space.channel_groups import Block, Value
from kd_edge.search.space.prunable import PrunableNetwork, find_prunable
from kd_edge.search.space.pruning import PrunedNetwork, Size, Values, prune

# Samples and batches that batch normalization is calibrated on.
_CALIBRATION_BATCH = 256
_NUM_CALIBRATION_BATCHES = 16

_Weights = dict[str, np.ndarray]


def inherit(
    teacher: keras.Model, values: Values, x: np.ndarray | None = None, *, importance: str = "batch_norm"
) -> keras.Model:
    """Return the student of `StudentSpace.from_teacher(teacher)` that starts from the teacher's weights.

    Each group of channels keeps its most important ones; what every layer does with them stays. Smaller windows keep
    their centre. A convolution that became separable gets, per input channel, the best depthwise window and pointwise
    weights in the least-squares sense (a singular value decomposition). Dense layers behind a flattened image keep the
    rows of the positions that are left.

    Args:
        teacher: The trained network.
        values: One value of each choice of the space.
        x: Samples on which the statistics of batch normalization are computed anew, shape `(samples, ...)`; they are
            the teacher's by default, which fit no student with fewer channels.
        importance: `"batch_norm"`, the size of a channel's scale in batch normalization (arXiv 1708.06519), with L1
            where a group has none, or `"l1"`, the sum of its absolute weights (arXiv 1608.08710). The layers of a group
            are scaled to the same mean first, and summed.

    Raises:
        ConfigError: The importance is unknown.
        ModelError: The teacher cannot be read or pruned.
    """
    return WeightInheritance(teacher, importance=importance).student(values, x)


class WeightInheritance:
    """A teacher's weights, ready to be handed on to many students.

    Args:
        teacher: The trained network.
        importance: As for `inherit`.
        prunable: The teacher's architecture, prepared for pruning, such as that of its `StudentSpace`; prepared here by
            default. It may have been prepared before the teacher was trained.

    Raises:
        ConfigError: The importance is unknown.
        ModelError: The teacher cannot be read or pruned, or `prunable` is another network's.
    """

    def __init__(
        self, teacher: keras.Model, *, importance: str = "batch_norm", prunable: PrunableNetwork | None = None
    ) -> None:
        if importance not in _IMPORTANCES:
            raise ConfigError(f"unknown importance {importance!r}: {nearest(importance, _IMPORTANCES)}")
        blueprint, layers = read_layers(teacher)
        if prunable is not None and prunable.teacher != blueprint:
            raise ModelError(
                f"cannot inherit from {teacher.name!r}: expected the network that the space was made from, "
                "received one of another architecture; make the space from this teacher"
            )
        self._prunable = prunable or find_prunable(blueprint, [layer.name for layer in layers])
        self._weights = [
            _read_weights(layers[position], node.layer, part)
            for node, (position, part) in zip(self._prunable.nodes, self._prunable.origins, strict=True)
        ]
        self._importance = _IMPORTANCES[importance](self._prunable, self._weights)

    def student(self, values: Values, x: np.ndarray | None = None) -> keras.Model:
        """Return one student with the weights it inherits; see `inherit`."""
        pruned = prune(self._prunable, values)
        model = pruned.blueprint.to_keras()
        layers = {layer.name: layer for layer in model.layers}
        selection = _Selection(self._prunable, pruned, self._importance)
        for position, (origin, part) in enumerate(pruned.origins):
            if not self._weights[origin] or part == "pointwise":
                continue
            layer = layers[pruned.blueprint.layer_name(position)]
            window = pruned.blueprint.nodes[position].layer.window()
            weights = selection.of(origin, self._weights[origin], window.size if window else ())
            if part == "depthwise":
                kernel, weights["kernel"] = _separated(weights["kernel"])
                _assign(layer, {"kernel": kernel})
                layer = layers[pruned.blueprint.layer_name(position + 1)]
            _assign(layer, weights)
        if x is not None:
            recalibrate(model, x)
        return model


class _Selection:
    """Which of the teacher's channels a student keeps."""

    def __init__(self, prunable: PrunableNetwork, pruned: PrunedNetwork, importance: Sequence[np.ndarray]) -> None:
        self._prunable = prunable
        self._pruned = pruned
        self._kept: dict[int, np.ndarray] = {}
        for root in set(pruned.roots):
            total = sum(importance[group] for group, of in enumerate(pruned.roots) if of == root)
            self._kept[root] = np.sort(np.argsort(-np.asarray(total), kind="stable")[: pruned.widths[root]])

    def of(self, origin: int, full: _Weights, window: tuple[int, ...]) -> _Weights:
        """Return what the student keeps of the weights of one node of the prunable network.

        Args:
            origin: The node.
            full: The teacher's weights.
            window: The student's window, of a convolution.
        """
        rows, scale = self._index(self._prunable.nodes[origin].inputs[0])
        columns, _ = self._index(origin)
        kept: _Weights = {}
        for name, axes in self._prunable.nodes[origin].layer.weight_axes().items():
            if name not in full:
                continue
            weight = full[name]
            chosen = {"i": rows, "o": columns}
            chosen |= {
                letter: (own - new) // 2 + np.arange(new)
                for letter, own, new in zip(axes, weight.shape, window, strict=False)
                if letter in "hw"
            }
            for axis, letter in enumerate(axes):
                weight = np.take(weight, chosen[letter], axis) if letter in chosen else weight
            if axes == "io":
                weight = weight * scale[:, None]
            kept[name] = weight
        return kept

    def _index(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which entries of a node's last axis are kept, and a factor that makes up for positions left out."""
        indices: list[np.ndarray] = []
        scales: list[np.ndarray] = []
        start = 0
        for block in self._prunable.channels.values[node]:
            channels, width = self._channels(block)
            positions, num_positions = np.zeros(1, int), 1
            if block.flattened_by >= 0:
                image = self._prunable.nodes[block.flattened_by].inputs[0]
                size = self._prunable.shapes[image][:-1]
                positions, num_positions = _nearest_positions(self._pruned.sizes[image], size), prod(size)
            index = (start + positions[:, None] * width + channels).ravel()
            indices.append(index)
            scales.append(np.full(len(index), num_positions / len(positions), np.float32))
            start += width * num_positions
        return np.concatenate(indices), np.concatenate(scales)

    def _channels(self, block: Block) -> tuple[np.ndarray, int]:
        kept, width = [], 0
        for group, size in block.segments:
            kept.append(width + self._kept[self._pruned.roots[group]])
            width += size
        return np.concatenate(kept), width


def _nearest_positions(student: Size, teacher: Size) -> np.ndarray:
    """Return for every position of the student's image the nearest one of the teacher's, both counted row by row."""
    along = [((np.arange(new) + 0.5) * full / new).astype(int) for new, full in zip(student, teacher, strict=True)]
    return np.ravel_multi_index(np.meshgrid(*along, indexing="ij"), teacher).ravel()


def _separated(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the depthwise and pointwise kernels whose product is nearest to a convolution's kernel.

    Args:
        kernel: Shape `(height, width, inputs, filters)`.
    """
    height, width, inputs, filters = kernel.shape
    left, sizes, right = np.linalg.svd(
        kernel.transpose(2, 0, 1, 3).reshape(inputs, height * width, filters), full_matrices=False
    )
    # Windows of length 1 keep the scale of the image between the two, which is quantized too.
    depthwise = left[:, :, 0].T.reshape(height, width, inputs, 1)
    return depthwise, (sizes[:, :1] * right[:, 0])[None, None]


def recalibrate(model: keras.Model, x: np.ndarray) -> None:
    """Set the statistics of batch normalization to the averages over the batches of some samples.

    Source: "precise BN" of *Rethinking "Batch" in BatchNorm* (arXiv 2105.07576). All layers see the statistics of the
    batch while they are measured, so that one pass is enough.

    Args:
        model: Changed in place.
        x: Samples; of many, the first 4,096.
    """
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalizations]
    samples = x[: _CALIBRATION_BATCH * _NUM_CALIBRATION_BATCHES]
    if not normalizations:
        return
    for batch in range(-(-len(samples) // _CALIBRATION_BATCH)):
        for layer in normalizations:
            layer.momentum = batch / (batch + 1)
        model(samples[batch * _CALIBRATION_BATCH : (batch + 1) * _CALIBRATION_BATCH], training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum


def _l1_importance(prunable: PrunableNetwork, weights: Sequence[_Weights]) -> list[np.ndarray]:
    """Sum the absolute weights of each channel's filters."""
    scores = [np.zeros(width) for width in prunable.channels.widths]
    for i, node in enumerate(prunable.nodes):
        for name, axes in node.layer.weight_axes().items():
            if len(axes) > 1 and axes.endswith("o"):
                kernel = np.abs(weights[i][name])
                _add(scores, prunable.channels.values[i], kernel.reshape(-1, kernel.shape[-1]).sum(axis=0))
    return scores


def _batch_norm_importance(prunable: PrunableNetwork, weights: Sequence[_Weights]) -> list[np.ndarray]:
    """Sum the absolute scales of each channel's batch normalization; L1 where there is none."""
    scores = [np.zeros(width) for width in prunable.channels.widths]
    for i, own in enumerate(weights):
        if "gamma" in own and prunable.channels.values[i][0].flattened_by < 0:
            _add(scores, prunable.channels.values[i], np.abs(own["gamma"]))
    l1 = _l1_importance(prunable, weights)
    return [score if score.any() else other for score, other in zip(scores, l1, strict=True)]


def _add(scores: list[np.ndarray], value: Value, importance: np.ndarray) -> None:
    """Add a layer's figures to its groups', scaled to a mean of 1, so that no layer outweighs the others."""
    start = 0
    for group, size in value[0].segments:
        part = importance[start : start + size]
        scores[group] += part / max(float(part.mean()), 1e-12)
        start += size


_IMPORTANCES: Mapping[str, Callable[[PrunableNetwork, Sequence[_Weights]], list[np.ndarray]]] = MappingProxyType(
    {"l1": _l1_importance, "batch_norm": _batch_norm_importance}
)


def _read_weights(operation: keras.Operation, layer: Layer, part: str) -> _Weights:
    """Return the weights that a student may inherit, with the axes of the layer that stands for a Keras layer.

    Args:
        operation: The Keras layer, or an operation, which has none.
        layer: What became of it: of Conv1D a layer over images.
        part: What the names of the weights of a part of it begin with.
    """
    owned = {weight.name: weight for weight in operation.weights} if isinstance(operation, keras.Layer) else {}
    read: _Weights = {}
    for name, axes in layer.weight_axes().items():
        weight = owned.get(f"{part}_{name}", owned.get(name))
        if weight is not None:
            array = np.asarray(weight)
            read[name] = array if array.ndim == len(axes) else array[:, None]
    return read


def _assign(layer: keras.Layer, weights: _Weights) -> None:
    for weight in layer.weights:
        if weight.name in weights:
            weight.assign(weights[weight.name])
