"""Runs a `.tflite` file for all of its outputs: those of several side by side, in the file's order."""

from collections.abc import Callable

import numpy as np

from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm


def reference_outputs(model: bytes, samples: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Return the raw outputs in LiteRT, and the sentence on its kernels; see `litert.run_reference`.

    Args:
        model: Bytes of the `.tflite` file.
        samples: In the type of its input.

    Returns:
        Of one output shape `(samples, ...)`, of several `(samples, numbers)` with the numbers of all in a row.
    """
    said: list[str | None] = []

    def run(output: int) -> np.ndarray:
        outputs, lack = litert.run_reference(model, samples, output=output)
        said.append(lack)
        return outputs

    return side_by_side(read_model(model), run), said[0]


def micro_outputs(model: bytes, samples: np.ndarray) -> np.ndarray:
    """Return the raw outputs in TFLM, in the form of `reference_outputs`."""
    return side_by_side(read_model(model), lambda output: tflm.run_outputs(model, samples, output=output))


def fast_outputs(model: bytes, samples: np.ndarray) -> np.ndarray:
    """Return the raw outputs in LiteRT with its optimised kernels, in the form of `reference_outputs`."""
    return side_by_side(read_model(model), lambda output: litert.run_outputs(model, samples, output=output))


def side_by_side(info: ModelInfo, run: Callable[[int], np.ndarray]) -> np.ndarray:
    """Return what `run` gives for each output by its place."""
    outputs = [run(place) for place in range(len(info.outputs))]
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate([output.reshape(len(output), -1) for output in outputs], axis=1)
