"""The checks that a `.tflite` file has to pass, by name."""

import math

from kd_edge.conversion.output_meaning import closing_ops
from kd_edge.cost.budget import Budget
from kd_edge.cost.gate import Gate, at_most
from kd_edge.cost.refusals import refusal_gate
from kd_edge.verification.parity import Parity
from kd_edge.verification.tflm_run import Micro
from tflite_bench.model.info import ModelInfo, OpInfo
from tflite_bench.model.runtime_support import Refusal, refusals_of

# The steepest that an output of each is, in a step of all its inputs; see `_max_steps`.
_SLOPES = {"LOGISTIC": 1 / 4, "SOFTMAX": 1 / 2}
# LiteRT's reference kernels round dense layers in float, TFLM in integers: a logit may differ by one step.
MAX_DISAGREEMENT = 0.01


def gates_of(
    info: ModelInfo,
    budget: Budget,
    *,
    latency: Gate,
    micro: Micro,
    parity: Parity | None,
    runs_tflm: bool,
    ram: Gate,
    unknown_runtime: str = "",
) -> dict[str, Gate]:
    """Return the checks of the file beside those of its answers (`accuracy_gates`), by name.

    Args:
        info: The file.
        budget: Limits of `flash_bytes`, `ram_bytes` and `latency_ms`.
        latency: The check of the latency, by its interval; see `latency_gate`.
        micro: What TFLM said about the file.
        parity: LiteRT against TFLM. Each dense layer may round one step differently (`output_steps`). Where TFLM did
            not run the file there is nothing to compare, and no limit; the same holds of `runtime_disagreement` for
            measured values, which say no more than the outputs.
        runs_tflm: Whether the device runs the file in TFLM, so that an operator that TFLM lacks, or a refusal, fails
            it. Under another runtime neither has a limit but for custom operators and inputs without a fixed size, and
            the arena that TFLM needs is an estimate.
        ram: The check of what the firmware reserves, by its interval; see `ram_gate`.
        unknown_runtime: Why nobody can tell what the device's runtime refuses, where that is so.
    """
    asked = bool(micro.missing_ops) or micro.refusals is not None
    refusals = micro.refusals if runs_tflm else refusals_of(info, runs_tflm=False)
    agreement = None if parity is None else parity.agreement
    disagreement = None if parity is None or agreement is None else _share_apart(parity.num_samples, agreement)
    none_allowed = 0 if runs_tflm else None
    return {
        "flash_bytes": at_most(micro.measured.flash_bytes, budget.flash_bytes),
        "ram_bytes": ram,
        "latency_ms": latency,
        "runtime_disagreement": at_most(disagreement, None if agreement is None else MAX_DISAGREEMENT),
        "output_steps": at_most(*((None, None) if parity is None else (parity.max_difference, _max_steps(info)))),
        "tflm_missing_ops": at_most(len(micro.missing_ops) if asked else None, none_allowed),
        "tflm_refusals": _refusal_gate(refusals, micro, limited=runs_tflm or bool(refusals), unknown=unknown_runtime),
    }


def _share_apart(num_samples: int, agreement: float) -> float:
    """Return the share of the samples that do not agree: of a count, since `1 - 0.99` is more than 0.01."""
    return round((1 - agreement) * num_samples) / num_samples


def _max_steps(info: ModelInfo) -> int:
    """Return by how many steps an output may differ: one for each dense layer, as far as what closes it spreads it.

    Where every logit is off by `d` at most, a sigmoid `p` is off by `p (1 - p) d` to first order, which is `d / 4` at
    most. Of a softmax `dp_i = p_i (dz_i - sum_j p_j dz_j)`, so that `p_i` is off by `p_i ((1 - p_i) + sum_(j != i) p_j)
    d = 2 p_i (1 - p_i) d`, which is `d / 2` at most. Both bounds hold all the way from the one logits to the others,
    hence also for their difference. With `d` a step of the logits that is so many steps of the output, rounded up.
    """
    num_dense = max(1, sum(op.name == "FULLY_CONNECTED" for op in info.ops))
    spread = [_spread(info, op, place) for place in range(len(info.outputs)) for op in closing_ops(info, place)]
    return num_dense * max(spread, default=1)


def _spread(info: ModelInfo, closing: OpInfo | None, output: int) -> int:
    """Return by how many steps an output moves where all that its closing op reads moves by one."""
    if closing is None or closing.name not in _SLOPES:
        return 1
    read, written = info.tensors[closing.inputs[0]], info.output_tensors[output]
    if not read.scales or not written.scales:
        return 1
    return max(1, math.ceil(read.scales[0] * _SLOPES[closing.name] / written.scales[0]))


def _refusal_gate(refusals: tuple[Refusal, ...] | None, micro: Micro, *, limited: bool, unknown: str) -> Gate:
    if limited:
        # An operator that is missing has a check of its own.
        return refusal_gate(() if refusals is None and micro.missing_ops else refusals, reason=micro.reason)
    if unknown:
        return refusal_gate(None, reason=unknown)
    return at_most(None if micro.refusals is None else len(micro.refusals), None)
