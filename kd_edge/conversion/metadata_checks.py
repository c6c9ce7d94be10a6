"""Whether what a `.tflite` file tells of itself has the form that `describe` writes."""

import reprlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from kd_edge.data.front_end import FrontEnd
from kd_edge.errors import ModelError
from tflite_bench.model.info import ModelInfo

# The words for what is expected, and the test of it.
_Type = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    """Return whether something is a finite number: JSON has others, and whole ones that no float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_text(value: Any) -> bool:
    """Return whether something is text that UTF-8 and C can say: JSON can name half a character, and NUL."""
    return isinstance(value, str) and not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value)


_TEXT: _Type = ("text", _is_text)
_TEXTS: _Type = ("a list of texts", lambda value: isinstance(value, list) and all(map(_TEXT[1], value)))
_NUMBERS: _Type = ("a list of numbers", lambda value: isinstance(value, list) and all(map(_is_number, value)))
_DIVISORS: _Type = ("a list of numbers above 0", lambda value: _NUMBERS[1](value) and all(one > 0 for one in value))
_SHARE: _Type = ("a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1)
_OBJECT: _Type = ("an object", lambda value: isinstance(value, dict))
_OBJECTS: _Type = ("a list of objects", lambda value: isinstance(value, list) and all(map(_OBJECT[1], value)))

_FILE = {"class_names": _TEXTS, "input": _OBJECT, "output": _OBJECT, "outputs": _OBJECTS, "provenance": _OBJECT}
# Of an input or an output.
_PART = {
    **{"name": _TEXT, "task": _TEXT, "meaning": _TEXT, "names": _TEXTS, "threshold": _SHARE},
    **{"units": _TEXTS, "mean": _NUMBERS, "deviation": _DIVISORS, "front_end": _OBJECT},
}
_OF_SETTINGS: dict[type, _Type] = {
    **{str: _TEXT, bool: ("true or false", lambda value: isinstance(value, bool))},
    **dict.fromkeys((int, float), ("a number", _is_number)),
}
_SETTINGS = {setting.name: _OF_SETTINGS[type(setting.default)] for setting in fields(FrontEnd)}
_LARGEST_WHOLE = 2**31 - 1
_ABOVE_ZERO = ("sample_rate_hz", "window_size_ms", "window_step_ms", "num_channels")


def _limit(setting: str, default: Any) -> _Type:
    """Return what a setting that is a number may be."""
    if isinstance(default, float):
        return "a number from 0 to 3.4e38", lambda value: 0 <= value <= 3.4e38  # which 32 bits hold
    least = 1 if setting in _ABOVE_ZERO else 0
    words = f"a whole number from {least} to {_LARGEST_WHOLE}"
    return words, lambda value: isinstance(value, int) and least <= value <= _LARGEST_WHOLE


_LIMITS = {
    setting.name: _limit(setting.name, setting.default)
    for setting in fields(FrontEnd)
    if type(setting.default) in (int, float)
}
_PROVENANCE = {"weights_sha256": _TEXT}
_NEEDED = {"binary": ("names", "threshold"), "multilabel": ("names", "threshold"), "regression": ("names", "units")}
_ONE_EACH = ("multilabel", "regression")
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
    _check_types(said.get("provenance", {}), _PROVENANCE, f"{name}, provenance")
    _check_different(said.get("class_names", ()), f"{name}, class_names")
    if said.get("class_names") and said.get("output", {}).get("task") in (*_ONE_EACH, "reconstruction"):
        raise ModelError(
            f"bad metadata {name}: expected class_names or an output without classes, received both, the latter of "
            f"the task {said['output']['task']!r}"
        )
    parts = [(f"{name}, {part}", said[part], ()) for part in ("input", "output") if part in said]
    several = enumerate(said.get("outputs", ()))
    for where, told, needed in (*parts, *((f"{name}, outputs[{i}]", told, ("name", "task")) for i, told in several)):
        _check_types(told, _PART, where)
        _check_needed(told, (*needed, *_NEEDED.get(told.get("task"), ()), *_other_half(told)), where)
        _check_lengths(told, where)
        _check_different(told.get("names", ()), where)
        if "front_end" in told:
            for types in (_SETTINGS, _LIMITS):
                _check_types(told["front_end"], types, f"{where}, front_end")
            _check_needed(told["front_end"], _SETTINGS, f"{where}, front_end")


def check_fits(said: Mapping[str, Any], name: str, info: ModelInfo) -> None:
    """Refuse a description that names more or fewer classes, labels or values than the file's one output has.

    Args:
        said: The description, in its form.
        name: What its entry in the file is called.
        info: The file, read.

    Raises:
        ModelError: Its output has another size.
    """
    if len(info.outputs) != 1:
        return
    target, output = info.output_tensors[0], said.get("output", {})
    one_each, counts = output.get("task") in _ONE_EACH, {target.num_elements, (target.shape or (1,))[-1]}
    for where, names in ((f"{name}, class_names", said.get("class_names")), (f"{name}, output", output.get("names"))):
        fits = {target.num_elements} if one_each else counts | ({2} if target.num_elements == 1 else set())
        if names and len(names) not in fits:
            raise ModelError(
                f"bad metadata {where}: expected an output of {len(names)} numbers as the file's metadata say, "
                f"received {target.num_elements}"
            )


def _check_types(said: Mapping[str, Any], types: Mapping[str, _Type], where: str) -> None:
    for key, (wanted, is_that) in types.items():
        if key in said and not is_that(said[key]):
            raise ModelError(f"bad metadata {where}: expected {wanted} for {key}, received {reprlib.repr(said[key])}")


def _check_different(names: Sequence[str], where: str) -> None:
    if twice := next((one for one, count in Counter(names).items() if count > 1), None):
        raise ModelError(f"bad metadata {where}: expected names that differ, received {twice!r} twice")


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
    if told.get("task") == "binary" and len(told["names"]) != 2:
        raise ModelError(f"bad metadata {where}: expected 2 names for a binary task, received {len(told['names'])}")
    counts = [len(told[key]) for key in _other_half(told)]
    if counts and not counts[0] == counts[1] > 0:
        raise ModelError(
            f"bad metadata {where}: expected as many numbers for mean as for deviation, received {counts[0]} and "
            f"{counts[1]}"
        )
