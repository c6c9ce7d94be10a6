"""The command line: each command alone, JSON on stdout, one-line errors and exit codes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.metadata import read_metadata
from kd_edge.cost.devices import list_devices, load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.loading import load_data
from kd_edge.distillation.models.model_files import load_model
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.ir.lowering import lower
from kd_edge.reporting.sentences.conversion import convert_lines
from kd_edge.search.space.student_space import StudentSpace
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert
from tools.networks import zoo

FRAMEWORKS = ("tensorflow", "keras", "keras_tuner")


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def fails(*arguments, exit_code=2):
    """Return the message of a command that has to end with one line and an exit code."""
    result = call(*arguments)
    assert result.exit_code == exit_code, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--nosuch"], "No such option '--nosuch' (see main --help)"),
        (["nosuch"], "No such command 'nosuch' (see main --help)"),
        (["run", "--seeds", "3"], "Did you mean '--seed'? (see main run --help)"),
        (["cost", "model.tflite"], "Missing option '--device' (see main cost --help)"),
        (["devices", "rp2040", "more"], "unexpected extra argument (more) (see main devices show --help)"),
    ],
)
def test_wrong_use_is_one_line_that_names_the_help(arguments, expected):
    assert expected in fails(*arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory, waves_npz):
    """A small teacher that has learnt the small waves and a student that was not trained."""
    folder, arrays = tmp_path_factory.mktemp("models"), np.load(waves_npz)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv1D(8, 7, activation="relu"), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(4)]
    teacher = keras.Sequential([keras.Input((32, 3)), *layers])
    teacher.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    teacher.fit(arrays["x_train"], arrays["y_train"], epochs=15, verbose=0)
    teacher.save(folder / "teacher.keras")
    space = StudentSpace.family("ds_cnn", (32, 3), 4)
    values = {name: options[1] for name, options in space.choices.items()} | {"num_blocks": 1, "num_strided": 1}
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


def test_help_loads_neither_numpy_nor_a_runtime():
    code = (
        "import sys; from click.testing import CliRunner; from kd_edge.cli import main;"
        "result = CliRunner().invoke(main, ['--help']); assert result.exit_code == 0, result.output;"
        "print([name for name in ('numpy', 'rich', 'ai_edge_litert') if name in sys.modules])"
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


MODEL = Path(__file__).parents[2] / "data" / "residual_int8.tflite"


def test_the_cost_of_a_file_is_shown_op_by_op_and_in_total(check_document):
    result = call("cost", MODEL, "--device", "nucleo-l4r5zi", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    check_document(document)
    cost, ops = document["result"], document["result"]["ops"]
    assert sum(op["macs"] for op in ops) == cost["macs"]
    board = load_device("nucleo-l4r5zi")
    beside_ms = board.int8_inference_cycles / (1000 * board.clock_mhz)
    assert sum(op["latency_ms"] for op in ops) + beside_ms == pytest.approx(cost["latency_ms"])
    assert [op["peak"] for op in ops] == [op["live_bytes"] == max(o["live_bytes"] for o in ops) for op in ops]
    assert [step["live_bytes"] for step in cost["timeline"]] == [op["live_bytes"] for op in ops]
    assert document["provenance"]["measured.flash_bytes"] == "measured"
    assert document["provenance"]["arena_bytes"] == "computed"
    assert cost["measured"]["flash_bytes"] == MODEL.stat().st_size


def test_a_cost_names_layers_shapes_the_runtime_and_what_is_kept_throughout():
    document = json.loads(call("cost", MODEL, "--device", "nucleo-h7a3zi-cube-ai", "--json").stdout)["result"]
    assert all(op["layer"] and op["output_shape"] for op in document["ops"])
    assert (document["runtime"], document["quality"], document["verdict"]) == ("x-cube-ai 8.1.0", "measured", "holds")
    text = call("cost", MODEL, "--device", "nucleo-h7a3zi-cube-ai").stdout
    assert "times are those of x-cube-ai 8.1.0 there: measured" in text
    (kept,) = [line for line in text.splitlines() if line.split()[:2] == ["kept", "throughout"]]
    assert kept.split()[-1] == f"{document['arena_persistent_bytes']:,}"


def test_all_boards_are_compared_in_one_table_of_80_columns(check_document):
    result = call("cost", MODEL, "--device", "all", "--latency", "1ms")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert max(len(line.rstrip()) for line in lines[1:]) <= 80
    assert "\u2026" not in result.stdout
    document = json.loads(call("cost", MODEL, "--device", "all", "--latency", "1ms", "--json").stdout)
    check_document(document)
    rows = document["result"]["devices"]
    assert {row["verdict"] for row in rows} == {"holds", "not_proven", "broken"}
    assert all(any(line.startswith(row["device"][:20]) for line in lines) for row in rows)
    assert "not measured" in result.stdout


def test_some_boards_are_compared_and_ends_with_1_where_none_is_proven_to_fit(check_document):
    command = ("cost", MODEL, "--device", "rp2040,nucleo-h7a3zi-cube-ai,my", "--json")
    assert "unknown device 'my'" in fails(*command)
    document = json.loads(call("cost", MODEL, "--device", "rp2040,nucleo-h7a3zi-cube-ai", "--json").stdout)
    check_document(document)
    assert {row["device"] for row in document["result"]["devices"]} == {"rp2040", "nucleo-h7a3zi-cube-ai"}
    assert call("cost", MODEL, "--device", "rp2040,esp32", "--latency", "1us").exit_code == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file on a full disk")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_stdout_that_takes_nothing_is_one_line(options):
    command = [sys.executable, "-c", "from kd_edge.cli import main; main()", "devices", "esp32", *options]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot print the result: No space left on device" in done.stderr


def test_a_stdout_that_lacks_the_letters_of_a_name_gets_question_marks(tmp_path):
    named = tmp_path / "модель.tflite"
    named.write_bytes(MODEL.read_bytes())
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "kd_edge", "cost", named, "--device", "rp2040"]
    done = subprocess.run(command, capture_output=True, encoding="latin-1", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "??????.tflite on rp2040: fits" in done.stdout


def test_a_list_of_boards_names_each_once_and_one_at_least():
    document = json.loads(call("cost", MODEL, "--device", "rp2040,rp2040", "--json").stdout)
    assert [row["device"] for row in document["result"]["devices"]] == ["rp2040"]
    assert "bad --device: expected a device, several such as esp32,rp2040, or all, received ','" in fails(
        "cost", MODEL, "--device", ","
    )


def test_an_unknown_board_is_told_in_a_short_line():
    assert "did you mean 'nucleo-l4r5zi'?" in fails("cost", MODEL, "--device", "NUCLEO-L4R5ZI")
    message = fails("cost", MODEL, "--device", "xyz")
    assert "`kd-edge devices` lists the" in message
    assert len(message) < 200


def test_what_an_added_board_holds_is_given_or_that_of_the_board_it_is_like(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_EDGE_DEVICES", str(tmp_path))
    add = ("devices", "add", "mine", "--like", "rp2040", "--measured", f"{MODEL}=3ms", "--json")
    (board,) = json.loads(call(*add, "--ram", "64k").stdout)["result"]["devices"]
    source = load_device("rp2040").memory_source
    assert board["memory_source"] == f"given by the user; flash, clock as of rp2040 ({source})"
    (board,) = json.loads(call(*add, "--ram", "64k", "--flash", "1M", "--clock", "99").stdout)["result"]["devices"]
    assert board["memory_source"] == "given by the user"


def test_a_folder_of_devices_that_cannot_be_written_is_told_with_its_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KD_EDGE_DEVICES", str(tmp_path / "file"))
    message = fails("devices", "add", "mine", "--like", "rp2040", "--measured", f"{MODEL}=3ms")
    assert "; name another folder in $KD_EDGE_DEVICES" in message


def test_a_file_that_is_read_is_not_written_over(files, waves_npz):
    teacher, student = files / "teacher.keras", files / "student.keras"
    before = {path: path.read_bytes() for path in (teacher, student, waves_npz)}
    train = ("distill", "--teacher", teacher, "--student", student, "--data", waves_npz, "-o")
    for command in (
        ("convert", student, "--data", waves_npz, "-o", student),
        ("convert", student, "--data", waves_npz, "-o", waves_npz),
        (*train, student),
        (*train, teacher),
        # The student alone is written beside the distilled one.
        (*train[:4], files / "x-alone.keras", *train[5:], files / "x.keras"),
    ):
        assert "which is read; choose another one" in fails(*command)
    assert {path: path.read_bytes() for path in before} == before


def test_a_page_of_several_runs_is_not_written_over_their_results(tmp_path):
    message = fails("report", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "two" / "results.json")
    assert "which is read; choose another one" in message


def test_a_search_writes_over_nothing_that_it_reads(files, waves_npz, tmp_path):
    for name in ("student.keras", "search/student.keras"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(files / "student.keras", tmp_path / name)
        before = (tmp_path / name).read_bytes()
        words = ("design", tmp_path / name, "--data", waves_npz, "--device", "rp2040", "-o", tmp_path, "--overwrite")
        assert f"expected another file than {tmp_path / name}, which is read" in fails(*words)
        assert (tmp_path / name).read_bytes() == before


NOISY = """
import numpy as np
print("loaded")

