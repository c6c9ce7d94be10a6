"""Whether two runtimes compute the same outputs of a `.tflite` file, and where they part."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kd_edge.clone.layer_names import UNNAMED, LayerNames, layer_of
from kd_edge.data.metrics.named_class import named_classes
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Measured
from tflite_bench.runners.op_outputs import trace

# Outputs that are no integers count in steps of this share of the largest one.
_FLOAT_STEP = 1e-5
# What a number is apart from NaN or infinity: JSON has no infinity.
_NO_NUMBER_STEPS = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class OpDifference:
    """An op whose outputs differ between two runtimes.

    Attributes:
        sample: Position of the test sample.
        index: Position of the op in the file.
        op: TFLite's name of the operator.
        layer: The layer that made it.
        max_difference: Largest difference of one output, in steps.
    """

    sample: Measured[int]
    index: Measured[int]
    op: str
    layer: str
    max_difference: Measured[float]


@dataclass(frozen=True, slots=True)
class Parity:
    """How LiteRT (reference kernels; see `run_reference`) and TFLM agree on the test samples.

    A step is 1 of an integer output (1 LSB), and 1e-5 of the largest value of a float one. A number and NaN, or
    infinity, are as many steps apart as a float can say.

    Attributes:
        verdict: `"bit-exact"`, `"within 1 LSB"` or `"diverged"`, of the worst sample.
        num_samples: Samples compared.
        num_identical: Samples with bit for bit the same outputs.
        num_within_one: Samples that are not identical and differ by 1 step at most.
        num_diverged: Samples that differ by more.
        max_difference: Largest difference of one output, in steps.
        agreement: Share of samples for which both say the same: the same class or labels, or both an anomaly; `None`
            for measured values, of which `max_difference` says all.
        first_difference: On the worst sample, the first op with any difference; `None` where there is none.
        first_divergence: On the worst sample, the first op with more than 1 step; `None` where there is none.
    """

    verdict: str
    num_samples: Measured[int]
    num_identical: Measured[int]
    num_within_one: Measured[int]
    num_diverged: Measured[int]
    max_difference: Measured[float]
    agreement: Measured[float | None]
    first_difference: OpDifference | None = None
    first_divergence: OpDifference | None = None


def compare(
    model: bytes,
    samples: np.ndarray,
    outputs: np.ndarray,
    tflm_outputs: np.ndarray,
    *,
    names: LayerNames = UNNAMED,
    says: Callable[[np.ndarray], np.ndarray] | None = named_classes,
) -> Parity:
    """Compare the outputs of LiteRT's reference kernels and TFLM; where they differ, look for the op.

    Args:
        model: Bytes of the `.tflite` file.
        samples: What was run, in the type of the model's input.
        outputs: LiteRT's outputs, shape `(samples, ...)`.
        tflm_outputs: TFLM's.
        names: Names of the Keras model's layers.
        says: Takes raw outputs and returns what they say for each sample, one row or one number. Defaults to
            `named_classes`; `None` where that is no more than the outputs.

    Raises:
        RunnerError: The two differ, and a runtime fails on the op by op comparison.
    """
    one, other = outputs.reshape(len(outputs), -1), tflm_outputs.reshape(len(outputs), -1)
    steps = _steps(one, other).max(axis=1)
    worst = int(steps.argmax())
    num_identical, num_diverged = int((steps == 0).sum()), int((steps > 1).sum())
    first, diverging = _first_ops(model, samples, worst, names) if steps[worst] else (None, None)
    return Parity(
        verdict="bit-exact" if not steps[worst] else "within 1 LSB" if not num_diverged else "diverged",
        num_samples=len(one),
        num_identical=num_identical,
        num_within_one=len(one) - num_identical - num_diverged,
        num_diverged=num_diverged,
        max_difference=float(steps[worst]),
        agreement=None if says is None else _agreement(says(outputs), says(tflm_outputs)),
        first_difference=first,
        first_divergence=diverging,
    )


def _agreement(said: np.ndarray, other: np.ndarray) -> float:
    return float((said == other).reshape(len(said), -1).all(axis=1).mean())


def _steps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the differences in steps; NaN is equal to NaN, and an infinity to itself."""
    with np.errstate(invalid="ignore"):
        difference: np.ndarray = np.abs(one.astype(np.float64) - other)
    if one.dtype.kind not in "iu":
        difference /= _FLOAT_STEP * max(float(np.abs(one[np.isfinite(one)]).max(initial=0.0)), 1e-30)
        difference[(one == other) | (np.isnan(one) & np.isnan(other))] = 0.0
    difference[~np.isfinite(difference)] = _NO_NUMBER_STEPS
    return difference


def _first_ops(
    model: bytes, samples: np.ndarray, worst: int, names: LayerNames
) -> tuple[OpDifference | None, OpDifference | None]:
    """Return the first op that differs at all and the first that differs by more than one step."""
    chosen = samples[worst : worst + 1]
    theirs, ours = (trace(model, chosen, runtime=runtime) for runtime in ("litert", "tflm"))
    info = read_model(model)
    found = []
    for op, one, other in zip(info.ops, theirs, ours, strict=True):
        steps = float(_steps(one, other).max(initial=0.0))
        if steps:
            found.append(OpDifference(worst, op.index, op.name, layer_of(info, op, names), steps))
    return next(iter(found), None), next((op for op in found if op.max_difference > 1), None)
