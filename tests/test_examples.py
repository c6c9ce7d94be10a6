"""The examples that bring data of their own, with less of everything."""

from pathlib import Path

import numpy as np
import pytest

from kd_edge.config.run import load_config
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.distillation.models.model_files import load_model
from kd_edge.ir.lowering import lower

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def in_examples(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)


def test_images_of_a_folder_are_read_as_a_teacher_with_a_nested_base_takes_them(tmp_path):
    from images_from_folder import train_teacher, write_images

    images = write_images(tmp_path, count=400)
    train_teacher(images, tmp_path / "digits_teacher.keras", epochs=2)
    graph = lower(load_model(tmp_path / "digits_teacher.keras"))
    assert sum(map(graph.macs, graph.ops)) > 1_000_000
    # A Rescaling is inside: the pixels are left as they are, for the student too.
    data = load_data(images, models=[tmp_path / "digits_teacher.keras"], options=SourceOptions(image_size=[16, 16]))
    assert (data.scale, data.input_shape, data.num_classes) == (None, (16, 16, 1), 10)


def test_the_recordings_of_the_keywords_are_split_by_whole_speakers(tmp_path):
    from keywords import write_recordings

    recordings = write_recordings(tmp_path, speakers=8, repeats=1)
    data = load_data(recordings, options=SourceOptions(group_pattern="^(speaker[0-9]+)_"))
    # One second has 98 windows of 30 ms that begin every 10 ms; each has 40 features.
    assert (data.input_shape, data.class_names) == ((98, 40), ("go", "left", "no", "other", "see", "stop", "yes"))
    assert not np.isin(data.group_test, data.group_train).any()
    assert load_config(EXAMPLES / "keywords.toml").data.options.group_pattern == "^(speaker[0-9]+)_"
