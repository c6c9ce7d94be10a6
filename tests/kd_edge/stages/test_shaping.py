"""The keys of the stages follow the contents of what a configuration names, not the spelling of its path."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig, load_config
from kd_edge.config.stages import DistillConfig
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.stages.context import RunContext
from kd_edge.stages.shaping import data_shape, design_shape, teacher_shape, without_paths

CONFIG = RunConfig(DataConfig("watch"), BudgetConfig("rp2040"))


def shape_of(teacher):
    return repr(teacher_shape(SimpleNamespace(config=replace(CONFIG, teacher=teacher))))


def test_a_teacher_in_a_folder_is_another_one_once_a_file_in_it_has_changed(tmp_path):
    weights = tmp_path / "saved" / "variables" / "variables.index"
    weights.parent.mkdir(parents=True)
    shapes = []
    for content in (b"old", b"new", b"old"):
        weights.write_bytes(content)
        shapes.append(shape_of(TeacherConfig(path=str(tmp_path / "saved"))))
    assert shapes[0] == shapes[2] != shapes[1]


@pytest.mark.parametrize("key", ["path", "outputs"])
def test_a_teachers_file_counts_by_its_content_and_by_what_it_is(key, tmp_path):
    for name, content in (("one", b"a"), ("same", b"a"), ("other", b"b")):
        (tmp_path / name).write_bytes(content)
    shapes = {name: shape_of(TeacherConfig(**{key: str(tmp_path / name)})) for name in ("one", "same", "other")}
    assert shapes["one"] == shapes["same"] != shapes["other"]
    assert shapes["one"] not in (shape_of(TeacherConfig()), shape_of(TeacherConfig(width=16)))


def test_a_run_is_the_same_from_another_working_folder(waves_npz, tmp_path, monkeypatch):
    (tmp_path / "waves.npz").write_bytes(waves_npz.read_bytes())
    np.save(tmp_path / "outputs.npy", np.zeros((1, 4)))
    (tmp_path / "board.toml").write_text(to_toml(load_device("rp2040")))
    tables = '[data]\nsource = "waves.npz"\n[budget]\ndevice = "board.toml"\n[teacher]\noutputs = "outputs.npy"\n'
    (tmp_path / "run.toml").write_text(tables)
    found = []
    for folder, path in ((tmp_path.parent, f"{tmp_path.name}/run.toml"), (tmp_path, "run.toml")):
        monkeypatch.chdir(folder)
        context = RunContext(load_config(path), tmp_path / "run", lambda stage, done, message="": None)
        shapes = [shape(context) for shape in (data_shape, teacher_shape, design_shape)]
        found.append((context.config.data.source, context.data.sha256, repr([*shapes, without_paths(context.config)])))
    assert [source for source, *_ in found] == [f"{tmp_path.name}/waves.npz", "waves.npz"]
    assert found[0][1:] == found[1][1:]


def test_what_is_no_path_counts_also_where_a_function_may_have_registered_it():
    config = replace(CONFIG, data=DataConfig("mine:data"), distill=DistillConfig(augment="mine"))
    assert without_paths(config)["distill"].augment == "mine"
