"""The device side of the ADB wire protocol over TCP, as far as the real client needs it to push, run and pull.

It speaks CNXN, AUTH, OPEN, OKAY, WRTE and CLSE, the services `shell,v2` and `sync` (protocol.txt and SYNC.TXT in
Android's packages/modules/adb). Commands run in this machine's `sh`, files are this machine's files.
"""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

VERSION, MAX_DATA = 0x01000001, 256 * 1024  # this version has no checksums
BANNER = b"device::ro.product.name=standin;ro.product.model=Stand-in;ro.product.device=standin;features="
FEATURES = b"shell_v2,cmd"
STDOUT, STDERR, EXIT = 1, 2, 3


class StandInPhone:
    """A phone on a port of this machine.

    Args:
        authorized: False to ask for a key that the user never confirms.
        full: True for a disk that takes no file.
        vanish_on: Cut the connection when a command that holds this text is to run.
        android: Its version; since 8, phones have the feature `stat_v2`.
        environment: Variables of the commands that it runs.
    """

    def __init__(
        self,
        *,
        authorized: bool = True,
        full: bool = False,
        vanish_on: str = "",
        android: int = 8,
        environment: dict[str, str],
    ) -> None:
        self.authorized, self.full, self.vanish_on, self.environment = authorized, full, vanish_on, environment
        self.banner = BANNER + FEATURES + (b",stat_v2" if android >= 8 else b"")
        self.commands: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.serial = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=_Connection(self, connection).serve, daemon=True).start()


class _Connection:
    def __init__(self, phone: StandInPhone, connection: socket.socket) -> None:
        self._phone, self._socket = phone, connection
        self._streams: dict[int, _Stream] = {}
        self._writing = threading.Lock()

    def serve(self) -> None:
        try:
            while True:
                name, first, second, size = struct.unpack("<4sIII8x", self._exactly(24))
                self._handle(name, first, second, self._exactly(size))
        except (OSError, EOFError):
            self._socket.close()

    def vanish(self) -> None:
        self._phone.close()
        self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, name: bytes, first: int, second: int, data: bytes = b"") -> None:
        magic = struct.unpack("<I", name)[0] ^ 0xFFFFFFFF
        with self._writing:
            self._socket.sendall(struct.pack("<4sIIIII", name, first, second, len(data), 0, magic) + data)

    def _handle(self, name: bytes, first: int, second: int, data: bytes) -> None:
        if name in (b"CNXN", b"AUTH"):
            if self._phone.authorized:
                self.send(b"CNXN", VERSION, MAX_DATA, self._phone.banner)
            else:
                self.send(b"AUTH", 1, 0, b"t" * 20)
        elif name == b"OPEN":
            self._streams[first] = _Stream(self, self._phone, remote=first)
            self.send(b"OKAY", first, first)
            self._streams[first].open(data.rstrip(b"\0").decode())
        elif name == b"WRTE":
            self.send(b"OKAY", first, first)
            if first in self._streams:
                self._streams[first].receive(data)
        elif name == b"OKAY" and first in self._streams:
            self._streams[first].ready.set()
        elif name == b"CLSE":
            self._streams.pop(first, None)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class _Stream:
    """One service that the client has opened."""

    def __init__(self, connection: _Connection, phone: StandInPhone, *, remote: int) -> None:
        self._connection, self._phone, self._remote = connection, phone, remote
        self._incoming = bytearray()
        self._arrived = threading.Condition()
        self.ready = threading.Event()

    def open(self, service: str) -> None:
        work: Callable[[], None] = self._sync
        if service.startswith("shell"):
            command = service.partition(":")[2]
            work = lambda: self._shell(command)  # noqa: E731
        threading.Thread(target=work, daemon=True).start()

    def receive(self, data: bytes) -> None:
        with self._arrived:
            self._incoming += data
            self._arrived.notify()

    def _shell(self, command: str) -> None:
        self._phone.commands.append(command)
        if self._phone.vanish_on and self._phone.vanish_on in command:
            self._connection.vanish()
            return
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, env=os.environ | self._phone.environment, check=False
        )
        packets = ((STDOUT, done.stdout), (STDERR, done.stderr), (EXIT, bytes([done.returncode % 256])))
        for kind, data in packets:
            for start in range(0, len(data), 32768):
                part = data[start : start + 32768]
                self._write(struct.pack("<BI", kind, len(part)) + part)
        self._connection.send(b"CLSE", self._remote, self._remote)

    def _sync(self) -> None:
        while True:
            name, size = struct.unpack("<4sI", self._read(8))
            if name == b"QUIT":
                self._connection.send(b"CLSE", self._remote, self._remote)
                return
            path = self._read(size).decode()
            if name in (b"STA2", b"LST2"):
                self._stat_v2(name, path)
            else:
                {b"SEND": self._receive_file, b"RECV": self._send_file}.get(name, self._stat)(path)

    def _stat(self, path: str) -> None:
        try:
            facts = Path(path).stat()
            self._write(struct.pack("<4sIII", b"STAT", facts.st_mode, facts.st_size, int(facts.st_mtime)))
        except OSError:
            self._write(struct.pack("<4sIII", b"STAT", 0, 0, 0))

    def _stat_v2(self, name: bytes, path: str) -> None:
        facts = [0] * 11
        try:
            found = Path(path).stat()
            facts[1:4] = found.st_dev, found.st_ino, found.st_mode
            facts[7] = found.st_size
        except OSError as error:
            facts[0] = error.errno or 0
        self._write(struct.pack("<4sIQQIIIIQqqq", name, *facts))

    def _receive_file(self, path: str) -> None:
        path, _, mode = path.rpartition(",")
        content = bytearray()
        while True:
            name, size = struct.unpack("<4sI", self._read(8))
            if name == b"DONE":
                break
            content += self._read(size)
        try:
            # Where the disk is full, the kernel itself says so.
            Path("/dev/full" if self._phone.full else path).write_bytes(content)
            if not self._phone.full:
                Path(path).chmod(int(mode) & 0o777)
            self._write(struct.pack("<4sI", b"OKAY", 0))
        except OSError as error:
            message = f"couldn't write file: {error.strerror}".encode()
            self._write(struct.pack("<4sI", b"FAIL", len(message)) + message)

    def _send_file(self, path: str) -> None:
        content = Path(path).read_bytes()
        for start in range(0, len(content), 65536):
            part = content[start : start + 65536]
            self._write(struct.pack("<4sI", b"DATA", len(part)) + part)
        self._write(struct.pack("<4sI", b"DONE", 0))

    def _read(self, size: int) -> bytes:
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._incoming) >= size)
            data = bytes(self._incoming[:size])
            del self._incoming[:size]
        return data

    def _write(self, data: bytes) -> None:
        self.ready.clear()
        self._connection.send(b"WRTE", self._remote, self._remote, data)
        self.ready.wait(10)
