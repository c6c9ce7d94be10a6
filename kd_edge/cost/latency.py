"""Time of one inference, estimated op by op from the graph and the device's profile."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from kd_edge.cost.devices import NO_BLOCKS, Blocks, DeviceProfile, KernelCost, KernelCosts
from kd_edge.cost.op_work import GROUPED, grouped_work, kernel_variant, rounded_up, steps_of
from kd_edge.errors import ConfigError
from kd_edge.ir.graph import DTYPE_BYTES, MAC_KINDS, Graph, Op, Tensor

_KERNELS = {
    "CONV_2D": "conv",
    "TRANSPOSE_CONV": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "AVERAGE_POOL_2D": "pool",
    "MAX_POOL_2D": "pool",
    "MEAN": "pool",
    "SUM": "pool",
    "REDUCE_MAX": "pool",
    "ADD": "elementwise",
    "SUB": "elementwise",
    "MUL": "elementwise",
    "DIV": "elementwise",
    "SQUARED_DIFFERENCE": "elementwise",
    "MAXIMUM": "elementwise",
    "MINIMUM": "elementwise",
    "RELU": "elementwise",
    "RELU6": "elementwise",
    "LEAKY_RELU": "elementwise",
    "PRELU": "elementwise",
    "HARD_SWISH": "elementwise",
    "RESIZE_BILINEAR": "elementwise",
    "SOFTMAX": "softmax",
    "LOGISTIC": "softmax",
    "TANH": "softmax",
    "ELU": "softmax",
    "EXP": "softmax",
}
_COSTED_AS = {"int16": "int16", "float32": "float32", "float16": "float32"}
_MAC_KERNELS = ("conv", "pointwise", "depthwise", "dense")
_USES_ALL = re.compile("LSTM|RNN|SVDF|BATCH_MATMUL|CONV_3D")


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one inference.

    Attributes:
        ms: The estimate, in milliseconds.
        low_ms: Lower end of the interval that the profile's error gives.
        high_ms: Upper end.
        per_op: The parts of the estimate that belong to ops, in milliseconds, in the order of the graph's ops.
    """

    ms: float
    low_ms: float
    high_ms: float
    per_op: tuple[float, ...]


def latency_ms(graph: Graph, device: DeviceProfile) -> Latency:
    """Return the time of one inference on a device.

    Every op costs `MACs x cycles per MAC + bytes moved x cycles per byte + steps x cycles per step + fixed cycles`,
    with the four figures of its class (see `KernelCosts`) from the device's profile, or of its kind where the profile
    has them (`kernel_variant`), and the work that `work_of` and `steps_of` count, its channels rounded up to the
    profile's blocks; an inference costs `inference_ms` besides. The interval is the estimate divided and multiplied by
    `1 + error_percent / 100`.

    Args:
        graph: The network.
        device: The board; its figures are for one runtime and its kernels.

    Raises:
        ConfigError: The profile has no costs for the dtype of a convolution or dense layer.
    """
    per_op = tuple([op_latency_ms(graph.tensors, op, device) for op in graph.ops])
    ms = sum(per_op) + inference_ms(graph, device)
    spread = 1 + device.error_percent / 100
    return Latency(ms, ms / spread, ms * spread, per_op)


def why_unknown(graph: Graph, device: DeviceProfile) -> str | None:
    """Return why `latency_ms` cannot tell the time of a network on a device; `None` where it can."""
    try:
        latency_ms(graph, device)
    except ConfigError as error:
        return str(error)
    return None


def inference_ms(graph: Graph, device: DeviceProfile) -> float:
    """Return the time of one inference on a device beside that of the network's ops.

    Args:
        graph: The network; it is a float one where its first op with MACs is, and counts as int8 else.
        device: The board.
    """
    if not (device.int8_inference_cycles or device.float32_inference_cycles):
        return 0.0
    weighted = next((op for op in graph.ops if op[0] in MAC_KINDS), None)
    is_float = weighted is not None and _dtype_of(graph.tensors, weighted) == "float32"
    cycles = device.float32_inference_cycles if is_float else device.int8_inference_cycles
    return cycles * 1e-3 / device.clock_mhz


