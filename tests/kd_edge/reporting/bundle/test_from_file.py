"""The bundle of a single file: what it says of itself, samples given with it, and what cannot be bundled."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.metadata import add_metadata, describe
from kd_edge.cost.devices import load_all, load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.data.front_end import FrontEnd
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.ir.tflite_reader import read_graph
from kd_edge.reporting.bundle.file_task import file_task
from kd_edge.reporting.bundle.from_file import write_file_bundle
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.front_end_source import front_end_source
from kd_edge.reporting.bundle.vectors import random_vectors, sample_vectors, vector_rows
from kd_edge.search.space.student_space import StudentSpace
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import ModelFileError
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack
from tflite_bench.runners import tflm

DATA = Path(__file__).parents[3] / "data"
MODEL = DATA / "residual_int8.tflite"
OUTPUT = {"dtype": "int8", "shape": [1, 5]}


def described(folder, description, model=MODEL):
    """A copy of a network whose metadata say what its answers are."""
    path = folder / "described.tflite"
    path.write_bytes(add_metadata(model.read_bytes(), description))
    return path


def settings_of(bundle, name="model_settings.h"):
    return (bundle.folder / name).read_text()


def run(*arguments):
    return CliRunner().invoke(main, ["bundle", *map(str, arguments)])


def test_class_names_and_the_scale_of_the_input_are_those_of_the_metadata(tmp_path):
    said = {"class_names": ["a", "b", "c", "d", "é|"], "input": {"mean": [1.0, 2.0, 3.0], "deviation": [4.0, 5.0, 6.0]}}
    made = write_file_bundle(described(tmp_path, said), tmp_path / "bundle")
    assert '    "\\303\\251|",' in settings_of(made)
    assert "model_mean[MODEL_NUM_CHANNELS] = {1.0f, 2.0f, 3.0f};" in settings_of(made)
    assert "| 4 | é\\| |" in settings_of(made, "README.md")
    assert "output: MODEL_OUTPUT_ELEMENTS logits, one for each of model_class_names" in settings_of(made, "model.h")


@pytest.mark.parametrize("name", ["new\nline", "-x", "it's a *b*"])
def test_the_name_of_a_file_breaks_neither_the_title_nor_the_command(tmp_path, name):
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(MODEL.read_bytes())
    made = write_file_bundle(path, tmp_path / "bundle")
    assert settings_of(made, "README.md").splitlines()[0] == f"# {' '.join(name.split())}: firmware for CMake"
    given = main.commands["bundle"].make_context("bundle", shlex.split(made.command)[2:]).params
    assert (given["source"], given["tool"]) == (Path(path.name), "cmake")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"task": "multilabel", "names": list("abcde"), "threshold": 0.8}, "a probability of 0.8. */"),
        (
            {"task": "regression", "names": list("abcde"), "units": list("gghhh")}
            | {"mean": [2] * 5, "deviation": [3] * 5},
            "model_value_mean[MODEL_NUM_VALUES] = {2.0f, 2.0f, 2.0f, 2.0f, 2.0f};",
        ),
    ],
)  # fmt: skip
def test_other_tasks_are_those_of_the_metadata(tmp_path, output, said):
    made = write_file_bundle(described(tmp_path, {"output": OUTPUT | output}), tmp_path / "bundle")
    assert said in settings_of(made)


@pytest.mark.parametrize(
    "told", [{"mean": [1e39] * 5, "deviation": [1] * 5}, {"mean": [0] * 5, "deviation": [1e-46] * 5}]
)
def test_numbers_that_32_bits_do_not_hold_are_not_put_into_c(tmp_path, told):
    output = OUTPUT | {"task": "regression", "names": list("abcde"), "units": []} | told
    with pytest.raises(ModelError, match="cannot bundle: expected means and deviations that 32 bits hold, received"):
        write_file_bundle(described(tmp_path, {"output": output}), tmp_path / "bundle")


def test_a_mean_for_all_values_or_one_per_channel_is_put_into_c_and_no_other(tmp_path):
    whole = described(tmp_path, {"input": {"mean": [1.0], "deviation": [2.0]}})
    assert "model_mean[MODEL_NUM_CHANNELS] = {1.0f};" in settings_of(write_file_bundle(whole, tmp_path / "whole"))
    other = described(tmp_path, {"input": {"mean": [1.0, 2.0], "deviation": [2.0, 3.0]}})
    with pytest.raises(ModelError, match=r"expected 1 mean, .* of an input of shape \(1, 12, 8, 3\), received 2"):
        write_file_bundle(other, tmp_path / "other")


def test_what_the_metadata_call_probabilities_are_those_in_c_too(tmp_path):
    output = {"task": "multilabel", "names": list("abcde"), "threshold": 0.8, "meaning": "probability"}
    made = write_file_bundle(described(tmp_path, {"output": OUTPUT | output}), tmp_path / "bundle")
    assert "MODEL_OUTPUT_ELEMENTS probabilities, one for each of" in settings_of(made, "model.h")


def test_a_file_that_names_nothing_has_numbered_values_and_says_so(bundled):
    made = bundled("cmake")
    assert '"output 4"' in settings_of(made)
    assert "The file does not name its outputs" in settings_of(made, "README.md")


def test_what_a_file_answers_is_only_said_where_something_says_it(bundled, tmp_path):
    made = bundled("cmake")
    assert "the file does not say what they mean" in settings_of(made, "model.h")
    assert json.loads(settings_of(made, "manifest.json"))["output"] == "unknown"
    network = SyntheticNetwork((4,))
    network.dense(1, relu=False)
    info = read_model(network.to_bytes())
    single = file_task({}, info, probabilities=True)
    assert (single.kind, single.names) == ("binary", ("class 0", "class 1"))


@pytest.mark.parametrize(
    ("shape", "output", "said"),
    [((4, 3), "unknown", "of more than one answer."), ((12,), "probability", "one for each of model_class_names;")],
)
def test_probabilities_at_several_places_are_no_classes_of_one_sample(tmp_path, shape, output, said):
    network = SyntheticNetwork(shape)
    network.softmax()
    (tmp_path / "s.tflite").write_bytes(network.to_bytes())
    made = write_file_bundle(tmp_path / "s.tflite", tmp_path / "b")
    assert json.loads(settings_of(made, "manifest.json"))["output"] == output
    assert ("MODEL_NUM_CLASSES" in settings_of(made)) == (output == "probability")
    assert said in settings_of(made, "model.h")


def test_how_the_input_is_scaled_is_only_said_where_something_says_it(bundled, tmp_path):
    unknown = bundled("cmake")
    assert "/* The file does not say how values are scaled before. */" in settings_of(unknown)
    for name in ("model.h", "README.md"):
        assert "the values (the file does not say how values are scaled before), quantized:" in settings_of(
            unknown, name
        )
    raw = write_file_bundle(described(tmp_path, {"input": {"meaning": "the values as they are"}}), tmp_path / "raw")
    assert "/* The model reads the values as they are. */" in settings_of(raw)
    assert "the values as they are, quantized:" in settings_of(raw, "model.h")


def test_the_front_end_of_a_model_of_sound_is_that_of_its_metadata(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 5, 40)).astype("f4")
    y, settings = np.arange(20) % 2, FrontEnd(num_channels=40, feature_scale=0.5)
    data = Dataset("words", x, y, x, y, x, y, ("no", "yes"), front_end=settings)
    network = SyntheticNetwork((5, 40))
    network.dense(2)
    plain = network.to_bytes()
    said = describe(plain, data, provenance={})
    assert said["input"]["meaning"].startswith("the features of sound as they are; raw =")
    (tmp_path / "kw.tflite").write_bytes(add_metadata(plain, said))
    made = write_file_bundle(tmp_path / "kw.tflite", tmp_path / "b", tool="esp-idf")
    assert made.front_end == settings
    assert settings_of(made, "main/audio_front_end.h") == front_end_source(settings)
    # Features that were saved as arrays do not know how they were made: the file does.
    saved = replace(data, front_end=None)
    assert write_file_bundle(tmp_path / "kw.tflite", tmp_path / "c", data=saved).front_end == settings


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    """The file of a stream that reads 2 frames of 12 at a step, and samples of it."""
    x = np.random.default_rng(0).normal(size=(20, 12, 3)).astype("f4")
    y = np.arange(20) % 2
    data = Dataset("ramps", x, y, x + 1, y, x + 2, y, ("down", "up"))
    values = {"width": 4, "stem_kernel": 3, "stem_stride": 2, "num_blocks": 1, "kernel": 3, "flattens": 1}
    student = StudentSpace.family("streaming", data.input_shape, 2).blueprint(values | {"growth": 1.0}).to_keras()
    path = tmp_path_factory.mktemp("stream") / "s.tflite"
    path.write_bytes(convert_for(student, data, ConvertConfig(stream=2, qat="never")).content)
    return path, data


def test_windows_are_the_samples_of_a_stream_and_its_steps_the_vectors_in_order(streaming, tmp_path):
    path, data = streaming
    content = path.read_bytes()
    source = read_model(content).input_tensors[0]
    # Steps of 2 of the 12 frames; the last one's answer is that of the window.
    settings = Settings(1024, "Given.", data.task, None)
    vectors = sample_vectors(content, data, settings)
    assert (vectors.vectors_of, vectors.in_order) == ("6 steps of a test sample of ramps", True)
    window = quantize(data.x_test[vector_rows(data)][:1], source)
    assert np.array_equal(vectors.inputs.reshape(window.shape), window)
    assert np.array_equal(vectors.outputs[-1:], tflm.run_outputs(content, window))
    alone = tflm.run_outputs(content, vectors.inputs)
    assert np.array_equal(vectors.outputs[0], alone[0])
    assert not np.array_equal(vectors.outputs, alone)
    random = random_vectors(content, settings)
    assert random.in_order
    assert np.array_equal(random.outputs[-1:], tflm.run_outputs(content, random.inputs.reshape(1, 20, 3)))
    y = data.y_test
    wider = Dataset("wide", *(np.zeros((20, 12, 4), "f4") if i % 2 == 0 else y for i in range(6)), ("down", "up"))
    with pytest.raises(DataError, match=r"expected samples of shape \(2, 3\), received \(12, 4\)"):
        write_file_bundle(path, tmp_path / "b", data=wider)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_program_of_a_stream_resets_the_model_once_and_another_one_before_each_vector(streaming, tmp_path):
    path, data = streaming
    stream = write_file_bundle(path, tmp_path / "stream", data=data)
    whole = write_file_bundle(MODEL, tmp_path / "whole")
    assert answered_in_order(stream.folder) == "PASSED: 6 of 6 test vectors agree"
    # A model that has been reset gives its first answer again.
    assert answered_in_order(whole.folder) == "FAILED: 1 of 10 test vectors agree"


def answered_in_order(folder):
    """What the program says of a model that answers what comes next, from the first one after a reset."""
    (folder / "model.c").write_text(
        '#include "model.h"\n#include "test_vectors.h"\n#include <string.h>\nstatic int next = 3;\n'
        "int model_init(void) { return MODEL_OK; }\n"
        "int model_reset(void) { next = 0; return MODEL_OK; }\n"
        "int model_invoke(const model_input_t *input, model_output_t *output) {\n"
        "  (void)input;\n  memcpy(output, test_outputs[next++], sizeof test_outputs[0]);\n  return MODEL_OK;\n}\n"
        "unsigned long model_arena_used_bytes(void) { return 1; }\n"
        'const char *model_status_text(int status) { return status ? "bad" : ""; }\n'
    )
    sources = ["main.c", "run_vectors.c", "check_vectors.c", "test_vectors.c", "model.c"]
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", *sources, "-o", "program", "-lm"], cwd=folder, check=True)
    return subprocess.run([folder / "program"], capture_output=True, text=True).stdout.splitlines()[-1]


def test_random_vectors_have_the_answers_of_tflm(bundled):
    made, content = bundled("cmake"), MODEL.read_bytes()
    assert made.vectors_of == "10 random inputs"
    inputs = np.random.default_rng(0).integers(-128, 127, (10, 12, 8, 3), endpoint=True).astype(np.int8)
    numbers = settings_of(made, "test_vectors.c").split("test_outputs")[1].split("test_answers")[0].split("=")[1]
    found = [int(word) for word in numbers.replace(",", " ").split() if word.lstrip("-").isdigit()]
    assert found == tflm.run_outputs(content, inputs).reshape(-1).tolist()


def test_samples_are_the_vectors_and_name_the_classes(tmp_path, check_document):
    x = np.random.default_rng(1).normal(size=(40, 12, 8, 3)).astype("f4")
    arrays = {f"x_{split}": x + moved for split, moved in (("train", 0.02), ("val", 0.01), ("test", 0.0))}
    labels = {f"y_{split}": np.arange(40) % 5 for split in ("train", "val", "test")}
    np.savez(tmp_path / "data.npz", **arrays, **labels, class_names=np.array(list("vwxyz")))
    given = ("--data", tmp_path / "data.npz", "--no-normalize", "-o", tmp_path / "bundle", "--json")
    done = run(MODEL, "--for", "zephyr", *given)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    check_document(document)
    result = document["result"]
    assert (result["tool_chain"], result["passed"]) == ("zephyr", None)
    assert result["vectors_of"].startswith("10 test samples of ")
    assert '"z",' in (tmp_path / "bundle" / "src" / "model_settings.h").read_text()
    assert result["command"].endswith(f"--for zephyr --data {tmp_path / 'data.npz'} --no-normalize --seed 0")


def test_values_that_a_file_answers_in_their_units_are_not_multiplied_once_more(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    network.set_weights([np.array([[70.0], [0.0], [0.0]]), np.array([200.0])])
    task = Task("regression", ("weight",), mean=(200.0,), deviation=(70.0,))
    data = Dataset("weights", *(x, x[:, :1]) * 3, (), task=task)
    (tmp_path / "plain.tflite").write_bytes(convert(network, x))
    made = write_file_bundle(tmp_path / "plain.tflite", tmp_path / "b", data=data)
    assert "model_value_mean[MODEL_NUM_VALUES] = {0.0f};" in settings_of(made)
    text = settings_of(made, "test_vectors.c").split("test_answers")[1].split(";")[0]
    answers = [float(number) for number in re.findall(r"(-?[\d.]+(?:e[+-]?\d+)?)f?,", text)]
    assert min(answers) == pytest.approx(200 + 70 * x[:, 0].min(), abs=5)
    assert max(answers) == pytest.approx(200 + 70 * x[:, 0].max(), abs=5)


def test_the_arena_is_the_most_that_any_board_with_tflm_needs_or_that_of_the_named_one(bundled, tmp_path):
    graph = read_graph(read_model(MODEL))
    needs = {board.name: CostModel(board).estimate_known(graph)[0].ram_bytes for board in load_all() if board.runs_tflm}
    assert bundled("cmake").tensor_arena_bytes == max(needs.values())
    named = write_file_bundle(MODEL, tmp_path, device=load_device("nucleo-l4r5zi"))
    assert named.tensor_arena_bytes == needs["nucleo-l4r5zi"]


def test_another_tool_chain_leaves_nothing_of_the_first_and_keeps_what_is_not_its_own(tmp_path):
    write_file_bundle(MODEL, tmp_path, tool="esp-idf")
    (tmp_path / "main" / "notes.txt").write_text("mine")
    made = write_file_bundle(MODEL, tmp_path, tool="cmake")
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {*made.files, "manifest.json", "main/notes.txt"}
    (tmp_path / "main" / "notes.txt").unlink()
    write_file_bundle(MODEL, tmp_path, tool="zephyr")
    write_file_bundle(MODEL, tmp_path, tool="arduino")
    assert not (tmp_path / "src").exists()


def test_a_changed_file_that_would_go_is_kept_and_named(tmp_path):
    write_file_bundle(MODEL, tmp_path, tool="platformio")
    (tmp_path / "platformio.ini").write_text("[env:mine]\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"expected its platformio\.ini as it was written, found it changed"):
        write_file_bundle(MODEL, tmp_path, tool="cmake")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_changed_file_that_would_be_replaced_is_kept_and_named(tmp_path):
    write_file_bundle(MODEL, tmp_path)
    write_file_bundle(MODEL, tmp_path, device=load_device("nucleo-l4r5zi"))
    (tmp_path / "main.c").write_text("int main(void) { return mine(); }\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"expected its main\.c as it was written, found it changed"):
        write_file_bundle(MODEL, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_file_that_no_bundle_wrote_is_not_replaced(tmp_path):
    (tmp_path / "README.md").write_text("about my project\n")
    with pytest.raises(ConfigError, match=r"expected its README\.md as it was written, found it changed"):
        write_file_bundle(MODEL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_the_model_is_not_taken_for_a_file_of_its_bundle(tmp_path):
    shutil.copy(MODEL, tmp_path / "model.tflite")
    with pytest.raises(ConfigError, match=r"bad --output: expected another file than .*model\.tflite, which is read"):
        write_file_bundle(tmp_path / "model.tflite", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {"a": 1}}'])
def test_a_damaged_manifest_is_one_line(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match="expected a manifest of `kd-edge bundle`, found it damaged"):
        write_file_bundle(MODEL, tmp_path)


def test_a_manifest_cannot_name_files_outside_its_folder(tmp_path):
    (tmp_path / "other.txt").write_text("mine")
    folder = tmp_path / "bundle"
    folder.mkdir()
    known = {"sha256": "0" * 64, "size_bytes": 4}
    files = {"../other.txt": known, str(tmp_path / "other.txt"): known}
    (folder / "manifest.json").write_text(json.dumps({"tool": "kd-edge", "files": files}))
    write_file_bundle(MODEL, folder)
    assert (tmp_path / "other.txt").read_text() == "mine"


def test_what_cannot_be_bundled_is_said_in_a_sentence(tmp_path):
    (tmp_path / "no.tflite").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match=r"no\.tflite"):
        write_file_bundle(tmp_path / "no.tflite", tmp_path / "b")
    with pytest.raises(ModelError, match=r"cannot bundle .*two_in_two_out\.tflite: expected one input, received 2"):
        write_file_bundle(DATA / "two_in_two_out.tflite", tmp_path / "b")
    with pytest.raises(ModelError, match="expected an output of 2 numbers as the file's metadata say, received 5"):
        write_file_bundle(described(tmp_path, {"class_names": ["a", "b"]}), tmp_path / "b")
    with pytest.raises(ModelError, match="received damaged ones"):
        write_file_bundle(described(tmp_path, {"output": {"task": "sorting"}}), tmp_path / "b")
    anomalies = described(tmp_path, {"output": {"task": "reconstruction"}}, DATA / "atan2.tflite")
    with pytest.raises(ModelError, match="from which score on a sample is an anomaly"):
        write_file_bundle(anomalies, tmp_path / "b")
    with pytest.raises(ConfigError, match="bad --device: expected a board with TFLM, received nucleo-l4r5zi-cube-ai"):
        write_file_bundle(MODEL, tmp_path / "b", device=load_device("nucleo-l4r5zi-cube-ai"))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("place", ["inputs", "outputs"])
@pytest.mark.parametrize("kind", ["INT4", "BFLOAT16", "RESOURCE", "STRING", "INT64"])
def test_an_input_or_output_of_a_type_without_numbers_in_c_is_refused(tmp_path, place, kind):
    model = unpack(MODEL.read_bytes())
    graph = model.subgraphs[0]
    graph.tensors[getattr(graph, place)[0]].type = getattr(schema.TensorType, kind)
    (tmp_path / "odd.tflite").write_bytes(pack(model))
    expected = f"odd.tflite: expected int8, uint8, int16, int32, float32 as {place[:-1]}, received {kind.lower()}"
    with pytest.raises(ModelError, match=re.escape(expected)):
        write_file_bundle(tmp_path / "odd.tflite", tmp_path / "b")


def test_answers_that_are_no_finite_numbers_are_refused():
    network = SyntheticNetwork((4,), dtype="float32")
    network.add_op("LOG", None, [network.last], network.activation((1, 4)))
    settings = Settings(1024, "Given.", Task("regression", tuple("abcd")), None)
    with pytest.raises(ModelError, match="expected finite outputs of 10 random inputs, received NaN or infinity"):
        random_vectors(network.to_bytes(), settings)


def test_samples_of_another_shape_are_refused(tmp_path):
    arrays = {f"x_{split}": np.zeros((40, 12, 8, 1), "f4") for split in ("train", "val", "test")}
    labels = {f"y_{split}": np.arange(40) % 5 for split in ("train", "val", "test")}
    np.savez(tmp_path / "data.npz", **arrays, **labels)
    from kd_edge.data.loading import load_data

    data = load_data(tmp_path / "data.npz", normalize=False)
    with pytest.raises(DataError, match=r"expected samples of shape \(12, 8, 3\), received \(12, 8, 1\)"):
        write_file_bundle(MODEL, tmp_path / "b", data=data)


def integers(folder, level):
    """Integers around a level, drawn to test and to validate by a seed."""
    rng = np.random.default_rng(level)
    x = {f"x_{split}": level + rng.integers(0, 50, (40, 12, 8, 3)) for split in ("train", "val", "test")}
    np.savez(folder / "data.npz", **x, **{f"y_{split}": np.arange(40) % 5 for split in ("train", "val", "test")})
    return folder / "data.npz"


def test_with_other_samples_the_firmware_still_computes_with_the_mean_of_the_file(tmp_path):
    read = {"meaning": "(value - mean) / deviation", "mean": [1.0, 2.0, 3.0], "deviation": [4.0, 5.0, 6.0]}
    model = described(tmp_path, {"input": read, "provenance": {"seed": 3}})
    given = ("--data", integers(tmp_path, 100), "-o", tmp_path / "bundle")
    assert run(model, *given).exit_code == 0
    assert (
        "model_mean[MODEL_NUM_CHANNELS] = {1.0f, 2.0f, 3.0f};" in (tmp_path / "bundle" / "model_settings.h").read_text()
    )
    assert " --seed 3" in json.loads((tmp_path / "bundle" / "manifest.json").read_text())["command"]
    done = run(model, *given, "--normalize")
    assert done.exit_code == 2
    assert "expected values less 1, 2, 3, divided by 4, 5, 6, as its metadata say, received data with" in done.stderr


def test_the_command_refuses_in_one_line_what_it_would_ignore_or_cannot_read(tmp_path):
    for arguments, said in (
        ((MODEL, "--for", "keil"), "'keil' is not one of 'cmake', 'arduino', 'esp-idf', 'zephyr', 'platformio'"),
        ((MODEL, "--seed", "1", "-o", tmp_path / "b"), "bad --seed: expected it with --data"),
        ((tmp_path, "--data", "watch"), "bad --data: expected it with MODEL.tflite"),
        ((tmp_path / "none.tflite",), "none.tflite"),
    ):
        done = run(*arguments)
        assert (done.exit_code, said in done.output) == (2, True), done.output
    assert not (tmp_path / "b").exists()


def test_the_bundle_of_a_file_lies_beside_it_by_default(tmp_path):
    shutil.copy(MODEL, tmp_path / "small.tflite")
    done = run(tmp_path / "small.tflite")
    assert done.exit_code == 0, done.output
    assert "not checked" in done.output
    assert (tmp_path / "small-bundle" / "README.md").is_file()


def test_without_jinja2_the_command_names_the_extra(tmp_path):
    code = "import sys; sys.modules['jinja2'] = None; from kd_edge.cli import main; main()"
    command = [sys.executable, "-c", code, "bundle", str(MODEL), "-o", str(tmp_path / "b")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "Error: jinja2 is not installed: pip install 'kd-edge[report]'\n"


@pytest.mark.shared
def test_a_model_that_keeps_a_state_gets_its_variables_and_starts_anew_before_the_vectors(shared_path, tmp_path):
    made = write_file_bundle(shared_path / "models_found" / "microwakeword_vad.tflite", tmp_path)
    # Four streams, each in a variable of its own.
    assert "MicroResourceVariables::Create(allocator, 4)" in settings_of(made, "model.cc")
    assert "model_reset()" in settings_of(made, "run_vectors.c")
    assert "An output is the probability of model_class_names[1]" in settings_of(made)
    assert "one number, the probability of model_class_names[1];" in settings_of(made, "model.h")
