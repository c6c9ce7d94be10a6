"""The command `kd-edge design`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd_edge.cli.options import (
    class_weight_option,
    data_option,
    json_option,
    outputs_option,
    print_document,
    read_teacher,
    seed_option,
    with_budget,
    workers_option,
)
from kd_edge.config.choices import OBJECTIVES, STREAMING
from kd_edge.config.stages import DesignConfig, DistillConfig
from kd_edge.cost.budget import LATENCY_AT
from kd_edge.errors import ConfigError
from kd_edge.reporting.documents import make_document
from kd_edge.search.local_workers import is_worker, workers_beside
from kd_edge.search.strategies import strategy_names
from kd_edge.silence import load_tensorflow

if TYPE_CHECKING:
    from kd_edge.cost.budget import Budget
    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.data.options import SourceOptions

_DEFAULTS = DesignConfig()
_WRITTEN = ("student.keras", "search.json", "pareto.png", "search/student.keras", "search/targets.npy")


def _one_of(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


@click.command()
@click.argument("teacher", required=False, type=click.Path(path_type=Path))
@outputs_option
@data_option
@class_weight_option
@with_budget
@click.option(
    "--latency-at",
    type=click.Choice(LATENCY_AT),
    default="upper",
    show_default=True,
    help="What keeps --latency: the upper end of a candidate's interval, or the expected time.",
)
@click.option(
    "--family",
    default="from_teacher",
    show_default=True,
    help="TEACHER shrunk, or ds_cnn, resnet, mobilenet, tcn, streaming, mlp or autoencoder.",
)
@click.option("--stream", type=int, metavar="FRAMES", help="Frames of a step, with --family streaming.")
@click.option("--search", default=_DEFAULTS.search, show_default=True, help=f"{_one_of(strategy_names())}.")
@click.option(
    "--trials",
    default=_DEFAULTS.trials,
    show_default=True,
    help="Candidates to train; hyperband follows from --epochs.",
)
@click.option("--epochs", default=_DEFAULTS.epochs, show_default=True, help="Most epochs per candidate.")
@click.option(
    "--teacher-ratio", default=_DEFAULTS.teacher_ratio, show_default=True, help="Least teacher MACs per student MAC."
)
@click.option(
    "--objective",
    default=_DEFAULTS.objective,
    show_default=True,
    help=f"What ranks the candidates: {_one_of(OBJECTIVES)}.",
)
@workers_option
@click.option("--overwrite", is_flag=True, help="Delete an older search in the output folder.")
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="design", show_default=True, help="Folder.")
@json_option
def design(
    teacher: Path | None,
    teacher_outputs: Path | None,
    source: str,
    normalize: bool | None,
    options: "SourceOptions",
    class_weight: str | dict[str, float] | None,
    device: "DeviceProfile",
    budget: "Budget",
    latency_at: str,
    family: str,
    stream: int | None,
    search: str,
    trials: int,
    epochs: int,
    teacher_ratio: float,
    objective: str,
    workers: int,
    overwrite: bool,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Search the best student of TEACHER (.keras, .h5, SavedModel) that fits a device.

    With --teacher-outputs in place of TEACHER, which needs a general --family, the teacher may live anywhere.
    Saves student.keras (as the search trained it), search.json and pareto.png. The same command resumes a search.
    """
    from kd_edge.config.paths import refuse_overwriting
    from kd_edge.data.class_weights import with_class_weight
    from kd_edge.data.loading import load_data
    from kd_edge.files import sole_use
    from kd_edge.reporting.page import plots
    from kd_edge.reporting.progress import StageDisplay
    from kd_edge.reporting.tables.stages import design_tables

    if stream is not None and family != STREAMING:
        raise ConfigError(f"bad --stream: expected --family {STREAMING}, received {family!r}; leave it out")
    read = {"data": {"source": source}, "teacher": {"path": teacher, "outputs": teacher_outputs}, "budget": {}}
    refuse_overwriting(read, output, _WRITTEN)
    wanted = DesignConfig(family, trials, epochs, teacher_ratio, search, objective=objective)
    data = load_data(source, normalize=normalize, seed=seed, options=options, models=(teacher,))
    data = with_class_weight(data, class_weight)
    load_tensorflow()
    from kd_edge.stages.search import design_student, space_of

    folder, guide = output / "search", read_teacher(teacher, teacher_outputs, data)
    alone = nullcontext() if is_worker() else sole_use(output)
    with alone, _resumable(folder), StageDisplay() as display, workers_beside(workers, folder):
        found = design_student(
            guide,
            data,
            wanted,
            DistillConfig(),
            device=device,
            budget=replace(budget, latency_at=latency_at),
            directory=folder,
            seed=seed,
            space=space_of(family, guide, data, frames=stream),
            overwrite=overwrite,
            on_trial=_trials_shown(display),
        )
    if found is None:
        return
    document = make_document("design", found, seed=seed, device=device)
    _save(document, output)
    plots.plot_candidates(document["result"], output / "pareto.png")
    print_document(document, as_json, design_tables)


def _save(document: Mapping[str, Any], output: Path) -> None:
    from kd_edge.files import write_bytes, write_json
    from kd_edge.search.results import STUDENT

    write_bytes(output / "student.keras", (output / "search" / STUDENT).read_bytes())
    write_json(output / "search.json", document)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Say how to go on after an interrupt."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"the search is saved in {folder}, the same command goes on after its last finished candidate"
        ) from None


def _trials_shown(show: Callable[[str, float, str], None]) -> Callable[[int, int], None]:
    """Return what shows how many candidates are trained and how long the others will take."""
    start, before = time.monotonic(), -1

    def on_trial(done: int, planned: int) -> None:
        nonlocal before
        before = done - 1 if before < 0 else before
        seconds = (time.monotonic() - start) / (done - before) * (planned - done)
        show("design", done / planned, f"{done} of {planned} candidates trained, about {_duration(seconds)} left")

    return on_trial


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
