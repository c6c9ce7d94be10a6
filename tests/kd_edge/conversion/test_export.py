"""The file of a student for a data set: which samples calibrate it, and what it says about itself."""

import json
import re
import sys
from dataclasses import replace
from importlib.metadata import version

import keras
import numpy as np
import pytest

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.calibration_samples import choose_samples
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.metadata import NAME, add_metadata, metadata_bytes, read_metadata
from kd_edge.conversion.tflm_support import missing_from
from kd_edge.data.loading import load_data
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.reporting.documents import make_document
from kd_edge.reporting.tables.stages import convert_tables
from tflite_bench.errors import ModelFileError
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack
from tflite_bench.reporting.envelope import to_plain
from tflite_bench.runners import litert, tflm

INT8 = ConvertConfig(num_calibration_samples=40, qat="never")


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz, normalize=True)


@pytest.fixture(scope="module")
def student(data):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv1D(8, 5, strides=2), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    layers += [keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(data.num_classes)]
    return keras.Sequential([keras.Input(data.input_shape), *layers])


@pytest.fixture(scope="module")
def made(student, data):
    return convert_for(student, data, INT8)


@pytest.fixture(scope="module")
def made_without_data(student):
    return convert_for(student, None, ConvertConfig("float16"))


def test_the_file_names_its_classes_its_input_and_where_it_comes_from(made, data):
    found = read_metadata(made.content)
    source = read_model(made.content).input_tensors[0]
    assert found["class_names"] == ["one", "two", "three", "four"]
    assert (found["input"]["scale"], found["input"]["zero_point"]) == (source.scales[0], source.zero_points[0])
    assert found["input"]["meaning"].startswith("(value - mean) / deviation")
    assert found["input"]["deviation"] == list(data.scale[1])
    assert found["provenance"]["num_calibration_samples"] == 40
    assert NAME in read_model(made.content).metadata


def test_the_metadata_costs_the_stated_bytes_and_changes_no_output_of_either_runtime(made, student, data):
    plain = convert_for(student, data, INT8, metadata=False)
    assert plain.metadata_bytes == 0
    assert plain.content == convert(student, data.x_train, num_calibration_samples=40)
    assert (
        made.metadata_bytes == len(made.content) - len(plain.content) == made.summary().flash_bytes - len(plain.content)
    )
    assert 300 < made.metadata_bytes < 1000
    assert made.metadata_bytes <= metadata_bytes(data) < made.metadata_bytes + 250
    steps = quantize(data.x_test[:5], read_model(made.content).input_tensors[0])
    for run in (litert.run_outputs, tflm.run_outputs):
        assert np.array_equal(run(made.content, steps), run(plain.content, steps))
    assert tflm.measure_arena(made.content) == tflm.measure_arena(plain.content)


def test_equal_input_gives_equal_bytes(made, student, data):
    assert convert_for(student, data, INT8).content == made.content
    assert convert_for(student, data, INT8, seed=1).content != made.content


def test_an_operator_that_tflm_lacks_is_named_when_it_is_converted(data):
    layers = [keras.layers.Flatten(), keras.layers.Dense(4, activation="gelu", name="smooth")]
    model = keras.Sequential([keras.Input(data.input_shape), *layers])
    assert [(op.op, op.layer) for op in convert_for(model, data, INT8).missing_ops] == [("GELU", "smooth")]


def test_what_tflm_lacks_is_known_before_a_training():
    smooth = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="gelu", name="smooth")])
    assert missing_from(smooth) == ("TFLM has no kernel for GELU, layer 'smooth'",)
    assert missing_from(keras.Sequential([keras.Input((4, 2)), keras.layers.UpSampling1D(2)])) == ()
    bicubic = keras.layers.UpSampling2D(interpolation="bicubic", name="odd")
    (said,) = missing_from(keras.Sequential([keras.Input((4, 4, 2)), bicubic]))
    assert "no operator for ResizeBicubic (layer 'odd')" in said


def test_where_tflm_is_not_installed_its_missing_operators_are_not_known(monkeypatch, student, data, check_document):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)  # how Python marks a module that cannot be imported
    made = convert_for(student, data, INT8)
    assert made.missing_ops is None
    reason = made.unavailable_reason["missing_ops"]
    assert "TFLM is not installed" in reason
    document = make_document("convert", {"model": "student.tflite"}, made.summary(), seed=0)
    check_document(document)
    result = document["result"]
    assert (result["missing_ops"], result["unavailable_reason"]) == (None, {"missing_ops": reason})
    assert f"operators that TFLM lacks: not known, {reason}" in list(convert_tables(result))


def test_a_file_of_known_operators_lacks_none_and_needs_no_reason(made):
    assert (made.missing_ops, made.unavailable_reason) == ((), {})
    assert not any(
        "TFLM lacks" in str(line) for line in convert_tables({"model": "m.tflite", **to_plain(made.summary())})
    )


def test_a_warning_of_the_calibration_is_part_of_the_result(student, data):
    constant = replace(data, x_train=np.ones_like(data.x_train))
    made = convert_for(student, constant, INT8)
    assert made.warnings == ("all 40 calibration samples are the same; calibrate with varied training samples",)


def test_without_data_only_what_needs_no_samples_is_converted(student, made_without_data):
    assert len(made_without_data.content) > 1000
    with pytest.raises(DataError, match="no calibration data"):
        convert_for(student, None, INT8)


