"""The command `kd-edge run`."""

import sys
from dataclasses import replace
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
    from kd_edge.config import load_config
    from kd_edge.pipeline import STAGES
    from kd_edge.pipeline import run as run_pipeline
    from kd_edge.reporting import run_files, text_tables
    from kd_edge.reporting.progress import StageDisplay

    wanted = load_config(config)
    wanted = wanted if seed is None else replace(wanted, seed=seed)
    with StageDisplay(STAGES) as display:
        folder = output or Path("runs") / config.stem
        result = run_pipeline(wanted, folder, progress=display, on_start=load_tensorflow)
    document, _ = run_files.read_run(result.folder)
    print_document(document, as_json, text_tables.run_tables)
    sys.exit(0 if result.passed else 1)
