"""A small part of the reliability benchmark: broken files through the commands that need no TensorFlow."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import kd_edge.cli
import tflite_bench.cli
from tools.benchmarks.reliability import full_disk, kills
from tools.benchmarks.reliability.commands import CASES
from tools.benchmarks.reliability.materials import make_inputs
from tools.benchmarks.reliability.sandbox import Outcome

ROOT = Path(__file__).parents[2]
OLDER = ROOT / "tests" / "data" / "older" / "12fe669"
NUM = 50


def test_mutated_files_end_in_one_line_and_the_exit_code_of_the_manual(tmp_path):
    materials = tmp_path / "materials"
    materials.mkdir()
    make_inputs(materials)
    shutil.copytree(OLDER, materials / "finished")
    shutil.copy(OLDER / "model.tflite", materials / "student.tflite")
    for name in ("before", "after"):
        shutil.copy(OLDER / "benchmark.json", materials / f"{name}.json")
    words = ["mutated", "--light", "--num-mutations", str(NUM), "--state", str(tmp_path)]
    command = [sys.executable, "-m", "tools.benchmarks.reliability.run", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == ""
    assert (done.returncode, done.stderr) == (0, "")
    records = [json.loads(line) for line in (tmp_path / "mutated.jsonl").read_text().splitlines()]
    assert len(records) >= NUM // 2
    assert {0, 2} <= {record["code"] for record in records} <= {0, 1, 2}


def test_every_command_that_reads_a_file_is_tried():
    tried = {tuple(case.words.split()[:2]) for case in CASES}
    both = {
        "kd-edge": {*kd_edge.cli.main.commands} - {"doctor"},
        "tflite-bench": {*tflite_bench.cli.main.commands} - {"calibrate", "devices", "firmware"},
    }
    assert tried == {(program, command) for program, commands in both.items() for command in commands}


def test_an_end_is_a_fault_where_the_manual_does_not_know_it():
    def fault(code, stderr="", *, interrupted=False, may_work_on=False):
        return Outcome(code, interrupted, stderr, 1.0, 100.0).fault(may_work_on=may_work_on)

    assert fault(0) is None
    assert fault(2, "note: one\nError: bad data\n") is None
    assert fault(2, "Error: bad data\nmore of it\n") == "not one line"
    assert fault(1, "Traceback (most recent call last):\n") == "traceback"
    assert fault(-11) == "crash"
    assert fault(130, "interrupted", interrupted=True) == "hang"
    assert fault(130, "interrupted", interrupted=True, may_work_on=True) is None


def test_half_written_files_and_json_that_does_not_load_are_found(tmp_path):
    (tmp_path / ".partial-123-model.tflite").write_bytes(b"half")
    (tmp_path / "good.json").write_text("{}")
    (tmp_path / "bad.json").write_text("{")
    assert [Path(path).name for path in kills.left_over(tmp_path)] == [".partial-123-model.tflite", "bad.json"]
    assert full_disk.size_of(tmp_path) == 3 * 4096
