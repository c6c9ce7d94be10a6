"""Time of one inference, estimated op by op from the graph and the device's profile."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kd_edge.cost.devices import DeviceProfile, KernelCost, KernelCosts
from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.graph import Graph, Op, called_graphs
from tflite_bench.model.operators.registry import spec_of
from tflite_bench.model.operators.spec import NO_BLOCKS, Blocks, Operands
from tflite_bench.model.operators.work import op_work
from tflite_bench.provenance import Calibrated

_COSTED_AS = {"int16": "int16", "float32": "float32", "float16": "float32"}
_MAC_KERNELS = ("conv", "pointwise", "depthwise", "dense")


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one inference.

    Attributes:
        ms: The estimate, in milliseconds.
        low_ms: Lower end of the interval that the profile's error gives.
        high_ms: Upper end.
        per_op: The parts of the estimate that belong to ops, in milliseconds, in the order of the graph's ops.
    """

    ms: Calibrated[float]
    low_ms: Calibrated[float]
    high_ms: Calibrated[float]
    per_op: Calibrated[tuple[float, ...]]


def latency_ms(graph: Graph, device: DeviceProfile) -> Latency:
    """Return the time of one inference on a device.

    Every op costs `MACs x cycles per MAC + bytes moved x cycles per byte + steps x cycles per step + fixed cycles`,
    with the four figures of its class (see `KernelCosts`) from the device's profile, or of its kind where the profile
    has them (`kernel_variant`), and the work that `op_work` counts, its channels rounded up to the profile's blocks; an
    inference costs `inference_ms` besides. Of subgraphs IF costs its dearer branch, WHILE all its rounds, and CALL_ONCE
    nothing: it runs before the first inference. The interval is the estimate divided and multiplied by
    `1 + error_percent / 100`.

    Args:
        graph: The network.
        device: The board; its figures are for one runtime and its kernels.

    Raises:
        ConfigError: The profile has no costs for the dtype of a convolution or dense layer, or such that the time is no
            finite number.
        ModelError: Nobody knows the MACs of an op, so that its time is unknown, too.
    """
    if unknown := graph.unknown_macs:
        raise ModelError(f"no latency on {device.name}: {unknown}")
    per_op = per_op_ms(graph, device)
    ms = sum(per_op) + inference_ms((dtype_of_macs(graph.operands(op)) for op in graph.ops), device)
    spread = 1 + device.error_percent / 100
    if not math.isfinite(ms * spread):
        raise ConfigError(
            f"no latency on {device.name}: its costs, its clock and its error give a time that is too large for a "
            "number; correct its profile"
        )
    return Latency(ms, ms / spread, ms * spread, per_op)


def per_op_ms(graph: Graph, device: DeviceProfile) -> tuple[float, ...]:
    """Return the time of each op; see `latency_ms`.

    Args:
        graph: The network.
        device: The board.
    """
    return tuple(
        [_called_ms(op, graph, device) if op.calls else op_latency_ms(graph.operands(op), device) for op in graph.ops]
    )


def _called_ms(op: Op, graph: Graph, device: DeviceProfile) -> float:
    """Return the time of an op that calls subgraphs."""
    if op.kind == "CALL_ONCE":
        return 0.0
    each = [sum(per_op_ms(called, device)) for called in called_graphs(op, graph.subgraphs)]
    if op.kind == "IF":
        return max(each)
    if op.repeats is None:
        raise ModelError(f"no latency on {device.name}: only the inference shows how often a loop runs")
    condition, body = each
    return (op.repeats + 1) * condition + op.repeats * body


def why_unknown(graph: Graph, device: DeviceProfile) -> str | None:
    """Return why `latency_ms` cannot tell the time of a network on a device; `None` where it can."""
    try:
        latency_ms(graph, device)
    except (ConfigError, ModelError) as error:
        return str(error)
    return None


def inference_ms(computes_in: Iterable[str], device: DeviceProfile) -> float:
    """Return the time of one inference on a device beside that of the network's ops.

    Args:
        computes_in: `dtype_of_macs` of the ops in their order: a network is a float one where its first op with MACs
            is, and counts as int8 else.
        device: The board.
    """
    if not (device.int8_inference_cycles or device.float32_inference_cycles):
        return 0.0
    is_float = next(filter(None, computes_in), "int8") == "float32"
    cycles = device.float32_inference_cycles if is_float else device.int8_inference_cycles
    return cycles * 1e-3 / device.clock_mhz


def dtype_of_macs(op: Operands) -> str:
    """Return the dtype of what an op with MACs works on, an empty text of one without."""
    return "" if spec_of(op.kind).macs is None else _dtype_of(op)


def op_latency_ms(op: Operands, device: DeviceProfile) -> float:
    """Return the time of one op on a device; see `latency_ms`.

    The search calls this for every new op of every candidate.

    Args:
        op: One op of a graph.
        device: The board.
    """
    dtype = _dtype_of(op)
    own, blocks = _tables(device, dtype)
    kernel, macs, moved_bytes, steps = op_work(op, blocks, own)
    cost = own.get(kernel)
    if cost is None:
        cost = getattr(device.int8 if dtype == "int8" else _costs(device, dtype, kernel), kernel)
    cycles = macs * cost.cycles_per_mac + moved_bytes * cost.cycles_per_byte + cost.fixed_cycles
    return (cycles + cost.cycles_per_step * steps) * 1e-3 / device.clock_mhz


def _dtype_of(op: Operands) -> str:
    """Return the dtype of what an op works on: of its first input that is no constant."""
    for tensor in op.inputs:
        if not tensor.constant:
            return tensor.dtype
    return "int8"


def _tables(device: DeviceProfile, dtype: str) -> tuple[Mapping[str, KernelCost], Blocks]:
    """Return the costs of kinds of ops that differ from those of their class, and the blocks of channels."""
    if dtype == "int8":
        return device.int8_ops, device.int8_blocks
    return (device.float32_ops, device.float32_blocks) if dtype == "float32" else ({}, NO_BLOCKS)


def _costs(device: DeviceProfile, dtype: str, kernel: str) -> KernelCosts:
    """Return the costs of a dtype; data that is only moved or compared costs its bytes whatever the dtype."""
    costs: KernelCosts | None = getattr(device, _COSTED_AS.get(dtype, "int8"))
    if costs is not None:
        return costs
    if kernel not in _MAC_KERNELS:
        return device.int8
    known = ", ".join(name for name in ("int8", "int16", "float32") if getattr(device, name))
    raise ConfigError(
        f"no latency on {device.name}: expected ops of {known}, received {dtype}; "
        f"convert the model to int8, or add a table [{_COSTED_AS[dtype]}] to a profile of your own"
    )
