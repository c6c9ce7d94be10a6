"""Verification of a stream: windows are fed step by step, and what is costed is a step."""

import keras
import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import ConvertConfig, DesignConfig
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.metadata import read_metadata
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.verification.verifier import verify

VALUES = {"width": 4, "stem_kernel": 3, "stem_stride": 2, "num_blocks": 1, "kernel": 3, "flattens": 1, "growth": 1.0}


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    y = np.arange(48) % 2
    # One class rises, the other falls.
    x = (np.linspace(-1, 1, 12)[:, None] * (2 * y - 1)[:, None, None] + rng.normal(size=(48, 12, 3))).astype(np.float32)
    splits = {"train": slice(0, 16), "val": slice(16, 32), "test": slice(32, 48)}
    arrays = {f"x_{name}": x[part] for name, part in splits.items()}
    arrays |= {f"y_{name}": y[part] for name, part in splits.items()}
    return Dataset(name="ramps", **arrays, class_names=("down", "up"))


@pytest.fixture(scope="module")
def student(data: Dataset) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = StudentSpace.family("streaming", data.input_shape, 2).blueprint(VALUES).to_keras()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=2, verbose=0)
    return model


def test_windows_are_fed_step_by_step_and_a_step_is_costed(student: keras.Model, data: Dataset) -> None:
    made = convert_for(student, data, ConvertConfig(stream=2, qat="never"))
    assert read_metadata(made.content)["input"]["meaning"].startswith("the values as they are")
    device = load_device("esp32-s3")
    checked = verify(made.content, data, device=device, budget=Budget.of(device), student=student)
    assert checked.predicted_from == "student"
    assert checked.predicted_host_arena_bytes == checked.measured.arena_bytes
    # In a step one position of each convolution: 3 frames of 3 features, then 3 positions of 4 channels, then 4 x 4; of
    # the 5 - 2 positions that are left the head reads all.
    assert checked.predicted.macs == 4 * 3 * 3 + 3 * 4 + 4 * 4 + 2 * 3 * 4
    named = student.predict(data.x_test, verbose=0).argmax(axis=1)
    assert checked.accuracy.float_tflite == checked.accuracy.float_keras == (named == data.y_test).mean()
    assert checked.parity is not None
    assert checked.parity.num_samples == len(data.x_test)
    assert checked.parity.num_diverged == 0
    assert any("2 of a window's 12 frames at a step" in sentence for sentence in checked.warnings)
    assert {noise.op for noise in checked.noise} >= {"CONV_2D", "CONCATENATION"}


def test_a_run_of_streaming_students_needs_the_frames_of_a_step() -> None:
    with pytest.raises(ConfigError, match=r"expected 'stream' in \[convert\] with 'streaming'"):
        RunConfig(DataConfig("watch"), BudgetConfig("esp32-s3"), design=DesignConfig("streaming"))


def test_a_step_is_not_fine_tuned_on_demand() -> None:
    with pytest.raises(ConfigError, match="expected 'auto' or 'never' with 'stream'"):
        ConvertConfig(qat="always", stream=3)
    with pytest.raises(ConfigError, match="'stream': expected more than 0"):
        ConvertConfig(stream=0)


@pytest.mark.parametrize(
    ("family", "frames", "message"),
    [("tcn", 3, "family 'tcn' is not streamed"), ("streaming", 13, "expected 1 to 12, the window's, received 13")],
)
def test_frames_that_no_family_takes_are_refused(family: str, frames: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StudentSpace.family(family, (12, 3), 2, frames=frames)
