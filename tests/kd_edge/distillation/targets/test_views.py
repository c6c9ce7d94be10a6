"""Stored views: the file says which they are, and only those are made again."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.samples import Samples
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError, DataError

IMAGES = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype("float32")
LABELS = np.arange(16) % 3


def teacher(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


def views(path=None, **kwargs):
    return soft_targets(teacher(), IMAGES, path=path, **{"views": 2, "augment": "image", "seed": 3, **kwargs})


def test_a_file_keeps_the_seed_of_each_view(tmp_path):
    made, read = views(tmp_path / "t.npy"), SoftTargets.load(tmp_path / "t.npy")
    assert read.views == made.views
    assert read.rows["seed"].shape == (16, 2)
    assert len(np.unique(read.rows["seed"])) == 32
    assert read.rows["output_0"].shape == (16, 2, 3)
    assert (made.num_passes, views(tmp_path / "t.npy").num_passes) == (2, 0)


@pytest.mark.parametrize(
    "other", [{"views": 3}, {"augment": "mixup"}, {"strength": 0.5}, {"seed": 4}, {"views": None}], ids=str
)
def test_a_file_of_other_views_is_refused(tmp_path, other):
    views(tmp_path / "t.npy")
    with pytest.raises(DataError, match=r"t.npy holds other views: expected .*, received 2 views by 'image'"):
        views(tmp_path / "t.npy", **other)


def test_views_of_an_older_augmentation_are_refused():
    targets = views()
    targets.header["views"]["version"] = 0
    old = SoftTargets(targets.rows, targets.header)
    distiller = Distiller(old, teacher(1), LogitsDistillation(2.0))
    distiller.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(DataError, match="cannot be made again: expected version 1 of 'image', received version 0"):
        distiller.fit(IMAGES, LABELS, verbose=0)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"views": 0}, "bad views: expected at least 1"),
        ({"augment": "none"}, "views without an augmentation are all the same"),
        ({"augment": "imag"}, "unknown augmentation 'imag': did you mean 'image'"),
        ({"augment": "imu"}, "augmentation 'imu' reads samples of shape"),
        ({"augment": keras.layers.RandomFlip()}, "cannot be made again: expected the name of an augmentation"),
    ],
)
def test_views_that_cannot_be_made_are_refused(asked, message):
    with pytest.raises(ConfigError, match=message):
        views(**asked)


def test_a_dataset_is_shown_its_views_and_another_one_in_the_next_pass():
    targets, guide = views(), teacher()
    batches = targets.attach(tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4))
    passes = [[samples for samples, _ in batches] for _ in range(6)]
    for samples in passes[0]:
        assert isinstance(samples, Samples)
        np.testing.assert_allclose(samples.targets, guide(samples.inputs, training=False), atol=4e-3)
    firsts = {samples[0].inputs.numpy().tobytes() for samples in passes}
    assert len(firsts) == 2


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_views_of_mixup_are_the_same_whatever_numbers_the_samples_are(dtype):
    whole = np.random.default_rng(0).integers(0, 255, IMAGES.shape)
    found, expected = (
        soft_targets(teacher(), whole.astype(kind), views=2, augment="mixup", seed=3) for kind in (dtype, "float32")
    )
    np.testing.assert_array_equal(found.rows["output_0"], expected.rows["output_0"])
    assert np.abs(found.rows["output_0"][:, 0] - found.rows["output_0"][:, 1]).max() > 1


def test_a_student_learns_from_views_in_fit():
    distiller = Distiller(views(), teacher(1), LogitsDistillation(2.0))
    distiller.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = distiller.fit(IMAGES, LABELS, batch_size=8, epochs=3, validation_split=0.25, verbose=0).history
    assert len(history["val_loss"]) == 3
    assert np.isfinite(history["loss"]).all()
    (report,) = distiller.halting_reports
    assert (report.data_passes, report.num_samples) == (2.0, 36)  # 12 of 16 samples, three times
