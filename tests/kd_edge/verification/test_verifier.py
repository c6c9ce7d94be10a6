"""Verification of a model against budget, float student and prediction, in the real runtimes."""

from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.schema_py_generated import BuiltinOperator
from rich.table import Table

from kd_edge.config.choices import QUANTIZE_MODES
from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.gate import BROKEN, NOT_PROVEN, Gate
from kd_edge.cost.model import CostModel
from kd_edge.cost.report import report_cost
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, ModelError, RefusedError
from kd_edge.ir.lowering import lower
from kd_edge.reporting.tables.verification import verify_tables
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.verification.observation import observe
from kd_edge.verification.verdict import open_checks, proven
from kd_edge.verification.verifier import judge, verify
from tflite_bench.errors import ModelFileError, RunnerError
from tflite_bench.model.info import TensorInfo
from tflite_bench.model.precision import precision_of
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack

BOARD = load_device("nucleo-l4r5zi")
ROOMY = Budget(64_000, 32_000, 100.0)
# What 80 test samples prove where the float student and the file never differ: 1.96 / 82.
PROVEN_LOSS = 0.024
FILES = Path(__file__).parents[2] / "data"


def random_data(num_inputs, num_classes):
    """Samples for a file of others; what it answers does not matter."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, num_inputs)).astype("float32"), np.arange(20) % num_classes
    return Dataset("random", x, y, x, y, x, y, tuple(map(str, range(num_classes))))


def beside_its_range(num_outputs):
    """A network of one value with a root: its answers are no numbers where that is below 0."""
    inputs = keras.Input((1,))
    root = keras.layers.Lambda(lambda x: keras.ops.sqrt(x) - 0.5)(inputs)
    return keras.Model(inputs, keras.layers.Dense(num_outputs, use_bias=False)(root))


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        (Task("multiclass", ("low", "mid", "high")), lambda x: np.digitize(x[:, 0], [0, 0.25])),
        (Task("binary", ("low", "high")), lambda x: (x[:, 0] > 0.25).astype(int)),
        (Task("multilabel", ("high", "low")), lambda x: np.hstack([x > 0.25, x < 0.25]).astype(int)),
        (Task("regression", ("root",)), lambda x: np.sqrt(np.abs(x))),
        (Task("reconstruction", ("normal", "anomaly")), lambda x: (x[:, 0] < 0).astype(int)),
    ],
)
def test_answers_that_are_no_numbers_are_no_answers(task, targets):
    x = np.linspace(-1, 1, 40, dtype="float32")[:, None]
    names = task.names if task.kind == "multiclass" else ()
    data = Dataset("roots", x, targets(x), x, targets(x), x, targets(x), names, task=task)
    content = convert(beside_its_range(data.num_outputs), quantize="none")
    with pytest.raises(RefusedError, match=r"broken: expected numbers as answers, received NaN.* for 20 of 40 samples"):
        verify(content, data, device=BOARD, budget=ROOMY)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "m.tflite"}, r"bad model: expected the bytes of a \.tflite file.*received str 'm\.tflite'"),
        ({"device": "rp2040"}, r"bad device: expected a DeviceProfile, such as load_device returns, received str"),
        ({"budget": None}, r"bad budget: expected a kd_edge\.Budget, received NoneType None"),
        ({"max_accuracy_loss": 2}, r"bad max_accuracy_loss: expected a share such as 0\.02 for 2 %, received 2"),
        ({"max_accuracy_loss": float("nan")}, r"bad max_accuracy_loss: expected a share .*received nan"),
    ],
)
def test_arguments_of_another_kind_are_named(wrong, message, content, data):
    given = {"model": content, "data": data, "device": BOARD, "budget": ROOMY} | wrong
    with pytest.raises(ConfigError, match=message):
        verify(given.pop("model"), given.pop("data"), **given)


def shown(result):
    """The table of accuracies, as text."""
    document = {**asdict(result), "device": "x", "budget": asdict(ROOMY)}
    tables = [part for part in verify_tables(document) if isinstance(part, Table)]
    return " ".join(tables[1].columns[0].cells)


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


@pytest.fixture(scope="module")
def student(data):
    keras.utils.set_random_seed(0)
    space = StudentSpace.family("ds_cnn", data.input_shape, data.num_classes)
    values = {name: options[1] for name, options in space.choices.items()} | {"num_blocks": 1}
    model = space.blueprint(values).to_keras()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def content(student, data):
    return convert(student, data.x_train)


@pytest.fixture(scope="module")
def observed(content, data):
    """What the runtimes say of the file alone, for boards and budgets."""
    return observe(content, data)


@pytest.fixture(scope="module")
def observed_modes(student, data):
    """The same of the student's files in other numbers than int8, beside the student, by mode."""
    files = {mode: convert(student, data.x_train, quantize=mode) for mode in ("int16x8", "float16", "dynamic", "none")}
    return {mode: observe(file, data, student=student) for mode, file in files.items()}


