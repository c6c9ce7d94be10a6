"""The file of a study's results: one row per finished training, which is never done again."""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kd_edge.files import write_bytes
from kd_edge.reporting.documents import make_document
from tflite_bench.measurement.environment import read_machine

Row = dict[str, Any]


class Rows:
    """Rows in a JSON file that several processes add to.

    Args:
        path: The file; it is made with the first row.
        locks: Folder of the files by which processes wait for each other.
        command: Of the document.
        tool: That makes it.
    """

    def __init__(
        self, path: Path, locks: Path, *, command: str = "study_halting", tool: str = "tools/studies/halting/run.py"
    ) -> None:
        self._path, self._locks, self._command, self._tool = path, locks, command, tool
        locks.mkdir(parents=True, exist_ok=True)

    @property
    def document(self) -> dict[str, Any]:
        """The whole file; an envelope without rows where there is none yet."""
        if self._path.is_file():
            return dict(json.loads(self._path.read_text()))
        return {**self._new(), "result": {"rows": []}}

    def _new(self) -> dict[str, Any]:
        """Return the envelope of what is written now."""
        return make_document(self._command) | {"tool": self._tool}

    @property
    def all(self) -> list[Row]:
        """All rows."""
        return list(self.document["result"]["rows"])

    def find(self, **identity: Any) -> Row | None:
        """Return the row with these fields, `None` where there is none."""
        return next((row for row in self.all if all(row.get(k) == v for k, v in identity.items())), None)

    def once(self, make: Callable[[], Mapping[str, Any]], **identity: Any) -> Row:
        """Return the row with these fields; where it is missing, make it and write it.

        Args:
            make: Returns the other fields.
            **identity: The fields by which the row is known.
        """
        known = self.find(**identity)
        if known is not None:
            return known
        row = {**identity, **{name: _short(value) for name, value in make().items()}}
        with self.locked("rows"):
            new = self._new()
            document = self.document | {name: new[name] for name in ("created", "versions", "machine")}
            document["result"]["rows"].append(row)
            document.setdefault("made", {})[f"{row.get('part')}, {row.get('set')}"] = _here()
            self._write(document)
        print(json.dumps(row), flush=True)
        return row

    def put(self, name: str, value: Any) -> None:
        """Write a field of the document beside the rows."""
        with self.locked("rows"):
            self._write({**self.document, name: value})

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the processor time of what is done meanwhile to the document's `seconds`, also where it is cut short."""
        start = _processor_time()
        try:
            yield
        finally:
            with self.locked("rows"):
                document = self.document
                seconds = document.setdefault("seconds", {})
                seconds[name] = round(seconds.get(name, 0.0) + _processor_time() - start, 1)
                self._write(document)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Wait until no other process has the lock of a name, and have it."""
        with (self._locks / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Have a lock if no other process has it; tell whether it was had."""
        with (self._locks / f"{name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _write(self, document: Mapping[str, Any]) -> None:
        write_bytes(self._path, dumped(document).encode())


def dumped(document: Mapping[str, Any]) -> str:
    """Return the document as JSON with one line per row."""
    rows = document["result"]["rows"]
    empty = {**document, "result": {**document["result"], "rows": []}}
    lines = ",\n".join(f"      {json.dumps(row, allow_nan=False)}" for row in rows)
    text = json.dumps(empty, indent=2, allow_nan=False)
    return (text.replace('"rows": []', f'"rows": [\n{lines}\n    ]') if rows else text) + "\n"


def _here() -> str:
    """Return when and on what processor rows are made."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {read_machine().cpu}"


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return value


def _processor_time() -> float:
    """Return the seconds of this process and of the children that it has waited for; other jobs do not count."""
    return sum(os.times()[:4])
