"""Names of layers as TensorFlow takes them; other backends of Keras take any."""

import re
from collections.abc import Iterable

# As TensorFlow wants the first name of a path to be, without those that it takes and then stumbles over.
_VALID_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")
_ODD_CHARACTER = re.compile(r"[^A-Za-z0-9_.-]")


def valid_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names that TensorFlow refuses, each with another one that it takes; they stay different.

    >>> valid_names(["dense", "onnx::Conv 1"])
    {'onnx::Conv 1': 'onnx__Conv_1'}
    """
    known = list(dict.fromkeys(names))
    taken, renamed = {name for name in known if _VALID_NAME.fullmatch(name)}, {}
    for name in known:
        if name in taken:
            continue
        valid = _ODD_CHARACTER.sub("_", name)
        valid = valid if _VALID_NAME.fullmatch(valid) else f"layer_{valid.lstrip('_')}"
        while valid in taken:
            valid += "_"
        taken.add(valid)
        renamed[name] = valid
    return renamed
