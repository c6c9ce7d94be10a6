"""Conversion for every task: what the file says of its outputs, and its fine-tuning for int8."""

from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.fine_tuning.attempt import check_demand, may_pay
from kd_edge.conversion.fine_tuning.compression import compress
from kd_edge.conversion.fine_tuning.tuning_losses import tuning_loss, wanted_outputs
from kd_edge.conversion.metadata import add_metadata, metadata_bytes, read_metadata
from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.conversion.quality import file_metric
from kd_edge.conversion.told_task import probabilities_told
from kd_edge.cost.file_size import BESIDE_ERROR_BYTES
from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from tflite_bench.model.reader import read_model

PLAIN = ConvertConfig(qat="never")
SPLITS = ("train", "val", "test")
TASKS = {
    "binary": Task("binary", ("no", "yes"), threshold=0.7),
    "multilabel": Task("multilabel", ("rain", "wind", "hail")),
    "regression": Task("regression", ("weight", "depth"), units=("g", "mm"), mean=(50.0, 2.0), deviation=(10.0, 0.5)),
    "reconstruction": Task("reconstruction", ("normal", "anomaly")),
}


def dataset(kind):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 128), ("val", 64), ("test", 64)):
        x = rng.normal(size=(count, 6)).astype("f4")
        arrays[f"x_{split}"] = x
        arrays[f"y_{split}"] = {
            "binary": lambda x=x: (x[:, 0] > 0).astype(np.int64),
            "multilabel": lambda x=x: (x[:, :3] > 0.3).astype(np.int64),
            "regression": lambda x=x: x[:, :2] * 2,
            "reconstruction": lambda x=x: np.zeros(len(x), np.int64),
        }[kind]()
    return Dataset(kind, **arrays, class_names=(), task=TASKS[kind])


def student(data, activation=None, scale=1.0):
    """A network of one dense layer that answers rightly; labels' logits are `scale` times what they need to be."""
    kernel = np.eye(6, data.num_outputs, dtype="f4") * {"reconstruction": 1, "regression": 2}.get(data.task.kind, scale)
    bias = np.full(data.num_outputs, -0.3 * scale if data.task.kind == "multilabel" else 0, "f4")
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(data.num_outputs, activation=activation)], name="student"
    )
    model.set_weights([kernel, bias])
    return model


@cache
def described(kind):
    """The export of a task's student."""
    data = dataset(kind)
    return convert_for(student(data), data, PLAIN)


@cache
def bare(kind):
    """The file of a task's student, without metadata."""
    data = dataset(kind)
    return convert(student(data), data.x_train)


def test_a_file_says_what_one_output_means_and_how_it_is_read():
    data = dataset("binary")
    probable = convert_for(student(data, "sigmoid"), data, PLAIN)
    for content, meaning in ((described("binary").content, "logit"), (probable.content, "probability")):
        info, found = read_model(content), read_metadata(content)
        assert "class_names" not in found  # there is one output
        target = info.output_tensors[0]
        assert found["output"] == {
            "task": "binary",
            "dtype": "int8",
            "shape": [1, 1],
            "scale": target.scales[0],
            "zero_point": target.zero_points[0],
            "meaning": meaning,
            "names": ["no", "yes"],
            "threshold": 0.7,
        }
        assert file_answers_probabilities(info) == (meaning == "probability")


@pytest.mark.parametrize("kind", TASKS)
def test_a_search_knows_what_the_description_will_take_of_the_flash(kind):
    taken = described(kind).metadata_bytes
    assert taken <= metadata_bytes(dataset(kind)) < taken + BESIDE_ERROR_BYTES


@pytest.mark.parametrize("kind", ["multilabel", "regression", "reconstruction"])
def test_a_file_without_classes_names_labels_or_values_with_their_units(kind):
    made = described(kind)
    found = read_metadata(made.content)
    assert "class_names" not in found
    said = found["output"]
    expected = {
        "multilabel": {"meaning": "logit", "names": ["rain", "wind", "hail"], "threshold": 0.5},
        "regression": {
            "meaning": "(value - mean) / deviation",
            "units": ["g", "mm"],
            "mean": [50.0, 2.0],
            "deviation": [10.0, 0.5],
        },
        "reconstruction": {"meaning": "the input, reconstructed"},
    }[kind]
    assert said["task"] == kind
    assert {name: said[name] for name in expected} == expected
    assert not [text for text in made.warnings if "left out" in text]


