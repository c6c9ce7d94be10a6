"""What a board's runtime refuses of a file: by rules, and where it is TFLM and installed by asking it."""

from collections.abc import Sequence
from dataclasses import replace

from kd_edge.cost.gate import Gate, at_most
from tflite_bench.errors import RuntimeMissingError
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import Refusal, refusals_of, silent_refusals


def find_refusals(model: bytes, *, runs_tflm: bool = True, info: ModelInfo | None = None) -> tuple[Refusal, ...]:
    """Return what a runtime refuses of a file.

    Args:
        model: Bytes of the `.tflite` file.
        runs_tflm: Whether the runtime is TFLM. Of others only custom operators and inputs without a fixed size are
            judged.
        info: The file, read, where the caller has it.

    Raises:
        ModelFileError: The bytes are no usable model.
    """
    from tflite_bench.runners.tflm_check import interpreter_refusals

    read = info or read_model(model)
    known = refusals_of(read, runs_tflm=runs_tflm)
    if not runs_tflm:
        return known
    try:
        found = interpreter_refusals(model)
    except RuntimeMissingError:
        return known
    if not found:
        return silent_refusals(read)
    # The interpreter is right where they differ; the rules say why in more words.
    places = {(refusal.op, refusal.index, refusal.subgraph) for refusal in known}
    return *[refusal for refusal in found if (refusal.op, refusal.index, refusal.subgraph) not in places], *known


def refusal_gate(refusals: Sequence[Refusal] | None, *, reason: str = "") -> Gate:
    """Return the check that a runtime refuses nothing.

    Args:
        refusals: What it refuses; `None` where nobody could tell.
        reason: What to say then.
    """
    gate = at_most(None if refusals is None else len(refusals), 0, reason=reason)
    return replace(gate, reason=str(refusals[0])) if refusals else gate
