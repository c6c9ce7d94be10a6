"""The command `kd-edge devices`: list, show and add devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd_edge.cli.options import json_option, load_graph, print_document
from kd_edge.errors import ConfigError
from kd_edge.reporting.documents import make_document

if TYPE_CHECKING:
    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.ir.graph import Graph


_OPTIONS = {"flash_bytes": "--flash", "ram_bytes": "--ram", "clock_mhz": "--clock"}


@dataclass(frozen=True)
class _Devices:
    devices: "tuple[DeviceProfile, ...]"


class _Group(click.Group):
    """Takes a word that is no command for the name of a device to show."""

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        known = args[0] in self.commands
        return super().resolve_command(context, args if known else ["show", *args])


@click.group(cls=_Group, invoke_without_command=True)
@json_option
@click.pass_context
def devices(context: click.Context, as_json: bool) -> None:
    """List the known devices, show one (`kd-edge devices NAME`), or add one."""
    if context.invoked_subcommand is None:
        from kd_edge.cost.devices import load_all

        _print(load_all(), as_json)


@devices.command()
@click.argument("name")
@json_option
@click.pass_context
def show(context: click.Context, name: str, as_json: bool) -> None:
    """Show the device NAME, or the one in a TOML file."""
    from kd_edge.cost.devices import load_device

    _print([load_device(name)], as_json or _json_of_group(context))


@devices.command()
@click.argument("name")
@click.option("--flash", help="Flash that a model may use, such as 512k.  [default: that of the device --like]")
@click.option("--ram", help="RAM that a tensor arena may use, such as 96k.  [default: likewise]")
@click.option("--clock", "clock_mhz", type=float, metavar="MHZ", help="Clock of the core in MHz.  [default: likewise]")
@click.option(
    "--measured",
    multiple=True,
    metavar="MODEL=TIME",
    help="A .tflite or .keras file and its measured latency, such as kws.tflite=12.3ms; repeat it for more.",
)
@click.option("--macs-per-second", type=float, help="Where nothing was measured: what convolutions reach, such as 2e7.")
@click.option(
    "--like", default="cortex-m4", show_default=True, help="A device, profile or core with the same kind of kernels."
)
@json_option
@click.pass_context
def add(
    context: click.Context,
    name: str,
    flash: str | None,
    ram: str | None,
    clock_mhz: float | None,
    measured: Sequence[str],
    macs_per_second: float | None,
    like: str,
    as_json: bool,
) -> None:
    """Add the device NAME to your own ones; it hides a built-in one of the same name."""
    from kd_edge.cost.profile_scaling import add_device, profile_path

    if bool(measured) == (macs_per_second is not None):
        raise ConfigError("no speed: expected --measured MODEL=TIME once or more, or --macs-per-second, one of them")
    profile = add_device(
        name,
        **_memory(like, flash, ram, clock_mhz),
        speed=[_read_measurement(text) for text in measured] if macs_per_second is None else macs_per_second,
        like=like,
    )
    _print([profile], as_json or _json_of_group(context))
    click.echo(f"saved to {profile_path(name)}", err=True)


def _json_of_group(context: click.Context) -> bool:
    """Return whether `--json` stands before the name or the command."""
    return context.parent is not None and bool(context.parent.params["as_json"])


def _memory(like: str, flash: str | None, ram: str | None, clock_mhz: float | None) -> dict[str, Any]:
    """Return what a board holds: as given, else as the known device has it that it is like."""
    from kd_edge.cost.budget import Budget, parse_bytes
    from kd_edge.cost.devices import is_device, load_device

    given = {
        "flash_bytes": None if flash is None else parse_bytes(flash),
        "ram_bytes": None if ram is None else parse_bytes(ram),
        "clock_mhz": clock_mhz,
    }
    if None not in given.values():
        return given
    if not is_device(like):
        missing = next(_OPTIONS[name] for name, value in given.items() if value is None)
        raise ConfigError(
            f"no {missing}: expected it, or a known device after --like to take it from, received the core {like!r}"
        )
    device = load_device(like)
    free = Budget.of(device)
    known = {"flash_bytes": free.flash_bytes, "ram_bytes": free.ram_bytes, "clock_mhz": device.clock_mhz}
    taken = ", ".join(_OPTIONS[name].lstrip("-") for name, value in given.items() if value is None)
    memory = {name: known[name] if value is None else value for name, value in given.items()}
    return memory | {"memory_source": f"given by the user; {taken} as of {like} ({device.memory_source})"}


def _read_measurement(text: str) -> tuple["Graph", float]:
    from kd_edge.cost.budget import parse_ms

    path, separator, duration = text.rpartition("=")
    if not separator:
        raise ConfigError(f"bad --measured: expected MODEL=TIME such as kws.tflite=12.3ms, received {text!r}")
    return load_graph(Path(path))[0], parse_ms(duration)


def _print(profiles: "Sequence[DeviceProfile]", as_json: bool) -> None:
    from kd_edge.reporting.tables.devices import device_tables

    print_document(make_document("devices", _Devices(tuple(profiles))), as_json, device_tables)
