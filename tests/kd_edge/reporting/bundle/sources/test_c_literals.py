"""Numbers as literals of C."""

import numpy as np
import pytest

from kd_edge.errors import ModelError
from kd_edge.reporting.bundle.sources.c_literals import c_double, c_float


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39, np.float32("-inf")])
def test_what_is_no_finite_float_is_refused(value):
    with pytest.raises(ModelError, match="cannot bundle: expected finite numbers that C's types hold, received"):
        c_float(value)


def test_a_double_is_the_number_itself():
    assert [c_double(value) for value in (2.0, 0.1, 1.7e9 + 0.1, 1e39)] == ["2.0f", "0.1", "1700000000.1", "1e+39"]
    for value in (float("nan"), float("inf")):
        with pytest.raises(ModelError, match="received"):
            c_double(value)
