"""Real numbers as a quantized tensor holds them, and back."""

import numpy as np

from tflite_bench.model.info import TensorInfo


def quantize(samples: np.ndarray, tensor: TensorInfo) -> np.ndarray:
    """Return samples in the type, scale and zero point of a model's input.

    The formula is TensorFlow Lite's 8-bit quantization specification: `real = scale * (quantized - zero point)`.
    """
    if not tensor.scales:
        return samples.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.round(samples / np.float32(tensor.scales[0])) + tensor.zero_points[0]
    return np.clip(steps, limits.min, limits.max).astype(tensor.dtype)


def dequantize(values: np.ndarray, tensor: TensorInfo) -> np.ndarray:
    """Return the real numbers that raw values of a tensor stand for; see `quantize`."""
    if not tensor.scales:
        return values.astype(np.float64)
    return (values.astype(np.float64) - tensor.zero_points[0]) * tensor.scales[0]
