"""The whole job: data, teacher, design, distillation, conversion, verification. The only file that knows the order."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kd_edge.config.paths import refuse_overwriting, relative_to
from kd_edge.config.run import RunConfig
from kd_edge.conversion.results import ConversionSummary
from kd_edge.errors import ConfigError
from kd_edge.files import sole_use, write_bytes, write_model
from kd_edge.reporting.documents import measured_by
from kd_edge.reporting.run_files import RUN_FILES, check_config_file, write_run
from kd_edge.search.local_workers import refuse_workers
from kd_edge.search.results import STUDENT as SEARCHED
from kd_edge.stages.bench import measure_here
from kd_edge.stages.context import ALONE, DISTILLED, MODEL, STUDENT, TEACHER, Progress, RunContext
from kd_edge.stages.results import (
    BaselineResult,
    ChoiceResult,
    DataSummary,
    DesignResult,
    DistillResult,
    RaceResult,
    RunResult,
    StageResults,
    TeacherResult,
)
from kd_edge.stages.serialization import to_plain
from kd_edge.stages.shaping import (
    choice_shape,
    convert_shape,
    data_shape,
    design_shape,
    distill_shape,
    guided_shape,
    teacher_shape,
    verify_shape,
)
from kd_edge.stages.store import SWEEP_OF, Kept, stage_key
from kd_edge.verification.results import Verification
from tflite_bench.benchmark import BenchmarkSummary

# Files that need packages of their own to be drawn.
_DRAWN = ("report.html", "training.png", "cost.png", "candidates.png")


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
        KdEdgeError: Something that the user gave is wrong, no student fits the budget, or another process works in the
            folder.
    """
    refuse_workers("run")
    refuse_overwriting(asdict(config), Path(folder), _written())
    check_config_file(config, Path(folder))
    context = RunContext(config, Path(folder), progress)
    with sole_use(folder):
        _refuse_sweep(Path(folder))
        previous = do_stages(STAGES, context, context.data.sha256, on_start=on_start)
        result = RunResult(context.store.folder, config, StageResults(**context.results))
        _report(result, context, stage_key(previous, "report", relative_to(asdict(config), context.store.folder)))
        return result


def _refuse_sweep(folder: Path) -> None:
    if (folder / SWEEP_OF).exists():
        raise ConfigError(f"{folder} holds a sweep: expected an empty folder or that of a run; choose another --output")


def do_stages(
    names: Collection[str], context: RunContext, previous: str, *, on_start: Callable[[], None] = lambda: None
) -> str:
    """Do some of `STAGES` in their order, each unless it is done, and put their results into the context.

    Args:
        names: Of the stages.
        context: Has the results of the stages before.
        previous: Digest of the stage before; of the data for the first one.
        on_start: Called once before anything is made.

    Returns:
        The digest of the last stage.
    """
    started = False
    for stage in (stage for stage in _STAGES if stage.name in names):
        key = context.keys[stage.name] = stage_key(previous, stage.name, *stage.shaped_by(context))
        kept: Kept[Any] | None = context.store.load(stage.name, key, stage.result)
        if kept is not None:
            context.progress(stage.name, 1.0, "done before")
            if stage.name == "teacher":
                context.forget_untrained()
        else:
            if not started:
                on_start()
                context.check(stage.name)
                started = True
            kept = _make(stage, context)
        context.results[stage.name], previous = kept.result, kept.digest
    return previous


def _make(stage: "_Stage", context: RunContext) -> Kept[Any]:
    """Do a stage and keep what it left."""
    import keras

    context.progress(stage.name, 0.0)
    for model in stage.uses:  # before the seed is set: reading a model draws random numbers
        getattr(context, model)
    keras.utils.set_random_seed(context.config.seed)
    result = stage.make(context)
    files = [name.format(search=context.search) if "{" in name else name for name in stage.files]
    if context.config.teacher.outputs is not None:  # what is no network leaves no file of one
        files = [name for name in files if name != TEACHER]
    kept = context.store.save(stage.name, context.keys[stage.name], result, files)
    context.progress(stage.name, 1.0)
    return kept