@pytest.fixture(scope="module")
def observed_atan2():
    """The same of a file with an operator that TFLM lacks."""
    return observe((FILES / "atan2.tflite").read_bytes(), random_data(4, 4))


@pytest.fixture(scope="module")
def observed_hybrid():
    """The same of a file that TFLM refuses."""
    return observe((FILES / "dense_hybrid.tflite").read_bytes(), random_data(64, 24))


@pytest.fixture(scope="module")
def checked(student, content, data):
    # One of 80 samples is 1.25 points: that int8 costs less than 2 would not be proven.
    return verify(content, data, device=BOARD, budget=ROOMY, student=student, max_accuracy_loss=0.1)


def test_a_good_model_passes_every_gate(checked):
    assert (checked.passed, checked.verdict) == (True, "holds")
    assert all(gate.passed for gate in checked.gates.values())


def test_the_figures_are_those_of_the_runtimes(checked, content, student, data):
    assert checked.measured.flash_bytes == len(content)
    scores = student.predict(data.x_test, verbose=0)
    assert checked.accuracy.float_keras == np.mean(scores.argmax(axis=1) == data.y_test)
    assert checked.parity.num_samples == len(data.x_test)
    assert checked.parity.max_difference <= 1
    assert sum(map(sum, checked.confusion)) == len(data.x_test)
    right = sum(row[i] for i, row in enumerate(checked.confusion))
    assert right / len(data.x_test) == checked.accuracy.int8_litert


def test_every_known_accuracy_has_its_interval(checked, data):
    assert set(checked.accuracy_ci95) == {"float_keras", "float_tflite", "int8_litert", "int8_tflm"}
    for name, interval in checked.accuracy_ci95.items():
        assert interval.ci95_low <= getattr(checked.accuracy, name) <= interval.ci95_high


def test_every_op_that_computes_has_its_noise_and_its_layer(checked, student, content):
    assert [op.index for op in checked.noise] == list(range(len(read_model(content).ops)))
    assert all(op.signal_to_noise_db > 10 for op in checked.noise)
    layers = {layer.name for layer in student.layers}
    assert {op.layer for op in checked.noise} <= layers


def test_the_prediction_is_compared_with_what_was_measured(checked, content):
    error = checked.prediction_error_percent
    assert error["flash_bytes"] == pytest.approx(100 * (checked.predicted.flash_bytes - len(content)) / len(content))
    assert abs(error["arena_bytes"]) < 2
    assert checked.predicted_from == "student"


def test_an_operator_that_tflm_lacks_fails_the_file_and_is_named_with_its_layer(observed_atan2):
    result = judge(observed_atan2, device=BOARD, budget=ROOMY)
    assert [name for name, gate in result.gates.items() if gate.passed is False] == ["tflm_missing_ops"]
    assert [(op.op, op.index) for op in result.missing_ops] == [("ATAN2", 1)]
    assert "no kernel for ATAN2" in result.unavailable_reason["int8_tflm"]
    assert result.parity is None


def test_a_file_that_tflm_refuses_fails_on_a_microcontroller_only(observed_hybrid):
    board = load_device("rp2040")
    for device, verdict in ((load_device("pixel-3a"), "not_proven"), (replace(board, float32=board.int8), "broken")):
        result = judge(observed_hybrid, device=device, budget=ROOMY)
        assert (result.verdict, result.gates["tflm_refusals"].measured) == (verdict, 1)
        assert "float activations and int8 weights" in result.unavailable_reason["parity"]