def test_without_data_the_file_says_how_it_was_made_and_nothing_of_classes(student, made_without_data):
    found = read_metadata(made_without_data.content)
    assert found["input"] == {"dtype": "float32", "shape": [1, 32, 3]}
    assert (found["provenance"]["tool"], found["provenance"]["quantize"]) == ("kd-edge", "float16")
    assert found["provenance"]["versions"] == {name: version(name) for name in ("kd-edge", "tensorflow", "keras")}
    assert "class_names" not in found
    plain = convert_for(student, None, ConvertConfig("float16"), metadata=False)
    assert plain.content == convert(student, quantize="float16")


def outputs_of(num, shape=(32, 3)):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(num)])


def two_outputs():
    one = keras.Input((32, 3))
    flat = keras.layers.Flatten()(one)
    return keras.Model(one, [keras.layers.Dense(4)(flat), keras.layers.Dense(4)(flat)])


def one_per_step():
    return keras.Sequential([keras.Input((32, 3)), keras.layers.AveragePooling1D(32), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    ("model", "received"),
    [
        (lambda: outputs_of(1), r"\(1, 1\)"),
        (lambda: outputs_of(96), r"\(1, 96\)"),
        (two_outputs, r"\(1, 4\), \(1, 4\)"),
        (one_per_step, r"\(1, 1, 2\)"),
        (
            lambda: keras.Sequential([keras.Input((32, 3)), *outputs_of(4).layers, keras.layers.Reshape((2, 2))]),
            r"\(1, 2, 2\)",
        ),
    ],
    ids=["one output", "an autoencoder", "two outputs", "other classes", "a table"],
)
def test_class_names_of_another_task_are_left_out_and_that_is_said(model, received, data):
    made = convert_for(model(), data, INT8)
    assert "class_names" not in read_metadata(made.content)
    (said,) = (sentence for sentence in made.warnings if "class names" in sentence)
    assert re.fullmatch(
        f"class names are left out of the metadata: expected one output of 4 classes as in waves, received {received}",
        said,
    )


def test_as_many_outputs_as_classes_are_no_classes_where_they_give_back_the_input(data):
    flat = {name: getattr(data, name)[:, :4, 0] for name in ("x_train", "x_val", "x_test")}
    copies = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, kernel_initializer="identity")])
    made = convert_for(copies, replace(data, **flat), replace(INT8, qat="auto"))
    assert "class_names" not in read_metadata(made.content)
    assert "the outputs of 'sequential" in made.warnings[-1]
    assert made.qat.float_accuracy is None
    sums = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, kernel_initializer="ones")])
    other = convert_for(sums, replace(data, **flat), INT8)
    assert "class_names" in read_metadata(other.content)


def test_the_meaning_of_other_samples_is_left_out(data):
    made = convert_for(outputs_of(4, (8, 3)), data, ConvertConfig("float16"))
    found = read_metadata(made.content)
    assert ("meaning" in found["input"], found["class_names"]) == (False, ["one", "two", "three", "four"])
    assert any("expected samples of shape (32, 3) as in waves, received (8, 3)" in said for said in made.warnings)


def test_each_of_several_inputs_is_described():
    image, words = keras.Input((4, 4, 1), name="image"), keras.Input((3,), dtype="int32", name="words")
    known = keras.layers.Flatten()(keras.layers.Embedding(9, 2)(words))
    model = keras.Model([image, words], keras.layers.Concatenate()([keras.layers.Flatten()(image), known]))
    samples = {"image": np.random.default_rng(0).normal(size=(8, 4, 4, 1)), "words": np.ones((8, 3))}
    content = convert_for(model, samples, INT8).content
    found, (first, second) = read_metadata(content), read_model(content).input_tensors
    assert "input" not in found
    assert found["inputs"] == [
        {
            "name": first.name,
            "dtype": "int8",
            "shape": [1, 4, 4, 1],
            "scale": first.scales[0],
            "zero_point": first.zero_points[0],
        },
        {"name": second.name, "dtype": "int32", "shape": [1, 3]},
    ]


def test_bytes_that_are_no_model_have_no_metadata(made):
    with pytest.raises(ModelFileError, match=r"expected a \.tflite file"):
        add_metadata(b"nothing", {})
    model = unpack(made.content)
    for damage in (b"{", json.dumps([1]).encode()):
        model.buffers[model.metadata[-1].buffer].data = list(damage)
        with pytest.raises(ModelError, match=f"bad metadata {NAME}: expected"):
            read_metadata(pack(model))


LABELS = np.array([0] * 90 + [1] * 8 + [2] * 2)


def test_the_same_seed_draws_the_same_samples_and_another_others():
    chosen = choose_samples(LABELS, num_samples=20, seed=4)
    assert np.array_equal(chosen, choose_samples(LABELS, num_samples=20, seed=4))
    assert not np.array_equal(chosen, choose_samples(LABELS, num_samples=20, seed=5))
    assert len(set(chosen.tolist())) == 20


def test_balanced_samples_take_the_classes_in_turn_until_they_run_out():
    chosen = choose_samples(LABELS, num_samples=12, choice="balanced")
    assert np.bincount(LABELS[chosen]).tolist() == [5, 5, 2]


def test_the_first_samples_and_all_of_few():
    assert choose_samples(LABELS, num_samples=3, choice="first").tolist() == [0, 1, 2]
    assert len(choose_samples(LABELS, num_samples=1000)) == 100


def test_an_unknown_choice_and_no_samples_are_named():
    with pytest.raises(ConfigError, match="unknown choice of calibration samples 'balance': did you mean 'balanced'"):
        choose_samples(LABELS, num_samples=3, choice="balance")
    with pytest.raises(ConfigError, match="expected 1 or more, received 0"):
        choose_samples(LABELS, num_samples=0)
