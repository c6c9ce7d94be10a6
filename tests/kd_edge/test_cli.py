"""The command line: each command alone, JSON on stdout, one-line errors and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.cost import CostModel
from kd_edge.devices import load_device
from kd_edge.lowering import lower
from kd_edge.space import StudentSpace
from kd_edge.tables import convert_lines
from kd_edge.teacher import build_teacher

FRAMEWORKS = ("tensorflow", "keras", "keras_tuner")


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def fails(*arguments):
    """Return the message of a command that has to end with one line and exit code 2."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    return result.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A teacher and a student for the small waves, untrained."""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    build_teacher((32, 3), 4, width=16).save(folder / "teacher.keras")
    space = StudentSpace.family("ds_cnn", (32, 3), 4)
    values = {name: options[1] for name, options in space.choices.items()}
    space.blueprint(values).to_keras().save(folder / "student.keras")
    return folder


@pytest.mark.parametrize("arguments", [["--help"], ["devices"], ["devices", "rp2040", "--json"], ["run", "--help"]])
def test_help_and_devices_answer_without_a_framework(arguments):
    code = (
        "import sys; from click.testing import CliRunner; from kd_edge.cli import main;"
        f"result = CliRunner().invoke(main, {arguments!r}); assert result.exit_code == 0, result.output;"
        f"print([name for name in {FRAMEWORKS!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_packages_loads_no_framework_and_no_numpy():
    code = (
        "import sys, kd_edge, tflite_bench; kd_edge.Budget, kd_edge.load_device;"
        f"print([name for name in {(*FRAMEWORKS, 'numpy')!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_devices_as_json_follow_the_schema(check_document):
    document = json.loads(call("devices", "--json").stdout)
    check_document(document)
    names = [device["name"] for device in document["result"]["devices"]]
    assert {"nucleo-l4r5zi", "stm32f746", "nrf52840", "esp32-s3", "rp2040", "host"} <= set(names)


MODEL = Path(__file__).parents[1] / "data" / "residual_int8.tflite"


def test_the_cost_of_a_file_is_shown_op_by_op_and_in_total(check_document):
    result = call("cost", MODEL, "--device", "nucleo-l4r5zi", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    check_document(document)
    cost, ops = document["result"], document["result"]["ops"]
    assert sum(op["macs"] for op in ops) == cost["macs"]
    assert sum(op["latency_ms"] for op in ops) == pytest.approx(cost["latency_ms"])
    assert [op["peak"] for op in ops] == [op["live_bytes"] == max(o["live_bytes"] for o in ops) for op in ops]
    assert [step["live_bytes"] for step in cost["timeline"]] == [op["live_bytes"] for op in ops]
    assert document["provenance"]["measured.flash_bytes"] == "measured"
    assert document["provenance"]["arena_bytes"] == "computed"
    assert cost["measured"]["flash_bytes"] == MODEL.stat().st_size


def test_a_model_that_does_not_fit_ends_with_1_and_says_by_how_much():
    result = call("cost", MODEL, "--device", "nucleo-l4r5zi", "--flash", "2k", "--latency", "1us")
    assert result.exit_code == 1
    assert f"{MODEL.stat().st_size - 2048:,} B too much" in result.stdout
    assert "does NOT fit" in result.stdout


def test_the_cost_of_a_keras_model_is_that_of_its_quantized_file(files):
    result = call("cost", files / "student.keras", "--device", "rp2040", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["result"]["measured"]["flash_bytes"] is None


@pytest.fixture
def own_devices(tmp_path, monkeypatch):
    """A folder of the user's own devices, empty."""
    monkeypatch.setenv("KD_EDGE_DEVICES", str(tmp_path))
    return tmp_path


def test_a_measured_device_is_added_and_then_known(own_devices):
    options = ("--flash", "512k", "--ram", "96k", "--clock", 80, "--measured", f"{MODEL}=4ms", "--json")
    device = json.loads(call("devices", "add", "my-board", *options).stdout)["result"]["devices"][0]
    assert (device["quality"], device["flash_bytes"], device["ram_bytes"]) == ("calibrated", 512 * 1024, 96 * 1024)
    estimate = CostModel(load_device("my-board")).estimate(lower(MODEL))
    assert estimate.latency_ms == pytest.approx(4.0, rel=1e-3)
    assert "my-board" in call("devices").stdout
    assert (own_devices / "my-board.toml").is_file()


def test_an_own_device_hides_a_built_in_one_of_the_same_name(own_devices):
    options = ("--flash", "1M", "--ram", "128k", "--clock", 64, "--macs-per-second", "2e7")
    assert call("devices", "add", "rp2040", *options).exit_code == 0
    assert load_device("rp2040").title == "rp2040 (added by the user)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected --measured MODEL=TIME once or more, or --macs-per-second"),
        (("--measured", "kws.tflite"), "expected MODEL=TIME such as kws.tflite=12.3ms, received 'kws.tflite'"),
        (("--measured", "none.tflite=3ms"), "none.tflite"),
        (("--macs-per-second", "1e7", "--like", "cortex-m44"), "did you mean 'cortex-m4'"),
        (("--macs-per-second", "-1"), "received -1.0"),
    ],
)
def test_a_device_that_cannot_be_added_is_named(own_devices, options, message):
    assert message in fails("devices", "add", "b", "--flash", "1M", "--ram", "64k", "--clock", 80, *options)
    assert list(own_devices.iterdir()) == []


def test_the_stages_work_alone_on_the_files_of_the_stage_before(files, waves_npz, tmp_path, check_document):
    budget = ("--device", "nucleo-l4r5zi", "--flash", "64k", "--ram", "24k")
    data = ("--data", waves_npz)
    designed = call(
        "design", files / "teacher.keras", *data, *budget, "--trials", 1, "--epochs", 1, "-o", tmp_path, "--json",
        "--family", "resnet", "--teacher-ratio", 2,
    )  # fmt: skip
    assert designed.exit_code == 0, designed.output
    check_document(json.loads(designed.stdout))
    assert (tmp_path / "search.json").is_file()
    assert (tmp_path / "pareto.png").stat().st_size > 5000

    distilled = call(
        "distill", "--teacher", files / "teacher.keras", "--student", tmp_path / "student.keras", *data,
        "--epochs", 1, "-o", tmp_path / "trained.keras", "--json",
    )  # fmt: skip
    assert distilled.exit_code == 0, distilled.output
    check_document(json.loads(distilled.stdout))

    converted = call("convert", tmp_path / "trained.keras", *data, "--qat", "never", "--json")
    assert converted.exit_code == 0, converted.output
    document = json.loads(converted.stdout)
    check_document(document)
    assert document["result"]["flash_bytes"] == (tmp_path / "trained.tflite").stat().st_size

    student = ("--student", tmp_path / "trained.keras")
    verified = call("verify", tmp_path / "trained.tflite", *data, *budget, *student, "--max-accuracy-loss", 1, "--json")
    assert verified.exit_code == 0, verified.output
    check_document(json.loads(verified.stdout))

    too_large = call("verify", tmp_path / "trained.tflite", *data, "--device", "nucleo-l4r5zi", "--flash", "1k")
    assert too_large.exit_code == 1
    assert "failed checks: flash_bytes" in too_large.stdout


def test_wrong_use_is_named_in_one_line(files, waves_npz, tmp_path):
    teacher, student = files / "teacher.keras", files / "student.keras"
    device = ("--device", "host")
    text = tmp_path / "text.keras"
    text.write_text("no model")
    assert "did you mean 'rp2040'" in fails("devices", "rp204")
    assert "none.toml: expected a TOML file, found nothing there" in fails("run", tmp_path / "none.toml")
    assert "expected a TOML file, found a folder" in fails("run", tmp_path)
    assert "found nothing at" in fails("design", teacher, "--data", "none.npz", *device)
    assert "found nothing at none.keras" in fails("design", "none.keras", "--data", waves_npz, *device)
    assert "expected a Keras model" in fails("convert", text)
    assert "no calibration data" in fails("convert", student)
    assert "expected one of int8, int16x8" in fails("convert", student, "--quantize", "int88", "--data", waves_npz)
    assert "expected samples of shape (32, 3), received (128, 6)" in fails("convert", student, "--data", "watch")
    for option, known in (("--qat", "auto, always"), ("--compress", "none, prune"), ("--calibration", "random, bal")):
        assert f"expected one of {known}" in fails("convert", student, "--data", waves_npz, option, "sometimes")
    assert "expected bytes such as" in fails("design", teacher, "--data", waves_npz, *device, "--flash", "much")
    assert "expected a time such as" in fails("design", teacher, "--data", waves_npz, *device, "--latency", "15")
    assert "no finished run: expected" in fails("bundle", tmp_path)
    assert "expected 'like_teacher' or 'none'" in fails(
        "distill", "--teacher", teacher, "--student", student, "--data", waves_npz, "--trainee", "me"
    )
    assert list(tmp_path.iterdir()) == [text]


def test_a_fine_tuning_that_would_be_ignored_is_refused(files, waves_npz, tmp_path):
    student, teacher, data = files / "student.keras", tmp_path / "none.keras", ("--data", waves_npz)
    assert "expected 'always' with --data" in fails("convert", student, "--qat", "always")
    for option in (("--quantize", "none"), ("--compress", "prune")):
        assert "expected 'always' with quantize 'int8'" in fails("convert", student, *data, "--qat", "always", *option)
    assert "received no --data" in fails("convert", student, "--teacher", teacher)
    for option in (("--qat", "never"), ("--quantize", "float16")):
        assert "a fine-tuning to guide" in fails("convert", student, *data, "--teacher", teacher, *option)
    assert "'qat_epochs': expected more than 0" in fails("convert", student, *data, "--qat-epochs", 0)
    assert "found nothing at" in fails("convert", student, *data, "--teacher", teacher)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_borne_is_not_tuned_away(files, waves_npz, tmp_path):
    done = call(
        "convert",
        files / "student.keras",
        "--data",
        waves_npz,
        "--max-int8-loss",
        1,
        "-o",
        tmp_path / "s.tflite",
        "--json",
    )
    assert done.exit_code == 0, done.output
    qat = json.loads(done.stdout)["result"]["qat"]
    assert (qat["used"], qat["tuned_accuracy"]) == (False, None)
    assert qat["int8_accuracy"] is not None


def test_a_compression_is_reported_beside_the_student_as_it_was(files, waves_npz, tmp_path, check_document):
    arguments = (files / "student.keras", "--data", waves_npz, "--compress", "prune", "--qat-epochs", 1)
    done = call("convert", *arguments, "-o", tmp_path / "s.tflite", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    check_document(document)
    gain = document["result"]["compression"]
    assert document["provenance"]["compression.accuracy"] == "measured"
    (line,) = [line for line in convert_lines(document["result"]) if "prune" in line]
    assert (
        f"before {gain['uncompressed_gzip_bytes']:,} B; accuracy on the validation samples {gain['accuracy']:.3f}"
        in line
    )


class Own(keras.layers.Layer):
    """A layer whose code is in no file."""

    def call(self, x):
        return x


def test_a_layer_whose_code_is_not_in_the_file_is_named(tmp_path):
    source, path = keras.Input((4,)), tmp_path / "model.keras"
    inner = keras.Sequential([keras.Input((4,)), Own(name="mine"), keras.layers.Dense(3)])
    for layer, named in (
        (keras.layers.Lambda(lambda x: 2 * x, name="twice"), "'twice' (Lambda)"),
        (inner, "'mine' (Own)"),
    ):
        keras.Model(source, layer(source)).save(path)
        assert f"expected layers of Keras, received {named}, whose code" in fails("convert", path)


@pytest.mark.parametrize(("command", "goes_on"), [("run", True), ("bundle", False)])
def test_only_a_command_that_resumes_says_so_when_it_is_interrupted(command, goes_on, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands[command], "invoke", interrupt)
    assert ("goes on after the last finished stage" in fails(command, "x")) is goes_on


def test_a_file_that_is_no_tflite_model_is_named(waves_npz, tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(np.random.default_rng(0).bytes(2000))
    assert "bad.tflite" in fails("verify", path, "--data", waves_npz, "--device", "host")


@pytest.mark.shared
def test_a_file_that_crashes_the_interpreter_ends_the_command_with_one_line(shared_path, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"x_{split}": rng.normal(size=(20, 96)) for split in ("train", "test")}
    np.savez(tmp_path / "data.npz", **arrays, **{f"y_{split}": np.arange(20) % 2 for split in ("train", "test")})
    model = shared_path / "models" / "tflm_keyword_scrambled_8bit.tflite"
    message = fails("verify", model, "--data", tmp_path / "data.npz", "--device", "nucleo-l4r5zi")
    assert "the runtime was ended by SIG" in message


def test_an_output_that_cannot_be_written_is_named(files, waves_npz, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    message = fails("convert", files / "student.keras", "--quantize", "none", "-o", blocked / "model.tflite")
    assert "cannot write" in message
