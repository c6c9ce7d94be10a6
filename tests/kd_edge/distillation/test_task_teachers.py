"""Tests of given teachers, and of teachers that live elsewhere, by what they are asked for."""

import keras
import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.data.options import TASKS, SourceOptions
from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.models.given_models import check_trained
from kd_edge.distillation.models.model_files import load_teacher
from kd_edge.distillation.models.value_scale import in_units_of_task
from kd_edge.distillation.outputs.names import check_outputs
from kd_edge.distillation.targets.information import teacher_information
from kd_edge.distillation.targets.samples_to_answer import write_samples
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.teacher_outputs import read_outputs
from kd_edge.errors import DataError, ModelError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
WEIGHTS = np.array([[3.0, 0.0], [0.0, -2.0], [1.0, 1.0]], np.float32)
VALUES = X @ WEIGHTS + [50.0, -7.0]


def read(kind):
    """A task that the network of `WEIGHTS` has learnt; of a reconstruction samples on a line."""
    y = {"binary": VALUES[:, 0] > 50, "multilabel": (VALUES > [50, -7]).astype(int), "regression": VALUES}.get(kind)
    x = X if kind != "reconstruction" else X[:, :1] * np.float32([1, 2, 3])
    arrays = {"x_train": x, "x_test": x, "y_train": y, "y_test": y}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    return dataset_of(kind, arrays, kind, None, 0, SourceOptions(task=kind))


def read_values(values):
    arrays = {"x_train": X, "x_test": X, "y_train": values, "y_test": values}
    return dataset_of("values", arrays, "values", None, 0, SourceOptions(task="regression"))


def network(kernel, bias, ending=None):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(kernel.shape[1], activation=ending)])
    model.set_weights([kernel, np.asarray(bias, np.float32)])
    return model


KINDS = TASKS[1:]
TRAINED = {
    "binary": network(WEIGHTS[:, :1], [0]),
    "multilabel": network(WEIGHTS, [0, 0], "sigmoid"),
    "regression": network(WEIGHTS, [50, -7]),
    "reconstruction": network(np.eye(3, dtype=np.float32), [0, 0, 0]),
}


def trained(kind, data):
    """A copy, since one that answers in the units of the values is changed."""
    copy = keras.models.clone_model(TRAINED[kind])
    copy.set_weights(TRAINED[kind].get_weights())
    return in_units_of_task(copy, data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_teacher_is_taken_and_one_that_knows_nothing_is_not(kind):
    data = read(kind)
    check_trained(trained(kind, data), data)
    shape = TRAINED[kind].get_weights()[0].shape
    blind = network(np.zeros(shape, np.float32), np.zeros(shape[1]) - 0.5)
    with pytest.raises(ModelError, match=r"is at chance on .*the likely reason is the scale of the samples"):
        check_trained(blind, data)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_teacher_that_answers_in_the_units_of_the_values_is_brought_to_those_of_the_data(layers, capsys):
    data = read("regression")
    raw = network(WEIGHTS, [50, -7])
    if layers == 2:  # behind which no dense layer can be changed
        raw = keras.Sequential([keras.Input((3,)), *raw.layers, keras.layers.Activation("linear")])
    model = in_units_of_task(raw, data)
    np.testing.assert_allclose(model.predict(data.x_train, verbose=0), data.y_train, atol=1e-4)
    assert "answers in the units of the values" in capsys.readouterr().err
    assert in_units_of_task(model, data) is model


def test_an_untrained_network_keeps_its_scale():
    data, blind = read("regression"), network(WEIGHTS * 0, [0, 0])
    assert in_units_of_task(blind, data).get_weights()[0].sum() == 0
    np.testing.assert_array_equal(blind.get_weights()[1], [0, 0])


def test_an_untrained_network_behind_a_relu_can_answer_all_that_standardized_values_have_above_0_in_units():
    data = read_values(VALUES - VALUES.min(axis=0))
    mean, deviation = np.asarray(data.task.mean), np.asarray(data.task.deviation)
    blind = network(RNG.normal(size=(3, 2)).astype(np.float32), [0, 0], "relu")
    kernel = blind.get_weights()[0]
    model = in_units_of_task(blind, data)
    found, expected = model.predict(X, verbose=0), np.maximum(X @ kernel, -mean / deviation)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert in_units_of_task(model, data) is model
    ending = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.ReLU()])
    ending.set_weights(blind.get_weights())
    np.testing.assert_allclose(in_units_of_task(ending, data).predict(X, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_an_untrained_network_that_ends_in_sigmoids_is_meant_for_shares_in_units():
    data = read_values((VALUES - VALUES.min(axis=0)) / np.ptp(VALUES, axis=0))
    blind = network(RNG.normal(size=(3, 2)).astype(np.float32) * [[0], [0], [1]], [0, 0], "sigmoid")
    expected = (blind.predict(X, verbose=0) - data.task.mean) / data.task.deviation
    np.testing.assert_allclose(in_units_of_task(blind, data).predict(X, verbose=0), expected, rtol=1e-4)


def test_a_network_that_learnt_standardized_values_behind_a_tanh_stays_as_it_is():
    data = read_values(0.95 * VALUES / np.abs(VALUES).max(axis=0))
    model = network(WEIGHTS / VALUES.std(axis=0), [0, 0], "tanh")
    assert in_units_of_task(model, data) is model


@pytest.mark.parametrize("ending", ["tanh", "sigmoid"])
def test_bounds_that_leave_out_the_values_in_units_say_nothing_of_the_scale(ending, capsys):
    data = read_values(20.0 + 60.0 * (X[:, :2] > 0) + VALUES / 10)
    model = network(WEIGHTS, [0, 0], ending)
    assert in_units_of_task(model, data) is model
    assert "cannot answer all values, for its last activation has bounds" in capsys.readouterr().err


def test_a_network_that_forgot_to_pool_its_frames_is_refused_in_one_line(tmp_path):
    source = keras.Input((3,))
    frames = keras.layers.Dense(2)(keras.layers.Reshape((3, 1))(source))
    model, data = keras.Model(source, frames, name="frames"), read("regression")
    model.save(tmp_path / "frames.keras")
    with pytest.raises(ModelError, match=r"expected 2 outputs \(regression\), received 6 outputs \(shape \(3, 2\)\)"):
        load_teacher(tmp_path / "frames.keras", data)
    with pytest.raises(
        ModelError, match=r"'frames' has other outputs than regression: expected one of 2 .*, received shape \(3, 2\)"
    ):
        check_outputs(model, data)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1)])
