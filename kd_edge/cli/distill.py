"""The command `kd-edge distill`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd_edge.cli.options import (
    class_weight_option,
    data_option,
    json_option,
    outputs_option,
    print_document,
    rate,
    read_teacher,
    seed_option,
)
from kd_edge.config.choices import TRAINEES
from kd_edge.config.stages import DistillConfig
from kd_edge.reporting.documents import make_document
from kd_edge.silence import load_tensorflow
from tflite_bench.provenance import Measured

_DEFAULTS = DistillConfig()

if TYPE_CHECKING:
    from kd_edge.data.options import SourceOptions
    from kd_edge.stages.results import BaselineResult


@dataclass(frozen=True)
class _Beside:
    """What a distilled student is compared with.

    Attributes:
        teacher_accuracy: The task's metric of the teacher on the test samples; `None` of outputs from elsewhere.
        baseline: The same student without guides; `None` where it was not wanted.
        num_test: Test samples.
    """

    teacher_accuracy: Measured[float | None]
    baseline: "BaselineResult | None"
    num_test: Measured[int]


@click.command()
@click.option("--teacher", type=click.Path(path_type=Path), help="Trained large model (.keras, .h5, SavedModel).")
@outputs_option
@click.option("--student", type=click.Path(path_type=Path), required=True, help="Small model to train (.keras).")
@data_option
@class_weight_option
@click.option("--trainee", default=_DEFAULTS.trainee, show_default=True, help="'like_teacher' or 'none'.")
@click.option("--epochs", default=_DEFAULTS.epochs, show_default=True)
@click.option("--batch-size", default=_DEFAULTS.batch_size, show_default=True)
@click.option(
    "--learning-rate", type=str, default=_DEFAULTS.learning_rate, help="Or 'auto'.  [default: 0.08, of values 0.02]"
)
@click.option("--augment", default=_DEFAULTS.augment, show_default=True, help="How samples are changed, or 'auto'.")
@click.option("--strength", default=_DEFAULTS.strength, show_default=True, help="Of these changes.")
@click.option("--temperature", default=_DEFAULTS.temperature, show_default=True)
@click.option("--student-loss-weight", default=_DEFAULTS.student_loss_weight, show_default=True, help="Of the labels.")
@click.option("--rule", help="Halts the trainee.  [default: agreement, of values plateau]")
@click.option("--baseline/--no-baseline", default=True, show_default=True, help="Train the student alone, too.")
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="distilled.keras", show_default=True)
@json_option
def distill(
    teacher: Path | None,
    teacher_outputs: Path | None,
    student: Path,
    source: str,
    normalize: bool | None,
    options: "SourceOptions",
    class_weight: str | dict[str, float] | None,
    seed: int,
    output: Path,
    as_json: bool,
    baseline: bool,
    **training: Any,
) -> None:
    """Train a student with a teacher and a trainee that is halted early; saves the trained student.

    The same student is trained without guides as well, to compare, and saved beside it with `-alone` in its name.
    """
    from kd_edge.data.class_weights import with_class_weight
    from kd_edge.data.loading import load_data
    from kd_edge.errors import ConfigError
    from kd_edge.files import check_writable, refuse_reading, write_model
    from kd_edge.reporting.progress import StageDisplay
    from kd_edge.reporting.tables.stages import distill_tables

    if training["trainee"] not in TRAINEES:
        raise ConfigError(f"bad --trainee: expected 'like_teacher' or 'none', received {training['trainee']!r}")
    wanted = DistillConfig(**training | {"learning_rate": rate(training["learning_rate"])})
    if output.suffix not in (".keras", ".h5"):
        raise ConfigError(f"bad --output: expected a file ending in .keras or .h5, received {output}")
    beside = output.with_stem(f"{output.stem}-alone")
    for path in (output, beside):
        refuse_reading(path, teacher, teacher_outputs, student, source)
        check_writable(path)
    data = load_data(source, normalize=normalize, seed=seed, options=options, models=(teacher, student))
    data, wanted = with_class_weight(data, class_weight), wanted.for_task(data.task)
    load_tensorflow()
    import keras

    from kd_edge.conversion.tflm_support import missing_from
    from kd_edge.distillation.augmentation.registry import check_augmentation
    from kd_edge.distillation.halting.rules import find_rule
    from kd_edge.distillation.models.model_files import load_teacher
    from kd_edge.distillation.outputs.decisions import accuracy
    from kd_edge.distillation.training import epochs_shown
    from kd_edge.stages.student import distill_student, train_baseline

    if wanted.augment != "auto":
        check_augmentation(wanted.augment, data.input_shape)
    find_rule(wanted.rule or "")
    keras.utils.set_random_seed(seed)
    guide, small = read_teacher(teacher, teacher_outputs, data), load_teacher(student, data)
    for sentence in missing_from(small):
        click.echo(f"warning: {sentence}", err=True)
    with StageDisplay() as display:
        shown = [epochs_shown(display, "distill", wanted.epochs)]
        distilled = distill_student(small, data, wanted, teacher=guide, seed=seed, callbacks=shown)
        write_model(output, distilled.model)
        alone = None
        if baseline:
            keras.utils.set_random_seed(seed)
            fresh, shown = load_teacher(student, data), [epochs_shown(display, "baseline", wanted.epochs)]
            alone = train_baseline(fresh, data, wanted, distilled=distilled.model, seed=seed, callbacks=shown)
            write_model(beside, fresh)
    compared = _Beside(accuracy(guide, data) if isinstance(guide, keras.Model) else None, alone, len(data.x_test))
    document = make_document("distill", distilled.result, compared, {"student": str(output)}, seed=seed)
    print_document(document, as_json, distill_tables)
