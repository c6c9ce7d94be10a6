"""The whole job: data, teacher, design, distillation, conversion, verification. The only file that knows the order."""

import functools
import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kd_edge.config import RunConfig
from kd_edge.conversion.results import ConversionSummary
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.data.loading import load_data
from kd_edge.errors import ConfigError, MissingDependencyError
from kd_edge.files import write_bytes, write_model
from kd_edge.reporting.run_files import RUN_FILES, write_run
from kd_edge.search.strategies import find_strategy
from kd_edge.stages.results import (
    BaselineResult,
    DataSummary,
    DesignResult,
    DistillResult,
    RunResult,
    StageResults,
    TeacherResult,
)
from kd_edge.stages.store import Kept, StageStore, stage_key
from kd_edge.verification.results import Verification
from tflite_bench.benchmark import BenchmarkSummary, run_benchmark

if TYPE_CHECKING:
    import keras

    from kd_edge.search.space.student_space import Screening, StudentSpace
    from kd_edge.search.weight_inheritance import WeightInheritance

_BENCH_SECONDS = 10.0
# Files that need packages of their own to be drawn.
_DRAWN = ("report.html", "training.png", "cost.png", "candidates.png")
_DRAWING = ("matplotlib", "jinja2")
_TEACHER, _STUDENT, _MODEL = "teacher.keras", "student.keras", "model.tflite"


class Progress(Protocol):
    """Told what a run is doing."""

    def __call__(self, stage: str, done: float, message: str = "") -> None:
        """Report that a share `done`, 0 to 1, of one of `STAGES` is finished."""


def run(
    config: RunConfig,
    folder: str | Path,
    *,
    progress: Progress = lambda stage, done, message="": None,
    on_start: Callable[[], None] = lambda: None,
) -> RunResult:
    """Do the whole job.

    Every stage leaves its files in the folder, and in the end there are `results.json`, `config.toml`, `summary.txt`,
    `report.html` and the plots. A run that was interrupted goes on after its last finished stage; a stage is done again
    when something that shapes it has changed, or a file that it left is missing or has changed.

    Args:
        config: What to do; `load_config` reads one from TOML.
        folder: Made if missing.
        progress: Told what is going on.
        on_start: Called once before TensorFlow is loaded, so never for a run that is finished.

    Raises:
        KdEdgeError: Something that the user gave is wrong, or no student fits the budget.
    """
    work = _Work(config, Path(folder), progress)
    previous, started = work.data.sha256, False
    for stage in _STAGES:
        key = work.keys[stage.name] = stage_key(previous, stage.name, *stage.shaped_by(work))
        kept: Kept[Any] | None = work.store.load(stage.name, key, stage.result)
        if kept is not None:
            progress(stage.name, 1.0, "done before")
        else:
            if not started:
                on_start()
                work.check(stage.name)
                started = True
            kept = work.make(stage)
        work.results[stage.name], previous = kept.result, kept.digest
    result = RunResult(work.store.folder, config, StageResults(**work.results))
    _report(result, work, stage_key(previous, "report"))
    return result


def _report(result: RunResult, work: "_Work", key: str) -> None:
    """Write what people read of a run, unless it is there."""
    if work.store.load("report", key, dict) is not None:
        return
    from kd_edge.reporting import html_report, plots

    write_run(result, work.device)
    plots.plot_run(result.stages, result.folder)
    html_report.write_page(result.folder, device=work.device)
    work.store.save("report", key, {}, (*RUN_FILES, *_DRAWN))


