"""Linux boards, over OpenSSH's client with its own configuration, keys and known hosts."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tflite_bench.errors import ConfigError, RunnerError
from tflite_bench.processes.program import Finished, one_line, run_process
from tflite_bench.transports.base import folder_name
from tflite_bench.transports.shell import (
    COMMAND_SECONDS,
    COPY_SECONDS,
    GOVERNOR,
    explain_copy,
    find_client,
    quote,
    read_facts,
)

# Host keys are always checked, whatever the user's configuration says, and no question can be answered here.
_OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10", "ServerAliveInterval=5")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%-]*")
_HOST_LINE = re.compile(r"\s*host(?:\s*=\s*|\s+)([^#]*)", re.IGNORECASE)
_SSH_FAILED = 255
_MISSING = 44
_FACTS = (
    "printf 'system='; uname -srm",
    "printf 'board='; tr -d '\\000' 2>/dev/null </proc/device-tree/model; echo",
    "printf 'cpu='; sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1",
    GOVERNOR,
)


@dataclass(frozen=True)
class Board:
    """A machine that OpenSSH's client can reach without a question; see `Target`.

    Attributes:
        host: `user@host`, or a name of the ssh configuration.
        folder: Folder on it that measurements may write to.
        config: Another configuration file for ssh.
    """

    host: str
    folder: str = "/tmp"
    config: str | None = None
    name: str = "ssh"

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise ConfigError(
                f"bad host: expected user@host or a name of the ssh configuration, received {self.host!r}"
            )

    def describe(self) -> Mapping[str, str]:
        """Return its host name, system, board, processor and the rule for the clock speed."""
        done = self._ssh("; ".join(_FACTS), COMMAND_SECONDS)
        return {"host": self.host} | read_facts(done.stdout, ("system", "board", "cpu", "governor"))

    def make_folder(self) -> str:
        """Make a folder on the board that nobody else can read."""
        folder = f"{self.folder}/{folder_name()}"
        done = self._ssh(quote(["mkdir", "-m", "700", "--", folder]), COMMAND_SECONDS)
        if done.returncode != 0:
            raise RunnerError(f"cannot make a folder in {self.folder!r} on {self.host}: {_told(done)}")
        return folder

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the board."""
        command = f"cat > {quote([remote])}"
        if local.stat().st_mode & 0o100:
            command += f" && chmod 700 {quote([remote])}"
        done = self._ssh(command, COPY_SECONDS, stdin=local)
        if done.returncode != 0:
            raise RunnerError(explain_copy(self.host, _told(done)))

    def run(self, arguments: Sequence[str], *, time_limit_s: float) -> Finished:
        """Run a program on the board."""
        return self._ssh(quote(arguments), time_limit_s)

    def pull(self, remote: str) -> bytes | None:
        """Return the contents of a file on the board; None if there is none."""
        name = quote([remote])
        with tempfile.TemporaryDirectory(prefix="tflite-bench-") as here:
            file = Path(here) / "file"
            command = f"[ -f {name} ] || exit {_MISSING}; cat {name}"
            done = self._ssh(command, COPY_SECONDS, stdout=file)
            if done.returncode == _MISSING:
                return None
            if done.returncode != 0:
                raise RunnerError(f"cannot copy a file from {self.host}: {_told(done)}")
            return file.read_bytes()

    def remove_folder(self, folder: str) -> None:
        """Remove a folder on the board."""
        done = self._ssh(quote(["rm", "-rf", "--", folder]), COMMAND_SECONDS)
        if done.returncode != 0:
            raise RunnerError(f"cannot remove {folder!r} from {self.host}: {_told(done)}")

    def _ssh(
        self, command: str, time_limit_s: float, *, stdin: Path | None = None, stdout: Path | None = None
    ) -> Finished:
        program = find_ssh()
        options = [part for option in _OPTIONS for part in ("-o", option)]
        options += ["-F", self.config] if self.config else []
        arguments = [program, *options, "--", self.host, command]
        done = run_process(arguments, time_limit_s=time_limit_s, stdin=stdin, stdout=stdout)
        if done.returncode is None:
            raise RunnerError(f"{self.host} or its program {done.describe_end()}")
        if done.returncode == _SSH_FAILED:
            raise RunnerError(self._explain(done.stderr))
        return done

    def _explain(self, stderr: str) -> str:
        if "HOST IDENTIFICATION HAS CHANGED" in stderr:
            return (
                f"the host key of {self.host} is not the known one: the board was set up anew, or another machine "
                "answers; if it is right, remove the old key with ssh-keygen -R"
            )
        if "Host key verification failed" in stderr:
            return f"the host key of {self.host} is unknown; connect once with ssh, compare the key and accept it"
        if "Permission denied" in stderr:
            return f"{self.host} refused the login; expected a key that needs no question (ssh-copy-id, ssh-agent)"
        lines = [line for line in stderr.splitlines() if line.strip()]
        reason = one_line(lines[-1]) if lines else "no reason given"
        return f"the connection to {self.host} failed or broke off: {reason}"


def find_ssh() -> str:
    """Return the path of OpenSSH's client.

    Raises:
        RuntimeMissingError: It is not installed.
    """
    return find_client("ssh", "it (Debian: apt install openssh-client)")


def list_hosts(config: Path | None = None) -> tuple[str, ...]:
    """Return the hosts that an ssh configuration names, without its patterns; nothing is contacted.

    Args:
        config: The file; None for the user's own. Files that it includes are not read.
    """
    try:
        text = (config or Path.home() / ".ssh" / "config").read_text(encoding="utf-8", errors="replace")
    except (OSError, RuntimeError):  # a user without an account has no home
        return ()
    lines = filter(None, map(_HOST_LINE.match, text.splitlines()))
    names = (name.strip('"') for line in lines for name in line[1].split())
    return tuple(dict.fromkeys(name for name in names if _HOST.fullmatch(name)))


def _told(done: Finished) -> str:
    lines = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else done.describe_end()
