"""Real numbers as a quantized tensor holds them, and back."""

import numpy as np

from tflite_bench.errors import ConfigError
from tflite_bench.model.info import TensorInfo

_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


def quantize(samples: np.ndarray, tensor: TensorInfo) -> np.ndarray:
    """Return samples in the type, scale and zero point of a model's input.

    The formula is TensorFlow Lite's 8-bit quantization specification: `real = scale * (quantized - zero point)`.

    Raises:
        ConfigError: The input reads integers as they are, such as indices, and a sample has another number.
    """
    if not tensor.scales:
        if (strange := unlike_integers(samples, tensor.dtype)) is not None:
            raise ConfigError(
                f"cannot read samples into input {tensor.name!r}: expected {integers_text(tensor.dtype)}, as it has no "
                f"scale, received {strange:g}; give the raw values"
            )
        return samples.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.round(samples / np.float32(tensor.scales[0])) + tensor.zero_points[0]
    return np.clip(steps, limits.min, limits.max).astype(tensor.dtype)


def unlike_integers(samples: np.ndarray, dtype: str) -> float | None:
    """Return a number of samples that a type of integers does not hold; `None` where there is none, or for floats."""
    if dtype not in _INTEGERS or samples.dtype == dtype:
        return None
    limits = np.iinfo(dtype)
    fits = (samples == np.rint(samples)) & (samples >= limits.min) & (samples <= limits.max)
    return None if fits.all() else float(samples[~fits][0])


def integers_text(dtype: str) -> str:
    """Return what numbers a type of integers holds."""
    limits = np.iinfo(dtype)
    return f"whole numbers from {limits.min:,} to {limits.max:,}"


def dequantize(values: np.ndarray, tensor: TensorInfo) -> np.ndarray:
    """Return the real numbers that raw values of a tensor stand for; see `quantize`."""
    if not tensor.scales:
        return values.astype(np.float64)
    return (values.astype(np.float64) - tensor.zero_points[0]) * tensor.scales[0]
