"""Measurements of a calibration, kept while it goes on: one that was broken off measures only what is missing."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.numbers import finite_number


class MeasurementStore:
    """A file of measured times, one line each.

    Attributes:
        board: What the times belong to.
        path: The file. A line that was cut off or is damaged counts as not there; one of another board starts anew.
    """

    def __init__(self, path: Path, board: Mapping[str, str]) -> None:
        """Read what there is.

        Args:
            path: See the attributes.
            board: What the times belong to; where anything of it differs, none of them counts.

        Raises:
            ConfigError: The file cannot be read.
        """
        self.path = path
        self.board = dict(board)
        self._times: dict[str, float] = {}
        for line in self._lines():
            entry = _read(line)
            if entry is not None and entry["board"] == self.board:
                self._times[entry["key"]] = entry["time_ms"]

    def get(self, number: int, content: bytes) -> float | None:
        """Return the time of a network in a round, in ms; None if it was not measured."""
        return self._times.get(_key(number, content))

    def add(self, number: int, content: bytes, time_ms: float) -> None:
        """Keep the time of a network in a round.

        Raises:
            ConfigError: The file cannot be written.
        """
        line = json.dumps({"board": self.board, "key": _key(number, content), "time_ms": time_ms})
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}")
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror or error}") from error

    def remove(self) -> None:
        """Remove the file: its calibration is done."""
        self.path.unlink(missing_ok=True)

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror or error}; remove it") from error


def _key(number: int, content: bytes) -> str:
    return f"{number} {hashlib.sha256(content).hexdigest()}"


def _read(line: str) -> dict[str, Any] | None:
    """Return what a line holds; None for one that is damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.keys() != {"board", "key", "time_ms"} or not isinstance(entry["key"], str):
        return None
    time_ms = finite_number(entry["time_ms"])
    return None if time_ms is None or time_ms <= 0 else {**entry, "time_ms": time_ms}
