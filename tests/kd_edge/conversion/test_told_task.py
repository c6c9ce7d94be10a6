"""The task that a file tells, and data that are read as it asks."""

import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.answer_reader import reader_of
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.metadata import add_metadata, read_metadata
from kd_edge.conversion.told_task import as_answered, as_told, check_task_told, on_scale, task_told
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.regression import in_units
from kd_edge.data.records import as_records
from kd_edge.data.task import Task
from kd_edge.errors import DataError, DataWarning, ModelError
from tflite_bench.model.reader import read_model

FLOAT = ConvertConfig("none")
X = np.random.default_rng(0).normal(size=(20, 3)).astype("f4")
WEIGHT = Task("regression", ("weight",), units=("g",), mean=(50.0,), deviation=(10.0,))


def data(task, y, names=()):
    return Dataset("some", X, y, X, y, X, y, names, task=task)


def content(of):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(of.num_outputs)])
    return convert_for(model, of, FLOAT).content


def test_values_are_judged_by_the_mean_and_deviation_that_the_file_was_made_with():
    grams = 50 + 10 * X[:, :1]
    known = data(WEIGHT, X[:, :1])
    made = content(known)
    other = data(Task("regression", ("weight",), mean=(40.0,), deviation=(5.0,)), (grams - 40) / 5)
    found = as_told(made, other)
    assert (found.task, task_told(made)) == (WEIGHT, "regression")
    assert found.y_test == pytest.approx(known.y_test, abs=1e-5)
    assert in_units(found.y_test, found.task) == pytest.approx(grams, abs=1e-4)
    assert as_told(made, known).y_test is known.y_test


