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
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[default: STUDENT with the ending .tflite]")
@json_option
def convert(student: Path, source: str | None, quantize: str, seed: int, output: Path | None, as_json: bool) -> None:
    """Convert STUDENT (.keras) to .tflite."""
    from kd_edge import tables
    from kd_edge.data import load_data
    from kd_edge.files import write_bytes

    samples = load_data(source, seed=seed).x_train if source else None
    load_tensorflow()
    from kd_edge.conversion import convert as convert_model
    from kd_edge.teacher import load_model

    content = convert_model(load_model(student), samples, quantize=quantize, seed=seed)
    path = write_bytes(output or student.with_suffix(".tflite"), content)
    result = {"model": str(path), "quantize": quantize, "flash_bytes": len(content)}
    print_document(make_document("convert", result, seed=seed), as_json, tables.convert_tables)