@pytest.mark.parametrize("runtime", ["adb benchmark_model", "ssh benchmark_model", "leip", "x-cube-ai 8", "hale"])
def test_an_operator_that_tflm_lacks_fails_no_file_where_another_runtime_works(observed_atan2, runtime):
    result = judge(observed_atan2, device=replace(BOARD, runtime=runtime), budget=ROOMY)
    assert [name for name, gate in result.gates.items() if gate.passed is False] == []
    assert result.gates["tflm_missing_ops"] == Gate(None, 1, None)
    assert "ram_bytes" not in result.unavailable_reason


def test_the_arena_that_tflm_needs_is_an_estimate_where_another_runtime_works(observed, checked):
    board = load_device("nucleo-l4r5zi-cube-ai")
    result = judge(observed, device=board, budget=Budget(64_000, 1000))
    reason = "x-cube-ai 8.1.0 on nucleo-l4r5zi-cube-ai plans memory itself; TFLM's arena is an estimate"
    assert result.unavailable_reason["ram_bytes"] == reason
    assert [name for name, gate in result.gates.items() if gate.passed is False] == ["ram_bytes"]
    assert f"RAM: {reason}" in list(verify_tables({**asdict(result), "device": "b", "budget": asdict(ROOMY)}))
    assert "ram_bytes" not in checked.unavailable_reason


def test_a_ram_between_two_kinds_of_kernels_is_as_open_as_the_cost_says(content, observed):
    board = replace(load_device("esp32-s3"), core="my-chip")
    cost, report = report_cost(lower(content), board, ROOMY)
    assert report.ram_low_bytes < cost.ram_bytes
    for ram_bytes, verdict in ((cost.ram_bytes - 16, NOT_PROVEN), (report.ram_low_bytes - 1, BROKEN)):
        budget = Budget(64_000, ram_bytes)
        gate = judge(observed, device=board, budget=budget).gates["ram_bytes"]
        assert gate.verdict == verdict == report_cost(lower(content), board, budget)[1].gates["ram_bytes"].verdict
        assert (gate.low, gate.high) == (report.ram_low_bytes, cost.ram_bytes)


def test_the_verdict_says_only_what_was_checked_and_names_the_rest(checked, observed_hybrid):
    refused = judge(observed_hybrid, device=load_device("pixel-3a"), budget=ROOMY)
    assert proven(asdict(checked)) == "the model fits and the runtimes agree"
    assert proven(asdict(refused)) == "the model fits"
    # What has no other side to be compared with has no limit; the answers to noise are no better than the majority.
    assert open_checks(asdict(refused)) == ("better_than_majority",)
    assert refused.unavailable_reason["accuracy_loss"] == "no float student was given (--student)"
    document = {**asdict(refused), "device": "pixel-3a", "budget": asdict(ROOMY)}
    line = next(iter(verify_tables(document)))
    assert line.startswith(
        "pixel-3a: NOT PROVEN: the model fits, but not proven: share right, better than always naming the largest "
        "class ("
    )


def test_operators_and_shapes_of_a_dynamic_batch_are_warned_of(data, checked):
    model = keras.Sequential([keras.Input((32, 3)), keras.layers.Reshape((3, 32), name="turn"), keras.layers.Flatten()])
    model.add(keras.layers.Dense(4))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    assert {"SHAPE", "STRIDED_SLICE", "PACK"} <= {op.name for op in read_model(content).ops}
    result = verify(content, data, device=load_device("pixel-3a"), budget=ROOMY)
    assert "SHAPE (layer 'turn" in result.warnings[0]
    assert "`kd-edge convert` fixes the batch to 1" in result.warnings[0]
    assert checked.warnings == ()


def test_a_custom_operator_is_named_with_its_layer(content, data):
    model = unpack(content)
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = "OwnOp"
    with pytest.raises(RefusedError, match=r"broken: .*custom operators, OwnOp \(layer 'n001_reshape.*OwnOp \(op 0\)"):
        verify(pack(model), data, device=BOARD, budget=ROOMY)


def test_a_student_with_a_layer_for_training_alone_is_costed_before_there_is_a_file(student, content, data):
    noisy = keras.Sequential([keras.Input((32, 3)), keras.layers.GaussianNoise(0.1), *student.layers[1:]])
    result = verify(content, data, device=BOARD, budget=ROOMY, student=noisy, max_accuracy_loss=0.1)
    assert result.passed
    assert result.predicted_from == "student"