class _Work:
    """What the stages of one run hand on: configuration, data, results, and the models, each read or made once."""

    def __init__(self, config: RunConfig, folder: Path, progress: Progress) -> None:
        self.config = config
        self.progress = progress
        self.device = load_device(config.budget.device)
        self.budget = config.budget.budget(self.device)
        _check_costs(config.convert.quantize, self.device, self.budget)
        find_strategy(config.design.search)
        _check_drawing()
        self.data = load_data(config.data.source, normalize=config.data.normalize, seed=config.seed)
        self.store = StageStore(folder)
        self.results: dict[str, Any] = {}
        self.keys: dict[str, str] = {}

    def check(self, first: str) -> None:
        """Say what is wrong, or that nothing fits, before `first` and with it anything is made."""
        from kd_edge.distillation.augmentation import check_augmentation
        from kd_edge.distillation.early_halting import EarlyHalting

        EarlyHalting(rule=self.config.distill.rule)
        for wanted in (self.config.teacher, self.config.distill):
            check_augmentation(wanted.augment, self.data.input_shape)
        if first in ("data", "teacher", "design"):
            _ = self.screening

    @property
    def search_folder(self) -> Path:
        """Where the search keeps its state; one that is done anew for another reason is another search."""
        return self.store.folder / "search" / self.keys["design"][:16]

    def make(self, stage: "_Stage") -> Kept[Any]:
        """Do a stage and keep what it left."""
        import keras

        self.progress(stage.name, 0.0)
        for model in stage.uses:  # before the seed is set: reading a model draws random numbers
            getattr(self, model)
        keras.utils.set_random_seed(self.config.seed)
        kept = self.store.save(stage.name, self.keys[stage.name], stage.make(self), stage.files)
        self.progress(stage.name, 1.0)
        return kept

    @functools.cached_property
    def teacher(self) -> "keras.Model":
        """The teacher: trained where its stage is done."""
        import keras

        from kd_edge.stages.steps import start_teacher

        if "teacher" in self.results:
            return self.load(_TEACHER)
        keras.utils.set_random_seed(self.config.seed)
        return start_teacher(self.config.teacher, self.data)

    @functools.cached_property
    def space(self) -> "StudentSpace":
        """The networks to choose from; a teacher that is yet to be trained has its architecture already."""
        from kd_edge.stages.steps import space_of

        return space_of(self.config.design.family, self.teacher, self.data)

    @functools.cached_property
    def screening(self) -> "Screening":
        """Which networks of the space fit."""
        from kd_edge.stages.steps import screen

        return screen(
            self.space,
            self.teacher,
            self.config.design,
            device=self.device,
            budget=self.budget,
            seed=self.config.seed,
        )

    @functools.cached_property
    def inheritance(self) -> "WeightInheritance | None":
        """The trained teacher's weights for students that are derived from it."""
        from kd_edge.search.weight_inheritance import WeightInheritance

        prunable = self.space.prunable
        if prunable is None:
            return None
        return WeightInheritance(self.teacher, importance=self.config.design.importance, prunable=prunable)

    @functools.cached_property
    def student(self) -> "keras.Model":
        """The distilled student."""
        return self.load(_STUDENT)

    def fresh_student(self) -> "keras.Model":
        """Return the chosen student before its training."""
        import keras

        design: DesignResult = self.results["design"]
        inheritance = self.inheritance
        keras.utils.set_random_seed(self.config.seed)
        if inheritance is None:
            return design.blueprint.to_keras()
        return inheritance.student(design.chosen.values, self.data.x_train)

    def load(self, name: str | Path) -> "keras.Model":
        """Return a model in the run's folder."""
        import keras

        return keras.models.load_model(self.store.folder / name, compile=False)

    def epochs(self, stage: str, epochs: int) -> "list[keras.callbacks.Callback]":
        """Return the callback that shows a training."""
        from kd_edge.distillation.training import epochs_shown

        return [epochs_shown(self.progress, stage, epochs)]


def _make_data(work: _Work) -> DataSummary:
    return DataSummary.of(work.data)


def _make_teacher(work: _Work) -> TeacherResult:
    from kd_edge.stages.steps import teach

    wanted = work.config.teacher
    callbacks = work.epochs("teacher", wanted.epochs)
    taught = teach(work.teacher, work.data, wanted, seed=work.config.seed, callbacks=callbacks)
    write_model(work.store.folder / _TEACHER, taught.model)
    return taught.result


def _make_design(work: _Work) -> DesignResult:
    from kd_edge.stages.steps import design_student

    def on_trial(done: int, planned: int) -> None:
        work.progress("design", done / planned, f"{done} of {planned} candidates trained")

    found = design_student(
        work.teacher,
        work.data,
        work.config.design,
        work.config.distill,
        device=work.device,
        budget=work.budget,
        directory=work.search_folder,
        seed=work.config.seed,
        space=work.space,
        screening=work.screening,
        on_trial=on_trial,
    )
    assert found is not None  # a run is no worker of another search
    return found


def _make_distill(work: _Work) -> DistillResult:
    from kd_edge.search.checkpoint import STUDENT as SEARCHED
    from kd_edge.stages.steps import distill_student, keep_searched, was_distilled

    wanted, seed, searched = work.config.distill, work.config.seed, work.search_folder / SEARCHED
    if searched.is_file() and was_distilled(work.results["design"], wanted, seed=seed):
        distilled = keep_searched(work.load(searched), work.data, work.results["design"])
    else:
        callbacks = work.epochs("distill", wanted.epochs)
        student = work.fresh_student()
        distilled = distill_student(student, work.data, wanted, teacher=work.teacher, seed=seed, callbacks=callbacks)
    work.student = distilled.model
    write_model(work.store.folder / _STUDENT, distilled.model)
    return distilled.result


