"""Bounded reading of the flatbuffer inside a `.tflite` file.

The accessor classes generated from TFLite's schema follow offsets and lengths as the file states them. A broken or
hostile file can name a vector that is longer than the file, or point at one vector from a million places.
`FlatbufferReader` keeps the work and the memory linear in the size of the file.
"""

import functools
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_bench.errors import ModelFileError

OptionValue = bool | int | float | str | tuple[bool | int | float, ...]

READ_ERRORS = (ArithmeticError, AssertionError, IndexError, TypeError, ValueError, struct.error)
"""What the generated accessors raise on offsets that lead nowhere."""

_ENUM_OPTIONS = {
    "padding": ("padding", "Padding"),
    "fused_activation_function": ("fused_activation", "ActivationFunctionType"),
}
# Honest files list every vector once; a few writers share equal ones.
_MAX_READS_PER_BYTE = 4


class FlatbufferReader:
    """Reads names, vectors and option tables, and counts the bytes it has read.

    Args:
        content: The whole file.

    Raises:
        ModelFileError: From every method, once the parts that were read add up to several times the file.
    """

    def __init__(self, content: bytes) -> None:
        self._size = len(content)
        self._left = _MAX_READS_PER_BYTE * len(content)

    def tables(self, owner: Any, name: str) -> Iterator[Any]:
        """Yield the tables of the vector `name` of `owner`."""
        for position in range(self._length(owner, name, item_bytes=4)):
            yield getattr(owner, name)(position)

    def numbers(self, owner: Any, name: str) -> tuple[Any, ...]:
        """Return the vector `name` of `owner` as Python numbers; empty where it is absent."""
        if not self._length(owner, name, item_bytes=1):
            return ()
        vector = getattr(owner, f"{name}AsNumpy")()
        self._charge(vector.nbytes)
        return tuple(vector.tolist())

    def view(self, owner: Any, name: str) -> "np.ndarray[Any, np.dtype[np.uint8]] | None":
        """Return the bytes of the vector `name` of `owner` without copying; None where it is absent or empty."""
        length = getattr(owner, f"{name}Length")()
        if length > self._size:
            raise ModelFileError(f"{name} states {length} bytes, but the file has {self._size}; it may be cut off")
        view: np.ndarray[Any, np.dtype[np.uint8]] | None = getattr(owner, f"{name}AsNumpy")() if length else None
        return view

    def text(self, value: bytes | None) -> str:
        """Return a name on one line, safe to print: what is no UTF-8 or not printable becomes U+FFFD."""
        self._charge(len(value or b""))
        decoded = (value or b"").decode("utf-8", errors="replace")
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in decoded)

    def options(self, kind: str, union: Any) -> dict[str, OptionValue]:
        """Return an option table as plain values.

        Args:
            kind: Name of the schema's class, e.g. `"Conv2DOptions"`.
            union: The table that the operator holds.

        Returns:
            The schema's fields in snake case; `padding` and `fused_activation` by name, other enumerations as numbers.
            Fields that are tables themselves are left out.
        """
        table = getattr(schema, kind)()
        table.Init(union.Bytes, union.Pos)
        values: dict[str, OptionValue] = {}
        for key, method, is_vector in _option_fields(kind):
            value: Any = self.numbers(table, method) if is_vector else getattr(table, method)()
            if key in _ENUM_OPTIONS and not is_vector:
                values[_ENUM_OPTIONS[key][0]] = enum_name(_ENUM_OPTIONS[key][1], value)
            elif isinstance(value, bytes):
                values[key] = self.text(value)
            elif isinstance(value, bool | int | float | tuple):
                values[key] = value
        return values

    def _length(self, owner: Any, name: str, *, item_bytes: int) -> int:
        length: int = getattr(owner, f"{name}Length")()
        if length * item_bytes > self._size:
            raise ModelFileError(f"{name} states {length} entries, but the file has {self._size} bytes")
        self._charge(length * item_bytes)
        return length

    def _charge(self, num_bytes: int) -> None:
        self._left -= num_bytes
        if self._left < 0:
            raise ModelFileError("the file's parts overlap: they add up to several times its size")


@functools.cache
def enum_names(kind: str) -> dict[int, str]:
    """Return the names of one of the schema's enumerations by their number, e.g. `{0: "SAME", 1: "VALID"}`."""
    return {value: name for name, value in vars(getattr(schema, kind)).items() if isinstance(value, int)}


def enum_name(kind: str, value: int) -> str:
    """Return the name of one value of an enumeration.

    Raises:
        ModelFileError: The schema has no such value.
    """
    if value not in enum_names(kind):
        raise ModelFileError(f"{kind} {value} is unknown to the installed ai-edge-litert; a newer one may know it")
    return enum_names(kind)[value]


@functools.cache
def _option_fields(kind: str) -> tuple[tuple[str, str, bool], ...]:
    """Return (key, accessor, is a vector of numbers) for the fields of an option class."""
    methods: dict[str, Callable[..., Any]] = {
        name: value
        for name, value in vars(getattr(schema, kind)).items()
        if callable(value) and name[0].isupper() and name != "Init"
    }
    fields = []
    for name in methods:
        if name.endswith(("Length", "IsNone", "AsNumpy")):
            continue
        is_vector = f"{name}AsNumpy" in methods
        if is_vector or methods[name].__code__.co_argcount == 1:
            fields.append((_snake_case(name), name, is_vector))
    return tuple(fields)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
