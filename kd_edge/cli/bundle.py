"""The command `kd-edge bundle`."""

import sys
from pathlib import Path

import click

from kd_edge.cli.options import json_option, print_document
from kd_edge.reporting.documents import make_document


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: RUN/bundle]")
@json_option
def bundle(run_folder: Path, output: Path | None, as_json: bool) -> None:
    """Write what firmware needs from the finished RUN; exit code 1 when its model failed a check."""
    from kd_edge.reporting import text_tables
    from kd_edge.reporting.firmware_bundle import write_bundle

    written = write_bundle(run_folder, output)
    print_document(
        make_document("bundle", written, {"folder": str(written.folder)}), as_json, text_tables.bundle_tables
    )
    sys.exit(0 if written.passed else 1)
