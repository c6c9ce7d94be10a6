"""Serial ports: opened for one program alone, and listed."""

import contextlib
import errno
import importlib.util
import re
from collections.abc import Iterator
from typing import Any, Protocol

from tflite_bench.errors import ConfigError, RunnerError, RuntimeMissingError

DEFAULT_BAUD = 115_200

_MISSING = "pyserial is not installed: pip install 'kd-edge[serial]'"
_MOST_BYTES = 65_536
_ADDRESS = re.compile(r"([^,]+)(?:,(\d{1,8}))?")


class Port(Protocol):
    """A stream of bytes to a board and back."""

    @property
    def name(self) -> str:
        """How errors call it."""

    @property
    def baud(self) -> int:
        """Bits per second, ten to a byte."""

    def read(self, wait_s: float) -> bytes:
        """Return what has come; wait for the first byte, but no longer than some seconds."""

    def write(self, content: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Let others use it."""


def parse_address(text: str) -> tuple[str, int]:
    """Return port and bits per second of `/dev/ttyACM0,921600`; without a number those are 115,200.

    Raises:
        ConfigError: It is written otherwise.
    """
    match = _ADDRESS.fullmatch(text)
    baud = int(match[2] or DEFAULT_BAUD) if match else 0
    if match is None or not baud:
        raise ConfigError(
            f"bad serial port: expected one such as /dev/ttyACM0 or /dev/ttyACM0,921600, received {text!r}"
        )
    return match[1], baud


class SerialPort:
    """A serial port, or the address of one behind a socket, such as `socket://localhost:4000`.

    Attributes:
        name: The port.
        baud: Bits per second.
    """

    def __init__(self, name: str, baud: int = DEFAULT_BAUD) -> None:
        """Open a port and lock it, so that no second program talks to the board.

        Args:
            name: See the attributes.
            baud: See the attributes.

        Raises:
            RuntimeMissingError: pyserial is not installed.
            RunnerError: The port is not there, busy or not allowed.
        """
        if not is_installed():
            raise RuntimeMissingError(_MISSING)
        import serial

        self.name, self.baud = name, baud
        # A socket has no lock of its own; what listens there takes one program at a time.
        options: dict[str, Any] = {} if "://" in name else {"exclusive": True}
        try:
            self._port = serial.serial_for_url(name, baudrate=baud, timeout=0, write_timeout=10, **options)
        except (serial.SerialException, OSError, ValueError) as error:
            raise RunnerError(_why_closed(name, error)) from error
        with contextlib.suppress(serial.SerialException, OSError):
            self._port.reset_input_buffer()

    def read(self, wait_s: float) -> bytes:
        """Return what has come; see `Port`.

        Raises:
            RunnerError: The board is no longer there.
        """
        try:
            self._port.timeout = wait_s
            first: bytes = self._port.read(1)
            if not first:
                return b""
            self._port.timeout = 0
            rest: bytes = self._port.read(_MOST_BYTES)
        except OSError as error:
            raise RunnerError(f"the board on {self.name} is gone ({_reason(error)}): connect it again") from error
        return first + rest

    def write(self, content: bytes) -> None:
        """Send bytes; raises as `read` does."""
        try:
            self._port.write(content)
        except OSError as error:
            raise RunnerError(
                f"the board on {self.name} takes no bytes ({_reason(error)}): reset it, or connect it again"
            ) from error

    def close(self) -> None:
        """Let others use it."""
        with contextlib.suppress(OSError):
            self._port.close()


def is_installed() -> bool:
    """Return whether pyserial is installed."""
    return importlib.util.find_spec("serial") is not None


def list_ports() -> Iterator[tuple[str, str]]:
    """Yield the serial ports of this machine, each with what is known of it.

    Raises:
        RuntimeMissingError: pyserial is not installed.
    """
    if not is_installed():
        raise RuntimeMissingError(_MISSING)
    from serial.tools import list_ports as tool

    for port in sorted(tool.comports(), key=lambda port: str(port.device)):
        yield port.device, port.description if port.description != "n/a" else "a serial port"


def _why_closed(name: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return f"there is no serial port {name}: connect the board; tflite-bench devices lists the ports"
    if number in (errno.EAGAIN, errno.EBUSY):
        return f"the serial port {name} is busy: another program uses it; end that one first"
    if number in (errno.EACCES, errno.EPERM):
        return f"the serial port {name} is not allowed to this user: join the group that owns it (often dialout)"
    return f"cannot open the serial port {name}: {_reason(error)}"


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return " ".join(str(strerror or error or type(error).__name__).split())
