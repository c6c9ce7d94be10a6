"""The command `kd-edge distill`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.cli.options import data_option, json_option, print_document, seed_option
from kd_edge.config import DistillConfig
from kd_edge.reporting.documents import make_document
from kd_edge.silence import load_tensorflow

if TYPE_CHECKING:
    from kd_edge.data.dataset import Dataset
    from kd_edge.distillation.training import Training

_DEFAULTS = DistillConfig()


@click.command()
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Trained large model (.keras).")
@click.option("--student", type=click.Path(path_type=Path), required=True, help="Small model to train (.keras).")
@data_option
@click.option("--trainee", default=_DEFAULTS.trainee, show_default=True, help="'like_teacher' or 'none'.")
@click.option("--epochs", default=_DEFAULTS.epochs, show_default=True)
@click.option("--temperature", default=_DEFAULTS.temperature, show_default=True)
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="distilled.keras", show_default=True)
@json_option
def distill(
    teacher: Path,
    student: Path,
    source: str,
    normalize: bool | None,
    trainee: str,
    epochs: int,
    temperature: float,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Train a student with a teacher and a trainee that is halted early; saves the trained student."""
    from kd_edge.data.loading import load_data
    from kd_edge.errors import ConfigError
    from kd_edge.reporting import text_tables

    if trainee not in ("like_teacher", "none"):
        raise ConfigError(f"bad --trainee: expected 'like_teacher' or 'none', received {trainee!r}")
    wanted = DistillConfig(trainee, epochs, temperature=temperature)
    data = load_data(source, normalize=normalize, seed=seed)
    load_tensorflow()
    from kd_edge.distillation.training import accuracy, summary
    from kd_edge.files import write_model

    trained = _train(student, teacher, data, wanted, seed)
    write_model(output, trained.model)
    result = {"student": str(output), **asdict(summary(trained)), "test_accuracy": accuracy(trained.model, data)}
    print_document(make_document("distill", result, seed=seed), as_json, text_tables.distill_tables)


def _train(student: Path, teacher: Path, data: "Dataset", wanted: DistillConfig, seed: int) -> "Training":
    import keras

    from kd_edge.distillation import training
    from kd_edge.distillation.early_halting import EarlyHalting
    from kd_edge.distillation.model_files import load_teacher
    from kd_edge.reporting.progress import StageDisplay

    keras.utils.set_random_seed(seed)
    guide, pupil = load_teacher(teacher, data), load_teacher(student, data)
    with StageDisplay(("distill",)) as display:
        return training.distill(
            pupil,
            data,
            training.Recipe(wanted.epochs, wanted.batch_size, wanted.learning_rate, seed=seed),
            teacher=guide,
            trainee=None if wanted.trainee == "none" else wanted.trainee,
            temperature=wanted.temperature,
            student_loss_weight=wanted.student_loss_weight,
            trainee_loss_weight=wanted.trainee_loss_weight,
            halting=EarlyHalting(rule=wanted.rule, patience=wanted.patience),
            callbacks=[training.epochs_shown(display, "distill", wanted.epochs)],
        )
