"""Ctrl-C that is not lost: Python drops an interrupt that arrives while it finalizes an object."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Remembers interrupts while it is entered, in the main thread, and says at once that one has come."""

    def __init__(self) -> None:
        self._seen = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raise the interrupt that was dropped, if one was.

        Raises:
            KeyboardInterrupt: There was one.
        """
        if self._seen:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self._seen:
            os.write(2, b"\ninterrupted, stopping\n")
        self._seen = True
        raise KeyboardInterrupt
