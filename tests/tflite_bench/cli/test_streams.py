"""Streams that are closed or full, of both programs."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = ("kd_edge", "tflite_bench")
NO_MODEL = {"kd_edge": ["cost", "nosuch", "--device", "rp2040"], "tflite_bench": ["inspect", "nosuch"]}

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file on a full disk")


def end(program: str, *arguments: object, streams: str) -> tuple[int, str]:
    """Exit code and stderr of a program whose streams a shell redirects."""
    command = f'exec "$@" {streams}'
    whole = ["bash", "-c", command, "bash", sys.executable, "-m", program, *map(str, arguments)]
    done = subprocess.run(whole, capture_output=True, text=True)
    return done.returncode, done.stderr


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["devices", "--help"]])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_help_that_a_full_disk_does_not_take_is_one_line(program: str, arguments: list[str]) -> None:
    code, line = end(program, *arguments, streams=">/dev/full")
    assert (code, line.count("\n")) == (2, 1)
    assert "cannot use a file: No space left on device; is a disk full?" in line


@pytest.mark.parametrize("arguments", [["devices"], ["devices", "--json"], ["--help"]])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_closed_stdout_is_refused_at_once(program: str, arguments: list[str]) -> None:
    code, line = end(program, *arguments, streams=">&-")
    assert (code, line.count("\n")) == (2, 1)
    assert "cannot print the result: expected a stdout that is open, received a closed one; open it" in line


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", pytest.param("2>/dev/full", marks=needs_full)])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_stderr_that_takes_nothing_changes_no_exit_code(program: str, streams: str) -> None:
    assert end(program, *NO_MODEL[program], streams=streams) == (2, "")
    assert end(program, streams=streams) == (2, "")


@needs_full
def test_what_was_written_is_named_where_the_result_cannot_be_printed(tmp_path: Path) -> None:
    refused = "tflite-bench: cannot print the result: No space left on device"
    for command in (["firmware", tmp_path / "new"], ["devices", "-o", tmp_path / "devices.json"]):
        assert end("tflite_bench", *command, streams=">/dev/full") == (2, f"{refused}; {command[-1]} is written\n")
        assert Path(command[-1]).exists()
