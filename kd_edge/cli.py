"""The command `kd-edge`. TensorFlow loads only in the commands that need it."""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd_edge.document import make_document
from kd_edge.errors import KdEdgeError
from kd_edge.quiet import load_tensorflow
from tflite_bench.errors import TfliteBenchError

if TYPE_CHECKING:
    from kd_edge.budget import Budget
    from kd_edge.devices import DeviceProfile

_TRAIN_PACKAGES = ("tensorflow", "keras", "keras_tuner", "tf_keras", "tensorflow_model_optimization")
_REPORT_PACKAGES = ("matplotlib", "jinja2")


class _Group(click.Group):
    """Turns every failure of the user's making into one line and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (KdEdgeError, TfliteBenchError) as error:
            raise _Failure(" ".join(str(error).split())) from error
        except ImportError as error:
            extra = _extra_of((error.name or "").split(".")[0])
            if extra is None:
                raise
            raise _Failure(f"{error.name} is not installed: pip install 'kd-edge[{extra}]'") from error
        except KeyboardInterrupt:
            raise _Failure("interrupted; the same command goes on after the last finished stage") from None


class _Failure(click.ClickException):
    exit_code = 2


def _extra_of(package: str) -> str | None:
    return "train" if package in _TRAIN_PACKAGES else "report" if package in _REPORT_PACKAGES else None


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")(
        command
    )


def _seed_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--seed", default=0, show_default=True, help="Makes the result repeatable.")(command)


def _data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--data", "source", required=True, help="'watch', an .npz file, or module:function.")(command)


def _budget_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--latency", help="Longest time of one inference, such as 15ms.  [default: no limit]"),
        click.option("--ram", help="Largest tensor arena, such as 24k.  [default: what the device leaves]"),
        click.option("--flash", help="Largest .tflite file, such as 64k.  [default: what the device leaves]"),
        click.option("--device", required=True, help="A name that `kd-edge devices` lists, or a TOML file."),
    ):
        command = option(command)
    return command


def _with_budget(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the command a device and a budget instead of their options."""

    @_budget_options
    @functools.wraps(command)
    def wrapper(*, device: str, flash: str | None, ram: str | None, latency: str | None, **rest: Any) -> Any:
        from kd_edge.config import BudgetConfig
        from kd_edge.devices import load_device

        profile = load_device(device)
        return command(device=profile, budget=BudgetConfig(device, flash, ram, latency).budget(profile), **rest)

    return wrapper


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kd-edge")
def main() -> None:
    """Distil a large Keras model into a small int8 model that provably fits a device.

    Exit codes: 0 done, 1 the model does not fit or fails verification, 2 wrong use or bad input.
    """


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME]")
@click.option("--seed", type=int, help="Replaces the seed of the configuration.")
@_json_option
def run(config: Path, output: Path | None, seed: int | None, as_json: bool) -> None:
    """Do the whole job that the TOML file CONFIG asks for; an interrupted run resumes."""
    from dataclasses import replace

    from kd_edge.config import load_config
    from kd_edge.data import load_data
    from kd_edge.devices import load_device

    wanted = load_config(config)
    wanted = wanted if seed is None else replace(wanted, seed=seed)
    wanted.budget.budget(load_device(wanted.budget.device))
    load_data(wanted.data.source, normalize=wanted.data.normalize, seed=wanted.seed)
    load_tensorflow()
    from kd_edge import page, plots, report, tables
    from kd_edge.pipeline import STAGES
    from kd_edge.pipeline import run as run_pipeline

    with report.StageDisplay(STAGES) as display:
        result = run_pipeline(wanted, output or Path("runs") / config.stem, progress=display)
    document = report.write_run(result)
    plots.plot_run(result.stages, result.folder)
    page.write_page(result.folder)
    _print(document, as_json, tables.run_tables)
    sys.exit(0 if result.passed else 1)


@main.command()
@click.argument("name", required=False)
@_json_option
def devices(name: str | None, as_json: bool) -> None:
    """List the known devices, or show one."""
    from kd_edge import tables
    from kd_edge.devices import list_devices, load_device

    profiles = [load_device(name)] if name else [load_device(known) for known in list_devices()]
    document = make_document("devices", {"devices": [asdict(profile) for profile in profiles]})
    _print(document, as_json, tables.device_tables)


