"""The command `kd-edge doctor`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kd_edge.cli.options import json_option, print_document
from kd_edge.reporting.documents import make_document

if TYPE_CHECKING:
    from rich.table import Table

    from kd_edge.compat.installed import Package
    from tflite_bench.runners.spec import Device


@dataclass(frozen=True)
class _Installation:
    """What is there.

    Attributes:
        packages: What kd_edge asks for.
        runners: What models can be measured on from here.
        own_devices: Names of the user's own boards.
    """

    packages: "tuple[Package, ...]"
    runners: "tuple[Device, ...]"
    own_devices: tuple[str, ...]


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Show what is installed, what is missing, and what does not work without it.

    Exit code 0, or 1 where a package is of a version that was never tried, or one that is always needed is missing.
    """
    from kd_edge.compat.installed import packages
    from kd_edge.cost.devices import own_devices
    from tflite_bench.runners.discovery import list_devices

    found = _Installation(packages(), list_devices(), own_devices())
    print_document(make_document("doctor", found), as_json, _parts)
    sys.exit(any(package.wrong for package in found.packages))


def _parts(result: dict[str, Any]) -> "Iterator[Table | str]":
    from kd_edge.reporting.tables.installation import installation_tables

    return installation_tables(result)
