"""A teacher's stored outputs: they stay with their samples, in memory and on disk."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import FeatureDistillation, LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.targets.fingerprints import fingerprint
from kd_edge.distillation.targets.soft_targets import rows_of_outputs, soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError, DataError, ModelError

BATCH = 16
FLOAT16 = 2e-3  # of logits of a few units


def compiled(task, teacher, student, **kwargs):
    distiller = Distiller(teacher, student, LogitsDistillation(2.0))
    distiller.compile("adam", loss=task.loss(), **{"run_eagerly": True, **kwargs})
    return distiller


def fit(distiller, x, y=None, **kwargs):
    return distiller.fit(x, y, **{"batch_size": BATCH, "verbose": 0, "shuffle": False, **kwargs}).history


def shuffled(task):
    data = tf.data.Dataset.from_tensor_slices((task.x, task.y)).shuffle(64, seed=3)
    return data.batch(BATCH)


def test_a_lookup_gives_each_sample_its_own_outputs_in_any_order(task):
    teacher = task.network(16)
    order = np.random.default_rng(1).permutation(len(task.x))
    found = soft_targets(teacher, task.x).lookup(task.x[order]).numpy()
    np.testing.assert_allclose(found, teacher.predict(task.x, verbose=0)[order], atol=FLOAT16)


@pytest.mark.parametrize("samples", ["arrays", "dataset", "generator"])
def test_a_student_learns_from_them_as_from_the_teacher(task, samples):
    teacher, ours, theirs = task.network(16), task.network(), task.network()
    theirs.set_weights(ours.get_weights())
    for guide, student in ((soft_targets(teacher, task.x), ours), (teacher, theirs)):
        keras.utils.set_random_seed(5)  # of the shuffling
        distiller = compiled(task, guide, student, run_eagerly=samples == "generator")
        if samples == "arrays":
            fit(distiller, task.x, task.y, epochs=2)
        elif samples == "dataset":
            fit(distiller, shuffled(task), batch_size=None, epochs=2)
        else:
            batches = ((task.x[i : i + BATCH], task.y[i : i + BATCH]) for i in (32, 0, 16, 48))
            fit(distiller, batches, batch_size=None)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_the_teacher_runs_once_over_the_samples(task):
    distiller = compiled(task, soft_targets(task.network(16), task.x), task.network())
    fit(distiller, task.x, task.y, epochs=3)
    (report,) = distiller.halting_reports
    assert (report.data_passes, report.macs_spent, report.megabytes_spent) == (1.0, 0, 0.0)


def test_a_dataset_may_be_what_the_teacher_runs_over(task):
    teacher = task.network(16)
    targets = soft_targets(teacher, shuffled(task))
    expected = teacher.predict(task.x, verbose=0)
    np.testing.assert_allclose(targets.lookup(task.x).numpy(), expected, atol=FLOAT16)


def test_samples_that_the_teacher_has_not_seen_are_refused_with_the_reason(task):
    targets = soft_targets(task.network(16), task.x)
    changed = tf.data.Dataset.from_tensor_slices((task.x, task.y)).batch(BATCH).map(lambda x, y: (x + 0.1, y))
    with pytest.raises(DataError, match=r"16 of 16 samples have no soft targets.*without augmentation"):
        fit(compiled(task, targets, task.network()), changed, batch_size=None)


def test_one_file_holds_them_for_another_machine(task, tmp_path):
    teacher = task.network(16)
    made = soft_targets(teacher, task.x, path=tmp_path / "targets.npy")
    read = SoftTargets.load(tmp_path / "targets.npy")
    np.testing.assert_array_equal(read.lookup(task.x), made.lookup(task.x))
    assert isinstance(read._rows, np.memmap)
    assert (made.num_passes, read.num_passes) == (1, 0)
    assert len(read) == len(task.x)
    assert read.num_bytes == 64 * (8 + 3 * 2)  # a key and three float16 per sample


def test_a_file_that_is_there_spares_the_teachers_pass(task, tmp_path):
    teacher, path = task.network(16), tmp_path / "targets.npy"
    soft_targets(teacher, task.x, path=path)
    written = path.stat().st_mtime_ns
    assert soft_targets(teacher, task.x[::-1], path=path).num_passes == 0  # the order may differ
    assert path.stat().st_mtime_ns == written


def test_an_interrupted_write_leaves_no_file(task, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(ConfigError, match="cannot write"):
        soft_targets(task.network(16), task.x, path=tmp_path / "targets.npy")
    assert list(tmp_path.iterdir()) == []


def other_teacher(task, teacher, path):
    return {"teacher": task.network(16), "x": task.x}


def other_samples(task, teacher, path):
    return {"teacher": teacher, "x": task.x + 1}


def more_samples(task, teacher, path):
    return {"teacher": teacher, "x": np.concatenate([task.x, task.x[:1] + 1])}


def truncated(task, teacher, path):
    path.write_bytes(path.read_bytes()[:-40])
    return {}


def damaged(task, teacher, path):
    content = path.read_bytes()
    path.write_bytes(b"\0" * 64 + content[64:])
    return {}


def shortened_rows(task, teacher, path):
    content = path.read_bytes()
    path.write_bytes(content[:200] + content[600:])
    return {}


def missing(task, teacher, path):
    path.unlink()
    return {}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_teacher, "is of another teacher, or of other weights"),
        (other_samples, "64 of 64 samples have no soft targets"),
        (more_samples, "1 of 65 samples have no soft targets"),
        (truncated, "is truncated or no file of soft targets"),
        (damaged, "is damaged"),
        (shortened_rows, "is damaged"),
        (missing, "no soft targets at"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(task, tmp_path, spoil, message):
    teacher, path = task.network(16), tmp_path / "targets.npy"
    soft_targets(teacher, task.x, path=path)
    arguments = spoil(task, teacher, path)
    with pytest.raises(DataError, match=message):
        SoftTargets.load(path, **arguments)


def test_the_largest_logits_are_kept_and_the_rest_has_its_total_probability(task):
    logits = np.array([[5.0, 1.0, 3.0, 0.5], [0.0, 4.0, -1.0, 2.0]], "float32")
    inputs = keras.Input((4,))
    teacher = keras.Model(inputs, keras.layers.Identity()(inputs))
    targets = soft_targets(teacher, logits, top_k=2, temperature=2.0)
    found = targets.lookup(logits).numpy()
    for row, whole, kept in zip(found, logits, ([0, 2], [1, 3]), strict=True):
        rest = [i for i in range(4) if i not in kept]
        np.testing.assert_allclose(row[kept], whole[kept], atol=FLOAT16)
        assert row[rest[0]] == row[rest[1]]
        np.testing.assert_allclose(np.exp(row[rest] / 2).sum(), np.exp(whole[rest] / 2).sum(), rtol=2e-3)


@pytest.mark.parametrize(
    ("kept", "asked", "message"),
    [
        ({"top_k": 2}, {}, r"expected all, received top_k=2, temperature=4.0"),
        ({"top_k": 2}, {"top_k": 1}, r"expected top_k=1, temperature=4.0, received top_k=2, temperature=4.0"),
        ({"top_k": 2}, {"top_k": 2, "temperature": 9.0}, r"temperature=9.0, received top_k=2, temperature=4.0"),
        ({}, {"top_k": 2}, r"expected top_k=2, temperature=4.0, received all"),
    ],
)
def test_a_file_with_more_or_less_logits_is_refused(task, tmp_path, kept, asked, message):
    teacher, path = task.network(16), tmp_path / "targets.npy"
    soft_targets(teacher, task.x, path=path, **kept)
    assert soft_targets(teacher, task.x, path=path, **kept).num_passes == 0
    with pytest.raises(DataError, match=message):
        soft_targets(teacher, task.x, path=path, **asked)


def test_of_so_few_classes_that_all_are_kept_the_number_is_the_same(task, tmp_path):
    teacher, path = task.network(16), tmp_path / "targets.npy"
    soft_targets(teacher, task.x, path=path)
    assert soft_targets(teacher, task.x, path=path, top_k=3, temperature=9.0).num_passes == 0


def test_an_older_file_of_the_largest_logits_alone_does_not_say_how_many(task, tmp_path):
    teacher, path = task.network(16), tmp_path / "targets.npy"
    targets = soft_targets(teacher, task.x, top_k=2)
    del targets.header["top_k"], targets.header["temperature"]
    targets.save(path)
    with pytest.raises(DataError, match="received top_k=unknown, temperature=unknown; choose another path"):
        soft_targets(teacher, task.x, path=path, top_k=2)


def test_a_file_that_cannot_be_written_is_refused_before_the_teacher_is_asked(task, tmp_path):
    (tmp_path / "file").write_text("")
    asked = []
    samples = tf.data.Dataset.from_generator(lambda: asked.append(1) or iter([task.x]), output_types=tf.float32)
    with pytest.raises(ConfigError, match=r"cannot write .*targets.npy: Not a directory"):
        soft_targets(task.network(16), samples, path=tmp_path / "file" / "targets.npy")
    assert not asked


def test_a_softmax_in_half_precision_gives_finite_logits(task):
    inputs = keras.Input((8,))
    teacher = keras.Model(inputs, keras.layers.Dense(3, "softmax", dtype="mixed_float16")(inputs))
    teacher.set_weights([np.zeros((8, 3)), np.array([30.0, 0.0, -30.0])])
    found = soft_targets(teacher, task.x[:2]).lookup(task.x[:2]).numpy()
    least = np.log(1e-37)  # exp(-30) is none of float16's numbers
    np.testing.assert_allclose(found, [[0, least, least]] * 2, rtol=1e-3)


def test_a_student_can_learn_from_the_largest_logits_alone(task):
    targets = soft_targets(task.network(16), task.x, top_k=1, temperature=2.0)
    assert not targets.is_dense
    history = fit(compiled(task, targets, task.network(), run_eagerly=False), task.x, task.y, epochs=3)
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]


def test_a_step_that_looks_samples_up_leaves_xla_alone(task):
    targets = soft_targets(task.network(16), task.x, top_k=1)
    distiller = compiled(task, targets, task.network(), run_eagerly=False, jit_compile=True)
    assert np.isfinite(fit(distiller, task.x, task.y)["loss"][0])


def test_a_data_set_looks_samples_up_ahead_of_a_step_for_xla(task):
    distiller = compiled(
        task, soft_targets(task.network(16), task.x), task.network(), run_eagerly=False, jit_compile=True
    )
    fit(distiller, shuffled(task), batch_size=None)
    assert distiller.jit_compile


def test_a_teacher_that_ends_in_softmax_gives_its_logits_up_to_a_constant(task):
    plain, probabilities = task.network(16), task.network(16, softmax=True)
    probabilities.set_weights(plain.get_weights())
    difference = soft_targets(probabilities, task.x).lookup(task.x) - plain.predict(task.x, verbose=0)
    np.testing.assert_allclose(difference, difference[:, :1] * np.ones(3), atol=2 * FLOAT16)


def test_several_inputs_and_outputs_keep_their_names(task):
    inputs = {"a": keras.Input((5,), name="a"), "b": keras.Input((3,), name="b")}
    hidden = keras.layers.Concatenate()(list(inputs.values()))
    teacher = keras.Model(inputs, {"one": keras.layers.Dense(3)(hidden), "two": keras.layers.Dense(2)(hidden)})
    x = {"a": task.x[:, :5], "b": task.x[:, 5:]}
    found, expected = soft_targets(teacher, x).lookup(x), teacher.predict(x, verbose=0)
    assert set(found) == {"one", "two"}
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=FLOAT16)


def test_fingerprints_tell_apart_samples_that_differ_in_one_value(task):
    changed = task.x.copy()
    changed[3, 2] += 1e-6
    same = (fingerprint(task.x).numpy() == fingerprint(changed).numpy()).all(axis=1)
    assert same.tolist() == [i != 3 for i in range(len(task.x))]


def test_whole_numbers_are_told_apart_beyond_those_that_float32_holds():
    numbers = np.array([[2**24, 1], [2**24 + 1, 1], [2**53 + 1, 1]], "int64")
    prints = fingerprint(numbers).numpy()
    assert len({bytes(row) for row in prints}) == 3
    np.testing.assert_array_equal(prints[0], fingerprint(numbers[:1].astype("float32")).numpy()[0])
    np.testing.assert_array_equal(prints, tf.function(fingerprint)(numbers).numpy())


def linear(scale, bias):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    kernel, _ = model.get_weights()
    model.set_weights([kernel * scale, np.full(4, bias)])
    return model


@pytest.mark.parametrize(("scale", "bias"), [(0.1, 1013.0), (1e6, 0.0)])
@pytest.mark.parametrize("top_k", [None, 2])
def test_values_that_half_precision_would_spoil_are_kept_in_single_precision(task, scale, bias, top_k):
    teacher = linear(scale, bias)
    answers = teacher(task.x).numpy()
    largest = np.argsort(-answers)[:, : top_k or 4]
    stored = soft_targets(teacher, task.x, top_k=top_k).lookup(task.x).numpy()
    kept, expected = (np.take_along_axis(side, largest, -1) for side in (stored, answers))
    np.testing.assert_allclose(kept, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("center", "deviation"), [(0.0, 3.0), (-30.0, 5.0), (20.0, 5.0), (0.3, 0.0), (1013.3, 0.0), (1013.3, 1e-5)]
)
def test_logits_and_values_that_are_all_the_same_are_kept_in_half_precision(center, deviation):
    outputs = np.random.default_rng(0).normal(center, deviation, (1000, 4)).astype("float32")
    assert rows_of_outputs(np.arange(1000, dtype=np.uint64), [outputs])["output_0"].dtype == np.float16


def test_targets_of_another_task_are_refused(task):
    targets = soft_targets(task.network(16), task.x)
    student = keras.Sequential([keras.Input((8,)), keras.layers.Dense(5)])
    with pytest.raises(ModelError, match=r"different outputs: expected \[\(5,\)\], received \[\(3,\)\]"):
        Distiller(targets, student, LogitsDistillation())


def test_losses_between_layers_need_the_teacher_itself(task):
    targets = soft_targets(task.network(16), task.x)
    with pytest.raises(ModelError, match=r"looks into the teacher's layers.*received SoftTargets"):
        Distiller(
            targets, task.network(), FeatureDistillation(teacher_layer_name="hidden", student_layer_name="hidden")
        )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"top_k": 0}, ConfigError, "bad top_k: expected at least 1, received 0"),
        ({"top_k": "a"}, ConfigError, "bad top_k: expected at least 1, received 'a'"),
        ({"batch_size": 0}, ConfigError, "bad batch_size: expected at least 1, received 0"),
        ({"temperature": 0.0}, ConfigError, "bad temperature: expected more than 0, received 0.0"),
        ({"temperature": np.nan}, ConfigError, "bad temperature: expected more than 0, received nan"),
        ({"x": [[0.0] * 8] * 2}, DataError, "samples are no arrays: .* received a list of float"),
        (
            {"x": np.zeros((2, 7), "float32")},
            DataError,
            r"cannot run on the samples: expected batches of shape \(None, 8\), received float32 of shape \(2, 7\)",
        ),
        ({"x": [np.zeros((4, 8)), np.zeros((3, 8))]}, DataError, "expected 4 as in x, received 3 in x"),
        ({"x": np.zeros((0, 8), "float32")}, DataError, "no samples to run the teacher on"),
        ({"x": tf.data.Dataset.from_tensors(np.zeros((1, 8))).repeat()}, DataError, "samples without an end"),
    ],
)
def test_bad_arguments_are_named(task, change, error, message):
    with pytest.raises(error, match=message):
        soft_targets(task.network(16), **{"x": task.x, **change})