def test_a_float_file_is_costed_as_what_it_is_and_not_as_its_student_in_int8(observed_modes):
    float_file, device = observed_modes["none"], load_device("pixel-3a")
    result = judge(float_file, device=device, budget=ROOMY)
    assert (result.precision, result.predicted_from) == ("float32", "file")
    assert result.predicted == CostModel(device).estimate(lower(float_file.model))
    assert result.unavailable_reason["predicted_from"] == "a student predicts an int8 file, this one is float32"
    assert "float32, LiteRT" in shown(result)
    assert "int8" not in shown(result)


@pytest.mark.parametrize(
    ("mode", "received"), [("int16x8", "int16"), ("float16", "float32"), ("dynamic", "float32"), ("none", "float32")]
)
def test_a_file_whose_numbers_a_board_has_no_costs_for_is_verified_without_a_latency(observed_modes, mode, received):
    budget = replace(ROOMY, latency_ms=None)
    result = judge(observed_modes[mode], device=BOARD, budget=budget, max_accuracy_loss=PROVEN_LOSS)
    for figure in ("latency_ms", "latency_low_ms", "latency_high_ms"):
        assert getattr(result.predicted, figure) is None
        assert f"expected ops of int8, received {received}; convert" in result.unavailable_reason[figure]
    assert result.gates["latency_ms"] == Gate(None, None, None)
    # TFLM has no kernel that reads weights of float16, and the file then has no arena to compare with.
    refused = mode == "float16"
    assert [name for name, gate in result.gates.items() if gate.passed is False] == ["tflm_refusals"] * refused
    assert result.passed is not refused
    measured_bytes = result.measured.arena_bytes
    assert measured_bytes is None if refused else result.predicted_host_arena_bytes == measured_bytes


@pytest.mark.parametrize("with_student", [True, False])
def test_a_limit_of_a_latency_that_is_not_known_is_not_checked_and_nothing_is_proven(
    observed_modes, data, with_student
):
    known = observed_modes["none"]
    known = known if with_student else observe(known.model, data)
    result = judge(known, device=BOARD, budget=ROOMY, max_accuracy_loss=PROVEN_LOSS)
    assert (result.gates["latency_ms"].measured, result.gates["latency_ms"].verdict) == (None, "not_proven")
    assert not result.passed
    assert not [name for name, gate in result.gates.items() if gate.passed is False]
    expected = "the model fits the flash and the RAM and the runtimes agree"
    assert proven(asdict(result)) == expected
    lines = list(verify_tables({**asdict(result), "device": "b", "budget": asdict(ROOMY)}))
    unproven = "the computed latency is short enough (not known, at most 100 ms)"
    assert lines[0] == f"b: NOT PROVEN: {expected}, but not proven: {unproven}"
    assert "latency unknown: no latency on nucleo-l4r5zi: expected ops of int8, received float32" in lines[2]


@pytest.mark.parametrize("mode", QUANTIZE_MODES)
def test_the_precision_of_a_file_is_the_mode_that_made_it(data, mode):
    # The converter leaves layers of fewer than 1,024 weights alone where it quantizes weights only.
    model = keras.Sequential([keras.Input(data.input_shape), keras.layers.Flatten(), keras.layers.Dense(64)])
    content = convert(model, data.x_train[:20], quantize=mode)
    assert precision_of(read_model(content)) == {"none": "float32"}.get(mode, mode)


@pytest.mark.shared
def test_a_file_that_crashes_the_interpreter_is_an_error(shared_path):
    content = (shared_path / "models" / "tflm_keyword_scrambled_8bit.tflite").read_bytes()
    with pytest.raises(RunnerError, match="the runtime was ended by SIG"):
        verify(content, random_data(96, 2), device=BOARD, budget=ROOMY)


def test_the_smallest_arena_that_works_is_not_smaller_than_the_activations(checked):
    assert checked.measured.arena_minimum_bytes > checked.measured.arena_nonpersistent_bytes
    assert checked.predicted_host_arena_bytes == pytest.approx(checked.measured.arena_bytes, abs=64)
    assert checked.predicted.arena_bytes < checked.measured.arena_bytes


@pytest.mark.parametrize(
    ("budget", "gate"),
    [
        (Budget(1000, 32_000), "flash_bytes"),
        (Budget(64_000, 1000), "ram_bytes"),
        (Budget(64_000, 32_000, 0.001), "latency_ms"),
        (Budget(64_000, 32_000, energy_mj=1e-6), "energy_mj"),
    ],
)
def test_each_limit_of_the_budget_can_fail_the_model(observed, budget, gate):
    result = judge(observed, device=BOARD, budget=budget)
    assert not result.passed
    assert [name for name, checked in result.gates.items() if checked.passed is False] == [gate]
    assert result.energy.energy_low_mj < result.energy.energy_mj < result.energy.energy_high_mj


