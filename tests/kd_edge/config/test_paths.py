"""Tests of the paths in a configuration: they begin where it lies."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kd_edge.config.paths import absolute, located, refuse_overwriting, relative_to
from kd_edge.config.run import load_config
from kd_edge.data.loading import load_data
from kd_edge.errors import ConfigError, DataError

TABLE = {
    "data": {"source": "samples.npz"},
    "teacher": {"path": "teachers/large.keras"},
    "budget": {"device": "boards/own.toml", "ram": "24k"},
}
MODULE = """
import numpy as np

def samples():
    x, y = np.ones((8, 3), "float32"), np.arange(8) % 2
    return {"x_train": x, "y_train": y, "x_val": x, "y_val": y, "x_test": x, "y_test": y}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with all that the table names, beside the working folder."""
    own = tmp_path / "own"
    for name in ("samples.npz", "teachers/large.keras", "boards/own.toml"):
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return own


def test_paths_begin_in_the_folder_of_the_configuration(folder):
    found = located(TABLE, folder)
    assert found["data"]["source"] == str(folder / "samples.npz")
    assert found["teacher"]["path"] == str(folder / "teachers/large.keras")
    assert found["budget"] == {"device": str(folder / "boards/own.toml"), "ram": "24k"}


def test_what_is_no_path_or_not_there_stays_as_it_is(folder):
    table = {"data": {"source": "watch"}, "teacher": {"path": "elsewhere.keras"}, "budget": {"device": "rp2040"}}
    assert located(table, folder) == table
    assert located({"data": {"source": "kd_edge:function"}}, folder) == {"data": {"source": "kd_edge:function"}}


def test_a_configuration_that_is_written_elsewhere_names_the_same_files(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    written = relative_to(TABLE, tmp_path / "runs" / "one")
    assert written["data"]["source"] == "../../own/samples.npz"
    (tmp_path / "runs" / "one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = located(written, tmp_path / "runs" / "one")
    assert np.array_equal(
        [(tmp_path / found["data"]["source"]).resolve(), (tmp_path / found["budget"]["device"]).resolve()],
        [folder / "samples.npz", folder / "boards/own.toml"],
    )


def test_a_function_of_a_module_beside_the_configuration_is_found_from_anywhere(folder):
    (folder / "my_samples.py").write_text(MODULE)
    (folder / "run.toml").write_text('[data]\nsource = "my_samples:samples"\n[budget]\ndevice = "rp2040"\n')
    source = load_config(folder / "run.toml").data.source
    data = load_data(source)
    assert (data.name, data.x_train.shape) == ("my_samples:samples", (8, 3))


def test_a_module_of_a_package_beside_the_configuration_is_found(folder):
    (folder / "packed").mkdir()
    (folder / "packed" / "my_data.py").write_text(MODULE)
    (folder / "packed" / "__init__.py").write_text(MODULE)
    for source in ("packed.my_data:samples", "packed:samples"):
        (folder / "run.toml").write_text(f'[data]\nsource = "{source}"\n[budget]\ndevice = "rp2040"\n')
        assert load_data(load_config(folder / "run.toml").data.source).x_train.shape == (8, 3)


def test_a_folder_that_is_called_like_the_board_is_no_profile(folder):
    (folder / "rp2040").mkdir()
    (folder / "watch").mkdir()
    table = {"budget": {"device": "rp2040"}, "data": {"source": "watch"}}
    assert located(table, folder) == table


def test_paths_through_folders_that_are_links_name_what_the_system_finds(folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "samples.npz").touch()
    (tmp_path / "samples.npz").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    found = located({"data": {"source": "../samples.npz"}}, tmp_path / "link")
    assert Path(found["data"]["source"]).samefile(tmp_path / "elsewhere" / "samples.npz")
    monkeypatch.chdir(folder)
    written = relative_to(TABLE, tmp_path / "link")
    assert (tmp_path / "link" / written["data"]["source"]).samefile(folder / "samples.npz")


def test_two_modules_of_one_name_are_not_taken_for_each_other(folder, tmp_path):
    for place in (folder, tmp_path):
        (place / "twice_named.py").write_text(MODULE)
    load_data(f"{folder}/twice_named:samples")
    with pytest.raises(
        DataError, match=r"expected the module 'twice_named' in .*, received the one in .*own, which is"
    ):
        load_data(f"{tmp_path}/twice_named:samples")


@pytest.mark.parametrize("package", ["kd_edge", "tflite_bench"])
def test_a_package_is_its_command(package):
    command = [sys.executable, "-m", package, "devices", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["command"] == "devices"


def tables(source="watch", **teacher):
    return {"data": {"source": source}, "teacher": teacher, "budget": {"device": "rp2040"}}


@pytest.mark.parametrize(
    "table",
    [tables(path="run/teacher.keras"), tables(outputs="./run/../run/teacher.keras"), tables("link/teacher.keras")],
)
def test_a_folder_in_which_something_that_is_read_would_be_written_over_is_refused(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("link").symlink_to("run")
    with pytest.raises(ConfigError, match=r"expected another file than run/teacher\.keras, which is read"):
        refuse_overwriting(table, Path("run"), ["teacher.keras"])
    refuse_overwriting(table, Path("other"), ["teacher.keras"])
    Path("loop").symlink_to("loop")
    refuse_overwriting(table, Path("loop"), ["teacher.keras"])


@pytest.mark.parametrize("folder", ["saved", "saved/run"])
def test_nothing_is_written_into_the_folder_of_a_teacher(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("saved").mkdir()
    with pytest.raises(ConfigError, match=f"not in that of the teacher, saved, received {folder}; choose another one"):
        refuse_overwriting(tables(path="saved"), Path(folder), ["student.keras"])


def test_nothing_is_written_among_the_classes_of_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("photos/cat", "photos/dog", "split/train/cat", "arrays"):
        Path(place).mkdir(parents=True)
    Path("arrays/x_train.npy").write_bytes(b"")
    with pytest.raises(ConfigError, match="not in that of the data, photos, received photos/runs/a; choose another"):
        refuse_overwriting(tables("photos"), Path("photos/runs/a"), ["student.keras"])
    for source in ("split", "arrays"):
        refuse_overwriting(tables(source), Path(source) / "run", ["student.keras"])


def test_a_folder_may_be_called_as_the_data_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("watch").mkdir()
    refuse_overwriting(tables("watch"), Path("watch"), ["teacher.keras"])


def test_two_spellings_of_a_path_are_one_from_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("waves.npz").write_bytes(b"")
    found = absolute(tables("./waves.npz"))
    assert found == absolute(tables(str(tmp_path / "waves.npz"))) == tables(str(tmp_path.resolve() / "waves.npz"))
    assert absolute(tables("watch", path="missing.keras")) == tables("watch", path="missing.keras")


@pytest.mark.parametrize("text", ["a" * 5000, "a\0b", ""])
def test_a_path_that_the_system_refuses_stays_as_it_is(text, folder):
    table = {"data": {"source": text}, "teacher": {"path": text, "outputs": text}, "budget": {"device": text}}
    assert located(table, folder) == absolute(table) == table


def test_a_path_that_no_system_takes_is_told_before_something_is_written(tmp_path):
    with pytest.raises(ConfigError, match=r"bad path: expected one that the system takes, received 'a\\x00b'"):
        refuse_overwriting(tables("a\0b"), tmp_path, ["student.keras"])
