"""Reads TOML tables into frozen dataclasses, strictly, and writes them."""

import contextlib
import functools
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from kd_edge.errors import ConfigError, found_instead, nearest

T = TypeVar("T")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return a TOML file as plain data.

    Raises:
        ConfigError: The file is missing, no text, or no TOML (the line is in the message).
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: expected a TOML file, {found_instead(error)}") from error
    except ValueError as error:
        raise ConfigError(f"cannot read {path}: expected TOML, received {error}") from error


def from_table(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Return a dataclass filled from a TOML table.

    A field that is itself a dataclass, or a mapping to them, takes a sub-table, an integer is taken where a float is
    expected, and a missing key takes the field's default.

    Args:
        cls: A dataclass; its annotations say what each key may hold.
        table: The parsed table.
        where: Names the file and the table in messages.

    Raises:
        ConfigError: A key is unknown (the nearest known one is named), missing, or of the wrong type.
    """
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    hints = field_types(cls)  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise ConfigError(f"unknown key {key!r} in {where}: {nearest(key, known)}")
    missing = [
        name for name, f in known.items() if name not in table and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f"missing key {missing[0]!r} in {where}")
    return cls(**{key: typed(hints[key], value, f"{where}, key {key!r}") for key, value in table.items()})


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """Return what each field of a dataclass may hold, by its name."""
    return typing.get_type_hints(cls)


def to_toml(table: Mapping[str, Any]) -> str:
    """Return plain tables of a configuration as TOML; `None` stands for a key's default and is left out."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Mapping[str, Any], place: tuple[str, ...]) -> list[str]:
    lines = [f"{_toml_key(key)} = {_toml_value(value)}" for key, value in table.items() if _is_plain(value)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            inside = (*place, _toml_key(key))
            lines += ["", f"[{'.'.join(inside)}]", *_lines(value, inside)]
    return lines


def typed(expected: Any, value: Any, where: str) -> Any:
    """Return a value, an integer as a float where one is expected.

    Args:
        expected: Its type, such as `int | None` or `list[str]`.
        value: Any.
        where: Names it in messages.

    Raises:
        ConfigError: It is of another type.
    """
    options = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    for option in options:
        if hasattr(option, "__dataclass_fields__"):
            if isinstance(value, Mapping):
                return from_table(option, value, where)
        elif typing.get_origin(option) is Mapping:
            if isinstance(value, Mapping):
                return {key: typed(typing.get_args(option)[1], item, f"{where}.{key}") for key, item in value.items()}
        elif typing.get_origin(option) is list:
            if isinstance(value, list):
                return [typed(typing.get_args(option)[0], item, f"{where}, item {i}") for i, item in enumerate(value)]
        elif option is float and type(value) in (int, float):
            with contextlib.suppress(OverflowError):
                return float(value)
        elif type(value) is option:
            return value
    names = " or ".join(_name(option) for option in options if option is not types.NoneType)
    raise ConfigError(f"bad value for {where}: expected {names}, received {value!r}")


def _name(option: Any) -> str:
    is_table = hasattr(option, "__dataclass_fields__") or typing.get_origin(option) is Mapping
    if typing.get_origin(option) is list:
        return (
            f"list of {' or '.join(map(_name, typing.get_args(typing.get_args(option)[0]) or typing.get_args(option)))}"
        )
    return "a table" if is_table else str(getattr(option, "__name__", option))


def _is_plain(value: object) -> bool:
    return value is not None and not isinstance(value, Mapping)


def _toml_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _toml_value(key)


def _toml_value(value: object) -> str:
    # JSON's strings, numbers, booleans and lists are TOML too; 0x7f alone is not allowed bare there.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
