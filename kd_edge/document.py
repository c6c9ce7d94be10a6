"""The JSON that every command prints: one envelope, and for each figure whether it was measured or computed."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from typing import Any

SCHEMA_VERSION = 1

_PACKAGES = ("kd-edge", "tensorflow", "keras", "keras-tuner", "ai-edge-litert", "tflite-micro", "numpy")
_GIVEN = frozenset({"budget", "devices", "input_shape", "limit", "scale", "values", "blueprint"})
_COMPUTED = frozenset(
    {"cost", "num_costed", "num_feasible", "predicted", "predicted_host_arena_bytes", "macs", "params", "guide_macs"}
    | {"accuracy_ci95", "prediction_error_percent", "tensor_arena_bytes"}
)


def make_document(command: str, result: Mapping[str, Any], *, seed: int | None = None) -> dict[str, Any]:
    """Return a command's result in the envelope that all commands share.

    Args:
        command: Name of the command.
        result: Plain data; a figure's key ends in its unit where it has one.
        seed: The seed that the result belongs to.

    Returns:
        The object described by `schemas/document.schema.json`. Its `provenance` names for every figure of the result
        whether it was `measured`, `calibrated` (computed with a calibrated device profile), `computed` or `given`;
        `[]` in a path stands for every item of a list.
    """
    plain = _plain(result)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": "kd-edge",
        "command": command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "num_cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "seed": seed,
        "result": plain,
        "provenance": {".".join(path): _kind(path) for path in sorted(set(_figures(plain, ())))},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _figures(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _figures(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _figures(item, (*path[:-1], f"{path[-1]}[]") if isinstance(item, Mapping) else path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def _kind(path: tuple[str, ...]) -> str:
    keys = {key.removesuffix("[]") for key in path}
    if keys & _GIVEN:
        return "given"
    if any(key.startswith("latency") for key in keys):
        return "calibrated"
    return "computed" if keys & _COMPUTED else "measured"
