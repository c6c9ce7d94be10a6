"""The keys of the stages follow the contents of what a configuration names, not the spelling of its path."""

import importlib
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig, load_config
from kd_edge.config.stages import DesignConfig, DistillConfig
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.distillation.augmentation.registry import registered_augmentations
from kd_edge.stages.context import RunContext
from kd_edge.stages.own_code import own_code_in
from kd_edge.stages.shaping import data_shape, design_shape, distill_shape, teacher_shape, without_paths

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


OWN = """
from dataclasses import dataclass
from kd_edge.distillation.augmentation.base import register_augmentation
from kd_edge.distillation.halting.rules import register_rule
from kd_edge.ir.layers import Layer, register_layer
from kd_edge.search import SearchStrategy, register_strategy

LIMIT = {limit}
register_rule("certain")(lambda: LIMIT)
register_augmentation("fade")(lambda strength: LIMIT)
register_strategy(SearchStrategy("widest", lambda wanted: LIMIT))

@register_layer
@dataclass(frozen=True, slots=True)
class Scale(Layer):
    limit: float = LIMIT
"""


def registries(monkeypatch):
    """Empty what names are registered in, for this test."""
    monkeypatch.setattr("kd_edge.distillation.halting.registry._RULES", {})
    monkeypatch.setattr("kd_edge.distillation.augmentation.base._REGISTERED", {})
    monkeypatch.setattr("kd_edge.search.strategies._STRATEGIES", {})
    layers: dict[str, type] = {}
    monkeypatch.setattr("kd_edge.ir.layers.base._LAYERS", layers)
    monkeypatch.setattr("kd_edge.stages.own_code.LAYERS", layers)
    sys.modules.pop("own_names", None)
    importlib.invalidate_caches()


def test_each_stage_is_another_one_once_code_of_the_user_that_it_names_has_changed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "teacher.keras").write_bytes(b"")
    named = replace(
        CONFIG,
        data=DataConfig("own_names:waves"),
        teacher=TeacherConfig(path=str(tmp_path / "teacher.keras")),
        design=DesignConfig(search="widest"),
        distill=DistillConfig(rule="certain"),
    )
    changed = replace(named, distill=DistillConfig(augment="fade"))
    tried = replace(named, distill=DistillConfig(augment="auto"))
    found = []
    for limit in (0.9, 0.8, 0.9):
        (tmp_path / "own_names.py").write_text(OWN.format(limit=limit))
        registries(monkeypatch)
        importlib.import_module("own_names")
        context = SimpleNamespace(config=named, budget=None, device=None)
        shapes = [teacher_shape(context), design_shape(context)]
        shapes += [distill_shape(SimpleNamespace(config=config)) for config in (named, changed, tried)]
        found.append([repr(shape) for shape in shapes])
    assert found[0] == found[2]
    assert all(first != other for first, other in zip(*found[:2], strict=True))
    sys.modules.pop("own_names")


def test_names_of_kd_edge_add_nothing_to_a_key():
    tables = (TeacherConfig(path="teacher.keras"), TeacherConfig(augment="imu"), DesignConfig(search="bayesian"))
    trained = [DistillConfig(rule="agreement", augment=augment) for augment in ("none", "imu", "auto")]
    assert "image-flip" in registered_augmentations()
    assert [own_code_in(table) for table in (*tables, *trained)] == [()] * 6
