"""The names of several outputs in C: none is another one, or one that the sources have themselves."""

import re
import shutil
import subprocess

import keras
import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.conversion.metadata import add_metadata
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from kd_edge.reporting.bundle.from_file import write_file_bundle
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.model_sources import render_sources
from kd_edge.reporting.bundle.sources.output_sources import TAKEN
from kd_edge.reporting.bundle.vectors import Vectors
from tflite_bench.model.reader import read_model

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
KINDS = ("multiclass", "regression", "binary")


@pytest.fixture(scope="module")
def model():
    """A file of three outputs of two numbers, two and one."""
    inputs = keras.Input((4,))
    heads = [keras.layers.Dense(count, name=f"head{place}")(inputs) for place, count in enumerate((2, 2, 1))]
    return convert(keras.Model(inputs, heads), np.eye(4, dtype="f4"))


def sources(model, *names):
    """The sources of a file whose outputs have these names."""
    tasks = [Task(kind, ("a", "b")) for kind, _ in zip(KINDS, names, strict=False)]
    parts = {name: Settings(1024, "Given.", task, None) for name, task in zip(names, tasks, strict=True)}
    whole = Settings(1024, "Given.", Task("several", names, parts=tuple(tasks)), ((0.0,), (1.0,)), parts=parts)
    vectors = Vectors(np.zeros((1, 4), np.int8), np.zeros((1, 5), np.int8))
    return render_sources(model, read_model(model), whole, vectors)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize(
    "names",
    [
        ("dense_1", "dense", "other"),
        ("dense_2", "dense_1", "dense"),
        ("a", "a_0", "a_names"),
        ("温度", "output 0", "!"),
        ("Speed", "speed", "speed_0"),
        ("input", "output", "mean"),
        *((name, "b", "c") for name in TAKEN),
    ],
)
def test_sources_compile_whatever_outputs_are_called(model, names, tmp_path):
    for name, text in sources(model, *names).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text('#include "check_vectors.h"\n#include "model.h"\n#include "model_data.h"\n')
    command = ["gcc", *WARNINGS, "-fsyntax-only", "main.c", "check_vectors.c", "run_vectors.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("counts", [(1, 2, 2), (3, 1, 1)])
def test_a_file_whose_metadata_name_outputs_of_other_sizes_is_not_bundled(model, counts, tmp_path):
    told = [{"name": f"head{i}", "task": "multilabel", "threshold": 0.5} for i in range(3)]
    told = [output | {"names": list("abc"[:count])} for output, count in zip(told, counts, strict=True)]
    (tmp_path / "model.tflite").write_bytes(add_metadata(model, {"outputs": told}))
    listed = ", ".join(rf"head{i} \({count}\)" for i, count in enumerate(counts))
    with pytest.raises(ModelError, match=rf"as their tasks need, {listed}, received \d, \d, \d; `kd-edge convert"):
        write_file_bundle(tmp_path / "model.tflite", tmp_path / "bundle")


def test_ordinary_names_stay_as_they_are_and_the_shorter_of_two_gives_way(model):
    header = sources(model, "gesture", "speed x", "speed")["model_settings.h"]
    assert [f"model_{word}(const" in header for word in ("gesture", "speed_x", "speed_2")] == [True] * 3


def test_every_identifier_of_the_sources_themselves_is_known_to_be_taken(model):
    text = "\n".join(sources(model, "zzz_a", "zzz_b", "zzz_c").values())
    code = re.sub(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"", "", text, flags=re.DOTALL)
    found = {word.lower() for word in re.findall(r"\b(?:model|MODEL)_(\w+)", code)}
    guards = {"h_", "data_h_", "settings_h_"}
    assert {word for word in found if not word.startswith("zzz")} - guards == set(TAKEN)