def test_two_classes_are_a_binary_task_for_a_network_with_one_output():
    data = dataset("binary")
    classes = replace(data, task=Task("multiclass", ()), class_names=("off", "on"))
    made = convert_for(student(data), classes, PLAIN)
    assert not made.warnings
    assert read_metadata(made.content)["output"]["names"] == ["off", "on"]


def test_the_task_is_left_out_of_a_file_with_other_outputs():
    data = dataset("multilabel")
    made = convert_for(student(dataset("regression")), data, PLAIN)
    assert "output" not in read_metadata(made.content)
    (said,) = (text for text in made.warnings if "left out" in text)
    assert said == (
        "the task 'multilabel' is left out of the metadata: expected one output of 3 numbers as in multilabel, "
        "received (1, 2)"
    )


def test_a_softmax_and_a_sigmoid_behind_a_reshape_are_probabilities_and_a_tanh_is_not():
    def ending(*layers):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), *layers])
        return read_model(convert(model, np.random.default_rng(0).normal(size=(8, 6)).astype("f4")))

    reshaped = ending(keras.layers.Activation("sigmoid"), keras.layers.Reshape((2, 2)))
    assert [op.name for op in reshaped.ops][-2:] == ["LOGISTIC", "RESHAPE"]
    assert file_answers_probabilities(reshaped)
    assert file_answers_probabilities(ending(keras.layers.Softmax()))
    assert not file_answers_probabilities(ending(keras.layers.Activation("tanh")))
    assert not file_answers_probabilities(ending())


def voting(join):
    """A network of the task of labels whose sigmoids something follows, and what it answers as labels."""
    source = keras.Input((6,))
    keras.utils.set_random_seed(0)
    if join == "mean over time":
        frames = keras.layers.Reshape((3, 2))(source)
        outputs = keras.layers.GlobalAveragePooling1D()(keras.layers.Conv1D(3, 2, activation="sigmoid")(frames))
    elif join == "side by side":
        heads = [keras.layers.Dense(1, activation="sigmoid", name=name)(source) for name in TASKS["multilabel"].names]
        outputs = keras.layers.Concatenate()(heads)
    else:
        heads = [keras.layers.Dense(3, activation="sigmoid")(source) for _ in range(3)]
        outputs = keras.layers.Average()(heads)
    model, data = keras.Model(source, outputs, name="votes"), dataset("multilabel")
    labels = {f"y_{split}": (model.predict(getattr(data, f"x_{split}"), verbose=0) > 0.5) for split in SPLITS}
    return model, replace(data, **{name: array.astype(np.int64) for name, array in labels.items()})


@pytest.mark.parametrize("join", ["side by side", "mean over time", "votes of several"])
def test_probabilities_that_something_follows_stay_probabilities_of_model_and_file(join):
    model, data = voting(join)
    made = convert_for(model, data, ConvertConfig(qat="auto", max_int8_loss=0.1))
    assert read_metadata(made.content)["output"]["meaning"] == "probability"
    assert (made.qat.float_accuracy, made.qat.tuned_accuracy) == (1.0, None)
    # A half read as a logit would be that of a probability of 0.62.
    assert min(made.qat.int8_accuracy, file_metric(made.content, data)) > 0.95
    untold = convert(model, data.x_train)
    told = join != "votes of several"  # of a sum and a product nobody knows
    assert file_answers_probabilities(read_model(untold)) == told
    assert (file_metric(untold, data) > 0.95) == told


def test_what_joins_probabilities_and_logits_is_no_probability():
    source = keras.Input((6,))
    mixed = [keras.layers.Dense(2, activation=end)(source) for end in ("sigmoid", None)]
    model = keras.Model(source, keras.layers.Concatenate()(mixed))
    content = convert(model, np.random.default_rng(0).normal(size=(8, 6)).astype("f4"))
    assert not file_answers_probabilities(read_model(content))


def test_the_meaning_that_metadata_tell_counts_before_the_operators():
    plain = bare("binary")
    assert not probabilities_told(plain)
    for meaning, expected in (("probability", True), ("logit", False), ("whatever", False)):
        said = {"task": "binary", "names": ["no", "yes"], "threshold": 0.7, "meaning": meaning}
        assert probabilities_told(add_metadata(plain, {"output": said})) == expected


def test_the_metric_of_a_file_is_that_of_its_task():
    data = dataset("binary")
    # Above the threshold of 0.7 lie logits above log(7 / 3).
    right = (data.x_val[:, 0] > np.log(7 / 3)) == data.y_val
    assert file_metric(bare("binary"), data) == pytest.approx(right.mean(), abs=0.02)
    assert file_metric(bare("reconstruction"), dataset("reconstruction")) > 0.99


