"""The command `kd-edge verify`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.cli.file_samples import samples_of, seed_of
from kd_edge.cli.options import (
    battery_options,
    data_option,
    file_seed_option,
    json_option,
    print_document,
    refuse_given,
    with_budget,
)
from kd_edge.config.checks import check_share
from kd_edge.config.choices import MAX_ACCURACY_LOSS
from kd_edge.errors import ConfigError, KdEdgeError, ModelError
from kd_edge.reporting.documents import Target, make_document
from kd_edge.silence import load_tensorflow
from tflite_bench.cli.streams import printing

if TYPE_CHECKING:
    import keras

    from kd_edge.cost.budget import Budget
    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.data.dataset import Dataset
    from kd_edge.data.options import SourceOptions


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
@click.option("--against", type=click.Path(path_type=Path), help="The .tflite file that it is to replace.")
@click.option(
    "--max-against-loss",
    default=MAX_ACCURACY_LOSS,
    show_default=True,
    help="Largest loss of accuracy, or of the task's metric, against it.",
)
@click.option("--markdown", is_flag=True, help="Print a summary in Markdown, such as for a CI job.")
@click.option("--on", "choice", help="Also run it on a board: serial:PORT[,BAUD], with the measuring firmware.")
@click.option("--board-samples", type=click.IntRange(1), default=100, show_default=True, help="Samples for --on.")
@battery_options
@file_seed_option
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
    against: Path | None,
    max_against_loss: float,
    markdown: bool,
    choice: str | None,
    board_samples: int,
    every: str | None,
    battery: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Check MODEL (.tflite) in LiteRT and TFLM against its budget.

    Exit code 0 when all checks with a limit hold, also that of --against, 1 when one is broken or not proven.
    """
    from kd_edge.cost.energy import battery_of, no_power
    from kd_edge.reporting.tables.markdown import verify_markdown
    from kd_edge.reporting.tables.verification import verify_tables
    from tflite_bench.model.reader import read_file, read_model

    for limit, needed, given in (
        ("max_accuracy_loss", "--student", student),
        ("max_against_loss", "--against", against),
        ("board_samples", "--on", choice),
        ("max_teacher_loss", "--teacher", teacher),
    ):
        if given is None:
            refuse_given((limit,), needed)
    if markdown and as_json:
        raise ConfigError("bad --markdown: expected it without --json; leave one of them out")
    for name, share in (("accuracy", max_accuracy_loss), ("teacher", max_teacher_loss), ("against", max_against_loss)):
        if share is not None:
            check_share(f"--max-{name}-loss", share)
    paid = battery_of(battery, every)
    if paid is not None and device.power is None:
        raise ConfigError(no_power(device))
    read_model(model)
    base = None
    if against is not None:
        base = read_file(against)
        read_model(base, name=str(against))
    seed = seed_of(model, seed)
    data = samples_of(model, source, normalize, seed, options, given=(student, teacher))
    load_tensorflow()
    from kd_edge.verification.against import check_base, compare_files
    from kd_edge.verification.board_run import check_samples, make_board, run_on_board

    board = None if choice is None else make_board(choice)
    from kd_edge.verification.verifier import verify as verify_model

    base_data = None
    if against is not None and base is not None:
        base_data = samples_of(against, source, normalize, seed, options, given=(student, teacher), like=model)
        check_base(base, data, base_data=base_data, name=str(against))
    small, large = _references(student, teacher, data)
    content = model.read_bytes()
    if board is not None:
        check_samples(data, board_samples)
        board.check(content)
        board.describe()  # before minutes are spent: is it there?
    checked = verify_model(
        content,
        data,
        device=device,
        budget=budget,
        student=small,
        teacher=large,
        max_accuracy_loss=max_accuracy_loss,
        max_teacher_loss=max_teacher_loss,
        battery=paid,
    )
    replaces = {}
    if base is not None:
        changed = compare_files(
            base, content, data, base_data=base_data, device=device, max_loss=max_against_loss, name=str(against)
        )
        replaces["against"], checked = changed, checked.with_gate("against_loss", changed.loss)
    beside, failure = {}, None
    if board is not None:
        try:
            beside["board"] = run_on_board(board, content, data, num_samples=board_samples, device=device)
        except KdEdgeError as error:  # what was verified is told all the same
            failure = error
    document = make_document("verify", checked, Target(device.name, budget), beside, replaces, seed=seed, device=device)
    if markdown:
        with printing():
            click.echo(verify_markdown(document["result"]))
    else:
        print_document(document, as_json, verify_tables)
    if failure is not None:
        raise failure
    sys.exit(0 if checked.passed else 1)


def _references(
    student: Path | None, teacher: Path | None, data: "Dataset"
) -> "tuple[keras.Model | None, keras.Model | None]":
    """Return the models to compare with, each better than chance on the data."""
    from kd_edge.distillation.models.given_models import check_trained
    from kd_edge.distillation.models.model_files import load_model, load_teacher
    from kd_edge.distillation.outputs.names import check_outputs

    small = None if student is None else load_model(student)
    large = None if teacher is None else load_teacher(teacher, data)
    if small is not None:
        _check_reads(small, data)
        check_outputs(small, data)
        check_trained(small, data, role="student")
    if large is not None:
        check_trained(large, data)
    return small, large


def _check_reads(student: "keras.Model", data: "Dataset") -> None:
    """Refuse a student of samples of another shape; one whose inputs are not known says nothing of it."""
    if not getattr(student, "inputs", None):
        return
    reads, shape = tuple(student.inputs[0].shape[1:]), data.input_shape
    if len(reads) != len(shape) or any(size not in (None, known) for size, known in zip(reads, shape, strict=True)):
        raise ModelError(
            f"bad --student: expected one that reads samples of shape {shape} as {data.name} has them, received "
            f"{reads}; read --data as in its training (--data-option)"
        )
