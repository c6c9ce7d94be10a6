"""The command `kd-edge samples`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.cli.options import data_option, json_option, print_document, seed_option
from kd_edge.files import refuse_inside
from kd_edge.reporting.documents import make_document
from kd_edge.silence import load_for_data

if TYPE_CHECKING:
    from kd_edge.data.options import SourceOptions


@click.command()
@data_option
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="teacher", show_default=True, help="Folder.")
@json_option
def samples(
    source: str, normalize: bool | None, options: "SourceOptions", seed: int, output: Path, as_json: bool
) -> None:
    """Write the samples that a teacher which lives elsewhere has to answer, for --teacher-outputs.

    samples.npy has the training samples, and those without labels, as the student sees them; samples.json has a hash of
    each. Put the teacher's outputs beside them: an .npy file with a row per sample in this order, a column per class;
    of data with several outputs an .npz file with such an array for each.
    """
    from kd_edge.data.options import WATCH

    if os.path.isdir(source) and source != WATCH:
        refuse_inside(output, source, "data")
    load_for_data(source)
    from kd_edge.data.loading import load_data
    from kd_edge.distillation.targets.samples_to_answer import write_samples

    written = write_samples(load_data(source, normalize=normalize, seed=seed, options=options), output)
    print_document(
        make_document("samples", written, seed=seed),
        as_json,
        lambda result: [f"{result['samples']}: {result['num_samples']:,} samples, hashes in {result['hashes']}"],
    )
