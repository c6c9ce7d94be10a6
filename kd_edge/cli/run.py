"""The command `kd-edge run`."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from kd_edge.cli.options import SEED, json_option, print_document
from kd_edge.config.choices import STUDENTS
from kd_edge.silence import load_for_data, load_tensorflow


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME]")
@click.option("--seed", type=SEED, help="Replaces the seed of the configuration.")
@click.option("--student", type=click.Choice(STUDENTS), help="Which student is handed on; best: by validation samples.")
@json_option
def run(config: Path, output: Path | None, seed: int | None, student: str | None, as_json: bool) -> None:
    """Do the whole job that the TOML file CONFIG asks for; an interrupted run resumes.

    Exit code 0 when all checks of the verification hold, 1 when one is broken or not proven.
    """
    from kd_edge.config.run import load_config
    from kd_edge.pipeline import run as run_pipeline
    from kd_edge.reporting import run_files
    from kd_edge.reporting.progress import StageDisplay
    from kd_edge.reporting.tables.verification import run_tables

    wanted = load_config(config)
    wanted = wanted if seed is None else replace(wanted, seed=seed)
    wanted = wanted if student is None else replace(wanted, distill=replace(wanted.distill, student=student))
    load_for_data(wanted.data.source)
    with StageDisplay() as display:
        folder = output or Path("runs") / config.stem
        result = run_pipeline(wanted, folder, progress=display, on_start=load_tensorflow)
    document, _ = run_files.read_run(result.folder)
    print_document(document, as_json, run_tables)
    sys.exit(0 if result.passed else 1)
