"""A teacher that lives elsewhere: its samples are written, its answers are checked, and no network of it is needed."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import DesignConfig, DistillConfig, VerifyConfig
from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.samples_to_answer import samples_to_answer, write_samples
from kd_edge.distillation.targets.teacher_outputs import read_outputs
from kd_edge.distillation.training import distill
from kd_edge.errors import ConfigError, DataError
from kd_edge.search.sizing import design
from kd_edge.stages.search import space_of
from kd_edge.stages.teacher import teach

NUM_TRAIN = 60


def centres(labels):
    return np.eye(3, 4, dtype="float32")[labels] * 4


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=NUM_TRAIN)
    x = (centres(y) + rng.normal(size=(NUM_TRAIN, 4))).astype("float32")
    unlabeled = rng.normal(size=(10, 4)).astype("float32")
    return Dataset("blobs", x, y, x[:20], y[:20], x[:20], y[:20], ("a", "b", "c"), x_unlabeled=unlabeled)


@pytest.fixture(scope="module")
def answers(data):
    """Logits of a perfect teacher, one row per sample that is asked."""
    return -((samples_to_answer(data)[:, None] - centres(np.arange(3))[None]) ** 2).sum(axis=2)


@pytest.fixture
def folder(data, answers, tmp_path):
    write_samples(data, tmp_path)
    np.save(tmp_path / "logits.npy", answers)
    return tmp_path


def test_the_samples_that_are_written_are_those_with_labels_and_then_those_without(data, folder):
    written = np.load(folder / "samples.npy")
    np.testing.assert_array_equal(written, np.concatenate([data.x_train, data.x_unlabeled]))
    described = json.loads((folder / "samples.json").read_text())
    assert described["num_samples"] == len(described["hashes"]) == 70
    assert described["classes"] == ["a", "b", "c"]


def test_each_answer_is_found_by_its_sample(data, answers, folder):
    targets = read_outputs(folder / "logits.npy", data)
    np.testing.assert_allclose(targets.lookup(data.x_train[7:9]), answers[7:9], rtol=1e-3)
    np.testing.assert_allclose(targets.lookup(data.x_unlabeled), answers[60:], rtol=1e-3)


def test_probabilities_are_brought_back_to_logits(data, answers, folder):
    probabilities = np.exp(answers) / np.exp(answers).sum(axis=1, keepdims=True)
    np.save(folder / "logits.npy", np.where(probabilities > 1e-3, probabilities, 0))
    targets = read_outputs(folder / "logits.npy", data)
    found = keras.ops.softmax(targets.lookup(data.x_train))
    np.testing.assert_allclose(found, probabilities[:60], atol=2e-3)


def test_rounded_probabilities_are_probabilities(data, answers, folder):
    probabilities = np.exp(answers / 4) / np.exp(answers / 4).sum(axis=1, keepdims=True)
    rounded = np.round(probabilities, 2)
    assert np.abs(rounded.sum(axis=1) - 1).max() > 5e-3
    np.save(folder / "logits.npy", rounded)
    found = keras.ops.softmax(read_outputs(folder / "logits.npy", data).lookup(data.x_train))
    np.testing.assert_allclose(found, probabilities[:60], atol=2e-2)


def of_many_classes(tmp_path, *, num_classes=300):
    """A data set of many classes, and what a network says of them that is surer of some than of others."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % num_classes
    x = np.arange(600, dtype="float32")[:, None]
    names = tuple(map(str, range(num_classes)))
    many = Dataset("many", x, y, x[:20], y[:20], x[:20], y[:20], names)
    write_samples(many, tmp_path)
    logits = rng.normal(size=(600, num_classes)) + 8 * np.eye(num_classes)[y]
    return many, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_probabilities_of_many_classes_in_8_bits_are_probabilities(tmp_path):
    many, shares = of_many_classes(tmp_path)
    in_8_bits = np.round(shares * 256) / 256
    assert np.abs(in_8_bits.sum(axis=1) - 1).max() > 0.05
    np.save(tmp_path / "shares.npy", in_8_bits)
    found = keras.ops.softmax(read_outputs(tmp_path / "shares.npy", many).lookup(many.x_train))
    assert np.abs(found - shares).max() < 0.2  # what is below 1 of 512 was rounded away


@pytest.mark.parametrize(
    ("scaled", "received"),
    [
        (lambda shares: 100 * shares, "from .* to .* whose rows sum to 100 to 100"),
        (lambda shares: np.round(100 * shares).astype("float32"), "from 0 to .* whose rows sum to (99|100) to 10[01]"),
        (lambda shares: np.round(255 * shares), "from 0 to .* whose rows sum to 25[3-5] to 25[5-7]"),
        (lambda shares: np.round(shares, 1), "from 0 to .* whose rows sum to 0.9 to 1"),
        (lambda shares: np.round(256 * shares).clip(0, 255) - 128, "from -128 to .* whose rows sum to -12[0-9] to -12"),
    ],
)
def test_probabilities_on_another_scale_are_no_logits(data, answers, folder, scaled, received):
    shares = np.exp(answers / 4) / np.exp(answers / 4).sum(axis=1, keepdims=True)
    np.save(folder / "logits.npy", scaled(shares))
    with pytest.raises(
        DataError, match=f"expected logits, or probabilities that sum to 1, received numbers {received}"
    ):
        read_outputs(folder / "logits.npy", data)


