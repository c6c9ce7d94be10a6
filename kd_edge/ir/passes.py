"""Graph passes: what the TFLite converter does to a whole graph after its layers have been emitted and fused."""

from collections.abc import Callable, Sequence

from kd_edge.clone.short_names import NamedOp, short_names
from kd_edge.ir.fusion import ONE_SCALE, is_linear_dense
from kd_edge.ir.graph import Graph, Op, name_bytes
from kd_edge.ir.graph_builder import GraphBuilder

# Ops whose output scale is fixed, and ops that hand their input's scale on.
_FIXED_SCALE = frozenset({"LOGISTIC", "SOFTMAX", "TANH"})
_SAME_SCALE = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RESHAPE", "STRIDED_SLICE", "TRANSPOSE"})
# How the converter calls inputs and outputs.
_INPUT_NAME, _OUTPUT_NAME = "serving_default_input:0", "StatefulPartitionedCall_1:0"

Pass = Callable[[GraphBuilder, list[Op], Sequence[int]], list[Op]]


def finished(to: GraphBuilder, inputs: Sequence[int], outputs: Sequence[int], names: Sequence[str] = ()) -> Graph:
    """Return the graph that a builder has collected, after all passes.

    Args:
        to: The builder.
        inputs: Indices of the tensors that the caller fills.
        outputs: Indices of the tensors that the caller reads.
        names: Of the layers, by their positions, where the graph is to tell which made an op, and what names take.
    """
    ops = to.ops
    for run in PASSES:
        ops = run(to, ops, outputs)
    graph = Graph(tuple(to.tensors), tuple(ops), tuple(inputs), tuple(outputs))
    if names:
        graph = graph._replace(layers=tuple(names[to.layer(op)] for op in ops))
        graph = graph._replace(name_bytes=_name_bytes(graph))
    is_numbered = ops is to.ops and len(inputs) == 1 and not to.has_shared_constants
    return graph if is_numbered else graph.canonical()


def _name_bytes(graph: Graph) -> int:
    """Return the bytes that the names of the tensors take in the file of a network."""
    ops = [NamedOp(op.kind, op.inputs, op.outputs, layer) for op, layer in zip(graph.ops, graph.layers, strict=True)]
    constants = {index for index, tensor in enumerate(graph.tensors) if tensor.constant}
    names = short_names(ops, constants, {*graph.inputs, *graph.outputs})
    ends = [*[_INPUT_NAME] * len(graph.inputs), *[_OUTPUT_NAME] * len(graph.outputs)]
    return sum(name_bytes(len(name)) for name in (*names.values(), *ends))


def move_biases_on(to: GraphBuilder, ops: list[Op], outputs: Sequence[int]) -> list[Op]:
    """Move a dense layer's bias into the bias of the dense layers after it, from the last layer to the first.

    Who else reads the first layer gets its bias from an ADD.
    """
    if not to.has_linear_chain:
        return ops
    moved = list(ops)
    for index in reversed(range(len(ops))):
        output = next(iter(ops[index].outputs), -1)
        readers = [op for op in moved[index + 1 :] if output in op.inputs]
        if not is_linear_dense(moved[index]) or not any(map(is_linear_dense, readers)):
            continue
        moved[index] = ops[index]._replace(inputs=(*ops[index].inputs[:2], -1))
        if output not in outputs and all(map(is_linear_dense, readers)):
            continue
        shape = to.shape(output)
        # The name stays with the sum, so that only the dense layers have to be told.
        product = to.tensor(shape)
        moved[index] = moved[index]._replace(outputs=(product,))
        moved[index + 1 :] = [
            op._replace(inputs=(product, *op.inputs[1:])) if op in readers and is_linear_dense(op) else op
            for op in moved[index + 1 :]
        ]
        moved.insert(index + 1, Op("ADD", (product, to.constant(shape[-1:])), (output,)))
    return moved


def align_scales(to: GraphBuilder, ops: list[Op], outputs: Sequence[int]) -> list[Op]:
    """Put a QUANTIZE behind ops of fixed scale whose result meets other tensors in an op of one scale."""
    if not any(op.kind in _FIXED_SCALE for op in ops) or not any(op.kind in ONE_SCALE for op in ops):
        return ops
    meeting: set[int] = set()
    for op in reversed(ops):
        if op.kind in ONE_SCALE or (op.kind in _SAME_SCALE and op.outputs[0] in meeting):
            meeting.update(i for i in op.inputs if i >= 0 and not to.tensors[i].constant)
    aligned: list[Op] = []
    renamed: dict[int, int] = {}
    for op in ops:
        aligned.append(op._replace(inputs=tuple(renamed.get(i, i) for i in op.inputs)))
        if op.kind in _FIXED_SCALE and (output := op.outputs[0]) in meeting:
            renamed[output] = to.tensor(to.shape(output))
            aligned.append(Op("QUANTIZE", (output,), (renamed[output],)))
    return aligned


def drop_dead_ops(to: GraphBuilder, ops: list[Op], outputs: Sequence[int]) -> list[Op]:
    """Leave out ops whose result nothing reads."""
    if not to.has_dead_ops:
        return ops
    live = set(outputs)
    kept: list[Op] = []
    for op in reversed(ops):
        if not op.outputs or op.outputs[0] in live:
            live.update(op.inputs)
            kept.append(op)
    return kept[::-1]


PASSES: tuple[Pass, ...] = (move_biases_on, align_scales, drop_dead_ops)
"""The passes, in the converter's order."""
