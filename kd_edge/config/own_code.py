"""The user's own code behind a name in a configuration: a registered rule, augmentation, search or layer."""

import functools
import hashlib
import inspect
from collections.abc import Mapping, Set
from pathlib import Path
from types import CodeType
from typing import Any


def own_code(*things: Any) -> tuple[str, ...]:
    """Return a hash of the code of each thing that is not of kd_edge: of the file that defines it.

    What that file imports does not count. Where there is no file, as of what was typed in, the thing's own code counts.

    Args:
        things: Classes and functions.
    """
    hashes = map(_hash, things)
    return tuple(found for found in hashes if found is not None)


def _hash(thing: Any) -> str | None:
    if isinstance(thing, functools.partial):
        given = _content((thing.args, thing.keywords))
        return hashlib.sha256(f"{given} {_hash(thing.func)}".encode()).hexdigest()
    if not hasattr(thing, "__qualname__"):  # an object that is called
        return _hash(type(thing))
    if str(thing.__module__).split(".")[0] == __name__.split(".")[0]:
        return None
    return hashlib.sha256(_source(thing)).hexdigest()


def _source(thing: Any) -> bytes:
    try:
        return Path(inspect.getsourcefile(inspect.unwrap(thing)) or "").read_bytes()
    except (OSError, TypeError):
        parts = vars(thing) if isinstance(thing, type) else {"": thing}
        return repr([(name, _content(part)) for name, part in sorted(parts.items())]).encode()


def _content(part: Any) -> str:
    """Return what a function does, or the value of a constant, in words that are the same in every process."""
    code = part if isinstance(part, CodeType) else getattr(part, "__code__", None)
    if isinstance(code, CodeType):
        return f"{code.co_code.hex()} {code.co_names} {[_content(constant) for constant in code.co_consts]}"
    if isinstance(part, Mapping):
        return f"{sorted((_content(key), _content(value)) for key, value in part.items())}"
    if isinstance(part, tuple | list):
        return f"{[_content(each) for each in part]}"
    if isinstance(part, Set):
        return f"{sorted(map(_content, part))}"
    if isinstance(part, type | functools.partial):
        return f"{getattr(part, '__qualname__', '')} {_hash(part)}"
    return repr(part) if isinstance(part, bool | int | float | str | bytes | None) else type(part).__name__
