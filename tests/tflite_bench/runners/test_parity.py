"""Outputs beside those that were expected."""

import numpy as np
import pytest

from tflite_bench.runners.parity import compare_outputs


def row(*values: float, dtype: str = "float32") -> np.ndarray:
    return np.array([values], dtype)


@pytest.mark.parametrize(
    ("pairs", "parity"),
    [
        ([(row(1, -128, dtype="int8"), row(1, -128, dtype="int8"))], (True, 0)),
        ([(row(127, dtype="int8"), row(-128, dtype="int8"))], (False, 255)),
        ([(row(2**64 - 1, dtype="uint64"), row(0, dtype="uint64"))], (False, 2**64 - 1)),
        ([(row(0, dtype="int8"),) * 2, (row(3, dtype="int8"), row(5, dtype="int8"))], (False, 2)),
        ([(row(0.574), row(0.574))], (True, None)),
        ([(row(0.99), row(0.574))], (False, None)),
        ([(row(-0.0), row(0.0))], (False, None)),
        ([(row(np.nan), row(np.nan))], (False, None)),
        ([(row(0, dtype="int8"),) * 2, (row(0.5), row(0.6))], (False, None)),
    ],
)
def test_integers_differ_by_steps_floats_by_bits_and_nan_is_equal_to_nothing(
    pairs: list[tuple[np.ndarray, np.ndarray]], parity: tuple[bool, int | None]
) -> None:
    assert compare_outputs(pairs) == parity
