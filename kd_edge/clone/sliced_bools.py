"""UNPACK of bool, for which TFLM has no kernel, as STRIDED_SLICE, for which it has one."""

from copy import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_OPERATORS = schema.BuiltinOperator


def slice_bools(model: Any) -> bool:
    """Write a STRIDED_SLICE for each output of an UNPACK of bool, and tell whether there was one.

    Args:
        model: A file as the schema's object classes. It is changed; operators may have the same code twice then.
    """
    changed = False
    for graph in model.subgraphs:
        operators = []
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            if code.builtinCode != _OPERATORS.UNPACK or graph.tensors[op.inputs[0]].type != schema.TensorType.BOOL:
                operators.append(op)
                continue
            changed = True
            model.operatorCodes.append(copied_code(code, _OPERATORS.STRIDED_SLICE))
            operators += [_slice(model, graph, op, place) for place in range(len(op.outputs))]
        graph.operators = operators
    return changed


def copied_code(code: Any, operator: int) -> Any:
    """Return the code of another builtin operator, of the same version."""
    made = copy(code)
    made.builtinCode = made.deprecatedBuiltinCode = operator
    return made


def _slice(model: Any, graph: Any, unpacking: Any, place: int) -> Any:
    """Return the operator, of the code that was added last, which makes one output of an UNPACK."""
    shape = list(graph.tensors[unpacking.inputs[0]].shape)
    axis = unpacking.builtinOptions.axis % len(shape)
    begin, end = [0] * len(shape), list(shape)
    begin[axis], end[axis] = place, place + 1
    made, options = schema.OperatorT(), schema.StridedSliceOptionsT()
    options.shrinkAxisMask = 1 << axis
    made.builtinOptionsType, made.builtinOptions = schema.BuiltinOptions.StridedSliceOptions, options
    made.opcodeIndex, made.outputs = len(model.operatorCodes) - 1, [unpacking.outputs[place]]
    arguments = [_constant(model, graph, numbers) for numbers in (begin, end, [1] * len(shape))]
    made.inputs = [unpacking.inputs[0], *arguments]
    return made


def _constant(model: Any, graph: Any, numbers: list[int]) -> int:
    """Add a tensor of int32 to a graph, and return its index."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.array(numbers, "<i4").tobytes()
    tensor.type, tensor.shape, tensor.buffer = schema.TensorType.INT32, [len(numbers)], len(model.buffers)
    model.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
