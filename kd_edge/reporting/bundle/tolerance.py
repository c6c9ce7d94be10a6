"""How far the outputs of firmware may be from the expected ones."""

from dataclasses import dataclass

import numpy as np

from tflite_bench.model.info import ModelInfo, TensorInfo

# The expected outputs are those of reference kernels; optimised ones may round one step differently.
_STEPS = 1
_PART = 1e-3


@dataclass(frozen=True, slots=True)
class Unit:
    """What the tolerance of one output counts in.

    Attributes:
        end: The place after the output's last number in the array of all outputs.
        size: One step; of a float output the largest expected number, without its sign.
    """

    end: int
    size: float


def tolerance_of(target: TensorInfo) -> float:
    """Return how far an output may be from the expected one, in units of it."""
    return _PART if target.dtype == "float32" else _STEPS


def units_of(outputs: np.ndarray, info: ModelInfo) -> list[Unit]:
    """Return the unit of each output of a model.

    Args:
        outputs: What the model answers to some samples, raw, all outputs in a row.
        info: The model.
    """
    rows, units, end = outputs.reshape(len(outputs), -1), [], 0
    for tensor in info.output_tensors:
        own = rows[:, end : end + tensor.num_elements]
        end += tensor.num_elements
        units.append(Unit(end, float(np.abs(own).max(initial=0)) if tensor.dtype == "float32" else 1.0))
    return units


def one_answer_passes(outputs: np.ndarray, info: ModelInfo) -> bool:
    """Return whether one and the same answer to all samples is within the tolerance.

    Args:
        outputs: What the model answers to them, raw, all outputs in a row.
        info: The model.
    """
    rows, start = outputs.reshape(len(outputs), -1).astype(np.float64), 0
    tolerance = tolerance_of(info.output_tensors[0])
    for unit in units_of(outputs, info):
        if (np.ptp(rows[:, start : unit.end], axis=0) > 2 * tolerance * unit.size).any():
            return False
        start = unit.end
    return True
