"""Runs a `.tflite` file in the TFLM interpreter, as far as it goes: missing operators, outputs, sizes."""

from dataclasses import dataclass

import numpy as np

from kd_edge.clone.layer_names import UNNAMED, LayerNames
from kd_edge.conversion.file_outputs import micro_outputs
from kd_edge.conversion.tflm_support import MissingOp, find_missing_ops
from kd_edge.cost.refusals import find_refusals
from tflite_bench.errors import RunnerError, RuntimeMissingError
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.runtime_support import Refusal, refusals_of, silent_refusals
from tflite_bench.provenance import Measured
from tflite_bench.runners import tflm

_ARENA_FIGURES = ("arena_bytes", "arena_persistent_bytes", "arena_nonpersistent_bytes", "arena_minimum_bytes")


@dataclass(frozen=True, slots=True)
class MeasuredSizes:
    """What the real file and the real TFLM interpreter need on a 64-bit host; a board's pointers are half as large.

    Attributes:
        flash_bytes: Size of the file.
        arena_bytes: What TFLM's arena holds after one inference: the sum of the next two.
        arena_persistent_bytes: TFLM's structures.
        arena_nonpersistent_bytes: Activations.
        arena_minimum_bytes: Smallest arena in which the model really starts and runs; it may need more to start.
    """

    flash_bytes: Measured[int]
    arena_bytes: Measured[int | None]
    arena_persistent_bytes: Measured[int | None]
    arena_nonpersistent_bytes: Measured[int | None]
    arena_minimum_bytes: Measured[int | None]

    @property
    def needed_arena_bytes(self) -> int | None:
        """The arena that TFLM needs to start and to run the model; `None` where it did not."""
        sizes = [size for size in (self.arena_bytes, self.arena_minimum_bytes) if size is not None]
        return max(sizes, default=None)


@dataclass(frozen=True, slots=True)
class Micro:
    """What TFLM said about a file.

    Attributes:
        measured: Sizes; `None` where TFLM did not run the file.
        outputs: Raw outputs, shape `(samples, ...)`, or `None`.
        missing_ops: Operators that it lacks.
        refusals: What it refused of the file for another reason, or that it crashed; `None` where it was not asked and
            rules find nothing.
        reason: Why there are no outputs.
    """

    measured: MeasuredSizes
    outputs: np.ndarray | None = None
    missing_ops: tuple[MissingOp, ...] = ()
    refusals: tuple[Refusal, ...] | None = None
    reason: str = ""

    @property
    def unavailable_reason(self) -> dict[str, str]:
        """Why figures are `None`, by their names in a `Verification`."""
        return dict.fromkeys(("int8_tflm", "parity", *_ARENA_FIGURES), self.reason) if self.outputs is None else {}


def run_micro(model: bytes, info: ModelInfo, samples: np.ndarray, *, names: LayerNames = UNNAMED) -> Micro:
    """Run samples through TFLM and measure its arena; what it does not do is in the result.

    Args:
        model: Bytes of the `.tflite` file.
        info: The same, read.
        samples: In the type of the model's input.
        names: Names of the Keras model's layers.
    """
    nothing = MeasuredSizes(len(model), **dict.fromkeys(_ARENA_FIGURES))
    try:
        if lacking := find_missing_ops(info, names):
            listed = ", ".join(f"{op.op} (layer {op.layer!r})" for op in lacking)
            others = _others(refusals_of(info), lacking) or None
            return Micro(nothing, missing_ops=lacking, refusals=others, reason=f"TFLM has no kernel for {listed}")
        outputs = micro_outputs(model, samples)
        arena = tflm.measure_arena(model, minimum=True)
    except RuntimeMissingError as error:
        return Micro(nothing, refusals=refusals_of(info) or None, reason=str(error))
    except RunnerError as error:
        refusals = find_refusals(model, info=info) or (Refusal("model", 0, str(error)),)
        return Micro(nothing, refusals=refusals, reason=str(error))
    sizes = (arena.arena_bytes, arena.persistent_bytes, arena.nonpersistent_bytes, arena.minimum_bytes)
    measured = MeasuredSizes(len(model), **dict(zip(_ARENA_FIGURES, sizes, strict=True)))
    return Micro(measured, outputs, refusals=silent_refusals(info))


def _others(refusals: tuple[Refusal, ...], missing: tuple[MissingOp, ...]) -> tuple[Refusal, ...]:
    """Return the refusals that are no missing operators."""
    kinds = {op.op for op in missing}
    return tuple(refusal for refusal in refusals if refusal.op not in kinds)