def test_a_loss_of_accuracy_fails_the_model(student, data):
    wrong = convert(student, data.x_train * 0.01)
    result = verify(wrong, data, device=BOARD, budget=ROOMY, student=student, max_accuracy_loss=0.0)
    assert result.gates["accuracy_loss"].passed is False


def test_a_student_that_the_file_was_not_made_of_is_refused(data):
    student = keras.Sequential([keras.Input(data.input_shape), keras.layers.Flatten(), keras.layers.Dense(4)])
    file = convert_for(student, data, ConvertConfig(qat="never")).content
    other = keras.models.clone_model(student)
    with pytest.raises(
        ModelError, match=r"the file was not made of student .*: expected weights of SHA-256 \w{8}, rec"
    ):
        verify(file, data, device=BOARD, budget=ROOMY, student=other)


def test_what_was_not_given_is_not_checked_and_says_why(observed):
    result = judge(observed, device=BOARD, budget=Budget(64_000, 32_000))
    assert result.passed
    assert result.gates["latency_ms"].passed is None
    assert result.accuracy.float_keras is None
    assert "--student" in result.unavailable_reason["float_keras"]


def test_the_energy_on_a_board_without_a_power_is_unknown_and_says_why(observed):
    result = judge(observed, device=load_device("nrf52840"), budget=Budget(64_000, 32_000))
    assert (result.energy, "energy_mj" in result.gates) == (None, False)
    assert "the power of nrf52840 is not known" in result.unavailable_reason["energy"]


def test_a_model_of_other_samples_or_classes_is_named(content, data, waves_npz):
    watch = load_data("watch")
    with pytest.raises(ModelError, match=r"the model reads samples of shape \(32, 3\), watch has \(128, 6\)"):
        verify(content, watch, device=BOARD, budget=ROOMY)
    other = keras.Sequential([keras.Input((32, 3)), keras.layers.Flatten(), keras.layers.Dense(9)])
    with pytest.raises(ModelError, match=r"the model has 9 outputs per sample \(shape \(1, 9\)\), waves has 4 classes"):
        verify(convert(other, data.x_train), data, device=BOARD, budget=ROOMY)
    per_step = keras.Sequential([keras.Input((32, 3)), keras.layers.AveragePooling1D(4), keras.layers.Dense(4)])
    with pytest.raises(ModelError, match=r"has 32 outputs per sample \(shape \(1, 8, 4\)\), waves has 4 classes"):
        verify(convert(per_step, data.x_train), data, device=BOARD, budget=ROOMY)


def test_bytes_that_are_no_model_are_named(data):
    with pytest.raises(ModelFileError):
        verify(b"no model at all", data, device=BOARD, budget=ROOMY)


def test_a_file_with_an_op_that_reference_kernels_lack_is_converted_and_verified(data):
    twice = keras.layers.Lambda(lambda x: keras.ops.tile(x, (1, 2, 2, 1)))
    layers = [keras.layers.Reshape((8, 4, 3)), twice, keras.layers.Conv2D(4, 3)]
    student = keras.Sequential([keras.Input((32, 3)), *layers, keras.layers.GlobalAveragePooling2D()])
    made = convert_for(student, data, ConvertConfig(max_int8_loss=1.0))
    phone = replace(BOARD, runtime="litert")
    result = verify(made.content, data, device=phone, budget=ROOMY, student=student, max_accuracy_loss=1.0)
    assert made.qat.int8_accuracy is not None
    assert "reference kernels lack TILE of version 3" in result.warnings[0]
    assert [op.op for op in result.noise][-1] in ("MEAN", "CONV_2D")


def test_quantizing_rounds_to_the_nearest_step_and_saturates(content):
    tensor = read_model(content).input_tensors[0]
    assert isinstance(tensor, TensorInfo)
    scale, zero = np.float32(tensor.scales[0]), tensor.zero_points[0]
    steps = quantize(np.array([0.0, 1.4 * scale, 1e9, -1e9], "float32"), tensor)
    assert steps.tolist() == [zero, zero + 1, 127, -128]
