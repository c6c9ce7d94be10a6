"""The profiles of boards as TOML files: those that the package brings, and the user's own."""

import json
import os
from dataclasses import fields, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from kd_edge.cost.devices.profile import (
    BLOCKS,
    DTYPES,
    INFERENCE_CYCLES,
    OP_COSTS,
    DeviceProfile,
    KernelCost,
    Power,
    named_costs,
)
from kd_edge.errors import ConfigError, nearest
from kd_edge.toml import from_table, read_toml
from tflite_bench.model.operators.spec import NO_BLOCKS, Blocks

_ENDING = ".toml"
_OPTIONAL_NAMES = ("runtime_version", "board", "memory_source")


def devices_folder() -> Path:
    """Return the user's folder of profiles: `$KD_EDGE_DEVICES`, or `kd_edge/devices` in the user's configuration.

    Raises:
        ConfigError: Neither is named, and the user has no home.
    """
    if folder := os.environ.get("KD_EDGE_DEVICES"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kd_edge" / "devices"
    except RuntimeError as error:
        raise ConfigError("this user has no home folder for devices; name a folder in $KD_EDGE_DEVICES") from error


def list_devices() -> tuple[str, ...]:
    """Return the names of all known devices, the user's own among them."""
    return tuple(sorted(_built_in().keys() | _own().keys()))


def load_all() -> tuple[DeviceProfile, ...]:
    """Return the profiles of all known devices, by their names."""
    known: dict[str, Traversable] = {**_built_in(), **_own()}
    return tuple(_load(known[name]) for name in sorted(known))


def load_device(name: str | Path) -> DeviceProfile:
    """Return a device's profile.

    Args:
        name: A name that `list_devices()` knows, or the path of a TOML file (it ends in `.toml`). A file in
            `devices_folder()` takes precedence over the built-in profile of the same name.

    Raises:
        ConfigError: The device is unknown, or its file is missing, no TOML, or has a wrong key or value.

    >>> load_device("nucleo-l4r5zi").clock_mhz
    120.0
    """
    if str(name).endswith(_ENDING):
        return replace(_read(Path(name)), path=str(name))
    known: dict[str, Traversable] = {**_built_in(), **_own()}
    if str(name) not in known:
        hint = nearest(str(name), known, listed=f"`kd-edge devices` lists the {len(known)} known ones")
        raise ConfigError(f"unknown device {str(name)!r}: expected a known one or the path of a .toml file; {hint}")
    return _load(known[str(name)])


def is_device(name: str) -> bool:
    """Return whether `load_device` takes a word: a known name, or the path of a TOML file."""
    return name.endswith(_ENDING) or name in list_devices()


def _load(file: Traversable) -> DeviceProfile:
    with resources.as_file(file) as path:
        return _read(path)


def _read(path: Path) -> DeviceProfile:
    table = read_toml(path)
    if "path" in table:
        raise ConfigError(f"unknown key 'path' in {path}: where a profile was read is told, not asked")
    if table.setdefault("name", path.stem) != path.stem:
        raise ConfigError(
            f"bad value for {path}, key 'name': expected the file's name {path.stem!r}, received {table['name']!r}"
        )
    try:
        return from_table(DeviceProfile, table, str(path))
    except ConfigError as error:
        raise error if str(path) in str(error) else ConfigError(f"{error} in {path}") from error


def _built_in() -> dict[str, Traversable]:
    return _profiles(resources.files("kd_edge.cost") / "device_profiles")


def own_devices() -> tuple[str, ...]:
    """Return the names of the user's own devices."""
    return tuple(sorted(_own()))


def _own() -> dict[str, Traversable]:
    try:
        folder = devices_folder()
    except ConfigError:  # a user without a home has none
        return {}
    try:
        return _profiles(folder) if folder.is_dir() else {}
    except OSError as error:
        raise ConfigError(
            f"cannot read your devices in {folder}: {error.strerror}; name another folder in $KD_EDGE_DEVICES"
        ) from error


def _profiles(folder: Traversable) -> dict[str, Traversable]:
    files = {path.name: path for path in folder.iterdir()}
    return {
        name.removesuffix(".toml"): path
        for name, path in files.items()
        if name.endswith(".toml") and not name.startswith(".")
    }


def to_toml(device: DeviceProfile) -> str:
    """Return a profile as the text of a TOML file that `load_device` reads back as the same profile."""
    plain = [
        f.name
        for f in fields(device)
        if f.name not in ("name", "power", "path", *DTYPES, *BLOCKS, *INFERENCE_CYCLES, *OP_COSTS, *_OPTIONAL_NAMES)
    ]
    plain += [name for name in (*INFERENCE_CYCLES, *_OPTIONAL_NAMES) if getattr(device, name)]
    lines = [f"{name} = {_literal(getattr(device, name))}" for name in plain]
    blocks = {name: getattr(device, name) for name in BLOCKS if getattr(device, name) != NO_BLOCKS}
    lines += [f"{name} = {_table(size)}" for name, size in blocks.items()]
    tables = {name: named_costs(getattr(device, name)) for name in DTYPES}
    tables |= {name: getattr(device, name) for name in OP_COSTS}
    for name, costs in tables.items():
        if costs:
            lines += ["", f"[{name}]", *(f"{kernel} = {_table(cost)}" for kernel, cost in costs.items())]
    if device.power is not None:
        power = {f.name: getattr(device.power, f.name) for f in fields(Power)}
        lines += ["", "[power]", *(f"{name} = {_literal(value)}" for name, value in power.items() if value is not None)]
    return "\n".join(lines) + "\n"


def _table(record: KernelCost | Blocks) -> str:
    values = ((f.name, getattr(record, f.name)) for f in fields(record))
    return f"{{ {', '.join(f'{name} = {value!r}' for name, value in values if value)} }}"


def _literal(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