def test_values_in_several_rows_are_refused_and_a_single_row_is_taken(tmp_path, shape):
    model, data = (
        keras.Sequential([network(WEIGHTS, [50, -7]), keras.layers.Reshape(shape)], name="rows"),
        read("regression"),
    )
    model.save(tmp_path / "rows.keras")
    if shape == (1, 2):
        assert load_teacher(tmp_path / "rows.keras", data).outputs[0].shape[-1] == 2
        return
    with pytest.raises(ModelError, match=r"expected 2 outputs \(regression\), received 2 outputs \(shape \(2, 1\)\)"):
        load_teacher(tmp_path / "rows.keras", data)
    with pytest.raises(ModelError, match=r"one of 2 numbers as the task 'regression' needs, received shape \(2, 1\)"):
        check_outputs(model, data)


def test_a_teacher_of_one_output_for_two_classes_names_the_task(tmp_path):
    TRAINED["binary"].save(tmp_path / "one.keras")
    data = dataset_of(
        "two",
        dict.fromkeys(("x_train", "x_test"), X) | dict.fromkeys(("y_train", "y_test"), X[:, 0] > 0),
        "two",
        None,
        0,
    )
    with pytest.raises(
        ModelError, match="expected 2 classes, received 1 outputs; for one output say the task 'binary'"
    ):
        load_teacher(tmp_path / "one.keras", data)
    assert load_teacher(tmp_path / "one.keras", read("binary")).output_shape == (None, 1)


def test_a_teacher_that_answers_with_a_number_without_an_axis_is_read(tmp_path):
    one = TRAINED["binary"]
    keras.Model(one.inputs, keras.ops.squeeze(one.outputs[0], -1)).save(tmp_path / "flat.keras")
    found = load_teacher(tmp_path / "flat.keras", read("binary"))
    np.testing.assert_array_equal(found.predict(X, verbose=0), one.predict(X, verbose=0))


def answers_of(kind, data):
    outputs = TRAINED[kind].predict(data.x_train, verbose=0)
    return outputs[:, 0] if kind == "binary" else outputs


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_from_elsewhere_are_read_in_the_form_of_the_task(kind, tmp_path):
    data = read(kind)
    write_samples(data, tmp_path)
    np.save(tmp_path / "outputs.npy", answers_of(kind, data))
    (found,) = read_outputs(tmp_path / "outputs.npy", data).outputs(np.arange(len(data.x_train)))
    expected = trained(kind, data).predict(data.x_train, verbose=0)
    if kind == "multilabel":
        found = 1 / (1 + np.exp(-found))
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_in_another_order_are_refused(kind, tmp_path):
    data = read(kind)
    write_samples(data, tmp_path)
    np.save(tmp_path / "outputs.npy", answers_of(kind, data)[::-1])
    with pytest.raises(
        DataError, match=r"no (better for the training samples than in a random order|more than by chance)"
    ):
        read_outputs(tmp_path / "outputs.npy", data)


def test_one_logit_tells_as_much_as_those_of_two_classes():
    labels, logit = (X[:, 0] > 0).astype(int), 3 * X[:, :1]
    two = teacher_information(np.concatenate([np.zeros_like(logit), logit], axis=1), labels)
    assert teacher_information(logit, labels) == two
    several = teacher_information(np.concatenate([logit, logit], axis=1), np.stack([labels, labels], axis=1))
    assert several.bits_beyond_label == pytest.approx(two.bits_beyond_label)


def test_a_flat_teacher_of_images_guides_a_student_that_answers_with_images():
    teacher = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    student = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 1)])
    x = RNG.normal(size=(16, 2, 2, 1)).astype(np.float32)
    loss = keras.distillation.FeatureDistillation()
    distiller = Distiller(soft_targets(teacher, x), student, loss, student_loss_weight=0.0)
    distiller.compile("sgd", loss="mse", run_eagerly=True)
    difference = teacher(x).numpy().reshape(x.shape) - student(x).numpy()
    found = distiller.fit(x, x, batch_size=16, verbose=0).history["distillation_loss"][0]
    assert found == pytest.approx(np.square(difference).mean(), rel=1e-3)
