"""Numbers and text as literals of C."""

import subprocess

import numpy as np
import pytest

from kd_edge.errors import ModelError
from kd_edge.reporting.bundle.sources.c_literals import c_double, c_float, c_string


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39, np.float32("-inf")])
def test_what_is_no_finite_float_is_refused(value):
    with pytest.raises(ModelError, match="cannot bundle: expected finite numbers that C's types hold, received"):
        c_float(value)


def test_a_double_is_the_number_itself():
    assert [c_double(value) for value in (2.0, 0.1, 1.7e9 + 0.1, 1e39)] == ["2.0f", "0.1", "1700000000.1", "1e+39"]
    for value in (float("nan"), float("inf")):
        with pytest.raises(ModelError, match="received"):
            c_double(value)


def test_text_as_long_as_every_compiler_takes_is_a_literal(tmp_path):
    source = tmp_path / "text.c"
    source.write_text(f"extern const char *text;\nconst char *text = {c_string('é?' + 4092 * 'x')};\n")
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", source]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize(
    ("text", "received"),
    [(4096 * "x", "'xxx.*' of 4,096 bytes"), (2048 * "é", "of 4,096 bytes"), ("a\0b", "of 3 bytes")],
)
def test_text_that_a_literal_cannot_hold_is_refused(text, received):
    with pytest.raises(ModelError, match=f"up to 4,095 bytes without NUL, received .*{received}; rename it"):
        c_string(text)
