"""Looks at the activations that calibration samples cause, for signs that they are not the training's."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from kd_edge.compat.keras import calls_of

_MAX_SAMPLES = 128
# An activation is degenerate if no unit's deviation over the samples exceeds this share of the largest value.
_MIN_SPREAD = 0.01
# Before a BatchNormalization the samples' variance should be the training's, give or take this factor.
_MAX_VARIANCE_RATIO = 16.0


def suspicions(model: keras.Model, samples: Sequence[np.ndarray]) -> list[str]:
    """Return one sentence per sign that calibration samples will give useless ranges; none if all looks well.

    Args:
        model: A functional or sequential model.
        samples: One array of the shape `(samples, ...)` per input; the first 128 are run, of a model with a fixed batch
            as many times that as they fill.
    """
    num_samples = len(samples[0])
    if num_samples > 1 and all((array == array[0]).all() for array in samples):
        return [f"all {num_samples} calibration samples are the same; calibrate with varied training samples"]
    found = [next(check, None) for check in (_odd_variances(model, samples), _degenerate(model, samples))]
    return [sentence for sentence in found if sentence]


def _degenerate(model: keras.Model, samples: Sequence[np.ndarray]) -> Iterator[str]:
    for name, values in _run(model, samples, {layer.name: "output_tensors" for layer in model.layers}):
        size, spread = np.abs(values).max(initial=0.0), values.std(axis=0).max(initial=0.0)
        if len(values) > 1 and spread <= _MIN_SPREAD * size:
            yield (
                f"the activation range of layer {name!r} is degenerate: it gives nearly the same for all calibration "
                "samples; calibrate with varied training samples, scaled as for training and only once"
            )


def _odd_variances(model: keras.Model, samples: Sequence[np.ndarray]) -> Iterator[str]:
    trained = {layer.name: layer for layer in model.layers if _is_trained_norm(layer)}
    for name, values in _run(model, samples, dict.fromkeys(trained, "input_tensors")):
        variances = values.reshape(-1, values.shape[-1]).var(axis=0)
        known = np.asarray(trained[name].moving_variance)
        ratio = float(np.median(variances / np.maximum(known, 1e-12)))
        if not 1 / _MAX_VARIANCE_RATIO <= ratio <= _MAX_VARIANCE_RATIO:
            yield (
                f"the calibration samples do not have the training's scale: before layer {name!r} their variance is "
                f"{ratio:.2g} times the training's; scale them as for training and only once"
            )


def _is_trained_norm(layer: keras.layers.Layer) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization) or layer.axis not in (-1, len(layer.input.shape) - 1):
        return False
    return bool(np.any(np.asarray(layer.moving_mean)) or np.any(np.asarray(layer.moving_variance) != 1))


def _run(model: keras.Model, samples: Sequence[np.ndarray], sides: dict[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the values at the inputs or outputs of layers that are called once and have one."""
    calls, tensors = calls_of(model), {}
    for name, side in sides.items():
        found = [tensor for node in calls[name] for tensor in getattr(node, side)]
        if len(calls[name]) == len(found) == 1:
            tensors[name] = found[0]
    if tensors:
        part = keras.Model(model.inputs, list(tensors.values()))
        answers = [keras.tree.flatten(part(batch, training=False)) for batch in _batches(model, samples)]
        for name, values in zip(tensors, zip(*answers, strict=True), strict=True):
            yield name, np.concatenate([np.asarray(value, np.float32) for value in values])


def _batches(model: keras.Model, samples: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Return the samples that are run, in one batch, or in whole ones of the size that the model is built for."""
    known = min(len(samples[0]), _MAX_SAMPLES)
    size = model.inputs[0].shape[0] or known
    starts = range(0, max(known - size, 0) + 1, size)
    return [[np.resize(array[start : start + size], (size, *array.shape[1:])) for array in samples] for start in starts]
