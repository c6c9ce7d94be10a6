"""Clones of Keras models that keep what a layer's configuration does not say, under names that TensorFlow takes."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.clone.valid_names import valid_names
from kd_edge.compat.keras import all_layers, all_operations, constants_of
from kd_edge.errors import ModelError, reason_in

_PLAIN = (bool, int, float, complex, str, np.ndarray, np.generic, tf.Tensor)


def clone_of(
    model: keras.Model,
    *,
    input_tensors: Any = None,
    make_layer: Callable[[keras.layers.Layer], keras.layers.Layer] | None = None,
    inner_inputs: Callable[[keras.Model], Any] | None = None,
    trained: bool = True,
) -> keras.Model:
    """Return a clone of a model that computes the same.

    Weights are carried over, and all state beside them: what a layer adapted to data has learnt, and the plain
    attributes of a user's own layer. Names that TensorFlow refuses are made valid.

    Args:
        model: A functional or sequential model.
        input_tensors: Keras inputs to build the clone upon, in the structure of the model's; by default like its own.
        make_layer: Returns the counterpart of a layer, also of those of nested models; by default one with the same
            configuration.
        inner_inputs: Returns the Keras inputs to build the counterpart of a nested model upon, in the structure of that
            model's; by default like its own.
        trained: Whether the clone has the model's trainable weights. Without them it has only what no training
            changes: constants, and what layers were adapted to. The moving statistics of a `BatchNormalization` belong
            to the training.

    Raises:
        ModelError: A layer cannot be made from its configuration, or does not take its state.
    """
    cloner = _Cloner(model, make_layer or same_layer, inner_inputs or (lambda inner: None))
    clone = cloner.clone(model, input_tensors=input_tensors)
    for one, other in cloner.pairs:
        try:
            if trained:
                other.set_weights(one.get_weights())
            _carry_state(one, other, trained=trained)
        except Exception as error:
            raise _refusal(one, "that takes the state of an equal one", error) from error
    return clone


class _Cloner:
    """Clones a model with those inside of it, and remembers which layer was made for which."""

    def __init__(
        self, model: keras.Model, make_layer: Callable[[Any], Any], inner_inputs: Callable[[keras.Model], Any]
    ) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self._make_layer, self._inner_inputs = make_layer, inner_inputs
        self._renamed = valid_names(each.name for each in (*all_layers(model), *all_operations(model)))
        self._made: dict[int, Any] = {}

    def clone(self, model: keras.Model, *, input_tensors: Any = None) -> keras.Model:
        if name := self._renamed.get(model.name):  # before variables are made, which are named after it
            ends = (model.inputs[0], model.outputs[0]) if isinstance(model, keras.Sequential) else ()
            model = keras.Model(*(ends or (model.input, model.output)), name=name)
        return keras.models.clone_model(model, input_tensors=input_tensors, clone_function=self._counterpart)

    def _counterpart(self, layer: Any) -> Any:
        """Return the one layer that stands for another one, however often that is called."""
        if id(layer) not in self._made:
            is_graph = isinstance(layer, keras.Model) and getattr(layer, "inputs", None)
            made = self.clone(layer, input_tensors=self._inner_inputs(layer)) if is_graph else self._new(layer)
            self._made[id(layer)] = made
        return self._made[id(layer)]

    def _new(self, layer: Any) -> Any:
        try:
            made = self._make_layer(layer)
        except Exception as error:
            raise _refusal(layer, "that its get_config describes", error) from error
        made.name = self._renamed.get(made.name, made.name)
        if isinstance(layer, keras.layers.Layer):
            self.pairs.append((layer, made))
        return made


def _refusal(layer: Any, wanted: str, error: Exception) -> ModelError:
    kind = type(layer).__name__
    return ModelError(f"cannot clone layer {layer.name!r} ({kind}): expected a layer {wanted}; {reason_in(error)}")


def same_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a layer with the same configuration.

    The function of a `Lambda` already runs in this process; reading it from a configuration is refused by Keras.
    """
    if isinstance(layer, keras.layers.Lambda):
        dtype = layer.dtype_policy
        return keras.layers.Lambda(layer.function, arguments=layer.arguments, name=layer.name, dtype=dtype)
    return layer.__class__.from_config(layer.get_config())


def _carry_state(source: Any, target: Any, *, trained: bool) -> None:
    """Give a layer, and those inside of it, the state of another one that lies outside of the weights."""
    for one, other in zip(all_layers(source), all_layers(target), strict=False):
        if type(one) is not type(other) and one is not source:
            continue
        if trained or (constants_of(one) and not isinstance(one, keras.layers.BatchNormalization)):
            _carry_variables(one, other)
        if type(one).__module__.split(".")[0] != "keras":
            _carry_attributes(one, other)


def _carry_variables(one: Any, other: Any) -> None:
    """Let a layer read what the other one would save, as `keras.saving` does: `Normalization` acts on that."""
    store: dict[str, Any] = {}
    one.save_own_variables(store)
    if store:
        other.load_own_variables(store)
    if hasattr(one, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            one.save_assets(folder)
            if any(Path(folder).iterdir()):
                other.load_assets(folder)


def _carry_attributes(one: Any, other: Any) -> None:
    """Copy the plain attributes of a user's layer that its configuration does not name and that differ."""
    said = set(one.get_config())
    for name, value in vars(one).items():
        if name.startswith("_") or name in said or not isinstance(value, _PLAIN):
            continue
        if not np.array_equal(np.asarray(getattr(other, name, None)), np.asarray(value)):
            setattr(other, name, value)


def make_names_valid(model: keras.Model) -> None:
    """Rename a model and the layers inside of it whose names TensorFlow refuses."""
    layers = list(all_layers(model))
    renamed = valid_names(layer.name for layer in layers)
    for layer in layers:
        layer.name = renamed.get(layer.name, layer.name)
