"""Hostile frames on both sides of the wire; fuzz.py alone runs 10,000 on each."""

import shutil
from pathlib import Path

import pytest
from runners.board import fuzz

from tflite_bench.transports.messages import FAILURE, Kind


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler (tools/install-system)")
def test_the_firmware_answers_hostile_frames_and_breaks_no_memory(tmp_path: Path) -> None:
    answers = fuzz.fuzz_firmware(fuzz.build(tmp_path), 2000, 1)
    # Every request was answered at least once, and refused at least once.
    assert {frame.kind for frame in answers} == {kind | 0x80 for kind in Kind} | {FAILURE}
    assert {frame.payload[0] for frame in answers if frame.kind == FAILURE} >= {1, 2, 3, 4, 6, 13, 14}


def test_the_host_refuses_hostile_answers_and_raises_nothing_else() -> None:
    assert fuzz.fuzz_host(2000, 1) > 2000
