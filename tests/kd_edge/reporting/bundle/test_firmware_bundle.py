"""What a firmware engineer takes: sources that compile, vectors that agree, a manifest that holds."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict, replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.inputs import BudgetConfig, DataConfig
from kd_edge.config.run import RunConfig, load_config
from kd_edge.conversion.converter import convert
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.data.loading import load_data
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.reporting.bundle.from_run import write_bundle
from kd_edge.reporting.bundle.sources.c_literals import c_float
from kd_edge.reporting.bundle.sources.model_sources import resolver_method
from kd_edge.reporting.bundle.vectors import NUM_VECTORS
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.verification.verifier import verify
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
# Methods of TFLM's MicroMutableOpResolver, of the operators that students have and of some with odd names; copied from
# its header.
METHODS = {
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "EXPAND_DIMS": "AddExpandDims",
    "FULLY_CONNECTED": "AddFullyConnected",
    "L2_POOL_2D": "AddL2Pool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "PADV2": "AddPadV2",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "SOFTMAX": "AddSoftmax",
    "SPACE_TO_BATCH_ND": "AddSpaceToBatchNd",
    "SPLIT_V": "AddSplitV",
    "SVDF": "AddSvdf",
    "TRANSPOSE_CONV": "AddTransposeConv",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
STAND_IN = """#pragma once
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
namespace tflite {
template <unsigned int N>
class MicroMutableOpResolver {
 public:
  METHODS
  unsigned int num_added = 0;
 private:
  TfLiteStatus Count() { return ++num_added <= N ? kTfLiteOk : kTfLiteError; }
};
}  // namespace tflite
"""
FIRMWARE = """#include <cstdint>
#include <cstdio>
#include "model_data.h"
#include "model_settings.h"
#include "op_resolver.h"
int main() {
  ModelOpResolver resolver;
  if (RegisterModelOps(resolver) != kTfLiteOk || resolver.num_added != kNumModelOps) return 1;
  if (reinterpret_cast<std::uintptr_t>(g_model_data) % 16 != 0) return 2;
  for (const char *name : model_class_names) std::fwrite(name, 1, __builtin_strlen(name) + 1, stdout);
  std::fwrite(g_model_data, 1, g_model_data_size, stdout);
  return 0;
}
"""
HARNESS = """#include <string.h>
#include "check_vectors.h"
static const model_output_t answers[NUM_TEST_VECTORS][MODEL_OUTPUT_ELEMENTS] = {ANSWERS};
static int run(const model_input_t *input, model_output_t *output) {
  for (int vector = 0; vector < NUM_TEST_VECTORS; ++vector) {
    if (memcmp(input, test_inputs[vector], sizeof test_inputs[vector]) == 0) {
      memcpy(output, answers[vector], sizeof answers[vector]);
      return 0;
    }
  }
  return 1;
}
int main(void) { return check_vectors(run); }
"""
NAMES = ("one", 'two "quoted" \\ ??/', "drei größer", "four\n*/")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with what the bundle reads of a finished run, on samples with class names that tempt a C compiler."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    arrays = {f"x_{split}": rng.integers(0, 255, (60, 32, 3)) for split in ("train", "test")}
    labels = {f"y_{split}": np.arange(60) % 4 for split in ("train", "test")}
    np.savez(folder / "data.npz", **arrays, **labels, class_names=np.array(NAMES))
    data = load_data(folder / "data.npz")
    keras.utils.set_random_seed(0)
    space = StudentSpace.family("resnet", data.input_shape, 4)
    student = space.blueprint({name: options[1] for name, options in space.choices.items()}).to_keras()
    model, budget = convert(student, data.x_train), Budget(64_000, 32_000)
    checked = asdict(verify(model, data, device=load_device("nucleo-l4r5zi"), budget=budget))
    for name in ("better_than_majority", "classes_named"):  # it was not trained
        del checked["gates"][name]
    facts = {"description": data.description, "num_test": 60}
    facts |= {"num_train": len(data.x_train), "num_val": len(data.x_val)}
    facts |= {"input_shape": data.input_shape, "class_names": data.class_names, "scale": data.scale}
    result = {
        "data": facts,
        "design": {"device": "nucleo-l4r5zi", "budget": asdict(budget)},
        "convert": {"sha256": hashlib.sha256(model).hexdigest()},
        "verify": checked,
    }
    config = RunConfig(DataConfig(str(folder / "data.npz")), BudgetConfig("nucleo-l4r5zi", ram="32k"))
    (folder / "model.tflite").write_bytes(model)
    (folder / "config.json").write_text(json.dumps(asdict(config)))
    (folder / "results.json").write_text(json.dumps({"seed": 0, "versions": {}, "result": result}))
    return SimpleNamespace(folder=folder, model=model, data=data, config=config, result=result)


@pytest.fixture(scope="module")
def written(finished):
    return write_bundle(finished.folder)


def compiled(compiler, *arguments, cwd):
    done = subprocess.run([compiler, *WARNINGS, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_manifest_has_the_hash_and_size_of_every_other_file(finished, written):
    manifest = json.loads((written.folder / "manifest.json").read_text())
    found = {path.name: path.read_bytes() for path in written.folder.iterdir() if path.name != "manifest.json"}
    hashes = {name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in found.items()}
    assert {name: (f["sha256"], f["size_bytes"]) for name, f in manifest["files"].items()} == hashes
    assert found["model.tflite"] == finished.model
    assert manifest["passed"] is True


def test_the_configuration_in_the_bundle_asks_for_the_same_run(finished, written):
    assert load_config(written.folder / "config.toml") == finished.config
    assert written.command.startswith("kd-edge run config.toml")


def test_the_arena_is_the_figure_that_kept_the_budget_and_says_what_a_pc_needed(finished, written):
    verify, budget = finished.result["verify"], finished.result["design"]["budget"]
    needed = verify["measured"]["arena_minimum_bytes"]
    settings = (written.folder / "model_settings.h").read_text()
    assert f"#define MODEL_ARENA_BYTES {written.tensor_arena_bytes}\n" in settings
    assert written.tensor_arena_bytes == verify["ram_bytes"] == verify["gates"]["ram_bytes"]["measured"]
    assert written.tensor_arena_bytes <= budget["ram_bytes"]
    assert written.tensor_arena_bytes % 16 == 0
    assert f"TFLM's arena needed to run the model {needed:,} B" in " ".join(settings.split())


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc"])
def test_the_c_files_compile_without_a_warning(written, tmp_path, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    target = ("-mcpu=cortex-m4", "-mthumb") if compiler.startswith("arm") else ()
    for name in ("check_vectors.c", "test_vectors.c"):
        compiled(compiler, *target, "-std=c99", "-c", written.folder / name, "-o", tmp_path / "out.o", cwd=tmp_path)
    plus = compiler.replace("gcc", "g++")
    standard = ("-std=c++11", "-c", written.folder / "model_data.cc", "-o", tmp_path / "data.o")
    compiled(plus, *target, *standard, cwd=tmp_path)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_firmware_has_the_model_aligned_its_class_names_and_exactly_its_operators(finished, written, tmp_path):
    header = tmp_path / "tensorflow" / "lite" / "micro" / "micro_mutable_op_resolver.h"
    header.parent.mkdir(parents=True)
    methods = "\n  ".join(f"TfLiteStatus {method}() {{ return Count(); }}" for method in METHODS.values())
    header.write_text(STAND_IN.replace("METHODS", methods))
    (tmp_path / "firmware.cc").write_text(FIRMWARE)
    paths = ("-I", tmp_path, "-I", written.folder, "-o", tmp_path / "firmware")
    compiled("g++", "-std=c++17", "firmware.cc", written.folder / "model_data.cc", *paths, cwd=tmp_path)
    done = subprocess.run([tmp_path / "firmware"], capture_output=True)
    assert done.returncode == 0
    assert done.stdout == b"".join(name.encode() + b"\0" for name in NAMES) + finished.model
    kinds = {op.name for op in read_model(finished.model).ops}
    assert f"kNumModelOps = {len(kinds)};" in (written.folder / "op_resolver.h").read_text()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize(("change", "num_failed"), [(0, 0), (3, NUM_VECTORS)])
def test_the_check_passes_the_answers_of_litert_and_no_others(finished, written, tmp_path, change, num_failed):
    data, tensor = finished.data, read_model(finished.model).input_tensors[0]
    order = sorted(range(60), key=lambda index: (index // 4, data.y_test[index]))[:NUM_VECTORS]
    steps = quantize(data.x_test[order], tensor)
    answers = litert.run_outputs(finished.model, steps, reference_kernels=True).astype(int)
    answers[:, 0] += np.where(answers[:, 0] > 0, -change, change)
    rows = ", ".join(f"{{{', '.join(map(str, row))}}}" for row in answers.tolist())
    (tmp_path / "harness.c").write_text(HARNESS.replace("ANSWERS", rows))
    sources = [written.folder / name for name in ("check_vectors.c", "test_vectors.c")]
    compiled("gcc", "-std=c99", "harness.c", *sources, "-I", written.folder, "-o", tmp_path / "check", cwd=tmp_path)
    assert subprocess.run([tmp_path / "check"]).returncode == num_failed


def test_the_same_run_gives_the_same_bytes(finished, written, tmp_path):
    again = write_bundle(finished.folder, tmp_path)
    for path in again.folder.iterdir():
        assert path.read_bytes() == (written.folder / path.name).read_bytes()


def test_a_run_stays_as_it_is_where_its_own_folder_or_that_of_its_device_is_named(finished, tmp_path):
    profile = tmp_path / "device" / "own.toml"
    profile.parent.mkdir()
    profile.write_text(to_toml(load_device("nucleo-l4r5zi")))
    copy = changed(finished, tmp_path / "copy", lambda _, config: config["budget"].update(device=str(profile)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for folder, read in ((copy, "model.tflite"), (tmp_path, "device/own.toml")):
        with pytest.raises(ConfigError, match=f"bad --output: expected another file than .*{read}, which is read"):
            write_bundle(copy, folder)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_operator_gets_the_method_that_was_copied_from_tflms_header():
    assert {op: resolver_method(op) for op in METHODS} == METHODS


def test_a_run_that_is_unfinished_or_changed_is_named(finished, tmp_path):
    with pytest.raises(ModelError, match=r"no finished run: expected .*results\.json"):
        write_bundle(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy, ignore=shutil.ignore_patterns("bundle"))
    (copy / "model.tflite").write_bytes(finished.model + b"x")
    with pytest.raises(ModelError, match="is not the model of its run's results"):
        write_bundle(copy)
    (copy / "model.tflite").unlink()
    with pytest.raises(ModelError, match=r"expected .*model\.tflite, found nothing"):
        write_bundle(copy)
    (copy / "results.json").write_text("{")
    with pytest.raises(ModelError, match="expected JSON of `kd-edge run`"):
        write_bundle(copy)
    shutil.copy(finished.folder / "model.tflite", copy / "model.tflite")
    results = json.loads((finished.folder / "results.json").read_text())
    results["result"]["data"]["num_test"] = 61
    (copy / "results.json").write_text(json.dumps(results))
    with pytest.raises(DataError, match="expected num_test 61, received 60"):
        write_bundle(copy)
    assert not (copy / "bundle").exists()


def test_the_command_prints_what_the_bundle_holds(finished, written, tmp_path, check_document):
    done = CliRunner().invoke(main, ["bundle", str(finished.folder), "-o", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    check_document(document)
    assert document["provenance"]["tensor_arena_bytes"] == "computed"
    assert document["result"]["files"] == json.loads((written.folder / "manifest.json").read_text())["files"]


def test_a_failed_check_is_in_the_manifest(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy, ignore=shutil.ignore_patterns("bundle"))
    results = json.loads((finished.folder / "results.json").read_text())
    results["result"]["verify"]["gates"]["ram_bytes"]["passed"] = False
    (copy / "results.json").write_text(json.dumps(results))
    written = write_bundle(copy)
    assert (written.passed, written.failed_checks) == (False, ("ram_bytes",))
    assert CliRunner().invoke(main, ["bundle", str(copy)]).exit_code == 1
    assert json.loads((copy / "bundle" / "manifest.json").read_text())["failed_checks"] == ["ram_bytes"]


def changed(finished, folder, change):
    """Return a copy of the run after `change` was called with its results and its configuration."""
    shutil.copytree(finished.folder, folder, ignore=shutil.ignore_patterns("bundle"))
    results, config = (json.loads((folder / name).read_text()) for name in ("results.json", "config.json"))
    change(results["result"], config)
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_limit_of_the_latency_that_could_not_be_checked_is_no_pass(finished, tmp_path):
    def change(result, config):
        result["verify"]["passed"] = False
        result["verify"]["gates"]["latency_ms"] = {"passed": None, "measured": None, "limit": 15.0}

    copy = changed(finished, tmp_path / "copy", change)
    done = CliRunner().invoke(main, ["bundle", str(copy)])
    assert done.exit_code == 1
    assert "NOT PROVEN: latency_ms" in done.stdout
    assert "BROKEN" not in done.stdout
    manifest = json.loads((copy / "bundle" / "manifest.json").read_text())
    assert (manifest["passed"], manifest["failed_checks"]) == (False, [])
    assert manifest["open_checks"] == ["latency_ms"]


def test_an_arena_that_was_not_searched_for_is_not_said_to_be_the_smallest(finished, tmp_path):
    copy = changed(
        finished, tmp_path / "copy", lambda result, _: result["verify"]["measured"].update(arena_minimum_bytes=None)
    )
    arena_bytes = finished.result["verify"]["measured"]["arena_bytes"]
    assert f"TFLM's arena held after the model ran {arena_bytes:,} B" in write_bundle(copy).arena_source


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("num_train", 7, "expected num_train 7, received"),
        ("num_val", 7, "expected num_val 7, received"),
        ("scale", [[1.0] * 3, [2.0] * 3], r"expected scale \[\[1\.0, 1\.0, 1\.0\], .*received"),
    ],
)
def test_data_that_are_others_by_now_are_refused(finished, tmp_path, name, value, match):
    copy = changed(finished, tmp_path / "copy", lambda result, _: result["data"].update({name: value}))
    with pytest.raises(DataError, match=match):
        write_bundle(copy)


def test_constants_that_another_processor_rounds_otherwise_are_those_of_the_run(finished, tmp_path):
    (first, *means), deviations = finished.data.scale
    scale = [[first + 1e-6 * deviations[0], *means], deviations]
    copy = changed(finished, tmp_path / "copy", lambda result, _: result["data"].update(scale=scale))
    settings = (write_bundle(copy).folder / "model_settings.h").read_text()
    assert f"model_mean[MODEL_NUM_CHANNELS] = {{{', '.join(map(c_float, scale[0]))}}};" in settings
    assert c_float(scale[0][0]) != c_float(first)


def test_a_device_from_a_file_comes_with_the_bundle_and_is_what_its_configuration_asks_for(finished, tmp_path):
    profile = tmp_path / "own.toml"
    profile.write_text(to_toml(replace(load_device("nucleo-l4r5zi"), name="own", title="A board of my own")))
    copy = changed(finished, tmp_path / "copy", lambda _, config: config["budget"].update(device=str(profile)))
    written = write_bundle(copy)
    assert load_config(written.folder / "config.toml").budget.device == str(written.folder / "device/own.toml")
    assert load_device(written.folder / "device" / "own.toml").title == "A board of my own"
    content = profile.read_bytes()
    known = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    assert written.files["device/own.toml"] == known
    profile.unlink()
    with pytest.raises(ConfigError, match=r"own\.toml: expected the run's device, found nothing there"):
        write_bundle(copy)


def test_the_manifest_has_the_hashes_of_the_samples_and_the_teacher_that_the_configuration_names(finished, tmp_path):
    teacher = tmp_path / "teacher.keras"
    teacher.write_bytes(b"weights")
    copy = changed(finished, tmp_path / "copy", lambda _, config: config["teacher"].update(path=str(teacher)))
    manifest = json.loads((write_bundle(copy).folder / "manifest.json").read_text())
    samples = finished.folder / "data.npz"
    hashes = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (samples, teacher)}
    assert {name: file["sha256"] for name, file in manifest["inputs"].items()} == hashes


def test_the_bundle_of_a_model_of_sound_carries_the_settings_of_the_front_end(finished, tmp_path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(finished.folder, copy, ignore=shutil.ignore_patterns("bundle"))
    (tmp_path / "heard.py").write_text(
        "from dataclasses import replace\n"
        "from kd_edge.data import load_data\n"
        "from kd_edge.data.front_end import FrontEnd\n"
        f"def sound(): return replace(load_data({str(finished.folder / 'data.npz')!r}), front_end=FrontEnd())\n"
    )
    monkeypatch.chdir(tmp_path)
    config = asdict(finished.config)
    config["data"]["source"] = "heard:sound"
    (copy / "config.json").write_text(json.dumps(config))
    made = write_bundle(copy)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert manifest["front_end"] == asdict(made.front_end)
    assert manifest["front_end"]["window_step_ms"] == 10
    assert "audio_front_end.h" in manifest["files"]
    assert "config->window.step_size_ms = 10;" in (made.folder / "audio_front_end.h").read_text()
