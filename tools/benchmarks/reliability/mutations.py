"""Changes a whole file a little, as its kind allows: bytes anywhere, numbers and words of text, members of archives."""

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Mutation = Callable[[random.Random, bytes], bytes]

_WORDS = (0, 1, 2, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
_NUMBERS = ("0", "-1", "1e309", "-0.5", "nan", "99999999999999999999", "1", '"x"', "[]", "{}", "true", "null", "")
_TEXTS = ('""', '"\\u0000"', '"../../x"', '"Dense"', '"mse"', "0", "null", "[]", '"' + 400 * "a" + '"')
_NUMBER = re.compile(r"(?<![\w.\"])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
_TEXT = re.compile(r'"[^"\n]*"')
_VALUES: tuple[Any, ...] = (None, 0, -1, 1e308, "x", "", [], {}, True, [[]], 2**63)


def flip(rng: random.Random, content: bytes) -> bytes:
    """Change one to six bytes or words anywhere, and cut one file in eight off."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        position = rng.randrange(max(len(changed) - 4, 1))
        if rng.random() < 0.5:
            changed[position : position + 4] = struct.pack("<I", rng.choice(_WORDS))
        else:
            changed[position : position + 1] = bytes([rng.randrange(256)])
    return bytes(changed[: rng.randrange(len(changed))]) if rng.random() < 0.125 else bytes(changed)


def edit_text(rng: random.Random, content: bytes) -> bytes:
    """Replace numbers and quoted words, drop, repeat or swap lines; one time in four, change bytes."""
    if rng.random() < 0.25:
        return flip(rng, content)
    text = content.decode("utf-8", "replace")
    for _ in range(rng.randint(1, 3)):
        text = rng.choice((_other_number, _other_text, _other_lines))(rng, text)
    return text.encode("utf-8", "replace")


def edit_json(rng: random.Random, content: bytes) -> bytes:
    """Change a value, drop or rename a key, anywhere in the tree; one time in four, change the text."""
    if rng.random() < 0.25:
        return edit_text(rng, content)
    tree = json.loads(content)
    for _ in range(rng.randint(1, 3)):
        _change_tree(rng, tree)
    return json.dumps(tree).encode()


def edit_tflite(rng: random.Random, content: bytes) -> bytes:
    """Change words where a flatbuffer has them; its identifier stays."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        position = 4 * rng.randrange(len(changed) // 4)
        word = rng.choice((rng.choice(_WORDS), rng.randrange(len(changed)), rng.randrange(2**32)))
        changed[position : position + 4] = struct.pack("<I", word)
    changed[4:8] = b"TFL3"
    return bytes(changed[: rng.randrange(len(changed))]) if rng.random() < 0.1 else bytes(changed)


def edit_keras(rng: random.Random, content: bytes) -> bytes:
    """Change a member of a Keras archive, or the bytes of the archive."""
    if rng.random() < 0.2:
        return flip(rng, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(("config.json", "config.json", "config.json", "model.weights.h5", "metadata.json"))
    if rng.random() < 0.1:
        del members[name]
    else:
        members[name] = (flip if name.endswith(".h5") else edit_json)(rng, members[name])
    return _zip(members)


def edit_npz(rng: random.Random, content: bytes) -> bytes:
    """Change an array of an `.npz` file: values, kind, shape, name; or the bytes of the archive."""
    if rng.random() < 0.25:
        return flip(rng, content)
    with np.load(io.BytesIO(content)) as file:
        arrays = dict(file)
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(sorted(arrays))
        array = arrays.pop(name)
        if rng.random() < 0.85:
            arrays[name if rng.random() < 0.9 else f"{name}_"] = rng.choice(_ARRAYS)(rng, array)
    made = io.BytesIO()
    np.savez(made, **arrays)
    return made.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return made.getvalue()


def _other_number(rng: random.Random, text: str) -> str:
    return _replace(rng, text, _NUMBER, _NUMBERS)


def _other_text(rng: random.Random, text: str) -> str:
    return _replace(rng, text, _TEXT, _TEXTS)


def _replace(rng: random.Random, text: str, pattern: re.Pattern[str], choices: tuple[str, ...]) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = rng.choice(found)
    return text[: match.start()] + rng.choice(choices) + text[match.end() :]


def _other_lines(rng: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    at = rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(rng.randrange(len(lines)), lines[at])
    else:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return "".join(lines)


def _change_tree(rng: random.Random, tree: Any) -> None:
    """Change one value of a tree of JSON in place."""
    node = tree
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(node[key], dict | list) and rng.random() < 0.85:
            node = node[key]
            continue
        if isinstance(node, dict) and rng.random() < 0.3:
            value = node.pop(key)
            if rng.random() < 0.3:
                node[f"{key}_"] = value
        else:
            node[key] = rng.choice(_VALUES)
        return


def _not_finite(rng: random.Random, array: np.ndarray) -> np.ndarray:
    return np.where(np.arange(array.size).reshape(array.shape) % 7 == 0, np.nan, array) if _is_number(array) else array


def _is_number(array: np.ndarray) -> bool:
    return bool(np.issubdtype(array.dtype, np.number))


_ARRAYS: tuple[Callable[[random.Random, np.ndarray], np.ndarray], ...] = (
    _not_finite,
    lambda rng, array: array[: rng.randrange(len(array) + 1)],
    lambda rng, array: array[..., None],
    lambda rng, array: array.reshape(-1),
    lambda rng, array: (
        array.astype(rng.choice(("int8", "float16", "float64", "complex64", "U4", "bool")))
        if _is_number(array)
        else array
    ),
    lambda rng, array: np.full_like(array, rng.choice((0, 1, 100))) if _is_number(array) else array,
    lambda rng, array: array * -1 if _is_number(array) else array,
    lambda rng, array: array * 1e30 if _is_number(array) else array,
    lambda rng, array: np.array(rng.choice((0, 1.5, "x"))),
    lambda rng, array: np.zeros((0, *array.shape[1:]), array.dtype),
)
