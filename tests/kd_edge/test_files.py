"""A folder belongs to one process at a time, and what a killed one left half-written goes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.errors import ConfigError
from kd_edge.files import check_writable, refuse_reading, sole_use, write_bytes, write_file

# No process has this number: Linux counts to 4,194,304.
GONE = 2**30
# What names a machine and its process numbers in the name of a file that is being written.
ELSEWHERE = "0" * 8
HOLD = """
import sys, time
from kd_edge.files import sole_use
with sole_use(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What names this machine and its process numbers."""
    names = []
    write_file(tmp_path_factory.mktemp("here") / "file", lambda path: (names.append(path.name), path.touch()))
    place, process, name = names[0].removeprefix(".partial-").split("-")
    assert (len(place), process, name) == (8, str(os.getpid()), "file")
    return place


def test_a_second_process_in_a_folder_is_refused_until_the_first_is_gone(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ConfigError, match="is in use: expected one process at a time in it"), sole_use(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with sole_use(tmp_path):
        pass


def test_what_dead_processes_left_half_written_goes_and_what_others_write_stays(tmp_path, here):
    names = (
        *(f".partial-{here}-{GONE}-model.tflite", f"stages/.partial-{here}-{GONE}-data.json"),
        *(f".partial-{here}-{os.getpid()}-alive.json", f".partial-{ELSEWHERE}-{GONE}-other.json", ".my-notes"),
        *("12-a", f".{GONE}-plan.md", "sub/.20240131-notes.txt", ".partial-plan.md"),
    )
    for name in names:
        write_bytes(tmp_path / name, b"half")
    with sole_use(tmp_path):
        assert [name for name in names if (tmp_path / name).exists()] == list(names[2:])


def test_a_file_is_written_anew_without_what_a_killed_process_left_of_it(tmp_path, here):
    (tmp_path / f".partial-{here}-{GONE}-out.keras").write_bytes(b"half")
    (tmp_path / f".partial-{here}-{GONE}-other.keras").write_bytes(b"half")
    write_bytes(tmp_path / "out.keras", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".partial-{here}-{GONE}-other.keras", "out.keras"]


@pytest.mark.parametrize("place", [f"{ELSEWHERE}-", ""])
def test_what_another_machine_is_writing_stays_until_nobody_has_written_to_it_for_a_day(place, tmp_path):
    """Its process numbers say nothing here: that process may well be alive there. Version 0.1 said no place."""
    partial = tmp_path / f".partial-{place}{GONE}-out.keras"
    for hours, is_there in ((0, True), (23, True), (25, False)):
        partial.write_bytes(b"half")
        then = time.time() - 3600 * hours
        os.utime(partial, (then, then))
        write_bytes(tmp_path / "out.keras", b"whole")
        assert partial.exists() == is_there


def test_a_file_that_is_read_is_known_under_any_of_its_names(tmp_path):
    (tmp_path / "teacher.keras").write_bytes(b"")
    (tmp_path / "link.keras").symlink_to("teacher.keras")
    with pytest.raises(ConfigError, match=r"expected another file than .*link\.keras, which is read"):
        refuse_reading(tmp_path / "link.keras", None, tmp_path / "folder" / ".." / "teacher.keras")
    refuse_reading(tmp_path / "other.keras", None, tmp_path / "teacher.keras")
    (tmp_path / "loop").symlink_to("loop")
    refuse_reading(tmp_path / "loop", tmp_path / "teacher.keras")


def test_whether_a_file_can_be_written_is_known_before_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "missing" / "out.keras")
    for path, message in (
        (tmp_path, "expected a file, found a folder; choose another --output"),
        (tmp_path / "file" / "folder" / "out.keras", "out.keras: Not a directory; choose another --output"),
        ("/proc/out.keras", "/proc/out.keras: No such file or directory; choose another --output"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"cannot write .*file/folder/\.lock: Not a directory"),
        sole_use(tmp_path / "file" / "folder"),
    ):
        pass


def test_a_second_run_in_one_folder_is_refused_in_one_line(tmp_path, waves_npz):
    config = tmp_path / "waves.toml"
    config.write_text(f'[data]\nsource = "{waves_npz}"\n[budget]\ndevice = "nucleo-l4r5zi"\n')
    with sole_use(tmp_path / "out"):
        done = CliRunner().invoke(main, ["run", str(config), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    expected = "out is in use: expected one process at a time in it, received a second one; wait for the first"
    assert expected in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()  # nobody has made anything there
