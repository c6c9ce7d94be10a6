"""precision_of(): ops of every subgraph count."""

from collections.abc import Callable

import pytest
from subgraphs import behind_another

from tflite_bench.model.precision import precision_of
from tflite_bench.model.reader import read_model


@pytest.mark.parametrize(
    ("name", "alone", "behind"),
    [
        ("residual_int8", "int8", "mixed"),  # the input of the whole is of floats
        ("residual_float", "float32", "float32"),
        ("dense_hybrid", "dynamic", "dynamic"),
    ],
)
def test_weights_in_another_subgraph_count(
    name: str, alone: str, behind: str, model_bytes: Callable[[str], bytes]
) -> None:
    assert precision_of(read_model(model_bytes(name))) == alone
    assert precision_of(read_model(behind_another(model_bytes(name)))) == behind
