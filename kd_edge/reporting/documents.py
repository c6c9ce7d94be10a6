"""The JSON that every command prints: one envelope, and for each figure whether it was measured or computed."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kd_edge.cost.devices import DeviceProfile

SCHEMA_VERSION = 1

_PACKAGES = ("kd-edge", "tensorflow", "keras", "keras-tuner", "ai-edge-litert", "tflite-micro", "numpy")
_GIVEN = frozenset(
    {"budget", "devices", "input_shape", "limit", "runtime_flash", "scale", "values", "blueprint"}
    | {"recipe", "temperature", "student_loss_weight"}
)
_COMPUTED = frozenset(
    {"cost", "num_costed", "num_feasible", "num_over", "shares", "predicted", "predicted_host_arena_bytes", "macs"}
    | {"params", "accuracy_ci95", "prediction_error_percent", "tensor_arena_bytes", "initial_epoch"}
)
_COMPUTED_PREFIXES = ("macs_", "megabytes_")


def make_document(
    command: str, result: Mapping[str, Any], *, seed: int | None = None, device: "DeviceProfile | None" = None
) -> dict[str, Any]:
    """Return a command's result in the envelope that all commands share.

    Args:
        command: Name of the command.
        result: Plain data; a figure's key ends in its unit where it has one.
        seed: The seed that the result belongs to.
        device: The device that latencies were computed for.

    Returns:
        The object described by `schemas/document.schema.json`. Its `provenance` names for every figure of the result
        whether it was `measured`, `calibrated` (computed with the profile of a measured device), `computed` or
        `given`; `[]` in a path stands for every item of a list.
    """
    plain = _plain(result)
    latency = "computed" if device is not None and device.quality == "datasheet" else "calibrated"
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": "kd-edge",
        "command": command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": list_versions(),
        "machine": describe_machine(),
        "seed": seed,
        "result": plain,
        "provenance": {".".join(path): _kind(path, command, latency) for path in sorted(set(_figures(plain, ())))},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def describe_machine() -> dict[str, Any]:
    """Return what a figure of time depends on, and the version of Python."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "num_cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def list_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on, of those that are installed."""
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


def _kind(path: tuple[str, ...], command: str, latency: str) -> str:
    keys = {key.removesuffix("[]") for key in path}
    if keys & _GIVEN:
        return "given"
    if path[0] == "bench":
        return "measured"
    if any(key.startswith("latency") for key in keys):
        return latency
    if command == "cost" and "measured" not in keys:
        return "computed"
    return "computed" if keys & _COMPUTED or path[-1].startswith(_COMPUTED_PREFIXES) else "measured"
