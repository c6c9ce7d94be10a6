"""The command `kd-edge verify`."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.cli.options import data_option, json_option, print_document, refuse_given, seed_option, with_budget
from kd_edge.config import MAX_ACCURACY_LOSS
from kd_edge.errors import ConfigError
from kd_edge.reporting.documents import Target, make_document
from kd_edge.silence import load_tensorflow

if TYPE_CHECKING:
    from kd_edge.cost.budget import Budget
    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.data.dataset import Dataset
    from kd_edge.data.options import SourceOptions

# Tasks that labels do not tell.
_NOT_IN_LABELS = ("regression", "reconstruction")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_option
@with_budget
@click.option("--student", type=click.Path(path_type=Path), help="The float model (.keras) to compare with.")
@click.option(
    "--max-accuracy-loss", default=MAX_ACCURACY_LOSS, show_default=True, help="Largest loss against --student."
)
@click.option("--teacher", type=click.Path(path_type=Path), help="The teacher (.keras) to compare with.")
@click.option("--max-teacher-loss", type=float, help="Largest loss against --teacher.  [default: no limit]")
@seed_option
@json_option
def verify(
    model: Path,
    source: str,
    normalize: bool | None,
    options: "SourceOptions",
    device: "DeviceProfile",
    budget: "Budget",
    student: Path | None,
    max_accuracy_loss: float,
    teacher: Path | None,
    max_teacher_loss: float | None,
    seed: int,
    as_json: bool,
) -> None:
    """Check MODEL (.tflite) in LiteRT and TFLM against its budget.

    Exit code 0 when all checks with a limit hold, 1 when one is broken or not proven.
    """
    from kd_edge.reporting import text_tables
    from tflite_bench.model.reader import read_model

    if student is None:
        refuse_given(("max_accuracy_loss",), "--student")
    if teacher is None:
        refuse_given(("max_teacher_loss",), "--teacher")
    for option, share in (("accuracy", max_accuracy_loss), ("teacher", max_teacher_loss)):
        if share is not None and not math.isfinite(share):
            raise ConfigError(f"bad --max-{option}-loss: expected a share such as 0.02, received {share}")
    read_model(model)
    data = _as_read(source, normalize, seed, options, model=model, given=(student, teacher))
    load_tensorflow()
    from kd_edge.distillation.given_models import check_trained
    from kd_edge.distillation.model_files import load_model, load_teacher
    from kd_edge.verification.verifier import verify as verify_model

    small = None if student is None else load_model(student)
    large = None if teacher is None else load_teacher(teacher, data)
    if small is not None:
        check_trained(small, data, role="student")
    if large is not None:
        check_trained(large, data)
    checked = verify_model(
        model.read_bytes(),
        data,
        device=device,
        budget=budget,
        student=small,
        teacher=large,
        max_accuracy_loss=max_accuracy_loss,
        max_teacher_loss=max_teacher_loss,
    )
    document = make_document("verify", checked, Target(device.name, budget), seed=seed, device=device)
    print_document(document, as_json, text_tables.verify_tables)
    sys.exit(0 if checked.passed else 1)


def _as_read(
    source: str,
    normalize: bool | None,
    seed: int,
    options: "SourceOptions",
    *,
    model: Path,
    given: tuple[Path | None, ...],
) -> "Dataset":
    """Return the data as the file says that it reads and answers them, or else as the given models do."""
    from kd_edge.conversion.metadata import reads_raw_values
    from kd_edge.conversion.told_task import as_told, task_told
    from kd_edge.data.dataset import unscaled
    from kd_edge.data.loading import load_data

    content = model.read_bytes()
    raw, told = reads_raw_values(content), task_told(content)
    if options.task is None and told in _NOT_IN_LABELS:
        options = replace(options, task=told)
    models = [path for path in given if path is not None and raw is None]
    data = load_data(source, normalize=normalize, seed=seed, options=options, models=models)
    return as_told(content, unscaled(data) if raw and normalize is None else data)
