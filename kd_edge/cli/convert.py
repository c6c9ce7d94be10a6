"""The command `kd-edge convert`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.cli.options import (
    json_option,
    normalize_option,
    print_document,
    refuse_given,
    seed_option,
    source_options,
)
from kd_edge.config.stages import ConvertConfig
from kd_edge.errors import ConfigError
from kd_edge.reporting.documents import make_document
from kd_edge.silence import load_tensorflow

if TYPE_CHECKING:
    from kd_edge.data.options import SourceOptions

_DEFAULTS = ConvertConfig()


@click.command()
@click.argument("student", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "source",
    help="Calibration samples, needed for int8 and int16x8; of a model with several inputs an .npz of arrays by their "
    "names.",
)
@source_options
@normalize_option
@click.option(
    "--quantize", default=_DEFAULTS.quantize, show_default=True, help="int8, int16x8, float16, dynamic or none."
)
@click.option(
    "--calibration",
    default=_DEFAULTS.calibration,
    show_default=True,
    help="Which samples: random, balanced or first.",
)
@click.option("--calibration-samples", default=_DEFAULTS.num_calibration_samples, show_default=True, help="How many.")
@click.option("--qat", default=_DEFAULTS.qat, show_default=True, help="Fine-tune for int8: auto, always or never.")
@click.option(
    "--qat-epochs", default=_DEFAULTS.qat_epochs, show_default=True, help="How long, for --qat and --compress."
)
@click.option(
    "--max-int8-loss",
    default=_DEFAULTS.max_int8_loss,
    show_default=True,
    help="Loss of accuracy, or what the task is measured by, that --qat auto bears.",
)
@click.option(
    "--compress", default=_DEFAULTS.compress, show_default=True, help="Fine-tune to zip well: none, prune or cluster."
)
@click.option(
    "--stream",
    type=int,
    metavar="FRAMES",
    help="Convert a step of so many frames of time, the first axis of a sample, with ring buffers for those before.",
)
@click.option(
    "--teacher", type=click.Path(path_type=Path), help="Guides fine-tuning (.keras).  [default: STUDENT itself]"
)
@click.option(
    "--metadata/--no-metadata",
    default=True,
    show_default=True,
    help="Provenance in the file, and of --data class names or the task.",
)
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[default: STUDENT with the ending .tflite]")
@json_option
def convert(
    student: Path,
    source: str | None,
    normalize: bool | None,
    options: "SourceOptions",
    quantize: str,
    calibration: str,
    calibration_samples: int,
    qat: str,
    qat_epochs: int,
    max_int8_loss: float,
    compress: str,
    stream: int | None,
    teacher: Path | None,
    metadata: bool,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Convert STUDENT (.keras) to .tflite."""
    from kd_edge.data.dataset import Dataset
    from kd_edge.data.loading import load_calibration
    from kd_edge.files import check_writable, refuse_reading, write_bytes
    from kd_edge.reporting.tables.stages import convert_tables

    wanted = ConvertConfig(quantize, calibration_samples, calibration, qat, qat_epochs, max_int8_loss, compress, stream)
    output = output or student.parent / f"{student.stem}.tflite"
    refuse_reading(output, student, source, teacher)
    check_writable(output)
    _check_use(wanted, source, teacher)
    data = (
        load_calibration(source, normalize=normalize, seed=seed, options=options, models=(student,)) if source else None
    )
    if data is not None and not isinstance(data, Dataset):
        _check_calibrates(wanted, normalize, teacher)
    load_tensorflow()
    from kd_edge.conversion.export import convert_for
    from kd_edge.conversion.fine_tuning.tf_keras_copy import answers_task
    from kd_edge.distillation.models.given_models import check_trained
    from kd_edge.distillation.models.model_files import load_model, load_teacher

    guide = load_teacher(teacher, data) if teacher is not None and isinstance(data, Dataset) else None
    model = load_model(student)
    if isinstance(data, Dataset) and answers_task(model, data):
        check_trained(model, data, role="student")
    if guide is not None and isinstance(data, Dataset):
        check_trained(guide, data)
    made = convert_for(model, data, wanted, teacher=guide, seed=seed, metadata=metadata)
    path = write_bytes(output, made.content)
    document = make_document("convert", {"model": str(path)}, made.summary(), seed=seed)
    print_document(document, as_json, convert_tables)


def _check_use(wanted: ConvertConfig, source: str | None, teacher: Path | None) -> None:
    """Refuse what would be ignored."""
    if source is None:
        refuse_given(
            ("normalize", "data_option", "calibration", "calibration_samples", "qat_epochs", "max_int8_loss"), "--data"
        )
    tunes = wanted.compress != "none" or (wanted.quantize == "int8" and wanted.qat != "never")
    if wanted.qat == "always" and source is None:
        raise ConfigError("bad --qat: expected 'always' with --data, received none; it learns from training samples")
    if teacher is not None and not (tunes and source):
        raise ConfigError(
            "bad --teacher: expected --data and a fine-tuning to guide, by --qat or --compress, "
            f"received {'no --data' if tunes else 'none'}; leave it out"
        )


def _check_calibrates(wanted: ConvertConfig, normalize: bool | None, teacher: Path | None) -> None:
    """Refuse what needs labels where there are samples alone."""
    asked = {
        "--qat": wanted.qat == "always",
        "--compress": wanted.compress != "none",
        "--calibration": wanted.calibration == "balanced",
        "--teacher": teacher is not None,
        "--normalize": normalize is not None,
    }
    for option in (name for name, is_asked in asked.items() if is_asked):
        raise ConfigError(
            f"bad {option}: expected --data with x_train, y_train, x_test, y_test, "
            "received arrays by other names, which only calibrate; leave it out"
        )
