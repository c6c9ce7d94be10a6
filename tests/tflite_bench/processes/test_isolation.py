"""run_child(): what happens to the child process becomes a result or a one-line error."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tflite_bench.processes.isolation import ChildError, run_child

HEADER = (
    "import os, signal, subprocess, sys, time\nimport numpy as np\nfrom tflite_bench.processes.isolation import serve\n"
)


@pytest.fixture
def child_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a module with the given body of its handler and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(body: str) -> str:
        code = f"{HEADER}\ndef handle(request, model, arrays):\n    {body}\n\nserve(handle)\n"
        (tmp_path / "some_child.py").write_text(code)
        return "some_child"

    return make


def test_values_and_arrays_go_there_and_back(child_module: Callable[[str], str]) -> None:
    module = child_module("return {'size': len(model), 'word': request['word']}, [a + 1 for a in arrays]")
    arrays = [np.arange(6, dtype=np.int8).reshape(2, 3), np.array([0.5], np.float32)]
    result = run_child(module, {"word": "ä"}, model=b"12345", arrays=arrays, time_limit_s=60)
    assert result.values == {"size": 5, "word": "ä"}
    np.testing.assert_array_equal(result.arrays[0], [[1, 2, 3], [4, 5, 6]])
    assert (result.arrays[0].dtype, result.arrays[1].dtype) == (np.int8, np.float32)


def test_an_exception_arrives_as_one_line_with_the_last_of_stderr(child_module: Callable[[str], str]) -> None:
    module = child_module("print('kernel says no', file=sys.stderr); raise ValueError('bad\\n  shape')")
    with pytest.raises(ChildError, match=r"^bad shape; it said last: kernel says no$"):
        run_child(module, {}, model=b"", time_limit_s=60)


def test_a_crash_names_the_signal_and_the_last_line(child_module: Callable[[str], str]) -> None:
    module = child_module("os.write(2, b'Segment 7 broke\\r\\n'); os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ChildError, match=r"was ended by SIGSEGV; .*; it said last: Segment 7 broke$"):
        run_child(module, {}, model=b"", time_limit_s=60)


def test_a_crash_after_the_work_spoils_the_result(child_module: Callable[[str], str]) -> None:
    module = child_module("import atexit; atexit.register(os.abort); return {}, []")
    with pytest.raises(ChildError, match="was ended by SIGABRT"):
        run_child(module, {}, model=b"", time_limit_s=60)


def test_a_silent_exit_is_an_error(child_module: Callable[[str], str]) -> None:
    with pytest.raises(ChildError, match=r"ended with exit status 3$"):
        run_child(child_module("os._exit(3)"), {}, model=b"", time_limit_s=60)


def test_a_hang_ends_at_the_time_limit_with_all_its_processes(
    child_module: Callable[[str], str], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    body = f"p = subprocess.Popen(['sleep', '600']); open({str(pid_file)!r}, 'w').write(str(p.pid)); time.sleep(600)"
    with pytest.raises(ChildError, match="did not end within 3 s and was stopped"):
        run_child(child_module(body), {}, model=b"", time_limit_s=3)
    assert has_ended(int(pid_file.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_child_ends_with_a_parent_that_is_killed(child_module: Callable[[str], str], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    module = child_module(f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    call = (
        "from tflite_bench.processes.isolation import run_child; "
        f"run_child({module!r}, {{}}, model=b'', time_limit_s=600)"
    )
    with subprocess.Popen([sys.executable, "-c", call], env=os.environ | {"PYTHONPATH": str(tmp_path)}) as parent:
        while not (pid_file.is_file() and pid_file.read_text()):
            time.sleep(0.05)
        parent.kill()
    assert has_ended(int(pid_file.read_text()))


def has_ended(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_the_child_leaves_nothing_behind(
    child_module: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    run_child(child_module("return {}, []"), {}, model=b"x", time_limit_s=60)
    assert os.listdir(temporary) == []
