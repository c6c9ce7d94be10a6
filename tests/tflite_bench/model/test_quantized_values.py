"""Real numbers as a quantized tensor holds them."""

import numpy as np
import pytest

from tflite_bench.errors import ConfigError
from tflite_bench.model.info import TensorInfo
from tflite_bench.model.quantized_values import quantize


def tensor(dtype, scales=(), zero_points=()):
    return TensorInfo(
        index=0,
        name="words",
        shape=(1, 2),
        shape_signature=(-1, 2),
        dtype=dtype,
        scales=scales,
        zero_points=zero_points,
    )


def test_numbers_go_to_the_nearest_step_and_end_at_the_range():
    found = quantize(np.array([[0.26, -0.24], [100.0, -100.0]]), tensor("int8", (0.5,), (3,)))
    assert (found.dtype, found.tolist()) == (np.int8, [[4, 3], [127, -128]])


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_whole_numbers_of_any_type_are_read_as_they_are_without_a_scale(dtype):
    for given in (np.float32, np.int64, np.uint8, bool):
        assert quantize(np.array([[0, 1]], given), tensor(dtype)).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("int32", 0.5, r"from -2,147,483,648 to 2,147,483,647, as it has no scale, received 0.5"),
        ("int32", 1e10, "received 1e\\+10"),
        ("int64", np.nan, "received nan"),
        ("uint8", -1.0, "from 0 to 255, .* received -1"),
        ("uint8", np.int64(256), "received 256"),
    ],
)
def test_what_integers_without_a_scale_do_not_hold_is_refused(dtype, value, expected):
    with pytest.raises(ConfigError, match=f"cannot read samples into input 'words': .*{expected}"):
        quantize(np.array([[1, value]]), tensor(dtype))
