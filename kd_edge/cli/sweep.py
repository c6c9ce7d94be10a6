"""The command `kd-edge sweep`."""

import sys
from pathlib import Path

import click

from kd_edge.cli.options import json_option, print_document, workers_option
from kd_edge.search.local_workers import workers_beside
from kd_edge.silence import load_for_data, load_tensorflow


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--device", help="Boards, such as nrf52840,esp32-s3, or TOML files.  [default: the configuration's]")
@click.option("--latency", help="Longest times of one inference, such as 2ms,5ms,20ms.")
@click.option("--ram", help="Largest tensor arenas, such as 16k,64k.  [default: what a board leaves]")
@click.option("--flash", help="Largest .tflite files, such as 32k,128k.  [default: what a board leaves]")
@workers_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: sweeps/NAME]")
@json_option
def sweep(
    config: Path,
    device: str | None,
    latency: str | None,
    ram: str | None,
    flash: str | None,
    workers: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Do the job of CONFIG for each board with each of the limits; an interrupted sweep resumes.

    Teacher and search are shared by all. Exit code 0 when each student keeps its budget, 1 when one does not or that is
    not proven; a budget that no network can keep is an answer.
    """
    from kd_edge.reporting.progress import StageDisplay
    from kd_edge.reporting.tables.sweep import sweep_tables
    from kd_edge.sweep.files import read_sweep
    from kd_edge.sweep.order import run_sweep
    from kd_edge.sweep.wanted import load_sweep

    limits = {"device": device, "latency": latency, "ram": ram, "flash": flash}
    wanted = load_sweep(config, limits)
    load_for_data(wanted[0].data.source)
    folder = output or Path("sweeps") / config.stem
    with StageDisplay() as display:
        result = run_sweep(
            *wanted,
            folder,
            workers=lambda path: workers_beside(workers, path),
            progress=display,
            on_start=load_tensorflow,
        )
    if result is None:
        return
    print_document(read_sweep(folder), as_json, sweep_tables)
    sys.exit(0 if result.passed else 1)
