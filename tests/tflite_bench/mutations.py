"""Real models with a few bytes changed, for property tests."""

import struct
from pathlib import Path

from hypothesis import strategies as st

DATA = Path(__file__).parents[1] / "data"
SMALL = sorted(path.read_bytes() for path in DATA.glob("*.tflite"))
WORDS = [0, 1, 2, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1]


@st.composite
def mutated_models(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(content) // 4 - 1)) * 4
        if draw(st.booleans()):
            word = draw(st.sampled_from(WORDS) | st.integers(0, len(content)) | st.integers(0, 2**32 - 1))
            struct.pack_into("<I", content, position, word)
        else:
            content[position + draw(st.integers(0, 3))] = draw(st.integers(0, 255))
    content[4:8] = b"TFL3"
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content)