def _make_baseline(work: _Work) -> BaselineResult:
    from kd_edge.stages.steps import train_baseline

    wanted = work.config.distill
    callbacks = work.epochs("baseline", wanted.epochs)
    student, seed = work.fresh_student(), work.config.seed
    return train_baseline(student, work.data, wanted, distilled=work.student, seed=seed, callbacks=callbacks)


def _make_convert(work: _Work) -> ConversionSummary:
    from kd_edge.conversion.export import convert_for

    made = convert_for(
        work.student,
        work.data,
        work.config.convert,
        teacher=work.teacher,
        distill=work.config.distill,
        seed=work.config.seed,
    )
    write_bytes(work.store.folder / _MODEL, made.content)
    return made.summary()


def _make_verify(work: _Work) -> Verification:
    from kd_edge.verification.verifier import verify

    content = (work.store.folder / _MODEL).read_bytes()
    return verify(content, work.data, device=work.device, budget=work.budget, student=work.student)


def _make_bench(work: _Work) -> BenchmarkSummary:
    """Measure on this computer: a board is reached by `tflite-bench run --on`."""
    benchmark = run_benchmark(work.store.folder / _MODEL, time_limit_s=_BENCH_SECONDS, seed=work.config.seed)
    return benchmark.summary()


def _teacher_shape(work: _Work) -> tuple[object, ...]:
    """Return what shapes the teacher; a file may have changed under its name."""
    wanted = work.config.teacher
    path = wanted.path
    if path is None or not Path(path).is_file():
        return (wanted,)
    return wanted, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _design_shape(work: _Work) -> tuple[object, ...]:
    """Return what shapes the search; a device may have been calibrated anew under its name."""
    distill = work.config.distill
    training = (distill.batch_size, distill.learning_rate, distill.temperature, distill.student_loss_weight)
    return work.config.budget, work.config.design, training, work.device


@dataclass(frozen=True)
class _Stage:
    """A stage of the pipeline.

    Attributes:
        name: What it is called.
        result: Class of what it finds.
        make: Does it.
        shaped_by: What shapes it besides the stages before.
        uses: The models that it works with, by their names in `_Work`.
        files: What it leaves in the run's folder.
    """

    name: str
    result: type
    make: Callable[[_Work], Any]
    shaped_by: Callable[[_Work], tuple[object, ...]] = lambda work: ()
    uses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


_STAGES = (
    _Stage("data", DataSummary, _make_data, lambda work: (work.config.data, work.config.seed)),
    _Stage("teacher", TeacherResult, _make_teacher, _teacher_shape, ("teacher",), (_TEACHER,)),
    _Stage("design", DesignResult, _make_design, _design_shape, ("teacher",)),
    _Stage("distill", DistillResult, _make_distill, lambda work: (work.config.distill,), ("teacher",), (_STUDENT,)),
    _Stage("baseline", BaselineResult, _make_baseline, uses=("student",)),
    _Stage(
        "convert",
        ConversionSummary,
        _make_convert,
        lambda work: (work.config.convert,),
        ("teacher", "student"),
        (_MODEL,),
    ),
    _Stage("verify", Verification, _make_verify, uses=("student",)),
    _Stage("bench", BenchmarkSummary, _make_bench),
)
STAGES = tuple(stage.name for stage in _STAGES)


def _check_drawing() -> None:
    """Say before a teacher is trained that the report could not be drawn in the end."""
    missing = [name for name in _DRAWING if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"{missing[0]} is not installed, the report needs it: pip install 'kd-edge[report]'"
        )


def _check_costs(quantize: str, device: DeviceProfile, budget: Budget) -> None:
    """Say before a teacher is trained that the latency of the file cannot be checked in the end."""
    numbers = {"int8": "int8", "int16x8": "int16"}.get(quantize, "float32")
    if budget.latency_ms is not None and getattr(device, numbers) is None:
        raise ConfigError(
            f"no latency on {device.name}: expected a 'quantize' whose costs its profile has, received {quantize!r}; "
            f"convert to int8, leave out the limit 'latency', or add a table [{numbers}] to a profile of your own"
        )
