"""Metadata that are JSON and not what `describe` writes."""

import math
from dataclasses import asdict

import pytest
from ai_edge_litert import schema_py_generated as schema

from kd_edge.conversion.metadata import NAME, add_metadata, read_metadata, reads_raw_values
from kd_edge.data.front_end import FrontEnd
from kd_edge.errors import ModelError
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.model.writer import pack, unpack

BINARY = {"task": "binary", "names": ["no", "yes"], "threshold": 0.5}
REGRESSION = {"task": "regression", "names": ["weight"], "units": ["g"], "mean": [5.0], "deviation": [2.0]}
SOUND = asdict(FrontEnd())


def without(said, name):
    return {key: value for key, value in said.items() if key != name}


def network():
    made = SyntheticNetwork((4,))
    made.dense(1)
    return made.to_bytes()


def told(description):
    return read_metadata(add_metadata(network(), description))


def told_in_json(text):
    """What a file tells whose entry is a text, for what `add_metadata` does not write."""
    model = unpack(network())
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data, entry.name, entry.buffer = list(text), NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [entry]
    return read_metadata(pack(model))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"class_names": "ab"}, "expected a list of texts for class_names, received 'ab'"),
        ({"provenance": "mine"}, "expected an object for provenance, received 'mine'"),
        ({"input": {"mean": [1.0]}}, ", input: expected deviation, received only mean"),
        ({"input": {"meaning": 1}}, ", input: expected text for meaning, received 1"),
        ({"output": without(BINARY, "threshold")}, ", output: expected threshold, received only task, names"),
        ({"output": BINARY | {"threshold": "x"}}, "expected a number between 0 and 1 for threshold, received 'x'"),
        ({"output": BINARY | {"threshold": 7}}, "expected a number between 0 and 1 for threshold, received 7"),
        ({"output": BINARY | {"task": ["binary"]}}, r"expected text for task, received \['binary'\]"),
        ({"output": without(REGRESSION, "units")}, ", output: expected units, received only"),
        ({"output": REGRESSION | {"mean": [True]}}, "expected a list of numbers for mean"),
        ({"output": REGRESSION | {"units": ["g", "g"]}}, "expected 1 of units, one per name, received 2"),
        ({"input": {"front_end": 1}}, ", input: expected an object for front_end, received 1"),
        ({"input": {"front_end": SOUND | {"num_channels": "40"}}}, "front_end: expected a number for num_channels"),
        ({"input": {"front_end": SOUND | {"enable_log": 1}}}, "front_end: expected true or false for enable_log"),
        ({"input": {"front_end": without(SOUND, "log_scale_shift")}}, "front_end: expected log_scale_shift, received"),
        (
            {"input": {"front_end": SOUND | {"sample_rate_hz": 16000.5}}},
            "a whole number .* for sample_rate_hz, .*16000.5",
        ),
        ({"input": {"front_end": SOUND | {"num_channels": -3}}}, "number from 1 to 2147483647 for num_channels, .*-3"),
        ({"input": {"front_end": SOUND | {"num_channels": 2**31}}}, "number from 1 to 2147483647 for num_channels"),
        ({"input": {"front_end": SOUND | {"window_step_ms": 0}}}, "number from 1 to 2147483647 for window_step_ms"),
        (
            {"input": {"front_end": SOUND | {"noise_smoothing_bits": 10.0}}},
            "a whole number from 0 to .*_smoothing_bits",
        ),
        ({"input": {"front_end": SOUND | {"lower_band_limit_hz": -1.5}}}, "from 0 to 3.4e38 for lower_band_limit_hz"),
        ({"input": {"front_end": SOUND | {"pcan_offset": 1e39}}}, "a number from 0 to 3.4e38 for pcan_offset, .*1e.39"),
        (
            {"input": {"mean": [1, 2, 3, 4], "deviation": [1]}},
            ", input: expected as many numbers for .*received 4 and 1",
        ),
        ({"input": {"mean": [], "deviation": []}}, ", input: expected as many numbers for .*, received 0 and 0"),
        ({"input": {"mean": [1], "deviation": [0]}}, r"a list of numbers above 0 for deviation, received \[0\]"),
        ({"output": REGRESSION | {"deviation": [0]}}, r", output: expected a list of numbers above 0 for deviation"),
        ({"output": REGRESSION | {"mean": [math.nan]}}, r"expected a list of numbers for mean, received \[nan\]"),
        ({"output": REGRESSION | {"deviation": [math.inf]}}, r"for deviation, received \[inf\]"),
        ({"output": REGRESSION | {"mean": [10**400]}}, r"expected a list of numbers for mean, received \[1000"),
        ({"output": BINARY | {"names": ["yes"]}}, "expected 2 names for a binary task, received 1"),
        ({"output": BINARY | {"names": list("abc")}}, "expected 2 names for a binary task, received 3"),
        ({"class_names": ["a", "b", "c"]}, ", class_names: expected an output of 3 numbers .*, received 1"),
        ({"class_names": ["a", "b", "a"]}, ", class_names: expected names that differ, received 'a' twice"),
        (
            {"output": {"task": "multilabel", "names": ["a", "b"], "threshold": 0.5}},
            ", output: expected an output of 2 numbers as the file's metadata say, received 1",
        ),
        ({"output": BINARY | {"names": ["no", "no"]}}, ", output: expected names that differ, received 'no' twice"),
        ({"class_names": ["a", "b"], "output": REGRESSION}, "expected class_names or an output .* task 'regression'"),
        ({"provenance": {"weights_sha256": 1}}, ", provenance: expected text for weights_sha256, received 1"),
        ({"outputs": ["a"]}, r"expected a list of objects for outputs, received \['a'\]"),
        ({"outputs": [{"nam": "a"}]}, r", outputs\[0\]: expected name, received only nam"),
        ({"outputs": [{"name": "a"}]}, r", outputs\[0\]: expected task, received only name"),
    ],
)
def test_a_known_key_of_another_form_is_named_in_one_line(description, message):
    with pytest.raises(ModelError, match=f"bad metadata {NAME}.*{message}"):
        told(description)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"class_names": ["\\ud800"]}', r"expected a list of texts for class_names, received \['\\ud800'\]"),
        (b'{"output": {"units": ["\\udfff"]}}', "expected a list of texts for units"),
        (b'{"class_names": ["a\\u0000b"]}', r"expected a list of texts for class_names, received \['a\\x00b'\]"),
        (b'{"mine": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "expected JSON, received maximum recursion depth"),
    ],
)
def test_half_a_character_and_what_is_nested_too_deep_are_told_in_one_line(text, message):
    with pytest.raises(ModelError, match=f"bad metadata {NAME}.*{message}"):
        told_in_json(text)


def test_a_file_that_tells_a_mean_reads_no_raw_values_whatever_it_says_beside():
    scale = {"mean": [1.0], "deviation": [2.0]}
    files = {said: add_metadata(network(), {"input": dict(told)}) for said, told in (("scaled", scale), ("none", {}))}
    assert reads_raw_values(files["scaled"]) is False
    assert reads_raw_values(files["none"]) is None


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"mine": 1, "name": 2, "output": REGRESSION | {"mine": 3}},
        {"output": without(without(REGRESSION, "mean"), "deviation")},
        {"outputs": [{"name": "a"} | BINARY, {"name": "b"} | REGRESSION | {"units": []}]},
        {"output": {"task": "reconstruction"}, "class_names": []},
        {"input": {"front_end": SOUND | {"mine": 1}}},
        {"input": {"front_end": SOUND | {"pcan_offset": 80, "log_scale_shift": 0}}},
        {"class_names": ["a", "b"], "output": BINARY},
        {"input": {"mean": [1], "deviation": [1e-40]}},
        {"output": REGRESSION | {"mean": [1e100]}},
    ],
)
def test_what_is_not_known_or_not_needed_may_be_anything_or_nothing(description):
    assert told(description) == description
