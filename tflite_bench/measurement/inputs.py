"""Input values for a model: the caller's, checked, or random ones."""

from collections.abc import Sequence

import numpy as np

from tflite_bench.errors import ConfigError
from tflite_bench.model.info import ModelInfo, TensorInfo
from tflite_bench.model.runtime_support import is_unsized, sizes_text
from tflite_bench.model.streams import is_window
from tflite_bench.processes.isolation import Array


def check_inputs(model: ModelInfo, inputs: Array | Sequence[Array]) -> list[Array]:
    """Return one array of samples per input of a model that reads one sample at a time.

    Args:
        model: The model; the first dimension of each input is 1.
        inputs: For each input an array of the shape `(n, ...)`, in the input's type; a model with a single input takes
            the array itself. Of a stream the samples may be windows of more frames than it reads at a step.

    Raises:
        ConfigError: The arrays' number, shapes or types are not those of the model.
    """
    arrays = [inputs] if isinstance(inputs, np.ndarray) else [np.asarray(array) for array in inputs]
    if len(arrays) != len(model.inputs):
        raise ConfigError(f"cannot run: expected {len(model.inputs)} input arrays, received {len(arrays)}")
    for tensor, array in zip(model.input_tensors, arrays, strict=True):
        if tensor.shape[:1] != (1,):
            raise ConfigError(f"cannot run: expected a model of batch 1, received one with the input {tensor.shape}")
        fits = array.shape[1:] == tensor.shape[1:] or is_window(model, array.shape[1:])
        if not fits or array.dtype != tensor.dtype or array.ndim != len(tensor.shape):
            expected = ", ".join(map(str, ("n", *tensor.shape[1:])))
            raise ConfigError(
                f"cannot run: expected an input of shape ({expected}) and type {tensor.dtype}, "
                f"received {array.shape} and {array.dtype}"
            )
    if len({len(array) for array in arrays}) != 1 or not len(arrays[0]):
        raise ConfigError(f"cannot run: expected one or more samples, received {[len(array) for array in arrays]}")
    return arrays


def random_inputs(model: ModelInfo, *, seed: int = 0) -> list[Array]:
    """Return one sample of random values per input, in the shape that the file states.

    8- and 16-bit integers cover their whole range, floats lie in [0, 1); wider integers are 0, as they may be indices.

    Args:
        model: The model.
        seed: Makes the values repeatable.

    Raises:
        ConfigError: An input has a type that numpy lacks.
    """
    rng = np.random.default_rng(seed)
    return [_random(tensor, rng) for tensor in model.input_tensors]


def sizes_note(model: ModelInfo) -> str:
    """Return at which sizes `random_inputs` fills the inputs of a model that has no fixed ones; empty where it has."""
    return "; ".join(
        f"input {tensor.name!r} has no fixed size ({sizes_text(tensor)}): the figures are those of {tensor.shape}; "
        "convert with a fixed input shape"
        for tensor in model.input_tensors
        if is_unsized(tensor)
    )


def _random(tensor: TensorInfo, rng: np.random.Generator) -> Array:
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        raise ConfigError(f"cannot make random values for input {tensor.name!r} of type {tensor.dtype}") from None
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, size=tensor.shape, dtype=dtype, endpoint=True)
    if dtype.kind == "f":
        return np.asarray(rng.random(tensor.shape), dtype)
    return np.zeros(tensor.shape, dtype)
