"""Boards: OpenSSH's real client and a real server of it on a high port of this machine."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tflite_bench.calibration.networks import networks
from tflite_bench.errors import ConfigError, RunnerError
from tflite_bench.measurement.timing import Plan
from tflite_bench.runners.base import RunnerResult
from tflite_bench.runners.discovery import list_devices
from tflite_bench.runners.registry import make_runner
from tflite_bench.runners.spec import Wishes
from tflite_bench.transports.base import fresh_folder
from tflite_bench.transports.ssh import Board, list_hosts

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None,
    reason="no OpenSSH server and client here (Debian: apt install openssh-server)",
)

REPLAY = Path(__file__).parents[1] / "replay_benchmark_model.py"
# Ends the server's process of this connection, as if the board had lost its power.
VANISH = """
import os, pathlib, signal
process = os.getpid()
while not pathlib.Path(f"/proc/{process}/comm").read_text().startswith("sshd"):
    process = int(pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
os.kill(process, signal.SIGKILL)
"""


@dataclass(frozen=True)
class Server:
    """A board: its programs in `bin` come before this machine's own."""

    folder: Path
    port: int

    def config(self, *, known: str = "known_hosts", identity: str = "client", extra: str = "") -> str:
        """Write a configuration for the client and return its path."""
        path = self.folder / f"ssh-{known}-{identity}-{len(extra)}"
        path.write_text(
            f"Host board\n HostName 127.0.0.1\n Port {self.port}\n IdentityFile {self.folder / identity}\n"
            f" IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {self.folder / known}\n"
            f" GlobalKnownHostsFile /dev/null\n{extra}"
        )
        return str(path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("board")
    for name in ("host", "other_host", "client", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "bin").mkdir()
    (folder / "command").write_text(f'#!/bin/sh\nPATH="{folder}/bin:$PATH" exec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    (folder / "command").chmod(0o755)
    for known, host in (("known_hosts", "host"), ("wrong_hosts", "other_host")):
        (folder / known).write_text(f"[127.0.0.1]:{port} {(folder / f'{host}.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'client.pub'}\nPermitRootLogin prohibit-password\n"
        f"PasswordAuthentication no\nForceCommand {folder / 'command'}\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "log").open("w"))
    try:
        wait_for(port, process, folder / "log")
        yield Server(folder, port)
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            pytest.skip(f"the OpenSSH server does not start here: {log.read_text().strip()[-200:]}")
        time.sleep(0.1)
    raise AssertionError("the OpenSSH server did not answer within 10 s")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the board whose name a shell would take apart."""
    path = tmp_path / 'it\'s a "board" $(touch pwned); `id`'
    path.mkdir()
    return path


def measure(
    server: Server, folder: Path, content: bytes, *, plan: Plan | None = None, **wishes: object
) -> RunnerResult:
    wishes = {"device_folder": str(folder), "ssh_config": server.config()} | wishes
    return make_runner("ssh:board", Wishes(**wishes)).benchmark(content, plan or Plan())


def test_a_model_is_copied_measured_and_everything_cleaned_up(
    server: Server, folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    content = model_bytes("residual_int8")
    result = measure(server, folder, content, device_binary=str(REPLAY), cpus=(0,), profile=True)
    assert (result.runner, result.kind, result.num_runs, result.cpus) == ("ssh benchmark_model", "wall time", 134, (0,))
    assert result.latency is not None
    assert result.latency.median_ms == 0.689
    assert result.memory_bytes == 2952 * 1024  # of the result file, which was fetched
    assert result.ops[0].latency_ms == 0.027
    assert (result.device["host"], result.device["system"]) == ("board", " ".join(os.uname()[i] for i in (0, 2, 4)))
    assert list(folder.iterdir()) == []
    assert not (folder.parent / "pwned").exists()


def test_litert_benchmark_runs_on_a_board(server: Server, folder: Path) -> None:
    program = server.folder / "bin" / "litert-benchmark"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ai_edge_litert.tools.benchmark_litert_model "$@"\n')
    program.chmod(0o755)
    plan = Plan(num_runs=20)
    large = dict(networks("int8"))["residual 5: 48x48x3"]
    result = measure(server, folder, large, plan=plan, device_binary="litert-benchmark")
    assert (result.runner, result.num_runs, result.num_warmup_runs) == ("ssh litert-benchmark", 20, 5)
    assert list(folder.iterdir()) == []


def test_a_program_of_this_machine_is_copied_and_can_be_run_there(
    server: Server, folder: Path, tmp_path: Path, model_bytes: Callable[[str], bytes]
) -> None:
    script = tmp_path / "it's benchmark_model"
    script.write_text(f'#!/bin/sh\nexec {REPLAY} "$@"\n')
    script.chmod(0o755)
    assert measure(server, folder, model_bytes("atan2"), binary=str(script)).num_runs == 134


def test_a_flag_that_the_program_does_not_know_is_a_failure_and_nothing_is_left(
    server: Server, folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(RunnerError, match="does not know the flag --bogus=a"):
        measure(server, folder, model_bytes("atan2"), device_binary=str(REPLAY), flags=("--bogus=a b'c",))
    assert list(folder.iterdir()) == []


def test_the_exit_status_of_the_program_passes_through(
    server: Server, folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(RunnerError, match=r"benchmark_model ended with exit status 127; it said: .*/no/such program"):
        measure(server, folder, model_bytes("atan2"), device_binary="/no/such program")


@pytest.mark.parametrize("extra", ["", " StrictHostKeyChecking no\n"])
def test_a_wrong_host_key_is_an_error_whatever_the_configuration_says(server: Server, extra: str) -> None:
    board = Board("board", config=server.config(known="wrong_hosts", extra=extra))
    with pytest.raises(RunnerError, match="the host key of board is not the known one"):
        board.make_folder()


@pytest.mark.parametrize("extra", ["", " StrictHostKeyChecking no\n"])
def test_an_unknown_host_key_is_an_error_and_is_not_learnt(server: Server, extra: str) -> None:
    board = Board("board", config=server.config(known="no_hosts", extra=extra))
    with pytest.raises(RunnerError, match="the host key of board is unknown; connect once with ssh"):
        board.make_folder()
    assert not (server.folder / "no_hosts").exists()


def test_a_refused_login_is_named(server: Server) -> None:
    with pytest.raises(RunnerError, match="board refused the login; expected a key that needs no question"):
        Board("board", config=server.config(identity="stranger")).make_folder()


def test_a_board_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = Server(tmp_path, port).config()
    with pytest.raises(RunnerError, match=r"the connection to board failed or broke off: .*Connection refused"):
        Board("board", config=config).make_folder()


def test_a_board_that_disappears_in_the_middle_is_an_error(
    server: Server, folder: Path, tmp_path: Path, model_bytes: Callable[[str], bytes]
) -> None:
    script = tmp_path / "vanish"
    script.write_text(f"#!{sys.executable}\n{VANISH}")
    script.chmod(0o755)
    with pytest.raises(RunnerError, match=r"the connection to board failed or broke off: .*closed by remote host"):
        measure(server, folder, model_bytes("atan2"), device_binary=str(script))


def test_a_full_disk_of_the_board_is_named(server: Server, folder: Path, model_bytes: Callable[[str], bytes]) -> None:
    # A mkdir that puts the kernel's full device where the model is to go.
    mkdir = server.folder / "bin" / "mkdir"
    mkdir.write_text('#!/bin/sh\n/bin/mkdir "$@" && for last; do :; done && ln -s /dev/full "$last/model.tflite"\n')
    mkdir.chmod(0o755)
    try:
        with pytest.raises(RunnerError, match="the disk of board is full; choose another --device-folder"):
            measure(server, folder, model_bytes("atan2"), device_binary=str(REPLAY))
    finally:
        mkdir.unlink()
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"cannot make a folder in .*nowhere' on board: mkdir: .*No such file"):
        Board("board", str(tmp_path / "nowhere"), server.config()).make_folder()


def test_a_file_that_is_not_there_is_none(server: Server, folder: Path) -> None:
    board = Board("board", str(folder), server.config())
    with fresh_folder(board) as fresh:
        assert board.pull(f"{fresh}/it's not there") is None


@pytest.mark.parametrize("host", ["-oProxyCommand=touch pwned", "a b", "", "pi@board;id", "$(id)"])
def test_a_host_that_ssh_could_take_for_an_option_or_a_shell_for_a_command_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="bad host: expected user@host"):
        Board(host)


def test_a_program_that_hangs_is_stopped(server: Server) -> None:
    with pytest.raises(RunnerError, match="board or its program did not end within 1 s and was stopped"):
        Board("board", config=server.config()).run(["sleep", "30"], time_limit_s=1)


def test_devices_names_the_hosts_of_the_configuration_and_contacts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        "# Host commented\nHost pi *.lan !bad lab-?  # a comment\n  HostName 192.0.2.1\n"
        'host="cam"\nHost * pi\nMatch host other\nHost $(id) -oProxyCommand=id\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    (found,) = (device for device in list_devices() if device.on.startswith("ssh"))
    assert found.ready
    assert found.detail.endswith("; not contacted, from ~/.ssh/config: ssh:pi, ssh:cam")
    (tmp_path / ".ssh" / "config").unlink()
    assert list_hosts() == ()


def test_a_user_without_a_home_knows_no_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)  # as in a container that is run as some number
    with pytest.raises(RuntimeError, match="home directory"):
        Path.home()
    assert list_hosts() == ()
    (found,) = (device for device in list_devices() if device.on.startswith("ssh"))
    assert found.ready
