"""Tests of how a task is found from labels, and of the labels that it takes."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import Dataset, checked
from kd_edge.data.loading import load_data
from kd_edge.data.metrics.regression import in_units
from kd_edge.data.options import SourceOptions
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
SIDES = (X[:, 0] > 0).astype(np.int64)
LABELS = (X > 0).astype(np.int64)


def read(y_train, y_test=None, *, names=None, **options):
    arrays = {"x_train": X, "x_test": X}
    arrays |= {"y_train": y_train, "y_test": y_train if y_test is None else y_test}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    arrays |= {} if names is None else {"class_names": names}
    return dataset_of("things", arrays, "things.npz", None, 0, SourceOptions(**options))


def test_labels_of_which_several_hold_are_found():
    data = read(LABELS, names=["warm", "loud", "wet"])
    assert data.task == Task("multilabel", ("warm", "loud", "wet"))
    assert (data.y_test.shape, data.y_test.dtype, data.num_outputs) == ((40, 3), np.int64, 3)
    assert read(LABELS.astype(np.float32)).task.names == ("label 0", "label 1", "label 2")


def test_rows_with_one_1_each_are_classes_unless_labels_are_asked_for():
    rows = np.eye(3)[np.arange(40) % 3]
    with pytest.raises(DataError, match=r"one-hot labels: pass y.argmax\(axis=1\); .* the task 'multilabel'"):
        read(rows)
    assert read(rows, task="multilabel").task.kind == "multilabel"


@pytest.mark.parametrize("labels", [SIDES, SIDES.astype(np.float32)[:, None], SIDES.astype(bool)])
def test_two_classes_are_asked_for_by_one_logit_where_the_task_is_binary(labels):
    data = read(labels, task="binary")
    assert (data.task.kind, data.num_outputs, data.y_test.tolist()) == ("binary", 1, SIDES.tolist())


def test_of_two_words_the_second_of_the_alphabet_is_yes():
    data = read(np.where(SIDES, "person", "nobody"), task="binary")
    assert (data.task.names, data.y_test.tolist()) == (("nobody", "person"), SIDES.tolist())


def test_two_classes_are_binary_where_a_model_answers_with_one_number(tmp_path):
    np.savez(tmp_path / "two.npz", x_train=X, y_train=SIDES, x_test=X, y_test=SIDES)
    one = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), keras.layers.Activation("sigmoid")])
    graph = keras.Model(one.inputs, keras.layers.Dense(1)(one.layers[0].output))
    two = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    graph.save(tmp_path / "one.h5")
    one.save(tmp_path / "one.keras")
    for model, kind in ((one, "binary"), (graph, "binary"), (two, "multiclass")):
        assert load_data(tmp_path / "two.npz", models=[model]).task.kind == kind
    for name in ("one.h5", "one.keras"):
        assert load_data(tmp_path / "two.npz", models=[tmp_path / name]).task.kind == "binary"


def test_measured_values_are_standardized_by_the_training_samples_and_the_task_says_how():
    values = np.stack([np.arange(40.0), np.full(40, 7.0)], axis=1)
    data = read(values, names=["weight", "age"], task="regression", units=["g", "a"])
    assert (data.task.names, data.task.units) == (("weight", "age"), ("g", "a"))
    assert data.y_train.mean() == pytest.approx(0, abs=1e-6)
    assert data.y_train[:, 0].std() == pytest.approx(1, rel=1e-6)
    told = data.y_test * data.task.deviation + data.task.mean
    np.testing.assert_allclose(told, values, rtol=1e-5, atol=1e-5)


def test_values_far_from_0_are_told_apart_as_exactly_as_they_were_given():
    northing = 5_820_000 + 0.3 * X[:, 0].astype(np.float64)  # 32 bits round those to halves
    data = read(northing, task="regression")
    np.testing.assert_allclose(in_units(data.y_test, data.task)[:, 0], northing, rtol=0, atol=1e-6)
    assert len(np.unique(data.y_test)) == 40


def test_values_that_stay_in_units_and_that_32_bits_cannot_tell_apart_are_refused():
    seconds, task = 1.7e9 + np.arange(40.0), Task("regression", ("time",))
    known = Dataset("times", X, seconds, X, seconds, X, seconds, (), task=task)
    with pytest.raises(
        DataError, match=r"expected measured values that 32 bits tell apart in y_train, .*; subtract a constant"
    ):
        checked(known)
    few = seconds - 1.7e9
    assert checked(replace(known, y_train=few, y_val=few, y_test=few)).y_test.dtype == np.float32


def test_a_task_of_named_outputs_asks_for_labels_of_each():
    with pytest.raises(DataError, match="labels for each of the outputs a, such as y_train_a, received one array"):
        read(SIDES, task="a:multiclass")


def test_floats_name_the_way_to_a_regression():
    with pytest.raises(DataError, match='give the option task = "regression"'):
        read(X[:, 0])


def test_a_reconstruction_needs_no_labels_and_its_targets_are_the_samples():
    data = read(None, task="reconstruction")
    assert data.targets("train") is data.x_train
    assert (data.num_outputs, data.y_test.sum(), len(data.x_train) + len(data.x_val)) == (3, 0, 40)


def test_what_differs_from_the_one_class_that_trains_is_an_anomaly():
    data = read(np.full(40, "fine"), np.where(SIDES, "broken", "fine"), task="reconstruction")
    assert (data.y_train.sum(), data.y_test.tolist()) == (0, SIDES.tolist())


@pytest.mark.parametrize(
    "said",
    [np.where(SIDES, "anomaly", "normal"), np.where(SIDES, b"anomaly", b"normal"), SIDES > 0, SIDES.astype(float)],
)
def test_without_labels_that_train_the_test_samples_say_which_is_an_anomaly(said):
    assert read(None, said, task="reconstruction").y_test.tolist() == SIDES.tolist()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (np.where(SIDES, "broken", "fine"), "expected 0 for a normal sample and 1 for an anomaly .* received 'broken'"),
        (1 - 2 * SIDES, "received -1; or say what is normal by y_train"),
        (np.ones(40, int), "expected normal samples, with 0 in y_test, to judge .* received 40 anomalies"),
    ],
)
def test_what_does_not_tell_normal_samples_is_refused_before_anything_is_trained(said, message):
    with pytest.raises(DataError, match=message):
        read(None, said, task="reconstruction")


def test_names_that_are_bytes_are_the_text_that_they_are():
    assert read(SIDES, names=np.array([b"nobody", b"person"])).class_names == ("nobody", "person")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_train": SIDES, "task": "reconstruction"}, "expected training samples of one class, .* received 0, 1"),
        ({"y_train": np.arange(40) % 3, "task": "binary"}, "expected labels from 0 to 1 in y_train, received 2"),
        ({"y_train": np.array(["a", "b", "c", "d"] * 10), "task": "binary"}, "expected two classes .* received a, b"),
        ({"y_train": np.where(X > 0, np.nan, 1.0), "task": "regression"}, r"received NaN or infinity in \d+ of"),
        ({"y_train": LABELS, "names": ["a", "b"]}, "expected 3 class_names, one for each label, received 2"),
        ({"y_train": X, "task": "regression", "units": ["m"]}, "expected 3 units, .* received 1"),
        ({"y_train": LABELS * [1, 1, 0]}, "expected training samples with and without each label, .* 'label 2'"),
        ({"y_train": LABELS * 2, "task": "multilabel"}, "expected 0 or 1 for each of 3 labels"),
    ],
)
def test_labels_of_another_task_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        read(**arguments)


def test_unknown_tasks_and_units_without_values_are_refused():
    with pytest.raises(ConfigError, match="unknown task 'regresion': did you mean 'regression'"):
        SourceOptions(task="regresion")
    with pytest.raises(ConfigError, match="expected NAME:TASK,NAME:TASK, received 'gesture:binary,alarm=binary'"):
        SourceOptions(task="gesture:binary,alarm=binary")
    with pytest.raises(ConfigError, match="expected it with task 'regression', received None"):
        SourceOptions(units=["g"])


def test_a_task_is_part_of_what_a_data_set_is():
    assert read(SIDES).sha256 != read(SIDES, task="binary").sha256


def test_a_column_of_measurements_is_read_as_such(tmp_path):
    rows = [f"{x},{y},{x + y}" for x, y in zip(range(20), range(5, 25), strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["pulse,width,weight", *rows]))
    data = load_data(tmp_path / "table.csv", options=SourceOptions(label="weight", task="regression"))
    assert (data.task.kind, data.y_train.shape[1], len(data.x_test)) == ("regression", 1, 4)


def test_a_word_in_a_column_of_measurements_is_named(tmp_path):
    (tmp_path / "table.csv").write_text("pulse,label\n1,2.5\n2,low\n")
    with pytest.raises(DataError, match=r"expected numbers in column 'label' .*, received 'low'"):
        load_data(tmp_path / "table.csv", options=SourceOptions(task="regression"))


def test_people_are_drawn_for_validation_alike_whether_their_values_are_whole_numbers_or_not():
    people = np.arange(40) // 4
    ages = (20 + 3 * people, 20.0 + 3 * people)
    drawn = []
    for age in ages:
        arrays = {"x_train": X, "y_train": age, "x_test": X, "y_test": age, "group_train": people}
        data = dataset_of("ages", arrays, "ages.npz", None, 0, SourceOptions(task="regression"))
        drawn.append(data.group_val.tolist())
    assert drawn[0] == drawn[1] != []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full(40, 0.1), "expected measured values that differ in y_train, received 0.1 for all"),
        (np.full((40, 2), 3), "received 3, 3 for all"),
        (1e9 + 1e-3 * np.arange(40), "differ in y_train, received some from 1000000000.0 to .*; subtract a constant"),
        (
            1e300 * X[:, 0].astype(float),
            r"of which 64 bits hold the deviation in y_train, .*e\+300; choose another unit",
        ),
        (
            2**62 + np.arange(40),
            "that 64-bit floats tell apart in y_train, received whole numbers from 4611686018427387",
        ),
        (np.uint64(2**63) + np.arange(40, dtype=np.uint64), "64-bit floats tell apart in y_train"),
    ],
)
def test_values_whose_deviation_says_nothing_are_refused(values, message, recwarn):
    with pytest.raises(DataError, match=message):
        read(values, task="regression")
    assert not recwarn.list


def test_a_constant_value_beside_others_is_not_divided_by_rounding_noise():
    values = np.stack([np.arange(40.0), np.full(40, 0.1)], axis=1)
    data = read(values, values + 1, task="regression")
    assert (data.task.mean[1], data.task.deviation[1]) == (0.1, 1.0)
    np.testing.assert_allclose(data.y_test[:, 1], 1)


def test_values_that_stay_in_units_and_that_32_bits_do_not_hold_are_refused(recwarn):
    values, task = 1e300 * X[:, 0].astype(float), Task("regression", ("energy",))
    with pytest.raises(DataError, match=r"that 32 bits hold in y_train, received .*e\+300; choose another unit"):
        checked(Dataset("energies", X, values, X, values, X, values, (), task=task))
    assert not recwarn.list
