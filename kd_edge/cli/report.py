"""The command `kd-edge report`."""

from pathlib import Path

import click

from kd_edge.cli.options import json_option, print_document, refuse_given
from kd_edge.reporting.documents import make_document


@click.command()
@click.argument("run_folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("comparison.html"),
    show_default=True,
    help="The page of several runs.",
)
@json_option
def report(run_folders: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Write report.html into the finished RUN again, or one page that compares several.

    `kd-edge run` has written that of a run before. With two or more, their figures stand beside each other and their
    curves lie over each other.
    """
    from kd_edge.files import refuse_reading
    from kd_edge.reporting.page.comparison_page import write_comparison
    from kd_edge.reporting.page.html_report import write_page
    from kd_edge.reporting.tables.stages import report_tables

    several = len(run_folders) > 1
    if not several:
        refuse_given(("output",), "several runs")
    refuse_reading(output, *(folder / name for folder in run_folders for name in ("results.json", "config.json")))
    page = write_comparison(run_folders, output) if several else write_page(run_folders[0])
    print_document(make_document("report", {"report": str(page)}), as_json, report_tables)