def _written() -> tuple[str, ...]:
    """Return the names of the files that a run writes beside the folders of its own."""
    return (*(name for stage in _STAGES for name in stage.files if "{" not in name), *RUN_FILES, *_DRAWN)


def _report(result: RunResult, context: RunContext, key: str) -> None:
    """Write what people read of a run, unless it is there."""
    if context.store.load("report", key, dict) is not None:
        return
    from kd_edge.reporting.page import html_report, plots

    write_run(result, context.device)
    plots.plot_run(result.stages, result.folder)
    html_report.write_page(result.folder, device=context.device)
    context.store.save("report", key, {}, (*RUN_FILES, *_DRAWN))


def _make_data(context: RunContext) -> DataSummary:
    return DataSummary.of(context.data)


def _make_teacher(context: RunContext) -> TeacherResult:
    from kd_edge.stages.teacher import teach

    wanted = context.config.teacher
    callbacks = context.epochs("teacher", wanted.epochs or 0)
    taught = teach(context.teacher, context.data, wanted, seed=context.config.seed, callbacks=callbacks)
    information = taught.result.information
    context.progress("teacher", 1.0, "" if information is None else information.sentence)
    if context.teacher_network is not None:
        write_model(context.store.folder / TEACHER, context.teacher_network)
    return taught.result


def _make_design(context: RunContext) -> DesignResult:
    from kd_edge.stages.search import design_student

    def on_trial(done: int, planned: int) -> None:
        context.progress("design", done / planned, f"{done} of {planned} candidates trained")

    found = design_student(
        context.teacher,
        context.data,
        context.config.design,
        context.config.distill,
        device=context.device,
        budget=context.budget,
        directory=context.store.folder / context.search,
        seed=context.config.seed,
        space=context.space,
        screening=context.screening,
        on_trial=on_trial,
    )
    assert found is not None  # a run is no worker of another search
    return found


def _make_race(context: RunContext) -> RaceResult:
    from kd_edge.reporting.sentences.teaching import race_line
    from kd_edge.stages.race import race

    wanted, seed = context.config.distill, context.config.seed
    if _is_kept(context):
        return RaceResult(verdict="not_raced")
    found = race(context.fresh_student, context.data, wanted, teacher=context.guidance, seed=seed)
    context.progress("race", 1.0, race_line(to_plain(found)))
    return found


def _make_distill(context: RunContext) -> DistillResult:
    from kd_edge.stages.student import distill_student, keep_searched, train_unguided
    from kd_edge.stages.training_fields import settled

    wanted, seed, raced = context.config.distill, context.config.seed, context.results["race"]
    callbacks = context.epochs("distill", wanted.epochs)
    if _is_kept(context):
        distilled = keep_searched(context.load(f"{context.search}/{SEARCHED}"), context.data, context.results["design"])
    elif raced.verdict == "hurts" and wanted.student != "distilled":
        wanted = settled(wanted, raced.alone_recipe)
        distilled = train_unguided(context.fresh_student(), context.data, wanted, seed=seed, callbacks=callbacks)
    else:
        wanted, guides = settled(wanted, raced.distilled_recipe), {"teacher": context.guidance}
        guides["trainee"] = context.trainee
        student = context.fresh_student()
        distilled = distill_student(student, context.data, wanted, **guides, seed=seed, callbacks=callbacks)
    context.distilled = distilled.model
    write_model(context.store.folder / DISTILLED, distilled.model)
    return distilled.result


def _is_kept(context: RunContext) -> bool:
    """Return whether the search has trained the student just as the distillation would."""
    from kd_edge.stages.student import was_distilled

    config = context.config
    return not config.teacher.folds and was_distilled(context.results["design"], config.distill, seed=config.seed)


