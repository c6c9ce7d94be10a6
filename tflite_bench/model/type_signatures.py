"""Signatures of types, as `tflm_kernels` writes them, and whether the tensors of an op match one."""

import functools
from collections.abc import Sequence

from tflite_bench.model.operators.spec import ABSENT, TensorLike


@functools.cache
def _parsed(side: str) -> tuple[tuple[tuple[str, ...], bool, bool], ...]:
    """Return for each place its types (none for any), whether it may be missing, and whether it repeats."""
    places = []
    for word in side.split():
        types = () if word[0] == "*" else tuple(word.rstrip("?+").split("|"))
        places.append((types, word.endswith("?"), word.endswith("+")))
    return tuple(places)


def matches(signature: str, inputs: Sequence[TensorLike], outputs: Sequence[TensorLike]) -> bool:
    """Return whether the tensors of an op have the types of a signature.

    Args:
        signature: For example `"int8 int8|int4 int32? > int8"`.
        inputs: The op's inputs.
        outputs: Its outputs.
    """
    read, written = signature.split(">")
    same: list[str] = []
    return _matches(_parsed(read), inputs, same) and _matches(_parsed(written), outputs, same)


def _matches(
    places: Sequence[tuple[tuple[str, ...], bool, bool]], tensors: Sequence[TensorLike], same: list[str]
) -> bool:
    repeats = bool(places) and places[-1][2]
    if len(tensors) > len(places) and not repeats:
        return False
    for at, (types, optional, _) in enumerate(places):
        if at >= len(tensors) and not optional:
            return not types
        for tensor in tensors[at:] if repeats and at == len(places) - 1 else tensors[at : at + 1]:
            if tensor is ABSENT:
                if types and not optional:
                    return False
            elif types == ("T",):
                if tensor.dtype not in (same or [tensor.dtype]):
                    return False
                same.append(tensor.dtype)
            elif types and tensor.dtype not in types:
                return False
    return True
