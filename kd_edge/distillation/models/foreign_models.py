"""Models that Keras 3 cannot read: files of Keras 2, rebuilt layer by layer, and those that can only answer."""

import inspect
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.compat.keras import all_layers
from kd_edge.compat.tf_keras import calls_in_order, layer_class, read_model
from kd_edge.distillation.outputs.logits import to_logits
from kd_edge.errors import ModelError
from kd_edge.files import content_digest
from kd_edge.silence import quiet, say

# How far a rebuilt model may be from the file's, as a share of the largest output: float32 in another order of sums.
_TOLERANCE = 1e-3
# Of what a model is asked where it takes samples of any size.
_FREE_SIZE = 32


def _item(x: Any, key: Any) -> Any:
    """Return a part of a Keras tensor; of channels in another order what `preprocess_input` of Keras 3 makes."""
    if key == (Ellipsis, slice(None, None, -1)):
        return keras.ops.stack([x[..., channel] for channel in reversed(range(x.shape[-1]))], axis=-1)
    return x[key]


# Operations of TensorFlow in a model of Keras 2, as `preprocess_input` leaves them.
_OPERATIONS = {
    "__operators__.getitem": _item,
    "math.truediv": operator.truediv,
    "math.subtract": operator.sub,
    "math.add": operator.add,
    "__operators__.add": operator.add,
    "nn.bias_add": operator.add,
    "math.multiply": operator.mul,
}


@keras.saving.register_keras_serializable(package="kd_edge")
class ForeignModel(keras.layers.Layer):  # type: ignore[misc]
    """A trained model of another library that answers and has no layers that Keras knows: it is never trained.

    Its weights stay where they are: saved with a Keras model, it is its path.

    Args:
        file: Path of a file or folder that `kd_edge.distillation.models.foreign_models` reads.
        kind: `"keras2"` or `"saved_model"`.
        probabilities: Whether it answers with probabilities, which here become logits up to a constant per sample.
        **kwargs: Those of `keras.layers.Layer`.

    Attributes:
        digest: A hash of what is there.
    """

    def __init__(self, file: str, kind: str, *, probabilities: bool = False, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "trainable": False})
        self.file, self.kind, self.probabilities = file, kind, probabilities
        self.digest = content_digest(file)
        self._answer, self.source = _answering(Path(file), kind)

    def call(self, x: Any) -> Any:
        """Return the model's outputs for samples."""
        answers = self._answer(x)
        return to_logits(answers, [True]) if self.probabilities else answers

    def get_config(self) -> dict[str, Any]:
        """Return where the model is, its kind, and how it answers."""
        own = {"file": self.file, "kind": self.kind, "probabilities": self.probabilities}
        return {**super().get_config(), **own}


def only_answers(model: Any) -> bool:
    """Return whether a network cannot be trained anew, since its layers are not Keras'.

    Args:
        model: Any network.
    """
    return isinstance(model, keras.Model) and any(isinstance(layer, ForeignModel) for layer in all_layers(model))