def line(kernel, bias):
    """A network that answers `kernel x + bias` of the first number."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="line")
    model.set_weights([np.array([[kernel], [0.0], [0.0]]), np.array([bias])])
    return model


def test_a_network_that_answers_in_units_makes_a_file_that_does_and_is_judged_and_tuned_in_them():
    depth = Task("regression", ("depth",), units=("mm",), mean=(2.0,), deviation=(0.5,))
    known = data(depth, X[:, :1])
    tuning = ConvertConfig(qat="always", qat_epochs=1)
    made = convert_for(line(0.5, 2.0), known, tuning, teacher=line(1.0, 0.0))
    said = read_metadata(made.content)["output"]
    assert (said["meaning"], said["units"], "mean" in said) == ("the values as they are", ["mm"], False)
    assert min(made.qat.float_accuracy, made.qat.tuned_accuracy) > 0.9
    found = as_told(made.content, known)
    assert (found.task.mean, found.task.units) == ((), ("mm",))
    assert found.y_test == pytest.approx(2 + 0.5 * X[:, :1], abs=1e-4)


def test_answers_far_from_where_the_simulated_arithmetic_begins_are_not_tuned():
    with pytest.raises(
        ModelError, match=r"expected answers from -6 to 6, .*, received up to 6\d\.\d+; let the network"
    ):
        convert_for(line(10.0, 50.0), data(WEIGHT, X[:, :1]), ConvertConfig(qat="always"))


def test_two_classes_are_binary_for_a_file_with_one_output_and_its_threshold_counts():
    y = (X[:, 0] > 0).astype(int)
    made = content(data(Task("binary", ("no", "yes"), threshold=0.9), y))
    classes = data(Task("multiclass", ()), y, ("no", "yes"))
    found = as_told(made, classes)
    assert (found.task.kind, found.task.threshold, found.class_names) == ("binary", 0.9, ("no", "yes"))
    # A file with an output for each of the two, and one of three, are left alone.
    assert as_told(content(classes), classes) is classes
    three = replace(classes, class_names=("a", "b", "c"))
    assert as_told(made, three) is three
    assert task_told(content(classes)) is None


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
def test_names_in_another_order_than_the_files_are_refused(kind):
    y = (X[:, :2] > 0).astype(int) if kind == "multilabel" else (X[:, 0] > 0).astype(int)
    made = content(data(Task(kind, ("no", "yes")), y, ("no", "yes")))
    with pytest.raises(DataError, match="expected that of the file, no, yes, received yes, no; number the labels"):
        as_told(made, data(Task(kind, ("yes", "no")), y, ("yes", "no")))
    with pytest.raises(DataError, match=r"bad order of names in some: .*, no, yes, received yes, on"):
        as_told(made, data(Task(kind, ("yes", "on")), y, ("yes", "on")))


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
def test_the_names_are_the_files(kind):
    y = (X[:, :2] > 0).astype(int) if kind == "multilabel" else (X[:, 0] > 0).astype(int)
    made = content(data(Task(kind, ("no", "yes")), y, ("no", "yes")))
    unnamed = ("label 0", "label 1") if kind == "multilabel" else ("0", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = as_told(made, data(Task(kind, unnamed), y, unnamed))
        assert (found.class_names, found.task.names) == (("no", "yes"), ("no", "yes"))
        # A file that only numbers them has no names for them.
        assert as_told(content(data(Task(kind, unnamed), y, unnamed)), found).class_names == ("no", "yes")
    for names in (("off", "on"), ("no", "on")):
        with pytest.warns(DataWarning, match=f"some has the names {', '.join(names)}, the file no, yes: those of the"):
            assert as_told(made, data(Task(kind, names), y, names)).class_names == ("no", "yes")


def test_an_output_of_another_size_than_its_task_needs_is_refused():
    inputs = keras.Input((3,))
    made = convert(keras.Model(inputs, [keras.layers.Dense(count)(inputs) for count in (3, 1)]), X)
    sizes = [tensor.num_elements for tensor in read_model(made).output_tensors]
    tasks = {3: Task("multiclass", ("a", "b", "c")), 1: Task("binary", ("no", "yes"))}

    def reader(order):
        told = [{"name": f"of {size}", "task": tasks[size].kind, "names": tasks[size].names} for size in order]
        told = [output | {"threshold": 0.5} for output in told]
        several = Task("several", tuple(output["name"] for output in told), parts=tuple(tasks[size] for size in order))
        return reader_of(add_metadata(made, {"outputs": told}), several)

    assert list(reader(sizes).columns) == [f"of {size}" for size in sizes]
    with pytest.raises(ModelError, match=r"cannot read the file's outputs: .*, of \d \(\d\), of .*, received \d, \d;"):
        reader(sizes[::-1])


def test_a_file_of_another_task_changes_nothing():
    values = data(WEIGHT, X[:, :1])
    labels = data(Task("multilabel", ("a", "b")), (X[:, :2] > 0).astype(int))
    assert as_told(content(labels), values) is values


@pytest.mark.parametrize(("told", "given"), [("multiclass", "multilabel"), ("multilabel", "multiclass")])
def test_data_of_another_task_than_the_file_tells_are_refused_where_it_is_read(told, given):
    y = {"multiclass": np.arange(20) % 2, "multilabel": (X[:, :2] > 0).astype(int)}
    tasks = {"multiclass": Task("multiclass", ("a", "b")), "multilabel": Task("multilabel", ("a", "b"))}
    of = {kind: data(tasks[kind], y[kind], ("a", "b") if kind == "multiclass" else ()) for kind in tasks}
    made = content(of[told])
    check_task_told(made, of[told])
    with pytest.raises(
        DataError, match=f"expected the task '{told}', as the file tells, received '{given}'; --data-opt"
    ):
        check_task_told(made, of[given])


def test_a_file_that_tells_nothing_is_judged_in_the_units_that_its_answers_are_nearer_to():
    known = data(WEIGHT, X[:, :1])
    assert as_answered(51 + 10 * X[:, :1], known, "test").task.mean == ()
    assert as_answered(X[:, :1] + 0.1, known, "test") is known
    classes = data(Task("multiclass", ()), np.arange(20) % 2, ("a", "b"))
    assert as_answered(X, classes) is classes


def test_answers_come_from_the_scale_of_their_network_to_that_of_a_file():
    known, grams = data(WEIGHT, X[:, :1]), Task("regression", ("weight",))
    other = Task("regression", ("weight",), mean=(40.0,), deviation=(5.0,))
    in_grams, standardized = 51 + 10 * X[:, :1], X[:, :1] + 0.1  # both are 1 g too much
    for task, expected in ((grams, in_grams), (WEIGHT, standardized), (other, (in_grams - 40) / 5)):
        assert on_scale(in_grams, known, task) == pytest.approx(expected, abs=1e-5)
    assert on_scale(standardized, known, grams) == pytest.approx(in_grams, abs=1e-5)
    # A file's own scale is that of its student.
    assert on_scale((in_grams - 40) / 5, known, other) == pytest.approx((in_grams - 40) / 5, abs=1e-5)
    parts = Task("several", ("weight", "kind"), parts=(WEIGHT, Task("binary", ("a", "b"))))
    kinds = np.arange(20) % 2
    both = data(parts, {"weight": X[:, :1], "kind": kinds})
    found = on_scale(as_records({"weight": in_grams, "kind": kinds}), both, parts)
    assert found["weight"] == pytest.approx(standardized, abs=1e-5)
    assert found["kind"].tolist() == kinds.tolist()
