"""The envelope of JSON documents, one for every command of both packages; light, since commands start with it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from tflite_bench.measurement.environment import read_machine, read_versions
from tflite_bench.provenance import provenance_of, renders_itself


@dataclass(frozen=True)
class Tool:
    """A command-line tool whose results are documents.

    Attributes:
        name: Its name.
        schema_version: Version of its documents' form.
        packages: Names of the packages that its results depend on, and of their distributions.
    """

    name: str
    schema_version: int
    packages: Mapping[str, str] = field(hash=False)


def make_document(
    tool: Tool,
    command: str,
    *parts: Any,
    seed: int | None = None,
    replaced: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Return a command's result in the envelope that all commands share.

    Args:
        tool: Whose command it is.
        command: Its name.
        *parts: Frozen dataclasses, named tuples or mappings, whose fields together are the result. The types of the
            fields say how each figure was had.
        seed: The seed that the result belongs to.
        replaced: Kinds of provenance that mean another here: for a device that nobody measured,
            `{"calibrated": "computed"}`.

    Returns:
        Plain data: `schema_version`, `tool`, `command`, `created` (ISO 8601 with the zone), `versions`, `machine`,
        `seed`, `result`, and `provenance`, which names for every figure of the result how it was had.

    Raises:
        TypeError: The field of a figure does not say how it was had.
    """
    return {
        "schema_version": tool.schema_version,
        "tool": tool.name,
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": read_versions(tool.packages),
        "machine": to_plain(read_machine()),
        "seed": seed,
        "result": {name: value for part in parts for name, value in to_plain(part).items()},
        "provenance": {path: kind for part in parts for path, kind in provenance_of(part, replaced=replaced).items()},
    }


def to_plain(value: Any) -> Any:
    """Return a value as plain data: dataclasses, named tuples and mappings as objects, other sequences as lists.

    What has a method `to_dict` says itself what it is. nan and infinity, which JSON does not know and a model file may
    hold, become None.
    """
    if renders_itself(value):
        return to_plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if is_dataclass(value) or hasattr(value, "_fields"):
        names = [part.name for part in fields(value)] if is_dataclass(value) else value._fields
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as indented JSON."""
    return json.dumps(document, indent=2, allow_nan=False)
