"""Numbers and text as literals of C."""

import numpy as np


def c_float(value: float) -> str:
    """Return the nearest 32-bit number."""
    text = repr(float(np.float32(value)))
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def c_string(text: str) -> str:
    """Return a string literal; octal escapes cannot run into the letters after them, and `?` starts no trigraph."""
    letters = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return '"' + "".join(letters) + '"'
