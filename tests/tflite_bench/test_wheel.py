"""The built wheel in a fresh environment without TensorFlow."""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("kd_edge", "tflite_bench", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.mark.slow
def test_the_wheel_measures_a_model_where_no_tensorflow_is(tmp_path: Path, model_path: Callable[[str], Path]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    try_run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, source])
    venv.create(tmp_path / "venv", with_pip=True)
    program = tmp_path / "venv" / "bin"
    (wheel,) = tmp_path.glob("kd_edge-*.whl")
    try_run([program / "pip", "--quiet", "--disable-pip-version-check", "install", wheel])

    command = [program / "tflite-bench", "run", model_path("residual_int8"), "--num-runs", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["result"]["num_runs"] == 20
    packages = subprocess.run(
        [program / "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout.lower()
    assert not {line.partition("==")[0] for line in packages.split()} & {"tensorflow", "keras", "keras-tuner"}
    files = {path.name for path in (tmp_path / "venv").rglob("site-packages/tflite_bench/**/*")}
    assert {
        "benchmark.schema.json",
        "compare.schema.json",
        "harness.c",
        "link.ld",
        "counter.c",
        "bench.c",
        "host.c",
    } <= files


def try_run(command: list[object]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "NewConnectionError" in done.stderr + done.stdout:
        pytest.skip("pip reaches no package index, and its cache does not hold everything")
    assert done.returncode == 0, done.stderr
