"""A wire between two pseudo-terminals that loses, repeats and changes bytes, and is as slow as a real one."""

import os
import random
import select
import threading
import time
import tty
from collections.abc import Callable

Fault = Callable[[bytes, random.Random], bytes]


def dropping(share: float) -> Fault:
    """Lose some of the bytes."""
    return lambda content, rng: bytes(byte for byte in content if rng.random() >= share)


def repeating(share: float) -> Fault:
    """Send some of the bytes twice."""
    return lambda content, rng: b"".join(bytes((byte,)) * (1 + (rng.random() < share)) for byte in content)


def corrupting(share: float) -> Fault:
    """Change some of the bytes."""
    return lambda content, rng: bytes(
        byte ^ rng.randrange(1, 256) if rng.random() < share else byte for byte in content
    )


def silent(content: bytes, rng: random.Random) -> bytes:
    """Let nothing through."""
    return b""


class Wire:
    """A wire from a new pseudo-terminal to the board.

    Attributes:
        port: What the host opens.
        to_board: What happens to bytes on their way to the board.
        to_host: The same on the way back.
        num_bytes: Bytes that have passed to the board.
    """

    def __init__(self, board: str, *, seed: int = 0, baud: int | None = None) -> None:
        """Connect.

        Args:
            board: Path of the board's pseudo-terminal.
            seed: Makes the faults repeatable.
            baud: Ten times the bytes per second that pass each way; None for as many as there are.
        """
        self.to_board: Fault = lambda content, rng: content
        self.to_host: Fault = lambda content, rng: content
        self.num_bytes = 0
        self._rng, self._baud, self._ends = random.Random(seed), baud, threading.Event()
        self._controller, self._terminal = os.openpty()
        tty.setraw(self._terminal)
        self._board = os.open(board, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._board)
        self.port = os.ttyname(self._terminal)
        pairs = ((self._controller, self._board, "to_board"), (self._board, self._controller, "to_host"))
        self._threads = [threading.Thread(target=self._carry, args=pair, daemon=True) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Cut the wire."""
        self._ends.set()
        for thread in self._threads:
            thread.join()
        for descriptor in (self._controller, self._terminal, self._board):
            os.close(descriptor)

    def _carry(self, source: int, sink: int, fault: str) -> None:
        free_at = time.monotonic()
        while not self._ends.is_set():
            if not select.select([source], [], [], 0.02)[0]:
                continue
            content = os.read(source, 256)
            if self._baud is not None:
                free_at = max(free_at, time.monotonic()) + len(content) * 10 / self._baud
                time.sleep(max(0.0, free_at - time.monotonic()))
            if fault == "to_board":
                self.num_bytes += len(content)
            if changed := getattr(self, fault)(content, self._rng):
                os.write(sink, changed)
