"""Searches by real processes: killed workers, interrupts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.errors import ConfigError, KdEdgeError
from kd_edge.search.local_workers import WorkerPool, refuse_workers, worker_command

PROGRAM = (sys.executable, "-c", "from kd_edge.cli import main; main()")


@pytest.mark.parametrize("command", ["design", "sweep"])
def test_fewer_than_no_workers_are_refused(command, tmp_path):
    done = CliRunner().invoke(main, [command, "none.toml", "--workers", "-1", "-o", str(tmp_path / "new")])
    assert done.exit_code == 2
    assert "-1 is not in the range x>=0" in done.stderr
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="expected 1 or more, received -1"):
        WorkerPool(["true"], -1, tmp_path)


def wait_for(holds, seconds=240.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def wait_with(pool):
    with pool:
        time.sleep(600)


@pytest.fixture(scope="module")
def command(tmp_path_factory, waves_npz):
    """The words of a search with 2 trials of a second or more each, most of which is the tracing of its steps."""
    keras.utils.set_random_seed(0)
    path, arrays = tmp_path_factory.mktemp("teacher") / "teacher.keras", np.load(waves_npz)
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    teacher = keras.Sequential([keras.Input((32, 3)), keras.layers.Flatten(), *hidden, keras.layers.Dense(4)])
    teacher.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    teacher.fit(arrays["x_train"], arrays["y_train"], epochs=5, verbose=0)
    teacher.save(path)
    options = ("--device", "nucleo-l4r5zi", "--teacher-ratio", "1", "--trials", "2", "--epochs", "12", "--json")
    return ("design", str(path), "--data", str(waves_npz), *options)


def trials_of(folder):
    return sorted((folder / "search" / "trials").glob("trial_*/trial.json"))


def trials_of_workers(folder):
    """Return the trial that each worker has, by its name, of those that have one."""
    path = folder / "search" / "trials" / "oracle.json"
    return json.loads(path.read_text())["ongoing_trials"] if path.is_file() else {}


def process_of(name, parent):
    """Return the process that a parent runs under a worker's name."""
    wanted = f"KERASTUNER_TUNER_ID={name}".encode()
    for folder in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{folder}/environ").read_bytes().split(b"\0")
            is_child = f"PPid:\t{parent}\n" in Path(f"/proc/{folder}/status").read_text()
        except OSError:
            continue
        if is_child and wanted in environment:
            return int(folder)
    return None


@pytest.mark.slow
def test_a_search_ends_although_a_worker_is_killed_in_the_middle_of_a_trial(command, tmp_path):
    search = subprocess.Popen(
        [*PROGRAM, *command, "--workers", "2", "-o", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: trials_of_workers(tmp_path) or search.poll() is not None)
    os.kill(process_of(next(iter(trials_of_workers(tmp_path))), search.pid), signal.SIGKILL)
    output, errors = search.communicate(timeout=400)
    assert search.returncode == 0, errors
    result = json.loads(output)["result"]
    assert sorted(candidate["trial"] for candidate in result["candidates"]) == ["0", "1"]


def test_an_interrupt_says_how_to_go_on_and_the_same_command_does(command, tmp_path):
    words = [*command, "-o", str(tmp_path)]
    first = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(trials_of(tmp_path)) == 2 or first.poll() is not None)
    first_training = trials_of(tmp_path)[0].with_name("training.json")  # with its time
    before = first_training.read_text()
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 130, errors
    assert errors.splitlines()[-1] == (
        f"Error: interrupted; the search is saved in {tmp_path / 'search'}, the same command goes on after its last "
        "finished candidate"
    )
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 0, again.stderr
    assert len(json.loads(again.stdout)["result"]["candidates"]) == 2
    assert first_training.read_text() == before


def test_workers_that_cannot_be_kept_running_end_the_search_with_their_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr("kd_edge.search.local_workers._POLL_SECONDS", 0.05)
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts what it runs in the background
    failing = (sys.executable, "-c", "import sys; sys.exit('no teacher here')")
    with pytest.raises(KdEdgeError, match=r"worker_0 ended 4 times, lastly with code 1: .*'no teacher here'; see"):
        wait_with(WorkerPool(failing, 1, tmp_path))
    signal.signal(signal.SIGINT, ignored)
    assert "KERASTUNER_ORACLE_IP" not in os.environ


def test_a_crew_ends_its_workers_and_makes_this_process_the_chief_meanwhile(tmp_path):
    waiting = (
        sys.executable,
        "-c",
        "import os, time; print(os.environ['KERASTUNER_TUNER_ID'], flush=True); time.sleep(99)",
    )
    with WorkerPool(waiting, 2, tmp_path):
        assert os.environ["KERASTUNER_TUNER_ID"] == "chief"
        wait_for(lambda: all((tmp_path / f"worker_{i}.log").stat().st_size for i in range(2)))
        assert process_of("worker_1", os.getpid()) is not None
    assert process_of("worker_1", os.getpid()) is None
    assert (tmp_path / "worker_1.log").read_text() == "worker_1\n"


CHIEF = """
import os, sys, time
from kd_edge.search.local_workers import WorkerPool
worker = "import os, time; from kd_edge.search.local_workers import end_with; end_with({pid}); time.sleep(600)"
try:
    with WorkerPool([sys.executable, "-c", worker.format(pid=os.getpid())], 2, sys.argv[1]):
        print("entered", flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("left", flush=True)
"""


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def chief(tmp_path, hang_up=signal.SIG_DFL):
    """Start a process with two workers; return it and them. The tests themselves may run where a hang-up is ignored."""
    own = subprocess.Popen(
        [sys.executable, "-c", CHIEF, str(tmp_path)],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, hang_up),
    )
    assert own.stdout is not None
    assert own.stdout.readline() == b"entered\n"
    names = ["worker_0", "worker_1"]
    wait_for(lambda: all(process_of(name, own.pid) for name in names))
    return own, [process_of(name, own.pid) for name in names]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_chief_that_is_told_to_end_ends_its_workers_before(number, tmp_path):
    own, workers = chief(tmp_path)
    own.send_signal(number)
    output, _ = own.communicate(timeout=60)
    assert (own.returncode, output) == (0, b"left\n")
    assert not any(map(is_alive, workers))


def test_workers_end_by_themselves_when_their_chief_was_killed(tmp_path):
    own, workers = chief(tmp_path)
    own.kill()
    own.communicate()
    wait_for(lambda: not any(map(is_alive, workers)), 60.0)


def test_a_hang_up_that_nohup_ignores_is_ignored_by_a_chief_too(tmp_path):
    own, workers = chief(tmp_path, signal.SIG_IGN)
    own.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        own.wait(1.0)
    assert all(map(is_alive, workers))
    own.send_signal(signal.SIGTERM)
    assert own.communicate(timeout=60)[0] == b"left\n"


def test_the_command_of_a_worker_is_the_program_itself():
    done = subprocess.run(worker_command(["--version"]), capture_output=True, text=True, check=True)
    assert "version" in done.stdout


def test_a_command_that_serves_no_workers_refuses_the_variables_of_keras_tuner(monkeypatch):
    refuse_workers("run")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    with pytest.raises(ConfigError, match=r"expected none of keras-tuner's variables, received KERASTUNER_ORACLE_PORT"):
        refuse_workers("run")
