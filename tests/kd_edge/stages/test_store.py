"""What a stage left is taken only while it is there as it was left."""

import json
from dataclasses import dataclass
from pathlib import Path

import keras
import pytest

from kd_edge.stages.store import StageStore, stage_key
from tflite_bench.provenance import Computed


@dataclass(frozen=True)
class Result:
    name: str
    sizes: Computed[tuple[int, ...]]
    share: Computed[float | None] = None


RESULT = Result("one", (1, 2), 0.5)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    (tmp_path / "model.bin").write_bytes(b"model")
    return StageStore(tmp_path)


def test_a_result_comes_back_as_what_it_was(store):
    kept = store.save("convert", "key", RESULT, ["model.bin"])
    again = store.load("convert", "key", Result)
    assert again == kept
    assert again.result == RESULT
    assert type(again.result.sizes) is tuple


def test_nothing_is_known_of_a_stage_that_was_not_done_or_was_shaped_by_something_else(store):
    assert store.load("convert", "key", Result) is None
    store.save("convert", "key", RESULT)
    assert store.load("convert", "another", Result) is None


def test_a_stage_whose_file_is_gone_or_another_is_made_again(store):
    kept = store.save("convert", "key", RESULT, ["model.bin"])
    (store.folder / "model.bin").write_bytes(b"another")
    assert store.load("convert", "key", Result) is None
    (store.folder / "model.bin").unlink()
    assert store.load("convert", "key", Result) is None
    (store.folder / "model.bin").write_bytes(b"model")
    assert store.load("convert", "key", Result) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"key": "key"}',
        '{"key": "key", "files": {}, "result": {"name": 3}}',
        '{"key": "key", "files": {"model.bin": 3}, "result": {"name": "one", "sizes": [1], "share": null}}',
    ],
)
def test_a_damaged_record_is_as_good_as_none(store, text):
    store.save("convert", "key", RESULT)
    (store.folder / "stages" / "convert.json").write_text(text)
    assert store.load("convert", "key", Result) is None


def test_a_record_of_another_version_is_as_good_as_none(store):
    store.save("convert", "key", RESULT)
    path = store.folder / "stages" / "convert.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"result": record["result"] | {"unknown": 1}}))
    assert store.load("convert", "key", Result) is None


def test_what_follows_a_model_is_not_shaped_by_when_and_in_which_process_it_was_made(tmp_path):
    def saved(scale=1.0):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.ReLU()])
        model.set_weights([scale * weights for weights in model.get_weights()])
        model.save(tmp_path / "student.keras")
        return StageStore(tmp_path).save("distill", "key", RESULT, ["student.keras"]).digest

    first, content = saved(), (tmp_path / "student.keras").read_bytes()
    assert saved() == first
    assert (tmp_path / "student.keras").read_bytes() != content
    assert saved(scale=2.0) != first


def test_a_key_follows_from_what_was_before_and_from_what_shapes_the_stage(store):
    keys = {stage_key(before, name, value) for before in "ab" for name in ("x", "y") for value in (1, 2)}
    assert len(keys) == 8
    before = store.save("convert", "key", RESULT, ["model.bin"]).digest
    (store.folder / "model.bin").write_bytes(b"another")
    assert store.save("convert", "key", RESULT, ["model.bin"]).digest != before
