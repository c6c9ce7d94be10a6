"""The step of a streamed model: a few frames in, an answer out, and ring buffers between one step and the next."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.errors import ModelError
from kd_edge.ir.layers import Layer
from kd_edge.ir.layers.ring import Ring
from kd_edge.ir.lowering import read_layers
from kd_edge.ir.streaming import Stream, stream
from tflite_bench.model.streams import in_steps

# Before the names of the nodes, by which the converter orders ops: what a frame becomes is computed first.
INPUT = "frames"


def read_stream(model: keras.Model, frames: int | None = None) -> tuple[Stream, tuple[Any, ...]]:
    """Return how a model runs as a stream, and for each of its nodes the layer of the model.

    Args:
        model: A functional or sequential model of a window of time.
        frames: How many frames a step takes; as few as can be by default.

    Raises:
        ConfigError: The model cannot take so many at a time.
        ModelError: A layer cannot be streamed. It is named.
    """
    blueprint, layers = read_layers(model)
    return stream(blueprint, frames, [layer.name for layer in layers]), layers


class StreamStep(tf.Module):  # type: ignore[misc]
    """A step of a model, with its weights as constants and its ring buffers as variables.

    Args:
        model: A model of a window that runs without training.
        frames: See `read_stream`.
    """

    def __init__(self, model: keras.Model, frames: int | None = None) -> None:
        super().__init__()
        self.stream, layers = read_stream(model, frames)
        self._weights = [(variable, variable.numpy()) for variable in model.variables]
        self._calls = [_call_of(node.layer, source, layers) for node, source in self._nodes()]
        self._weights += [weights for call in self._calls for weights in getattr(call, "own", ())]
        self.rings = [
            tf.Variable(tf.zeros((1, *shape)), trainable=False, name=f"ring_{place}")
            for place, shape in _ring_shapes(self.stream)
        ]
        nodes = self.stream.blueprint.nodes
        shape = (1, *nodes[0].layer.shape)  # type: ignore[attr-defined]
        self.run = tf.function(self._run, input_signature=[tf.TensorSpec(shape, tf.float32, name=INPUT)])

    def forget(self) -> None:
        """Empty the ring buffers."""
        for ring in self.rings:
            ring.assign(tf.zeros_like(ring))

    def answer(self, windows: np.ndarray) -> np.ndarray:
        """Return the last outputs for windows that are fed step by step, each from empty ring buffers."""
        answers = []
        for window in windows:
            self.forget()
            for frames in self.steps(window):
                output = self.run(tf.constant(frames))
            answers.append(output.numpy()[0])
        return np.stack(answers)

    def steps(self, window: np.ndarray) -> np.ndarray:
        """Return a window cut into steps of batch 1; see `in_steps`."""
        return in_steps(window[np.newaxis], self.stream.frames).astype(np.float32)

    def _nodes(self) -> list[tuple[Any, int | None]]:
        return list(zip(self.stream.blueprint.nodes, self.stream.sources, strict=True))

    def _run(self, frames: tf.Tensor) -> tf.Tensor:
        constants = [(variable, tf.constant(value)) for variable, value in self._weights]
        values: list[Any] = [frames]
        rings = iter(self.rings)
        with keras.StatelessScope(state_mapping=constants):
            for node, call, name in zip(
                self.stream.blueprint.nodes[1:], self._calls[1:], self.stream.names[1:], strict=True
            ):
                read = [values[i] for i in node.inputs]
                with tf.name_scope(name):
                    values.append(_pushed(next(rings), read[0]) if isinstance(node.layer, Ring) else call(read))
        return values[self.stream.blueprint.outputs[0]]


def _pushed(ring: tf.Variable, new: tf.Tensor) -> tf.Tensor:
    """Return what a ring buffer holds in front of what is new, and let it keep the newest."""
    joined = tf.concat([ring.read_value(), new], 1)
    ring.assign(joined[:, new.shape[1] :])
    return joined


def _ring_shapes(found: Stream) -> list[tuple[int, tuple[int, ...]]]:
    """Return the place and the shape of what each ring buffer keeps."""
    shapes: list[tuple[int, ...]] = []
    kept = []
    for place, node in enumerate(found.blueprint.nodes):
        shapes.append(node.layer.output_shape([shapes[i] for i in node.inputs]))
        if isinstance(node.layer, Ring):
            kept.append((place, (node.layer.kept, *shapes[-1][1:])))
    return kept


class _Call:
    """A layer of the model as it runs in a step.

    Attributes:
        own: Variables of a layer that was made for the step, with their values.
    """

    def __init__(self, layer: Any, weights: Sequence[Any] = ()) -> None:
        self._layer = layer
        self._weights = weights
        self.own: list[tuple[Any, np.ndarray]] = []

    def __call__(self, read: Sequence[Any]) -> Any:
        return self._layer(read if len(read) > 1 else read[0])


def _call_of(layer: Layer, source: int | None, layers: Sequence[Any]) -> Any:
    """Return what computes a node: the model's own layer, or one that was made for the step."""
    if isinstance(layer, Ring) or source == 0:
        return None
    theirs = None if source is None else layers[source]
    if layer.is_operation:
        return layer.render
    own = isinstance(theirs, keras.layers.Layer) and type(theirs).__name__ == type(layer).__name__
    changed = not own or _differs(layer, theirs)
    if own and not changed:
        return _Call(theirs)
    name = {} if theirs is None else {"name": theirs.name}
    made = getattr(keras.layers, type(layer).__name__)(**asdict(layer), **name)
    if theirs is not None and own and theirs.weights:
        made.build(theirs.get_build_config()["input_shape"])
        made.set_weights(theirs.get_weights())
    call = _Call(made)
    call.own = [(variable, variable.numpy()) for variable in made.variables]
    return call


def _differs(layer: Layer, theirs: Any) -> bool:
    """Return whether a step's layer has another padding or shape than the model's."""
    names = ("padding", "target_shape", "cropping")
    return any(_plain(getattr(layer, name)) != _plain(getattr(theirs, name)) for name in names if hasattr(layer, name))


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def check_stream(model: keras.Model, step: StreamStep, windows: np.ndarray, *, tolerance: float = 1e-4) -> None:
    """Check that the last step of a window answers as the model does for the whole one, but for rounding.

    Raises:
        ModelError: It does not.
    """
    expected = keras.ops.convert_to_numpy(model(windows, training=False))
    try:
        received = step.answer(windows)
    except (ValueError, tf.errors.OpError) as error:
        raise ModelError(f"cannot stream {model.name!r}: {next(iter(str(error).splitlines()), '')}") from error
    difference = float(np.abs(expected - received).max())
    if difference > tolerance * max(float(np.abs(expected).max()), 1e-3):
        raise ModelError(
            f"cannot stream {model.name!r}: expected the outputs of the window, received outputs that differ by "
            f"{difference:.2g}; a layer works on more than one position of time"
        )
