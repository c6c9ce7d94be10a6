"""Android phones, over Google's `adb` client."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tflite_bench.errors import RunnerError
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

FOLDER = "/data/local/tmp"
"""Where every app-less program on a phone may write and run."""

_GONE = re.compile(r"device '.*' not found|device offline|no devices/emulators found|error: closed|protocol fault")
_UNAUTHORIZED = re.compile(r"unauthorized|still authorizing")
# Phones since Android 8 say the latter: they announce the feature stat_v2, which carries the system's own reason.
_MISSING = re.compile(r"remote object '.*' does not exist|stat remote object '.*': No such file or directory")
_FACTS = {
    "manufacturer": "ro.product.manufacturer",
    "model": "ro.product.model",
    "chip": "ro.board.platform",
    "abi": "ro.product.cpu.abi",
    "android": "ro.build.version.release",
}


@dataclass(frozen=True)
class Phone:
    """An Android phone; see `Target`.

    Attributes:
        serial: Its serial number as `adb devices` shows it; None for that of `$ANDROID_SERIAL`, or for the only phone.
        folder: Folder on it that measurements may write to.
    """

    serial: str | None = None
    folder: str = FOLDER
    name: str = "adb"

    @cached_property
    def chosen(self) -> str:
        """Serial number of the phone that is used.

        Raises:
            RuntimeMissingError: `adb` is not installed.
            RunnerError: No phone is connected, or several are and none is chosen.
        """
        return self.serial or os.environ.get("ANDROID_SERIAL") or _only_phone()

    def describe(self) -> Mapping[str, str]:
        """Return its serial number, model, chip and Android version, and the rule for the clock speed."""
        parts = [f"printf '{name}='; getprop {key} 2>/dev/null || echo" for name, key in _FACTS.items()]
        done = self._shell("; ".join([*parts, GOVERNOR]), COMMAND_SECONDS)
        return {"serial": self.chosen} | read_facts(done.stdout, [*_FACTS, "governor"])

    def make_folder(self) -> str:
        """Make a folder on the phone."""
        folder = f"{self.folder}/{folder_name()}"
        done = self._shell(quote(["mkdir", folder]), COMMAND_SECONDS)
        if done.returncode != 0:
            self._require_connection()
            raise RunnerError(f"cannot make a folder in {self.folder!r} on phone {self.chosen}: {_told(done)}")
        return folder

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the phone."""
        done = self._adb(["push", str(local), remote], COPY_SECONDS)
        if done.returncode != 0:
            self._require_connection()
            raise RunnerError(explain_copy(f"phone {self.chosen}", _told(done)))

    def run(self, arguments: Sequence[str], *, time_limit_s: float) -> Finished:
        """Run a program on the phone."""
        done = self._shell(quote(arguments), time_limit_s)
        if done.returncode != 0:
            self._require_connection()
        return done

    def pull(self, remote: str) -> bytes | None:
        """Return the contents of a file on the phone; None if there is none."""
        with tempfile.TemporaryDirectory(prefix="tflite-bench-") as here:
            file = Path(here) / "file"
            done = self._adb(["pull", remote, str(file)], COPY_SECONDS)
            if done.returncode == 0:
                return file.read_bytes()
        if _MISSING.search(done.stdout + done.stderr):
            return None
        self._require_connection()
        raise RunnerError(f"cannot copy a file from phone {self.chosen}: {_told(done)}")

    def remove_folder(self, folder: str) -> None:
        """Remove a folder on the phone."""
        done = self._shell(quote(["rm", "-rf", folder]), COMMAND_SECONDS)
        if done.returncode != 0:
            self._require_connection()
            raise RunnerError(f"cannot remove {folder!r} from phone {self.chosen}: {_told(done)}")

    def _shell(self, command: str, time_limit_s: float) -> Finished:
        return self._adb(["shell", command], time_limit_s)

    def _adb(self, arguments: Sequence[str], time_limit_s: float) -> Finished:
        done = run_process([find_adb(), "-s", self.chosen, *arguments], time_limit_s=time_limit_s)
        if done.returncode != 0:
            _raise_known(done, self.chosen)
        return done

    def _require_connection(self) -> None:
        """Raise unless the phone still answers: a program that ends with its connection looks like one that failed."""
        done = self._adb(["get-state"], COMMAND_SECONDS)
        if done.stdout.strip() != "device":
            raise RunnerError(f"phone {self.chosen} does not answer any more: {_told(done)}")


def find_adb() -> str:
    """Return the path of the `adb` client.

    Raises:
        RuntimeMissingError: It is not installed.
    """
    return find_client("adb", "Android's platform tools (Debian: apt install adb)")


def list_phones() -> dict[str, str]:
    """Return the serial numbers that adb knows, and the state of each: `"device"` if it can be used.

    Raises:
        RuntimeMissingError: `adb` is not installed.
        RunnerError: It failed.
    """
    done = run_process([find_adb(), "devices"], time_limit_s=COMMAND_SECONDS)
    if done.returncode != 0:
        raise RunnerError(f"adb cannot list phones: {_told(done)}")
    lines = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    return {one_line(serial): one_line(state) for serial, state, *_ in lines}


def _only_phone() -> str:
    phones = list_phones()
    if len(phones) > 1:
        raise RunnerError(
            f"more than one phone is connected; choose one with --on adb:SERIAL, among {', '.join(phones)}"
        )
    if not phones:
        raise RunnerError("no phone is connected; plug one in, with USB debugging on, and see adb devices")
    return next(iter(phones))


def _raise_known(done: Finished, serial: str) -> None:
    """Raise for what adb itself reports; a program's own failure is left to the caller."""
    text = "\n".join(line for line in done.stderr.splitlines() if line.startswith(("adb: ", "error: ")))
    if done.returncode is None:
        raise RunnerError(f"phone {serial} or its program {done.describe_end()}")
    if _UNAUTHORIZED.search(text):
        raise RunnerError(
            f"phone {serial} has not authorized this computer; unlock it and accept its question, then repeat"
        )
    if _GONE.search(text):
        raise RunnerError(f"no connection to phone {serial} ({_told(done)}); is it plugged in, with USB debugging on?")


def _told(done: Finished) -> str:
    lines = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("adb: ", "error: "))]
    return one_line((failed or lines or [done.describe_end()])[0])
