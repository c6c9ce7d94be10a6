"""The command `kd-edge convert`."""

from pathlib import Path

import click

from kd_edge.commands.options import json_option, print_document, seed_option
from kd_edge.document import make_document
from kd_edge.quiet import load_tensorflow


@click.command()
@click.argument("student", type=click.Path(path_type=Path))
@click.option("--data", "source", help="Calibration samples; needed for int8 and int16x8.")
@click.option("--quantize", default="int8", show_default=True, help="int8, int16x8, float16, dynamic or none.")
@click.option("--calibration", default="random", show_default=True, help="Which samples: random, balanced or first.")
@click.option("--calibration-samples", default=300, show_default=True, help="How many.")
@click.option("--qat", default="auto", show_default=True, help="Fine-tune for int8: auto, always or never.")
@click.option("--compress", default="none", show_default=True, help="Fine-tune to zip well: none, prune or cluster.")
@click.option("--teacher", type=click.Path(path_type=Path), help="Guides these.  [default: STUDENT in float]")
@click.option(
    "--metadata/--no-metadata", default=True, show_default=True, help="Class names and provenance in the file."
)
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[default: STUDENT with the ending .tflite]")
@json_option
def convert(
    student: Path,
    source: str | None,
    quantize: str,
    calibration: str,
    calibration_samples: int,
    qat: str,
    compress: str,
    teacher: Path | None,
    metadata: bool,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Convert STUDENT (.keras) to .tflite."""
    from kd_edge import tables
    from kd_edge.config import ConvertConfig
    from kd_edge.data import load_data
    from kd_edge.files import write_bytes

    wanted = ConvertConfig(quantize, calibration_samples, calibration, qat, compress=compress)
    data = load_data(source, seed=seed) if source else None
    load_tensorflow()
    from kd_edge.export import convert_for
    from kd_edge.teacher import load_model, load_teacher

    guide = None if teacher is None or data is None else load_teacher(teacher, data)
    made = convert_for(load_model(student), data, wanted, teacher=guide, seed=seed, metadata=metadata)
    path = write_bytes(output or student.with_suffix(".tflite"), made.content)
    document = make_document("convert", {"model": str(path), **made.summary()}, seed=seed)
    print_document(document, as_json, tables.convert_tables)