@pytest.mark.parametrize("kind", TASKS)
def test_the_loss_of_a_fine_tuning_is_least_where_targets_and_teacher_are_met(kind):
    data = dataset(kind)
    model = student(data, scale=3.0)
    wanted = wanted_outputs(data, model)[:8]
    loss = tuning_loss(model, data, temperature=2.0, weight=0.0)
    answers = model(data.x_train[:8]).numpy()
    assert np.asarray(loss(tf.constant(wanted), tf.constant(answers))) == pytest.approx(np.zeros(8), abs=1e-6)
    assert np.mean(loss(tf.constant(wanted), tf.constant(answers + 1))) > 0.01
    of_targets = np.mean(tuning_loss(model, data, temperature=2.0, weight=1.0)(tf.constant(wanted), answers))
    target = data.targets("train")[:8].reshape(8, -1)
    if kind in ("binary", "multilabel"):
        expected = np.mean(np.log1p(np.exp(-np.where(target > 0, answers, -answers))))
    else:
        expected = np.square(answers - target).mean()
    assert of_targets == pytest.approx(expected, abs=1e-6)


def test_the_tempered_sigmoids_divergence_is_that_of_its_formula_and_the_same_for_probabilities():
    data = dataset("binary")
    wanted = tf.constant([[1.0, 2.0]])
    teacher, own = 1 / (1 + np.exp(-2 / 4)), 1 / (1 + np.exp(1 / 4))
    divergence = teacher * np.log(teacher / own) + (1 - teacher) * np.log((1 - teacher) / (1 - own))
    logits, shares = (
        tuning_loss(student(data, activation), data, temperature=4.0, weight=0.0) for activation in (None, "sigmoid")
    )
    assert np.asarray(logits(wanted, tf.constant([[-1.0]]))) == pytest.approx([16 * divergence], rel=1e-5)
    assert np.asarray(shares(wanted, tf.constant([[1 / (1 + np.exp(1.0))]], "float32"))) == pytest.approx(
        [16 * divergence], rel=1e-4
    )


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_fine_tuning_that_is_demanded_is_done_by_the_tasks_loss_and_keeps_what_the_file_answers(kind):
    data = dataset(kind)
    made = convert_for(student(data, scale=4.0), data, ConvertConfig(qat="always", qat_epochs=1))
    assert made.qat.used
    assert {op.name for op in read_model(made.content).ops} == {"FULLY_CONNECTED"}
    assert made.qat.tuned_accuracy == pytest.approx(made.qat.float_accuracy, abs=0.05)
    assert made.qat.float_accuracy > 0.8


@pytest.mark.parametrize(
    ("kind", "how"),
    [("multilabel", "cluster"), ("regression", "prune"), ("reconstruction", "cluster")],
)
def test_a_compression_learns_by_the_tasks_loss_and_keeps_what_the_file_answers(kind, how):
    data = dataset(kind)
    found = convert_for(student(data, scale=3.0), data, replace(PLAIN, compress=how, qat_epochs=2))
    assert found.metric == data.task.metric
    assert found.compression.how == how
    assert found.compression.accuracy > found.compression.uncompressed_accuracy - 0.1


def test_as_many_measured_values_as_inputs_stay_those_and_are_no_reconstruction():
    data = dataset("regression")
    six = Task("regression", tuple("abcdef"))
    data = replace(data, task=six, **{f"y_{split}": getattr(data, f"x_{split}") for split in SPLITS})
    model = student(dataset("reconstruction"))
    assert read_metadata(convert_for(model, data, PLAIN).content)["output"]["task"] == "regression"
    assert may_pay(model, data, ConvertConfig(qat="auto"))
    check_demand(model, data)


def test_a_fine_tuning_that_is_demanded_for_classes_of_what_gives_back_its_samples_is_refused():
    data = dataset("binary")
    six = {f"y_{split}": np.arange(len(getattr(data, f"x_{split}"))) % 6 for split in SPLITS}
    data = replace(data, **six, task=Task("multiclass", ()), class_names=tuple("abcdef"))
    with pytest.raises(ModelError, match=r"expected outputs for 6 classes, received some that are like its"):
        convert_for(student(dataset("reconstruction")), data, ConvertConfig(qat="always"))


def test_a_layer_with_fewer_weights_than_clusters_is_named():
    data = dataset("binary")
    with pytest.raises(ModelError, match=r"expected 16 weights or more in each layer, received 6 in 'dense"):
        compress(student(data), data, how="cluster")
