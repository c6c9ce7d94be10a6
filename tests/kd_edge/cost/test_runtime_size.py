"""Flash for the interpreter and its kernels."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kd_edge.cost.runtime_size import _CORE_BYTES, runtime_flash
from tflite_bench.model.operators.table import OPS

TOOL = Path(__file__).parents[3] / "tools" / "profiles" / "measure_kernels.py"


def test_the_published_keyword_model_is_the_lower_end() -> None:
    found = runtime_flash(["DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "RESHAPE", "SOFTMAX"])
    assert found.low_bytes == 22_000
    assert found.high_bytes == 23_875 + 10_308 + 9_202 + 9_542 + 1_249
    assert "not measured on a microcontroller" in found.source


def test_without_ops_there_is_the_interpreter() -> None:
    assert (runtime_flash([]).low_bytes, runtime_flash([]).high_bytes) == (16_000, 23_875)


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed (Debian: apt install binutils)")
def test_the_table_is_what_the_wheel_holds() -> None:
    pytest.importorskip("tflite_micro")
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, check=True)
    head, core, *rows = done.stdout.splitlines()
    if head != "# tflite-micro 0.dev20261023182759":
        pytest.skip(f"the table was made with another release than {head}")
    assert core == f"CORE = {_CORE_BYTES}"
    assert ast.literal_eval(f"{{{''.join(rows)}}}") == {
        spec.kind: spec.kernel_code_bytes for spec in OPS if spec.kernel_code_bytes
    }