def waves():
    print("called")
    return dict(np.load({path!r}))
"""


@pytest.mark.parametrize("options", [("--json",), ()])
def test_what_the_users_function_prints_is_beside_the_json(options, waves_npz, tmp_path):
    name = f"noisy_{len(options)}"
    (tmp_path / f"{name}.py").write_text(NOISY.format(path=str(waves_npz)))
    done = call("samples", "--data", f"{tmp_path}/{name}:waves", "-o", tmp_path, *options)
    assert done.exit_code == 0, done.output
    if options:
        assert json.loads(done.stdout)["command"] == "samples"
        assert done.stderr.startswith("loaded\ncalled\n")
    else:
        assert done.stdout.startswith("loaded\ncalled\n")


def test_a_run_that_would_write_over_what_it_reads_or_serve_workers_is_refused_before_anything(
    waves_npz, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "teacher.keras").write_bytes(b"mine")
    text = f'# Mine.\n[data]\nsource = "{waves_npz}"\n[budget]\ndevice = "rp2040"\n[teacher]\npath = "teacher.keras"\n'
    (tmp_path / "config.toml").write_text(text)
    for command in ("run", "sweep"):
        message = fails(command, "config.toml", "-o", ".")
        assert "expected another file than teacher.keras, which is read; choose another one" in message
    (tmp_path / "other.toml").write_text(text.replace("teacher.keras", "other.keras"))
    assert "cannot write config.toml: expected none there" in fails("run", "other.toml", "-o", ".")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker0")
    assert "unset them, or search on several machines" in fails("run", "other.toml", "-o", "out")
    assert (tmp_path / "config.toml").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "other.toml", "teacher.keras"]


def test_boards_are_not_compared_by_one_runtime_or_battery():
    message = fails("cost", MODEL, "--device", "all", "--runtime", "hale")
    assert "bad --runtime: expected boards by their names, received --device all" in message
    battery = ("--every", "1s", "--battery", "220mAh@3V")
    assert "bad --battery: expected one --device" in fails("cost", MODEL, "--device", "rp2040,esp32", *battery)


def test_with_another_runtime_a_file_is_refused_and_its_ram_counted_as_there():
    cost = ("cost", MODEL, "--json", "--device")
    mine, theirs = (
        json.loads(call(*cost, *board).stdout)["result"]
        for board in (("esp32-s3-reference", "--runtime", "tflm+esp-nn esp-nn d45b843"), ("esp32-s3",))
    )
    assert mine["runtime"] == theirs["runtime"]
    assert (mine["ram_low_bytes"], mine["ram_bytes"]) == (theirs["ram_low_bytes"], theirs["ram_bytes"])
    assert mine["ram_low_bytes"] < mine["ram_bytes"]


def test_a_profile_of_another_runtime_than_the_users_is_said():
    result = call("cost", MODEL, "--device", "nucleo-h7a3zi", "--runtime", "x-cube-ai 10", "--json")
    assert "note: the costs of nucleo-h7a3zi are those of tflm+cmsis-nn, not of x-cube-ai 10" in result.stderr
    assert "nucleo-h7a3zi-cube-ai (x-cube-ai 8.1.0)" in result.stderr
    assert json.loads(result.stdout)["result"]["quality"] == "not measured"
    assert "note" not in call("cost", MODEL, "--device", "nucleo-h7a3zi", "--runtime", "tflm+cmsis-nn").stderr


def test_a_latency_that_is_not_proven_ends_with_1_and_its_line_says_the_way_out():
    cost = json.loads(call("cost", MODEL, "--device", "bluepill", "--json").stdout)["result"]
    result = call("cost", MODEL, "--device", "bluepill", "--latency", f"{cost['latency_ms']:.6f}ms")
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "is NOT proven to fit" in text
    assert "kd-edge devices add my-bluepill --like bluepill --measured kws.tflite=31ms" in text


def test_the_code_of_a_runtime_is_known_of_tflm_alone(check_document):
    document = json.loads(call("cost", MODEL, "--device", "pixel-3a", "--json").stdout)
    check_document(document)
    assert document["result"]["runtime_flash"] is None
    assert "known of TFLM alone" in document["result"]["unavailable_reason"]["runtime_flash"]
    command = ("cost", MODEL, "--device")
    assert "the runtime and its kernels take" not in call(*command, "pixel-3a").stdout
    assert "the runtime and its kernels take" in call(*command, "nucleo-l4r5zi").stdout


def test_a_model_that_does_not_fit_ends_with_1_and_says_by_how_much():
    result = call("cost", MODEL, "--device", "nucleo-l4r5zi", "--flash", "2k", "--latency", "1us")
    assert result.exit_code == 1
    assert f"{MODEL.stat().st_size - 2048:,} B too much" in result.stdout
    assert "does NOT fit" in result.stdout


FLOAT_MODEL = MODEL.with_name("residual_float.tflite")


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--latency", "15ms"), 1)])
def test_a_float_file_has_no_latency_where_the_board_knows_int8_alone(options, code, check_document):
    command = ("cost", FLOAT_MODEL, "--device", "nucleo-l4r5zi", *options)
    result = call(*command, "--json")
    assert result.exit_code == code, result.output
    document = json.loads(result.stdout)
    check_document(document)
    cost = document["result"]
    assert (cost["latency_ms"], cost["fits"], cost["excess"]) == (None, code == 0, {})
    assert {op["latency_ms"] for op in cost["ops"]} == {None}
    assert "received float32; convert the model to int8" in cost["unavailable_reason"]["latency_ms"]
    text = " ".join(call(*command).stdout.split())
    assert ("is NOT proven to fit" in text) is bool(options)
    assert "latency unknown: no latency on nucleo-l4r5zi" in text


def test_the_cost_of_a_keras_model_is_that_of_its_quantized_file(files):
    result = call("cost", files / "student.keras", "--device", "rp2040", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["result"]
    assert found["measured"]["flash_bytes"] is None
    names = [layer.name for layer in keras.saving.load_model(files / "student.keras", compile=False).layers]
    weighted = [name for name in names if "conv" in name or "dense" in name]
    assert [op["layer"] for op in found["ops"] if op["macs"]] == weighted


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


def test_a_device_like_a_known_one_has_its_memory_and_clock(own_devices):
    known = load_device("nucleo-l4r5zi")
    options = ("--like", known.name, "--measured", f"{MODEL}=4ms")
    device = json.loads(call("devices", "add", "mine", *options, "--json").stdout)["result"]["devices"][0]
    assert device["flash_bytes"] == known.flash_bytes - known.reserved_flash_bytes
    assert device["ram_bytes"] == known.ram_bytes - known.reserved_ram_bytes
    assert (device["clock_mhz"], device["error_percent"]) == (known.clock_mhz, 35.0)
    assert "no --flash: expected it, or a known device after --like" in fails(
        "devices", "add", "b", "--macs-per-second", "1e7"
    )


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
        "--family", "mlp", "--teacher-ratio", 2,
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
    document = json.loads(distilled.stdout)
    check_document(document)
    result, alone = document["result"], document["result"]["baseline"]
    assert result["teacher_accuracy"] == accuracy(load_model(files / "teacher.keras"), load_data(waves_npz))
    assert alone["test_accuracy"] == accuracy(load_model(tmp_path / "trained-alone.keras"), load_data(waves_npz))
    gain = result["test_accuracy"] - alone["test_accuracy"]
    assert alone["distillation_gain"]["difference"] == pytest.approx(gain)

    converted = call("convert", tmp_path / "trained.keras", *data, "--qat", "never", "--json")
    assert converted.exit_code == 0, converted.output
    document = json.loads(converted.stdout)
    check_document(document)
    assert document["result"]["flash_bytes"] == (tmp_path / "trained.tflite").stat().st_size

    student = ("--student", tmp_path / "trained.keras")
    verified = call("verify", tmp_path / "trained.tflite", *data, *budget, *student, "--max-accuracy-loss", 1, "--json")
    document = json.loads(verified.stdout)
    check_document(document)
    assert verified.exit_code == (0 if document["result"]["verdict"] == "holds" else 1)

    too_large = call("verify", tmp_path / "trained.tflite", *data, "--device", "nucleo-l4r5zi", "--flash", "1k")
    assert too_large.exit_code == 1
    assert "BROKEN: the file fits the flash (" in too_large.stdout


def test_a_file_that_is_good_holds_and_one_that_always_gives_the_same_answer_is_broken(
    files, waves_npz, tmp_path, check_document
):
    arrays, model = np.load(waves_npz), load_model(files / "teacher.keras")
    board = ("--data", waves_npz, "--device", "nucleo-l4r5zi")
    teacher = ("--teacher", files / "teacher.keras", "--max-teacher-loss")
    (tmp_path / "good.tflite").write_bytes(convert(model, arrays["x_train"]))
    holds = call("verify", tmp_path / "good.tflite", *board, *teacher, 0.5, "--json")
    result = json.loads(holds.stdout)["result"]
    check_document(json.loads(holds.stdout))
    assert (holds.exit_code, result["verdict"], result["passed"]) == (0, "holds", True)
    assert result["gates"]["teacher_loss"]["verdict"] == "holds"
    assert [row["support"] for row in result["classification"]["classes"]] == [20] * 4

    model.set_weights([0 * weights for weights in model.get_weights()])
    (tmp_path / "constant.tflite").write_bytes(convert(model, arrays["x_train"]))
    constant = call("verify", tmp_path / "constant.tflite", *board)
    assert constant.exit_code == 1
    text = " ".join(constant.stdout.split())
    assert "BROKEN: classes that it names at all (1, at least 2)" in text
    assert "balanced accuracy" in text
    assert "share of the largest class, one" in text
    message = fails("verify", tmp_path / "good.tflite", *board, "--max-teacher-loss", 0.1)
    assert "bad --max-teacher-loss: expected it with --teacher, received none; leave it out" in message


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
    both = ("--teacher", teacher, "--student", student, "--data", waves_npz)
    assert "expected a file ending in .keras or .h5, received" in fails("distill", *both, "-o", tmp_path / "student")
    assert list(tmp_path.iterdir()) == [text]


def test_what_is_a_folder_is_no_output_that_is_trained_for(files, waves_npz, tmp_path):
    teacher, student = files / "teacher.keras", files / "student.keras"
    for name in ("out.keras", "out-alone.keras"):
        (tmp_path / name).mkdir()
        arguments = ("distill", "--teacher", teacher, "--student", student, "--data", waves_npz, "-o")
        assert "expected a file, found a folder" in fails(*arguments, tmp_path / "out.keras")
        (tmp_path / name).rmdir()
    assert "expected a file, found a folder" in fails("convert", student, "--data", waves_npz, "-o", tmp_path)


def test_a_path_without_a_name_is_no_model(waves_npz):
    assert "expected" in fails("convert", "", "--data", waves_npz)


def test_json_may_be_asked_for_before_the_name_of_a_device():
    assert json.loads(call("devices", "--json", "rp2040").stdout)["command"] == "devices"


def test_class_weights_of_a_command_count_in_its_training(files, waves_npz, tmp_path):
    def first_loss(*weights):
        both = ("--teacher", files / "teacher.keras", "--student", files / "student.keras", "--data", waves_npz)
        alone = ("--trainee", "none", "--no-baseline")
        done = call("distill", *both, "--epochs", 1, "-o", tmp_path / "out.keras", "--json", *weights, *alone)
        assert not (tmp_path / "out-alone.keras").exists()
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["result"]["history"]["loss"][0]

    assert first_loss("--class-weight", "one=5,two=5,three=5,four=5") > 2 * first_loss()


def test_the_commands_and_the_configuration_have_the_same_defaults():
    for command, section, names in (
        ("design", DesignConfig(), ("trials", "epochs", "teacher_ratio")),
        (
            "distill",
            DistillConfig(),
            ("trainee", "epochs", "temperature", "batch_size", "learning_rate", "augment", "student_loss_weight"),
        ),
        ("convert", ConvertConfig(), ("quantize", "calibration", "qat", "qat_epochs", "max_int8_loss", "compress")),
    ):
        defaults = {parameter.name: parameter.default for parameter in main.commands[command].params}
        assert [defaults[name] for name in names] == [getattr(section, name) for name in names]


def test_values_that_a_configuration_may_not_hold_are_refused_by_the_commands_too(files, waves_npz):
    teacher, student = files / "teacher.keras", files / "student.keras"
    for option, key in (("--teacher-ratio", "teacher_ratio"), ("--trials", "trials"), ("--epochs", "epochs")):
        message = fails("design", teacher, "--data", waves_npz, "--device", "host", option, 0)
        assert f"bad value for key '{key}': expected more than 0" in message
    message = fails("distill", "--teacher", teacher, "--student", student, "--data", waves_npz, "--epochs", 0)
    assert "bad value for key 'epochs': expected more than 0" in message
    both = ("--teacher", teacher, "--student", student, "--data", waves_npz)
    assert "unknown augmentation 'sensors': did you mean 'sensor'" in fails("distill", *both, "--augment", "sensors")
    assert "augment" in fails("distill", *both, "--augment", "image")
    assert "unknown halting rule 'agree'" in fails("distill", *both, "--rule", "agree")
    assert "expected a number or 'auto', received 'fast'" in fails("distill", *both, "--learning-rate", "fast")
    assert "CLASS=WEIGHT with a weight more than 0, received '3=0'" in fails("distill", *both, "--class-weight", "3=0")
    assert "unknown class '9'" in fails("design", teacher, *both[-2:], "--device", "host", "--class-weight", "9=2")
    message = fails("convert", student, "--data", waves_npz, "--max-int8-loss", "nan")
    assert "bad value for key 'max_int8_loss': expected 0 or more, a finite number, received nan" in message
    arguments = ("--data", waves_npz, "--device", "host", "--student", student)
    for value in ("nan", "-0.1", "2.0"):
        message = fails("verify", MODEL, *arguments, "--max-accuracy-loss", value)
        assert f"bad --max-accuracy-loss: expected a share such as 0.02 for 2 %, received {value}" in message


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_refuses_is_refused_by_every_command(files, waves_npz, tmp_path, seed):
    student, data, device = files / "student.keras", ("--data", waves_npz), ("--device", "host")
    (tmp_path / "run.toml").write_text(f"[data]\nsource = '{waves_npz}'\n[budget]\ndevice = 'host'\n")
    for arguments in (
        ("convert", student, *data), ("verify", MODEL, *data, *device), ("run", tmp_path / "run.toml"),
        ("design", files / "teacher.keras", *data, *device),
        ("distill", "--teacher", student, "--student", student, *data),
    ):  # fmt: skip
        result = call(*arguments, "--seed", seed)
        assert result.exit_code == 2
        assert f"{seed} is not in the range 0<=x<=4294967295" in result.stderr


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


def test_options_that_would_be_ignored_without_samples_or_a_student_are_refused(files, waves_npz):
    student = files / "student.keras"
    for option, value in (
        ("--calibration", "random"), ("--calibration-samples", 300), ("--qat-epochs", 5), ("--max-int8-loss", 0.005),
    ):  # fmt: skip
        message = fails("convert", student, "--quantize", "float16", option, value)
        assert f"bad {option}: expected it with --data, received none; leave it out" in message
    message = fails("verify", MODEL, "--data", waves_npz, "--device", "host", "--max-accuracy-loss", 0.02)
    assert "bad --max-accuracy-loss: expected it with --student, received none; leave it out" in message
    assert not (files / "student.tflite").exists()


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


def test_an_integer_data_set_is_scaled_unless_told_otherwise(files, waves_npz, tmp_path):
    arrays = dict(np.load(waves_npz))
    scaled = {name: np.rint(100 * value).astype("int16") for name, value in arrays.items() if name.startswith("x_")}
    np.savez(tmp_path / "integers.npz", **arrays | scaled)
    options = ("--data", tmp_path / "integers.npz", "--qat", "never", "-o", tmp_path / "s.tflite")
    scalings = (((), "(value - mean)"), (("--normalize",), "(value - mean)"), (("--no-normalize",), "the values as"))
    for option, meaning in scalings:
        assert call("convert", files / "student.keras", *options, *option).exit_code == 0
        assert read_metadata((tmp_path / "s.tflite").read_bytes())["input"]["meaning"].startswith(meaning)
    data = load_data(tmp_path / "integers.npz", normalize=False)
    board = ("--device", "nucleo-l4r5zi", "--json")
    done = call("verify", tmp_path / "s.tflite", *options[:2], "--no-normalize", *board)
    confusion = json.loads(done.stdout)["result"]["confusion"]
    content = (tmp_path / "s.tflite").read_bytes()
    samples = quantize(data.x_test, read_model(content).input_tensors[0])
    named = litert.run_outputs(content, samples, reference_kernels=True).argmax(axis=1)
    assert np.sum(confusion, axis=0).tolist() == np.bincount(named, minlength=4).tolist()
    assert "expected it with --data" in fails("convert", files / "student.keras", "--no-normalize")


@pytest.fixture
def two_inputs(tmp_path):
    """The path of a model with two inputs, and how to save samples under their names."""
    zoo.build("two_inputs").save(tmp_path / "two.keras")
    model = load_model(tmp_path / "two.keras")
    good = {source.name: values for source, values in zip(model.inputs, zoo.samples(model, 20), strict=True)}

    def save(**changes):
        renamed = dict(zip(("image", "numbers"), good, strict=True))
        arrays = good | {renamed.get(name, name): value for name, value in changes.items()}
        np.savez(tmp_path / "two.npz", **{name: value for name, value in arrays.items() if value is not None})
        return tmp_path / "two.npz"

    return tmp_path / "two.keras", good, save


def test_a_model_with_several_inputs_is_calibrated_on_arrays_by_their_names(two_inputs, tmp_path, check_document):
    path, good, save = two_inputs
    done = call("convert", path, "--data", save(), "--no-metadata", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    check_document(document)
    assert document["result"]["qat"]["float_accuracy"] is None
    assert (tmp_path / "two.tflite").read_bytes() == convert(load_model(path), good)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": None}, "expected arrays for ['input_layer"),
        ({"more": np.zeros((20, 2))}, "'more']"),
        ({"numbers": np.zeros((19, 5))}, "expected as many samples for each input, received [19, 20]"),
        ({"numbers": np.zeros((20, 6))}, "expected samples of shape (5,), received (6,)"),
        ({"image": np.zeros((20, 8, 8))}, "bad calibration data for input 'input_layer"),
        ({"numbers": np.full((20, 5), np.nan)}, "expected finite numbers"),
        ({"numbers": np.full((20, 5), "a")}, "expected numbers of shape (samples, ...) in input_layer"),
        ({"numbers": np.array(3.0)}, "received float64 of shape ()"),
        ({"x_train": np.zeros((20, 5))}, "missing y_train, x_test, y_test"),
    ],
)
def test_arrays_that_are_not_those_of_the_inputs_are_named(two_inputs, tmp_path, changes, message):
    path, _, save = two_inputs
    assert message in fails("convert", path, "--data", save(**changes))
    assert not (tmp_path / "two.tflite").exists()


def test_what_needs_labels_is_refused_where_there_are_samples_alone(two_inputs, waves_npz, tmp_path):
    path, _, save = two_inputs
    for option in (
        ("--qat", "always"), ("--compress", "prune"), ("--calibration", "balanced"), ("--teacher", path),
        ("--no-normalize",),
    ):  # fmt: skip
        message = fails("convert", path, "--data", save(), *option)
        assert "expected --data with x_train, y_train, x_test, y_test, received arrays by other names" in message
    assert "one array for each of 2 inputs, received 1; their names" in fails("convert", path, "--data", waves_npz)
    assert not (tmp_path / "two.tflite").exists()


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
    assert ("goes on after the last finished stage" in fails(command, "x", exit_code=130)) is goes_on


def test_a_budget_that_nothing_fits_is_broken_and_no_wrong_use(files, waves_npz):
    budget = ("--device", "nucleo-l4r5zi", "--flash", "1k", "--family", "mlp")
    message = fails("design", files / "teacher.keras", "--data", waves_npz, *budget, exit_code=1)
    assert "flash: the smallest candidate needs" in message


def test_each_board_is_one_line_of_80_columns_and_a_single_one_is_shown_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.rstrip() for line in call("devices").stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    assert all(sum(line.startswith(f"{name} ") for line in lines) == 1 for name in list_devices())
    shown = " ".join(call("devices", "rp2040").stdout.split())
    assert load_device("rp2040").source in shown


def test_tables_are_as_wide_as_the_columns_of_the_environment_say(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    narrow = call("cost", MODEL, "--device", "rp2040").stdout.splitlines()
    monkeypatch.setenv("COLUMNS", "160")
    wide = call("cost", MODEL, "--device", "rp2040").stdout.splitlines()
    assert max(map(len, narrow)) <= 80 < max(map(len, wide))


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


def test_the_traceback_of_a_users_function_is_shown_on_demand_alone(files, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def samples():\n    return 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    convert_mine = ("convert", files / "student.keras", "--data", "mine:samples")
    assert "raised ZeroDivisionError: division by zero (mine.py, line 2)" in fails(*convert_mine)
    for arguments in ((*convert_mine, "--debug"), ("--debug", *convert_mine)):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "return 1 / 0" in result.stderr
        assert result.stderr.splitlines()[-1].startswith("Error: the data function")


def test_options_of_the_data_are_refused_where_they_mean_nothing(files, waves_npz):
    data = ("convert", files / "student.keras", "--data", waves_npz, "--data-option")
    assert "bad option 'window' of the data" in fails(*data, "window=3")
    assert "expected NAME=VALUE, received 'window'" in fails(*data, "window")
    assert "unknown key 'windows' in --data-option: did you mean 'window'?" in fails(*data, "windows=3")
    assert "expected int, received 'wide'" in fails(*data, "window=wide")