def op_latency_ms(tensors: Sequence[Tensor], op: Op, device: DeviceProfile) -> float:
    """Return the time of one op on a device; see `latency_ms`.

    Args:
        tensors: The graph's tensors.
        op: One of its ops.
        device: The board.
    """
    dtype = _dtype_of(tensors, op)
    blocks = device.int8_blocks if dtype == "int8" else device.float32_blocks
    kernel, macs, moved_bytes = work_of(tensors, op)
    kind, cost = _own_cost(tensors, op, device, dtype)
    if kind == GROUPED:
        macs, moved_bytes = grouped_work(tensors, op, blocks)
    elif blocks is not NO_BLOCKS and macs and dtype in ("int8", "float32"):
        macs = _blocked_macs(macs, op.kind, kernel, tensors[op.inputs[1]].shape, blocks)
    if cost is None:
        cost = getattr(device.int8 if dtype == "int8" else _costs(device, dtype, kernel), kernel)
    cycles = macs * cost.cycles_per_mac + moved_bytes * cost.cycles_per_byte + cost.fixed_cycles
    if cost.cycles_per_step:
        cycles += cost.cycles_per_step * steps_of(tensors, op)
    return cycles * 1e-3 / device.clock_mhz


def _dtype_of(tensors: Sequence[Tensor], op: Op) -> str:
    """Return the dtype of what an op works on: of its first input that is no constant."""
    return next((tensors[i].dtype for i in op.inputs if i >= 0 and not tensors[i].constant), "int8")


def _own_cost(tensors: Sequence[Tensor], op: Op, device: DeviceProfile, dtype: str) -> tuple[str, KernelCost | None]:
    """Return the kind of an op and its costs where the profile has some for it."""
    own = device.int8_ops if dtype == "int8" else device.float32_ops if dtype == "float32" else {}
    kind = kernel_variant(tensors, op) if own else ""
    return (kind, own[kind]) if kind in own else ("", None)


def work_of(tensors: Sequence[Tensor], op: Op) -> tuple[str, int, int]:
    """Return an op's class (a field of `KernelCosts`), its MACs, and the bytes that it gathers and writes.

    A convolution or dense layer gathers a patch of inputs for every output position, once for all its filters, and
    writes its outputs; every other op reads its inputs once and writes its outputs. Constants are not counted: their
    cost goes with the MACs. Recurrent layers and the like count as dense layers which use every constant once per
    output position; every other op of no known class only moves data. An op that reads constants alone is worked out
    once, when the network is loaded.

    The search calls this for every op of every candidate, hence the plain arithmetic on shapes.

    Args:
        tensors: The graph's tensors.
        op: One of its ops.
    """
    kind, inputs, outputs = op[:3]
    if not outputs:
        return _other_work(tensors, op, "copy")
    shape, dtype = tensors[outputs[0]][:2]
    elements = prod(shape)
    kernel = _KERNELS.get(kind, "copy")
    if kernel == "conv" or kernel == "dense":
        filters = tensors[inputs[1]][0]
        if kind == "TRANSPOSE_CONV":
            gathered = tensors[inputs[2]].num_elements * filters[1] * filters[2]
        else:
            gathered = elements // (filters[0] or 1) * prod(filters[1:])
            if kernel == "conv" and filters[1] == filters[2] == 1:
                kernel = "pointwise"
        return kernel, gathered * filters[0], (gathered + elements) * DTYPE_BYTES[dtype]
    if kernel == "depthwise":
        filters = tensors[inputs[1]][0]
        moved = prod(tensors[inputs[0]][0]) + elements
        return kernel, elements * filters[1] * filters[2], moved * DTYPE_BYTES[dtype]
    return _other_work(tensors, op, kernel)


def _blocked_macs(macs: int, kind: str, kernel: str, filters: tuple[int, ...], blocks: Blocks) -> int:
    """Return the MACs of a layer as if its channels were multiples of the blocks."""
    if kind == "DEPTHWISE_CONV_2D":
        return macs // filters[-1] * rounded_up(filters[-1], blocks.depthwise)
    if kind not in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return macs
    inputs = rounded_up(filters[-1], blocks.inputs) + (blocks.window if kernel == "conv" else 0)
    return macs // (filters[0] * filters[-1]) * inputs * rounded_up(filters[0], blocks.filters)


def _other_work(tensors: Sequence[Tensor], op: Op, kernel: str) -> tuple[str, int, int]:
    moved = constants = 0
    reads = False
    for position, index in enumerate(op.outputs + op.inputs):
        if index >= 0:
            shape, dtype, constant, _ = tensors[index]
            if not constant:
                moved += prod(shape) * DTYPE_BYTES[dtype]
                reads = reads or position >= len(op.outputs)
            elif dtype != "int32":
                constants += prod(shape)
    if op.inputs and not reads:
        return kernel, 0, 0
    if kernel != "copy" or not constants or not op.outputs or not _USES_ALL.search(op.kind):
        return kernel, 0, moved
    positions = prod(tensors[op.outputs[0]].shape[:-1])
    return "dense", constants * positions, moved


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
