"""What was tried so far, one JSON object a line: a benchmark that is broken off goes on after its last line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Records:
    """The records of one part of the benchmark.

    Args:
        path: A file of JSON lines; made with the first record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._path.is_file():
            for line in self._path.read_text().splitlines():
                if line.endswith("}"):  # not the one that was being written
                    yield json.loads(line)

    def add(self, record: dict[str, Any]) -> None:
        """Keep one more."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
