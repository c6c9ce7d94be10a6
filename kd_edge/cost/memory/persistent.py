"""The structures that TFLM keeps in its arena beside the activations: for tensors, ops and kernels.

How the sizes were found: the interpreter of the `tflite-micro` wheel (0.dev20261023, 64-bit) reports what it allocated
by category and as a total. Models of one op each, in int8, int16 and float, gave the bytes per kind of op; the order
of the allocations and their alignment then reproduce the total of every model measured to the byte.
`tools/benchmarks/cost_accuracy.py` compares both again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kd_edge.ir.graph import Graph
from tflite_bench.model.operators.registry import spec_of
from tflite_bench.model.operators.spec import LayoutBytes, Operands


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of TFLM's structures on one kind of machine, in bytes.

    Attributes:
        pointer: A pointer.
        once: Interpreter, allocators and planner.
        model: The part of these that is allocated once the model is known.
        node: `NodeAndRegistration`, one per op.
        eval_tensor: `TfLiteEvalTensor`, one per tensor.
        tensor: `TfLiteTensor`, one per input and output of the network.
        quantization: Its quantization, scale and zero point.
        column: Which of three `LayoutBytes` of an `OpSpec` holds here.
        handles_for_weights: Whether the kernels of `_HANDLED` have a handle of a scratch buffer, needed or not.
    """

    pointer: int
    once: int
    model: int
    node: int
    eval_tensor: int
    tensor: int
    quantization: int
    column: int
    handles_for_weights: bool = False

    def pick(self, size: LayoutBytes) -> int:
        """Return the bytes of a structure on this kind of machine."""
        return size if isinstance(size, int) else size[self.column]


HOST = Layout(*(8, 488, 40, 64, 24, 64, 32), column=0)
# Structures of pointers are half as large. `once` was chosen so that the arenas of four networks measured on an ESP32
# (mcufit-bench, esp-nn kernels) are met.
MICROCONTROLLER = Layout(*(4, 128, 20, 32, 12, 32, 20), column=1)
CMSIS_NN = replace(MICROCONTROLLER, column=2, handles_for_weights=True)
_HANDLED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "TRANSPOSE_CONV")


class OpStructures(NamedTuple):
    """What TFLM keeps for one op.

    Attributes:
        options_bytes: Parsed options.
        options_mask: Their alignment, less 1.
        data_bytes: The kernel's data.
        block_bytes: The kernel's data and what it allocates when it is prepared, each aligned to 16 bytes.
        has_handle: Whether its kernel in CMSIS-NN has a handle of a scratch buffer, needed or not.
    """

    options_bytes: int
    options_mask: int
    data_bytes: int
    block_bytes: int
    has_handle: bool


def op_structures(op: Operands, layout: Layout) -> OpStructures:
    """Return what TFLM keeps for one op.

    Args:
        op: One op of a graph.
        layout: `HOST`, `MICROCONTROLLER` or `CMSIS_NN`.
    """
    spec = spec_of(op.kind)
    options_bytes, data_bytes = layout.pick(spec.parsed_options_bytes), layout.pick(spec.op_data_bytes)
    alignment = layout.pick(spec.parsed_options_alignment or (1 if options_bytes % 4 else 4))
    prepared = spec.prepared_bytes(op) if spec.prepared_bytes else ()
    blocks = sum([(layout.pick(size) + 15) & -16 for size in (data_bytes, *prepared)])
    mask = alignment - 1 if options_bytes else 0
    first = data_bytes or next(map(layout.pick, prepared), 0)
    return OpStructures(options_bytes, mask, first, blocks, op.kind in _HANDLED)


def persistent_bytes(
    graph: Graph,
    structures: Sequence[OpStructures],
    layout: Layout = HOST,
    *,
    num_scratch: int = 0,
    states: Sequence[int] = (),
) -> int:
    """Return the bytes of the structures that live as long as the interpreter.

    TFLM fills the arena from its end: every allocation moves the border down by its size, then down to its alignment.

    Args:
        graph: The network.
        structures: `op_structures` of its ops, then of those of its other subgraphs.
        layout: `HOST`, `MICROCONTROLLER` or `CMSIS_NN`.
        num_scratch: How many scratch buffers its kernels ask for.
        states: Indices of the tensors that survive an inference, those of other subgraphs numbered through.
    """
    word, tensors = layout.pointer, graph.tensors
    used = layout.once + layout.node * len(structures) + layout.eval_tensor * len(tensors)
    first = blocks = handled = 0
    if not graph.is_plain:
        tensors = tuple([tensor for part in graph.all_subgraphs for tensor in part.tensors])
        blocks = _variable_bytes(graph)
        used = _base_bytes(graph, layout) + layout.node * len(structures) + layout.eval_tensor * len(tensors)
    for size, mask, data_bytes, block_bytes, has_handle in structures:
        used = (used + size + mask) & ~mask
        first = first or data_bytes
        blocks += block_bytes
        handled += has_handle
    # After the first allocation that is aligned to 16 all others are too.
    used = (used + first + 15) // 16 * 16 + blocks - (first + 15) // 16 * 16 if first else used
    handles = num_scratch + (handled if layout.handles_for_weights else 0)
    used = -(-(used + word * handles) // word) * word if handles else used
    for index in states:
        used = (used + tensors[index].num_bytes + 15) // 16 * 16
    for side in (graph.inputs, graph.outputs):
        used = (used + word * len(side) + 15) // 16 * 16
        for index in side:
            used = -(-(used + layout.tensor) // word) * word
            used += layout.quantization if tensors[index].num_scales else 0
    return used


def _base_bytes(graph: Graph, layout: Layout) -> int:
    """Return the bytes that do not depend on ops and tensors: resource variables are counted before all else."""
    word = layout.pointer
    before = layout.once - layout.model
    if graph.num_variables:
        before = (before + word + 8 + 15) // 16 * 16
        before = (before + 5 * word * graph.num_variables + 15) // 16 * 16
    return before + layout.model + 3 * word * len(graph.subgraphs)


def _variable_bytes(graph: Graph) -> int:
    """Return the contents of the resource variables: those of the first op that writes each, in the file's order."""
    sizes: dict[int, int] = {}
    for part in graph.all_subgraphs:
        for op in part.ops:
            if op.kind == "ASSIGN_VARIABLE" and op.variable >= 0 and len(op.inputs) > 1:
                sizes.setdefault(op.variable, (part.tensors[op.inputs[1]].num_bytes + 15) // 16 * 16)
    return sum(sizes.values())
