"""Provenance of figures: each field that holds one says in its type how the figure was had.

    class Cost:
        macs: Computed[int]
        latency_ms: Calibrated[float]

A marked field speaks for all that it holds, for fields inside it as well unless they say otherwise themselves.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, get_args


class Provenance(NamedTuple):
    """How a figure was had.

    Attributes:
        kind: `"measured"`, `"calibrated"` (computed with costs that were fitted to measurements), `"computed"`,
            `"estimated"` or `"given"`.
        but: Keys of a mapping, or fields, that are had otherwise, with their kinds.
    """

    kind: str
    but: tuple[tuple[str, str], ...] = ()


T = TypeVar("T")
Measured = Annotated[T, Provenance("measured")]
Calibrated = Annotated[T, Provenance("calibrated")]
Computed = Annotated[T, Provenance("computed")]
Estimated = Annotated[T, Provenance("estimated")]
Given = Annotated[T, Provenance("given")]


def provenance_of(result: Any, *, replaced: Mapping[str, str] = {}) -> dict[str, str]:
    """Return for every figure of a result how it was had.

    Args:
        result: A frozen dataclass or named tuple, of numbers, text, containers and others of its kind.
        replaced: Kinds that mean another here: of a device that nobody measured, `{"calibrated": "computed"}`.

    Returns:
        The kinds by the figures' places, such as `"cost.macs"` and `"ops[].latency_ms"`; `[]` stands for every item.

    Raises:
        TypeError: A figure's field does not say.
    """
    found: dict[str, str] = {}
    for path, mark in _figures(result, "", None):
        if mark is None:
            name = f"{type(result).__name__}.{path}"
            raise TypeError(f"no provenance: expected {name} marked as Measured[...] or the like")
        found[path] = replaced.get(mark.kind, mark.kind)
    return dict(sorted(found.items()))


def _figures(value: Any, path: str, mark: Provenance | None) -> Iterator[tuple[str, Provenance | None]]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield path, mark
    elif renders_itself(value):
        yield from _figures(value.to_dict(), path, mark)
    elif is_dataclass(value) or hasattr(value, "_fields"):
        for name, own in marks(type(value), Provenance).items():
            yield from _figures(getattr(value, name), f"{path}.{name}".lstrip("."), own or _part(mark, name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _figures(item, f"{path}.{key}".lstrip("."), _part(mark, key))
    elif isinstance(value, list | tuple):
        for item in value:
            has_names = is_dataclass(item) or hasattr(item, "_fields") or isinstance(item, Mapping)
            yield from _figures(item, f"{path}[]" if has_names else path, mark)


def renders_itself(value: Any) -> bool:
    """Tell whether `to_dict` says what a value is in a document; a class with marked fields speaks by these."""
    has_marks = (is_dataclass(value) or hasattr(value, "_fields")) and any(marks(type(value), Provenance).values())
    return hasattr(value, "to_dict") and not has_marks


def _part(mark: Provenance | None, name: str) -> Provenance | None:
    """Return how a named part of a value is had."""
    kind = None if mark is None else dict(mark.but).get(name)
    return mark if kind is None else Provenance(kind)


def marks(cls: type, kind: type[T]) -> dict[str, T | None]:
    """Return for each field of a class the mark of a kind in its type, as the last one in `Annotated[int, mark]`.

    Args:
        cls: A dataclass or named tuple.
        kind: Class of the marks. One also counts where it marks one of several possible types: `Measured[int] | None`.

    Returns:
        The marks by the names of the fields; None for a field without.
    """
    names = [f.name for f in fields(cls)] if is_dataclass(cls) else list(getattr(cls, "_fields", ()))
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        hints |= inspect.get_annotations(base)
    return {name: _mark(hints.get(name), kind) for name in names}


def _mark(hint: Any, kind: type[T]) -> T | None:
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, kind):
            return mark
    return next((mark for inner in get_args(hint) if (mark := _mark(inner, kind)) is not None), None)