def _make_baseline(context: RunContext) -> BaselineResult:
    from kd_edge.stages.student import baseline_of, train_baseline
    from kd_edge.stages.training_fields import settled

    wanted, seed = settled(context.config.distill, context.results["race"].alone_recipe), context.config.seed
    if not context.results["distill"].guided:
        context.alone = context.distilled
        write_bytes(context.store.folder / ALONE, (context.store.folder / DISTILLED).read_bytes())
        return baseline_of(context.results["distill"])
    callbacks = context.epochs("baseline", wanted.epochs)
    context.alone = context.fresh_student()
    distilled = context.distilled
    found = train_baseline(context.alone, context.data, wanted, distilled=distilled, seed=seed, callbacks=callbacks)
    write_model(context.store.folder / ALONE, context.alone)
    return found


def _make_choice(context: RunContext) -> ChoiceResult:
    from kd_edge.stages.choice import choose, compare_students

    config, distilled = context.config, context.results["distill"]
    compared: dict[str, Any] = {}
    if distilled.guided:
        models = context.distilled, context.alone
        compared = compare_students(*models, context.data, config.design.objective, seed=config.seed)
    found = choose(distilled, context.results["baseline"], asked=config.distill.student, **compared)
    shipped, name = (context.distilled, DISTILLED) if found.shipped == "distilled" else (context.alone, ALONE)
    context.student = shipped
    write_bytes(context.store.folder / STUDENT, (context.store.folder / name).read_bytes())
    return found


def _make_convert(context: RunContext) -> ConversionSummary:
    from kd_edge.conversion.export import convert_for

    made = convert_for(
        context.student,
        context.data,
        context.config.convert,
        teacher=context.teacher_network,
        distill=context.config.distill,
        seed=context.config.seed,
    )
    write_bytes(context.store.folder / MODEL, made.content)
    return made.summary()


def _make_verify(context: RunContext) -> Verification:
    from kd_edge.verification.verifier import verify

    wanted = context.config.verify
    return verify(
        (context.store.folder / MODEL).read_bytes(),
        context.data,
        device=context.device,
        budget=context.budget,
        student=context.student,
        teacher=None if wanted.max_teacher_loss is None else context.teacher_network,
        max_accuracy_loss=wanted.max_accuracy_loss,
        max_teacher_loss=wanted.max_teacher_loss,
    )


def _verify_shape(context: RunContext) -> tuple[object, ...]:
    """Return what shapes the verification: also the machine, which the results name, and so that of the benchmark."""
    return *verify_shape(context), measured_by()


def _make_bench(context: RunContext) -> BenchmarkSummary:
    return measure_here(context.store.folder / MODEL, seed=context.config.seed)


@dataclass(frozen=True)
class _Stage:
    """A stage of the pipeline.

    Attributes:
        name: What it is called.
        result: Class of what it finds.
        make: Does it.
        shaped_by: What shapes it besides the stages before.
        uses: The models that it works with, by their names in `RunContext`.
        files: What it leaves in the run's folder; `{search}` stands for the folder of the search.
    """

    name: str
    result: type
    make: Callable[[RunContext], Any]
    shaped_by: Callable[[RunContext], tuple[object, ...]] = lambda context: ()
    uses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


_STAGES = (
    _Stage("data", DataSummary, _make_data, data_shape),
    _Stage("teacher", TeacherResult, _make_teacher, teacher_shape, ("teacher",), (TEACHER,)),
    _Stage("design", DesignResult, _make_design, design_shape, ("teacher",), (f"{{search}}/{SEARCHED}",)),
    _Stage("race", RaceResult, _make_race, distill_shape, ("teacher",)),
    _Stage("distill", DistillResult, _make_distill, guided_shape, ("teacher",), (DISTILLED,)),
    _Stage("baseline", BaselineResult, _make_baseline, uses=("distilled",), files=(ALONE,)),
    _Stage("choice", ChoiceResult, _make_choice, choice_shape, ("distilled", "alone"), (STUDENT,)),
    _Stage("convert", ConversionSummary, _make_convert, convert_shape, ("teacher", "student"), (MODEL,)),
    _Stage("verify", Verification, _make_verify, _verify_shape, ("student",)),
    _Stage("bench", BenchmarkSummary, _make_bench),
)
STAGES = tuple(stage.name for stage in _STAGES)
