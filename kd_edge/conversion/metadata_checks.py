"""Whether what a `.tflite` file tells of itself has the form that `describe` writes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from kd_edge.data.front_end import FrontEnd
from kd_edge.errors import ModelError

# The words for what is expected, and the test of it.
_Type = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TEXT: _Type = ("text", lambda value: isinstance(value, str))
_TEXTS: _Type = ("a list of texts", lambda value: isinstance(value, list) and all(map(_TEXT[1], value)))
_NUMBERS: _Type = ("a list of numbers", lambda value: isinstance(value, list) and all(map(_is_number, value)))
_SHARE: _Type = ("a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1)
_OBJECT: _Type = ("an object", lambda value: isinstance(value, dict))
_OBJECTS: _Type = ("a list of objects", lambda value: isinstance(value, list) and all(map(_OBJECT[1], value)))

_FILE = {"class_names": _TEXTS, "input": _OBJECT, "output": _OBJECT, "outputs": _OBJECTS, "provenance": _OBJECT}
# Of an input or an output.
_PART = {
    **{"name": _TEXT, "task": _TEXT, "meaning": _TEXT, "names": _TEXTS, "threshold": _SHARE},
    **{"units": _TEXTS, "mean": _NUMBERS, "deviation": _NUMBERS, "front_end": _OBJECT},
}
_OF_SETTINGS: dict[type, _Type] = {
    **{str: _TEXT, bool: ("true or false", lambda value: isinstance(value, bool))},
    **dict.fromkeys((int, float), ("a number", _is_number)),
}
_SETTINGS = {setting.name: _OF_SETTINGS[type(setting.default)] for setting in fields(FrontEnd)}
_NEEDED = {"binary": ("names", "threshold"), "multilabel": ("names", "threshold"), "regression": ("names", "units")}
_ONE_PER_NAME = ("units", "mean", "deviation")


def check_form(said: Mapping[str, Any], name: str) -> None:
    """Refuse a description that lacks a key that its readers need, or has a known key of another type.

    Keys that are not known may be anything.

    Args:
        said: The description.
        name: What its entry in the file is called.

    Raises:
        ModelError: The first such key is named.
    """
    _check_types(said, _FILE, name)
    parts = [(f"{name}, {part}", said[part], ()) for part in ("input", "output") if part in said]
    several = enumerate(said.get("outputs", ()))
    for where, told, needed in (*parts, *((f"{name}, outputs[{i}]", told, ("name", "task")) for i, told in several)):
        _check_types(told, _PART, where)
        _check_needed(told, (*needed, *_NEEDED.get(told.get("task"), ()), *_other_half(told)), where)
        _check_lengths(told, where)
        if "front_end" in told:
            _check_types(told["front_end"], _SETTINGS, f"{where}, front_end")
            _check_needed(told["front_end"], _SETTINGS, f"{where}, front_end")


def _check_types(said: Mapping[str, Any], types: Mapping[str, _Type], where: str) -> None:
    for key, (wanted, is_that) in types.items():
        if key in said and not is_that(said[key]):
            raise ModelError(f"bad metadata {where}: expected {wanted} for {key}, received {said[key]!r}")


def _check_needed(told: Mapping[str, Any], needed: Iterable[str], where: str) -> None:
    if lacking := next((key for key in needed if key not in told), None):
        raise ModelError(f"bad metadata {where}: expected {lacking}, received only {', '.join(told)}")


def _other_half(told: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what subtracts and what divides, where one of them is there."""
    return ("mean", "deviation") if "mean" in told or "deviation" in told else ()


def _check_lengths(told: Mapping[str, Any], where: str) -> None:
    for key in _ONE_PER_NAME:
        if "names" in told and told.get(key) and len(told[key]) != len(told["names"]):
            expected, received = len(told["names"]), len(told[key])
            raise ModelError(f"bad metadata {where}: expected {expected} of {key}, one per name, received {received}")
