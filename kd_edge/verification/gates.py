"""The checks that a `.tflite` file has to pass, by name."""

import math

from kd_edge.cost.budget import Budget
from kd_edge.cost.gate import Gate, at_most
from kd_edge.cost.refusals import refusal_gate
from kd_edge.verification.parity import Parity
from kd_edge.verification.tflm_run import Micro
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.runtime_support import Refusal, refusals_of

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
    ram_bytes: int,
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
        ram_bytes: What the firmware reserves.
    """
    asked = bool(micro.missing_ops) or micro.refusals is not None
    refusals = micro.refusals if runs_tflm else refusals_of(info, runs_tflm=False)
    agreement = None if parity is None else parity.agreement
    disagreement = None if agreement is None else 1 - agreement
    none_allowed = 0 if runs_tflm else None
    return {
        "flash_bytes": at_most(micro.measured.flash_bytes, budget.flash_bytes),
        "ram_bytes": at_most(ram_bytes, budget.ram_bytes),
        "latency_ms": latency,
        "runtime_disagreement": at_most(disagreement, None if agreement is None else MAX_DISAGREEMENT),
        "output_steps": at_most(*((None, None) if parity is None else (parity.max_difference, _max_steps(info)))),
        "tflm_missing_ops": at_most(len(micro.missing_ops) if asked else None, none_allowed),
        "tflm_refusals": _refusal_gate(refusals, micro, limited=runs_tflm or bool(refusals)),
    }


def _max_steps(info: ModelInfo) -> int:
    """Return by how many steps an output may differ: one for each dense layer, as far as a closing sigmoid spreads it.

    Its slope is 1/4 at most, so that a step of its input is up to a quarter of that in steps of its output.
    """
    num_dense = max(1, sum(op.name == "FULLY_CONNECTED" for op in info.ops))
    closing = info.ops[-1] if info.ops else None
    if closing is None or closing.name != "LOGISTIC":
        return num_dense
    read, written = info.tensors[closing.inputs[0]], info.tensors[closing.outputs[0]]
    if not read.scales or not written.scales:
        return num_dense
    return num_dense * max(1, math.ceil(read.scales[0] / 4 / written.scales[0]))


def _refusal_gate(refusals: tuple[Refusal, ...] | None, micro: Micro, *, limited: bool) -> Gate:
    if limited:
        # An operator that is missing has a check of its own.
        return refusal_gate(() if refusals is None and micro.missing_ops else refusals, reason=micro.reason)
    return at_most(None if micro.refusals is None else len(micro.refusals), None)
