"""The command `kd-edge report`."""

from pathlib import Path

import click

from kd_edge.cli.options import json_option, print_document
from kd_edge.reporting.documents import make_document


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@json_option
def report(run_folder: Path, as_json: bool) -> None:
    """Write report.html into the finished RUN again; `kd-edge run` has written it before."""
    from kd_edge.reporting.page.html_report import write_page
    from kd_edge.reporting.tables.stages import report_tables

    document = make_document("report", {"report": str(write_page(run_folder))})
    print_document(document, as_json, report_tables)
