"""Keras has to run on TensorFlow; another backend is refused before it is imported."""

import json

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.errors import ConfigError
from kd_edge.silence import check_backend, load_tensorflow


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """A folder whose `keras.json` names another backend."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return tmp_path


def test_the_backend_of_the_environment_goes_before_that_of_the_file(keras_home, monkeypatch):
    with pytest.raises(ConfigError, match=r"expected 'tensorflow', received 'torch'; set .* KERAS_BACKEND=tensorflow"):
        load_tensorflow()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ConfigError, match="expected 'tensorflow', received 'jax'"):
        load_tensorflow()


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"backend": "tensorflow"}'])
def test_a_file_that_names_no_other_backend_is_no_reason(keras_home, content):
    (keras_home / "keras.json").write_text(content)
    load_tensorflow()


def test_tensorflow_is_the_backend_that_is_taken():
    check_backend("tensorflow")
    with pytest.raises(ConfigError, match="received 'numpy'"):
        check_backend("numpy")


def test_a_command_that_needs_keras_ends_with_one_line_and_others_do_not_care(keras_home, tmp_path):
    (tmp_path / "x.keras").touch()
    failed = CliRunner().invoke(main, ["convert", str(tmp_path / "x.keras"), "--data", "watch"])
    assert (failed.exit_code, len(failed.output.splitlines())) == (2, 1)
    assert "received 'torch'" in failed.output
    assert CliRunner().invoke(main, ["devices"]).exit_code == 0


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_what_reads_a_folder_of_images_looks_at_the_backend_and_silences_its_greeting_before(
    command, keras_home, tmp_path
):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "x.png").write_bytes(b"no image")
    config = tmp_path / "config.toml"
    config.write_text('[data]\nsource = "images"\n[budget]\ndevice = "rp2040"\n')
    failed = CliRunner().invoke(main, [command, str(config), "-o", str(tmp_path / "out")])
    assert (failed.exit_code, len(failed.output.splitlines())) == (2, 1)
    assert "expected 'tensorflow', received 'torch'" in failed.output


def test_a_student_has_float32_and_its_channels_last_whatever_the_file_says():
    import keras

    from kd_edge.ir.lowering import lower
    from kd_edge.search.space.student_space import StudentSpace

    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    try:
        load_tensorflow()
        space = StudentSpace.family("ds_cnn", (16, 16, 3), 4)
        student = space.blueprint({name: options[0] for name, options in space.choices.items()})
        model = student.to_keras()
        assert lower(model) == student.to_graph()
        assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
