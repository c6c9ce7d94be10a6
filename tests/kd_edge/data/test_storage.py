"""Room for samples that do not fit into memory."""

import numpy as np
import pytest

from kd_edge.data.storage import is_mapped, room_for
from kd_edge.errors import DataError


def test_a_mapped_array_is_filled_like_any_other():
    rows = room_for((3, 2), np.int16, mapped=True)
    rows[:] = [[1, 2], [3, 4], [5, 6]]
    assert is_mapped(rows)
    assert rows.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_a_file_for_which_there_is_no_space_is_an_error_before_it_is_filled():
    with pytest.raises(DataError, match=r"no room for 4,\d{3},.* bytes of samples in .*environment variable TMPDIR"):
        room_for((2**62,), np.uint8, mapped=True)