def read_keras2(path: Path) -> keras.Model:
    """Return a model of Keras 2: of Keras 3's layers where all are known and it then computes the same.

    Args:
        path: A `.h5` or `.keras` file or a SavedModel's folder.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        with quiet():
            old = read_model(path)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot read {path}, a file of Keras 2: tf_keras says: {reason}") from error
    try:
        with quiet():
            model = _rebuilt(old)
            same = _computes_the_same(old, model)
    except Exception:  # whatever Keras 3 says of a layer of Keras 2: the model still answers
        model, same = None, False
    if model is not None and same:
        say(f"{path} is a file of Keras 2, read through tf_keras and rebuilt in Keras 3")
        return model
    say(f"{path} is a file of Keras 2, read through tf_keras; Keras 3 cannot rebuild it: it only answers, as a teacher")
    return _answers_only(path, "keras2")


def read_saved_model(path: Path) -> keras.Model:
    """Return the model in a SavedModel's folder, as a network that only answers.

    Raises:
        ModelError: It has no signature of one input, or cannot be read.
    """
    say(f"{path} is a SavedModel: it only answers, as a teacher")
    return _answers_only(path, "saved_model")


def _answers_only(path: Path, kind: str) -> keras.Model:
    try:
        with quiet():
            return _wrapped(path, kind)
    except ModelError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot read {path}: expected a model that answers; TensorFlow says: {reason}") from error


def _wrapped(path: Path, kind: str) -> keras.Model:
    layer = ForeignModel(str(path.resolve()), kind, name="foreign_model")
    source = layer.source
    layer.probabilities = _are_probabilities(layer(_samples(source.shape, source.dtype.as_numpy_dtype)))
    inputs = keras.Input(source.shape[1:], dtype=source.dtype)
    return keras.Model(inputs, layer(inputs), name="foreign")


def _answering(path: Path, kind: str) -> tuple[Callable[[Any], Any], tf.TensorSpec]:
    """Return what answers, and what it is asked."""
    if kind == "keras2":
        old = read_model(path)
        if not getattr(old, "inputs", None) or len(old.inputs) != 1:
            raise ModelError(f"cannot read {path}: expected a model of one input, built")
        return lambda x: old(x, training=False), tf.TensorSpec(old.inputs[0].shape, old.inputs[0].dtype)
    loaded = tf.saved_model.load(str(path))
    signatures = loaded.signatures
    name = next((name for name in ("serving_default", "serve", *signatures) if name in signatures), None)
    if name is None:
        raise ModelError(f"cannot read {path}: expected a SavedModel with a signature, received none")
    function = signatures[name]
    inputs = function.structured_input_signature[1]
    if len(inputs) != 1:
        raise ModelError(f"cannot read {path}: expected a signature of one input, received {sorted(inputs)}")
    ((key, spec),) = inputs.items()

    # A signature does not keep what was loaded alive.
    def answer(x: Any, *, held: Any = loaded) -> Any:
        outputs = function(**{key: tf.cast(x, spec.dtype)})
        values = [outputs[name] for name in sorted(outputs)]
        return values[0] if len(values) == 1 else values

    return answer, spec


def _rebuilt(old: Any) -> keras.Model:
    """Return a functional or sequential model of tf_keras as one of Keras 3, weights included."""
    made: dict[int, Any] = {}
    sources = [keras.Input(source.shape[1:], dtype=source.dtype.name) for source in old.inputs]
    outputs = _rebuild(old, sources, made)
    model = keras.Model(sources if len(sources) > 1 else sources[0], outputs if len(outputs) > 1 else outputs[0])
    for old_layer, layer in made.values():
        layer.set_weights(old_layer.get_weights())
        if hasattr(layer, "finalize_state"):  # a Normalization computes with what it makes of its weights
            layer.finalize_state()
    return model


def _rebuild(old: Any, inputs: list[Any], made: dict[int, Any]) -> list[Any]:
    values = {id(tensor): value for tensor, value in zip(old.inputs, inputs, strict=True)}
    for layer, tensors, results, operands in calls_in_order(old):
        read = [values[id(tensor)] for tensor in tensors]
        if hasattr(layer, "inputs") and hasattr(layer, "layers"):
            answers = _rebuild(layer, read, made)
        elif operands is not None:
            answers = [_OPERATIONS[layer.symbol](*(values.get(id(operand), operand) for operand in operands))]
        else:
            if id(layer) not in made:
                made[id(layer)] = layer, _layer_like(layer)
            answer = made[id(layer)][1](read if len(read) > 1 else read[0])
            answers = list(answer) if isinstance(answer, list | tuple) else [answer]
        values |= {id(result): answer for result, answer in zip(results, answers, strict=True)}
    return [values[id(output)] for output in old.outputs]


def _layer_like(layer: Any) -> Any:
    """Return Keras 3's layer of the same class, with those of its arguments that still exist."""
    kind = layer_class(layer)
    known = inspect.signature(kind.__init__).parameters
    config = {name: _plain(value) for name, value in layer.get_config().items() if name in known}
    if isinstance(config.get("axis"), list | tuple) and kind is keras.layers.BatchNormalization:
        (config["axis"],) = config["axis"]
    for name in ("layer", "backward_layer"):  # of wrappers
        if config.get(name):
            config[name] = keras.saving.serialize_keras_object(_layer_like(getattr(layer, name)))
    return kind.from_config({**config, "name": layer.name})


def _plain(value: Any) -> Any:
    """Return a number as Python's: layers of Keras 2 keep some as arrays."""
    return value.item() if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 else value


def _samples(shape: Any, dtype: Any) -> np.ndarray:
    sizes = [size or _FREE_SIZE for size in shape[1:]]
    drawn: np.ndarray = np.random.default_rng(0).uniform(0, 2, (8, *sizes)).astype(dtype)
    return drawn


def _are_probabilities(answers: Any) -> bool:
    """Return whether answers of different samples all are probabilities of two or more classes."""
    if isinstance(answers, list | tuple | dict) or len(answers.shape) != 2 or answers.shape[1] < 2:
        return False
    values = np.asarray(answers)
    return bool(values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < _TOLERANCE)


def _computes_the_same(old: Any, model: keras.Model) -> bool:
    samples = [_samples(source.shape, source.dtype) for source in model.inputs]
    x = samples if len(samples) > 1 else samples[0]
    pairs = zip(*(keras.tree.flatten(m(x, training=False)) for m in (old, model)), strict=True)
    arrays = [(np.asarray(one), np.asarray(other)) for one, other in pairs]
    return all(bool(np.abs(a - b).max() <= _TOLERANCE * max(float(np.abs(a).max()), 1e-6)) for a, b in arrays)
