"""The command `kd-edge design`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kd_edge.commands.options import data_option, json_option, print_document, seed_option, with_budget
from kd_edge.document import make_document
from kd_edge.quiet import load_tensorflow

if TYPE_CHECKING:
    from kd_edge.budget import Budget
    from kd_edge.devices import DeviceProfile


@click.command()
@click.argument("teacher", type=click.Path(path_type=Path))
@data_option
@with_budget
@click.option("--family", help="ds_cnn, resnet or mlp.  [default: ds_cnn, mlp for flat samples]")
@click.option("--trials", default=8, show_default=True, help="Candidates to train.")
@click.option("--epochs", default=6, show_default=True, help="Epochs per candidate.")
@click.option("--teacher-ratio", default=20.0, show_default=True, help="Least teacher MACs per student MAC.")
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), default="design", show_default=True, help="Folder.")
@json_option
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
    document = make_document("design", result, seed=seed, device=device)
    write_json(output / "search.json", document)
    plots.plot_candidates(result, output / "candidates.png")
    print_document(document, as_json, tables.design_tables)