def test_raw_numbers_of_a_quantized_network_are_no_logits(data, answers, folder):
    np.save(folder / "logits.npy", np.round(answers).clip(-128, 127).astype("int8"))
    with pytest.raises(DataError, match=r"expected logits or probabilities, received whole numbers, int8 from -\d+ to"):
        read_outputs(folder / "logits.npy", data)


def test_labels_of_a_sure_teacher_are_probabilities(data, answers, folder):
    np.save(folder / "logits.npy", np.eye(3, dtype=int)[answers.argmax(axis=1)])
    found = keras.ops.softmax(read_outputs(folder / "logits.npy", data).lookup(data.x_train))
    np.testing.assert_allclose(found, np.eye(3)[answers[:60].argmax(axis=1)], atol=1e-3)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_percentages_of_labels_are_no_logits(tmp_path, task):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 3)).astype("float32"), rng.integers(2, size=(60, 3))
    y = labels[:, 0] if task == "binary" else labels
    splits = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "x_val": x, "y_val": y}
    some = dataset_of("some", splits, "some.npz", None, 0, SourceOptions(task=task))
    write_samples(some, tmp_path)
    np.save(tmp_path / "answers.npy", 90.0 * y.reshape(60, -1) + 5)
    with pytest.raises(
        DataError, match=r"negative where a label does not hold, or probabilities from 0 to 1, .* to 95;"
    ):
        read_outputs(tmp_path / "answers.npy", some)


def changed(data, **arrays):
    return replace(data, **arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"x_train": d.x_train[::-1]}, r"same samples in another order: .* sample 0 .*received it at row 59"),
        (lambda d: {"x_train": d.x_train[:50], "y_train": d.y_train[:50]}, r"other samples: expected 60, received 70"),
        (lambda d: {"x_train": d.x_train + 1}, r"other samples: expected those of the data, received 10 of 70"),
    ],
)
def test_answers_to_other_samples_or_in_another_order_are_refused(data, folder, change, message):
    with pytest.raises(DataError, match=message):
        read_outputs(folder / "logits.npy", changed(data, **change(data)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[:-1], r"expected a row for each of 70 samples in samples\.npy, received 69"),
        (lambda a: a[:, :2], r"expected 3 classes, received 2"),
        (lambda a: a.argmax(axis=1), r"expected numbers of shape \(samples, 3\), received int64 of shape \(70,\)"),
        (lambda a: np.where(a > -1, np.nan, a), "expected finite numbers, received NaN"),
        (lambda a: np.where(a > -1, a.astype(float), -1e300), "expected finite numbers, .* that float32 does not hold"),
        (lambda a: np.roll(a, 1, axis=0), r"no more than by chance .*keep the order of the rows and classes"),
        (lambda a: np.roll(a, 1, axis=1), r"no more than by chance"),
    ],
)
def test_answers_that_cannot_be_those_of_the_samples_are_refused(data, answers, folder, change, message):
    np.save(folder / "logits.npy", change(answers))
    with pytest.raises(DataError, match=message):
        read_outputs(folder / "logits.npy", data)


def test_answers_without_the_hashes_of_their_samples_are_refused(data, folder):
    (folder / "samples.json").unlink()
    with pytest.raises(DataError, match=r"no samples\.json beside the teacher outputs: .*`kd-edge samples` writes it"):
        read_outputs(folder / "logits.npy", data)


def test_damaged_hashes_are_refused(data, folder):
    (folder / "samples.json").write_text("{}")
    with pytest.raises(DataError, match=r"samples\.json is damaged: KeyError\('num_samples'\)"):
        read_outputs(folder / "logits.npy", data)


def test_a_damaged_archive_is_no_array(data, folder):
    (folder / "logits.npy").write_bytes(b"PK\x03\x04" + bytes(60))
    with pytest.raises(DataError, match=r"expected an \.npy file: File is not a zip file"):
        read_outputs(folder / "logits.npy", data)


@pytest.fixture(scope="module")
def gloves():
    """Two classes by the first number, a value by the second."""
    x = np.random.default_rng(0).normal(size=(NUM_TRAIN, 4)).astype("float32")
    arrays = {"y_train_speed": 3 * x[:, 1] + 20, "y_train_gesture": (x[:, 0] > 0).astype(int)}
    arrays |= {name.replace("train", "test"): y for name, y in arrays.items()} | {"x_train": x, "x_test": x}
    return dataset_of("gloves", arrays, "gloves", None, 0, SourceOptions(task="speed:regression"))


