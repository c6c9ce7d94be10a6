"""What earlier versions wrote is read, or refused in one line that says the way out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.files import write_json
from kd_edge.stages.results import DesignResult
from kd_edge.stages.store import StageStore
from tflite_bench.cli import main as bench_main

OLDER = Path(__file__).parent / "data" / "older"


@pytest.fixture
def folder(tmp_path, monkeypatch, waves_npz):
    """Copies of the old files beside data like those of their runs: as many samples, of the same shape."""
    shutil.copytree(OLDER, tmp_path, dirs_exist_ok=True)
    counts = json.loads((tmp_path / "12fe669" / "results.json").read_text())["result"]["data"]
    with np.load(waves_npz) as file:
        arrays = {name: array[: counts.get(f"num_{name[2:]}")] for name, array in file.items()}
    np.savez(tmp_path / "waves.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(command, *words):
    """Return the exit code and what was printed, in one line."""
    done = CliRunner().invoke(command, words)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("command", ["report", "bundle"])
def test_a_run_of_schema_version_1_is_refused_with_the_way_out(command, folder):
    code, text = said(main, command, "8b32139")
    assert code == 2
    assert "expected schema version 2, received 1; use the kd-edge that wrote it" in text
    assert "`kd-edge run 8b32139/config.toml -o 8b32139` makes them anew" in text


def test_a_run_of_schema_version_2_gives_its_page_and_its_bundle(folder):
    assert said(main, "report", "12fe669")[0] == 0
    assert "The student" in (folder / "12fe669" / "report.html").read_text()
    assert said(main, "bundle", "12fe669")[0] in (0, 1)
    assert (folder / "12fe669" / "bundle" / "manifest.json").is_file()


def test_a_stage_of_schema_version_1_is_made_again(folder):
    """Neither its fingerprint nor a key of today finds it."""
    record = json.loads((folder / "8b32139" / "stages" / "design.json").read_text())
    store = StageStore(folder / "8b32139")
    assert store.load("design", record["fingerprint"], DesignResult) is None
    write_json(folder / "8b32139" / "stages" / "design.json", {"key": "k", "files": {}, "result": record["result"]})
    assert store.load("design", "k", DesignResult) is None


def test_a_measurement_without_kinds_is_refused_and_a_later_one_is_compared(folder):
    code, text = said(bench_main, "compare", "8b32139/benchmark.json", "12fe669/benchmark.json")
    assert code == 2
    assert "received one of an older tflite-bench; measure again" in text
    assert said(bench_main, "compare", "12fe669/benchmark.json", "12fe669/benchmark.json")[0] == 0