@main.command()
@click.argument("teacher", type=click.Path(path_type=Path))
@_data_option
@_with_budget
@click.option("--family", help="ds_cnn, resnet or mlp.  [default: ds_cnn, mlp for flat samples]")
@click.option("--trials", default=8, show_default=True, help="Candidates to train.")
@click.option("--epochs", default=6, show_default=True, help="Epochs per candidate.")
@click.option("--teacher-ratio", default=20.0, show_default=True, help="Least teacher MACs per student MAC.")
@_seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="design", show_default=True, help="Folder.")
@_json_option
def design(
    teacher: Path,
    source: str,
    device: "DeviceProfile",
    budget: "Budget",
    family: str | None,
    trials: int,
    epochs: int,
    teacher_ratio: float,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Search the best student of TEACHER (.keras) that fits a device; saves student.keras and search.json."""
    from kd_edge import plots, report, tables
    from kd_edge.data import load_data

    data = load_data(source, seed=seed)
    load_tensorflow()
    import keras

    from kd_edge.files import write_json, write_model
    from kd_edge.space import StudentSpace
    from kd_edge.teacher import load_teacher
    from kd_edge.training import Recipe
    from kd_edge.tuner import design as search

    with report.StageDisplay(("design",)) as display:
        found = search(
            load_teacher(teacher, data),
            data,
            device=device,
            budget=budget,
            space=StudentSpace.family(family, data.input_shape, data.num_classes) if family else None,
            recipe=Recipe(epochs, learning_rate=4e-3, seed=seed),
            num_trials=trials,
            teacher_ratio=teacher_ratio,
            directory=output / "search",
            on_trial=lambda done: display("design", done / trials, f"{done} of {trials} candidates trained"),
        )
    keras.utils.set_random_seed(seed)
    write_model(output / "student.keras", found.blueprint.to_keras())
    result = asdict(found) | {"blueprint": found.blueprint.to_dict(), "device": device.name, "budget": asdict(budget)}
    document = make_document("design", result, seed=seed)
    write_json(output / "search.json", document)
    plots.plot_candidates(result, output / "candidates.png")
    _print(document, as_json, tables.design_tables)


@main.command()
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Trained large model (.keras).")
@click.option("--student", type=click.Path(path_type=Path), required=True, help="Small model to train (.keras).")
@_data_option
@click.option("--trainee", default="like_teacher", show_default=True, help="'like_teacher' or 'none'.")
@click.option("--epochs", default=40, show_default=True)
@click.option("--temperature", default=4.0, show_default=True)
@_seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="distilled.keras", show_default=True)
@_json_option
def distill(
    teacher: Path,
    student: Path,
    source: str,
    trainee: str,
    epochs: int,
    temperature: float,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Train a student with a teacher and a trainee that is halted early; saves the trained student."""
    from kd_edge import report, tables
    from kd_edge.data import load_data
    from kd_edge.errors import ConfigError

    if trainee not in ("like_teacher", "none"):
        raise ConfigError(f"bad --trainee: expected 'like_teacher' or 'none', received {trainee!r}")
    data = load_data(source, seed=seed)
    load_tensorflow()
    import keras

    from kd_edge import training
    from kd_edge.files import write_model
    from kd_edge.halting import EarlyHalting
    from kd_edge.teacher import load_teacher

    keras.utils.set_random_seed(seed)
    guide, pupil = load_teacher(teacher, data), load_teacher(student, data)
    with report.StageDisplay(("distill",)) as display:
        trained = training.distill(
            pupil,
            data,
            training.Recipe(epochs, learning_rate=4e-3, seed=seed),
            teacher=guide,
            trainee=None if trainee == "none" else trainee,
            temperature=temperature,
            halting=EarlyHalting(),
            callbacks=[training.epochs_shown(display, "distill", epochs)],
        )
    write_model(output, trained.model)
    result = {"student": str(output), **training.summary(trained), "test_accuracy": training.accuracy(pupil, data)}
    _print(make_document("distill", result, seed=seed), as_json, tables.distill_tables)


@main.command()
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
@_seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[default: STUDENT with the ending .tflite]")
@_json_option
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
    _print(document, as_json, tables.convert_tables)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@_data_option
@_with_budget
@click.option("--student", type=click.Path(path_type=Path), help="The float model (.keras) to compare with.")
@click.option("--max-accuracy-loss", default=0.02, show_default=True, help="Largest loss against --student.")
@_seed_option
@_json_option
def verify(
    model: Path,
    source: str,
    device: "DeviceProfile",
    budget: "Budget",
    student: Path | None,
    max_accuracy_loss: float,
    seed: int,
    as_json: bool,
) -> None:
    """Check MODEL (.tflite) in LiteRT and TFLM against its budget; exit code 1 when a check fails."""
    from kd_edge import tables
    from kd_edge.data import load_data
    from tflite_bench.model import read_model

    read_model(model)
    data = load_data(source, seed=seed)
    load_tensorflow()
    from kd_edge.teacher import load_model
    from kd_edge.verification import verify as verify_model

    checked = verify_model(
        model.read_bytes(),
        data,
        device=device,
        budget=budget,
        student=None if student is None else load_model(student),
        max_accuracy_loss=max_accuracy_loss,
    )
    document = make_document("verify", asdict(checked) | {"device": device.name, "budget": asdict(budget)}, seed=seed)
    _print(document, as_json, tables.verify_tables)
    sys.exit(0 if checked.passed else 1)


@main.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: RUN/bundle]")
@_json_option
def bundle(run_folder: Path, output: Path | None, as_json: bool) -> None:
    """Write what firmware needs from the finished RUN; exit code 1 when its model failed a check."""
    from kd_edge import tables
    from kd_edge.bundle import write_bundle

    written = write_bundle(run_folder, output)
    result = asdict(written) | {"folder": str(written.folder)}
    _print(make_document("bundle", result), as_json, tables.bundle_tables)
    sys.exit(0 if written.passed else 1)


@main.command("report")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@_json_option
def make_report(run_folder: Path, as_json: bool) -> None:
    """Write report.html into the finished RUN again; `kd-edge run` has written it before."""
    from kd_edge import tables
    from kd_edge.page import write_page

    document = make_document("report", {"report": str(write_page(run_folder))})
    _print(document, as_json, tables.report_tables)


def _print(document: dict[str, Any], as_json: bool, tables: Callable[[dict[str, Any]], Any]) -> None:
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        from kd_edge import report

        report.show(tables(document["result"]))
