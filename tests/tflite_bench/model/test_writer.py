"""Files that are written again."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack

FILES = Path(__file__).parents[2] / "data"


def places(content: bytes) -> list[int]:
    """Where the contents of the file's buffers begin."""
    root = schema.Model.GetRootAs(content)
    tables = [root.Buffers(index) for index in range(root.BuffersLength())]
    return [table._tab.Vector(table._tab.Offset(4)) for table in tables if table.DataLength()]


@pytest.mark.parametrize("name", ["residual_int8", "residual_float", "two_in_two_out"])
def test_constants_begin_at_multiples_of_16_bytes_and_nothing_else_changes(name):
    content = (FILES / f"{name}.tflite").read_bytes()
    again = pack(unpack(content))
    assert {place % 16 for place in places(again)} == {0}
    one, other = read_model(content), read_model(again)
    assert one.ops == other.ops
    assert [tensor.name for tensor in one.tensors] == [tensor.name for tensor in other.tensors]
    for before, after in zip(one.tensors, other.tensors, strict=True):
        assert (before.constant, before.shape, before.scales) == (after.constant, after.shape, after.scales)
        if before.constant:
            assert np.array_equal(before.array(), after.array())
