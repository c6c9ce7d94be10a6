"""Kinds of figures, such as wall times and bytes: each field of a result says in its type which it holds.

class Execution:
    code_bytes: Annotated[Measured[int], Figure("bytes", "code")]
"""

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, Literal, NamedTuple

from tflite_bench.provenance import marks

Kind = Literal["wall time", "instructions", "compiler estimate", "bytes"]


class Figure(NamedTuple):
    """What a field holds.

    Attributes:
        kind: Figures of different kinds must not be compared.
        title: How a table for people calls a number of bytes.
    """

    kind: Kind
    title: str = ""


class Elsewhere(NamedTuple):
    """Why most runners leave a field None.

    Attributes:
        reason: Which ones do not.
    """

    reason: str


def kinds_of(result: Any) -> dict[str, str]:
    """Return the kind of every figure that a result has, by its place; `"ops.latency_ms"` stands for all operators."""
    return dict(_kinds(result, ""))


def sizes_of(part: Any) -> tuple[tuple[str, int], ...]:
    """Return the title and the bytes of each size that a result, or a part of it, states itself."""
    sizes = ((mark.title, getattr(part, name)) for name, mark in marks(type(part), Figure).items() if mark)
    return tuple((title, size) for title, size in sizes if title and size is not None)


def reasons_elsewhere(result: Any) -> dict[str, str]:
    """Return for each field that is None, as with most runners, why it is."""
    reasons = marks(type(result), Elsewhere).items()
    return {name: mark.reason for name, mark in reasons if mark and getattr(result, name) is None}


def _kinds(part: Any, path: str) -> Iterator[tuple[str, str]]:
    for name, mark in marks(type(part), Figure).items():
        value = getattr(part, name)
        place = f"{path}{name}"
        if mark and value is not None:
            yield place, mark.kind
        for inner in value if isinstance(value, tuple) else (value,):
            if not mark and is_dataclass(inner):
                yield from _kinds(inner, f"{place}.")
