"""The command `kd-edge run`."""

import sys
from pathlib import Path

import click

from kd_edge.cli.options import SEED, json_option, print_document
from kd_edge.silence import load_tensorflow


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME]")
@click.option("--seed", type=SEED, help="Replaces the seed of the configuration.")
@json_option
def run(config: Path, output: Path | None, seed: int | None, as_json: bool) -> None:
    """Do the whole job that the TOML file CONFIG asks for; an interrupted run resumes."""
    from dataclasses import replace

    from kd_edge.config import load_config
    from kd_edge.cost.devices import load_device
    from kd_edge.data.loading import load_data

    wanted = load_config(config)
    wanted = wanted if seed is None else replace(wanted, seed=seed)
    wanted.budget.budget(load_device(wanted.budget.device))
    load_data(wanted.data.source, normalize=wanted.data.normalize, seed=wanted.seed)
    load_tensorflow()
    from kd_edge.pipeline import STAGES
    from kd_edge.pipeline import run as run_pipeline
    from kd_edge.reporting import html_report, plots, run_files, text_tables
    from kd_edge.reporting.progress import StageDisplay

    with StageDisplay(STAGES) as display:
        result = run_pipeline(wanted, output or Path("runs") / config.stem, progress=display)
    document = run_files.write_run(result)
    plots.plot_run(result.stages, result.folder)
    html_report.write_page(result.folder)
    print_document(document, as_json, text_tables.run_tables)
    sys.exit(0 if result.passed else 1)