@pytest.fixture
def spoken(gloves, tmp_path):
    """A folder with the answers of a perfect teacher, logits and values in their units."""
    write_samples(gloves, tmp_path)
    x = samples_to_answer(gloves)
    answers = {"gesture": np.stack([-9 * x[:, 0], 9 * x[:, 0]], axis=1), "speed": 3 * x[:, 1] + 20}
    np.savez(tmp_path / "answers.npz", **answers)
    return tmp_path, answers


def test_each_of_several_outputs_has_its_own_array(gloves, spoken):
    targets = read_outputs(spoken[0] / "answers.npz", gloves)
    found = targets.lookup(gloves.x_train)
    np.testing.assert_allclose(found["gesture"][:, 1], 9 * gloves.x_train[:, 0], rtol=2e-3)
    np.testing.assert_allclose(found["speed"], gloves.y_train["speed"], atol=2e-3)
    result = teach(targets, gloves, TeacherConfig(outputs="answers.npz")).result
    assert result.unavailable_reason["information"].endswith("there are several outputs")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    heads = [keras.layers.Dense(2, name="gesture")(inputs), keras.layers.Dense(1, name="speed")(inputs)]
    student = keras.Model(inputs, heads)
    trained = distill(student, gloves, Recipe(60, 10, 0.1), teacher=targets, student_loss_weight=0.0)
    assert trained.val_accuracy > 0.7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {"gesture": a["gesture"]}, "expected an array for each output of the data, gesture, speed, receiv"),
        (lambda a: a | {"speed": a["speed"][::-1]}, "output 'speed' are no better .* than in a random order"),
        (lambda a: a | {"gesture": a["gesture"][:, :1]}, r"output 'gesture': expected 2 classes, received 1"),
        (lambda a: a | {"speed": a["speed"][:-1]}, r"output 'speed': expected a row for each of \d+ samples"),
    ],
)
def test_answers_that_cannot_be_those_of_one_of_the_outputs_are_refused(gloves, spoken, change, message):
    folder, answers = spoken
    np.savez(folder / "answers.npz", **change(answers))
    with pytest.raises(DataError, match=message):
        read_outputs(folder / "answers.npz", gloves)


def test_one_array_is_not_that_of_several_outputs(gloves, spoken):
    np.save(spoken[0] / "answers.npy", spoken[1]["gesture"])
    with pytest.raises(DataError, match=r"expected an \.npz archive, received a single \.npy array"):
        read_outputs(spoken[0] / "answers.npy", gloves)


def test_a_student_learns_from_answers_alone(data, folder):
    targets = read_outputs(folder / "logits.npy", data)
    keras.utils.set_random_seed(0)
    student = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    trained = distill(student, data, Recipe(4, 10, 0.05), teacher=targets, student_loss_weight=0.0)
    assert trained.val_accuracy > 0.8


def test_a_search_needs_no_network_of_the_teacher(data, folder, tmp_path):
    targets = read_outputs(folder / "logits.npy", data)
    found = design(
        targets,
        data,
        device="nrf52840",
        space=space_of("mlp", targets, data),
        recipe=Recipe(1, 10, 0.05),
        num_trials=1,
        teacher_ratio=20.0,
        directory=tmp_path / "search",
    )
    assert found.space == "mlp"
    with pytest.raises(ConfigError, match="bad family 'from_teacher': expected a teacher's network, received its outp"):
        space_of("from_teacher", targets, data)


def test_what_is_not_known_of_such_a_teacher_says_why(data, folder):
    wanted = TeacherConfig(outputs=str(folder / "logits.npy"))
    result = teach(read_outputs(folder / "logits.npy", data), data, wanted).result
    assert (result.test_accuracy, result.macs, result.params) == (None, None, None)
    assert set(result.unavailable_reason) == {"test_accuracy", "macs", "params"}
    assert result.information.accuracy > 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": {"path": "t.keras"}}, "expected a teacher's outputs without 'path' and 'folds', received both"),
        ({"teacher": {"folds": 2}}, "received folds"),
        ({"design": {"family": "from_teacher"}}, "expected 'family' in .design. other than 'from_teacher'"),
        ({"distill": {"augment": "image"}}, "expected 'augment' in .distill. 'none'"),
        ({"verify": {"max_teacher_loss": 0.1}}, "expected no 'max_teacher_loss' in .verify."),
    ],
)
def test_a_configuration_that_needs_the_network_is_refused(changes, message):
    kinds = {"design": DesignConfig, "distill": DistillConfig, "verify": VerifyConfig}
    with pytest.raises(ConfigError, match=message):
        RunConfig(
            DataConfig("d.npz"),
            BudgetConfig("nrf52840"),
            teacher=TeacherConfig(outputs="logits.npy", **changes.pop("teacher", {})),
            **{name: kinds[name](**values) for name, values in changes.items()},
        )
