"""Operators of a file as others that compute the same, of which TFLM has right kernels."""

import math
from collections.abc import Callable
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from kd_edge.clone.sliced_bools import copied_code, slice_bools
from tflite_bench.model.writer import pack, unpack

_OPERATORS = schema.BuiltinOperator
_HALF = 0.501  # by so much of a step a whole zero point moves the end of a range
_LARGEST = {schema.TensorType.INT8: 127, schema.TensorType.INT16: 32767}


def with_tflm_operators(content: bytes) -> bytes:
    """Return a file without operators that TFLM lacks or computes wrongly; the file itself where it has none.

    SELECT becomes SELECT_V2. Both choose value by value. They differ in conditions of another shape than the values:
    SELECT takes one for each slice along the first axis, SELECT_V2 broadcasts, so one of more than one number stays.

    RELU6 of int8 or int16 becomes RELU where the type's largest number stands for 6 or less, and so clips as well.
    TFLM's RELU6 clips numbers in the input's scale and hands them on as they are, though the output has another scale.

    UNPACK of bool, as of the mask of a recurrent layer, becomes STRIDED_SLICE, one for each output.

    RELU_N1_TO_1 of int8 (`keras.ops.clip` from -1 to 1) becomes QUANTIZE where the output's numbers end at -1 and 1.

    Args:
        content: Bytes of the file, as the converter writes it.
    """
    root = schema.Model.GetRootAs(content)
    codes = {root.OperatorCodes(i).BuiltinCode() for i in range(root.OperatorCodesLength())}
    if not codes & {*_REPLACED, _OPERATORS.UNPACK}:
        return content
    model = unpack(content)
    if not any([_replace(model), slice_bools(model)]):
        return content
    _number_codes(model)
    return pack(model)


def _replace(model: Any) -> bool:
    """Give operators another code, and tell whether one has."""
    changed = False
    for graph in model.subgraphs:
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            if code.builtinCode not in _REPLACED:
                continue
            become, applies, options = _REPLACED[code.builtinCode]
            if not applies(graph, op):
                continue
            changed, op.opcodeIndex = True, len(model.operatorCodes)
            model.operatorCodes.append(copied_code(code, become))
            if options:
                op.builtinOptionsType = getattr(schema.BuiltinOptions, options)
                op.builtinOptions = getattr(schema, f"{options}T")()
    return changed


def _alike(graph: Any, op: Any) -> bool:
    condition, value = (list(graph.tensors[op.inputs[place]].shape) for place in (0, 1))
    return condition == value or math.prod(condition) == 1


def _ends_at_six(graph: Any, op: Any) -> bool:
    _, high, step = _ends(graph, op)
    return high < 6 + _HALF * step


def _ends_at_one(graph: Any, op: Any) -> bool:
    low, high, step = _ends(graph, op)
    return -1 - _HALF * step < low and high < 1 + _HALF * step


def _ends(graph: Any, op: Any) -> tuple[float, float, float]:
    """Return the smallest and the largest number that the output can hold, and the step between two."""
    output = graph.tensors[op.outputs[0]]
    steps, largest = output.quantization, _LARGEST.get(output.type)
    if largest is None or graph.tensors[op.inputs[0]].type != output.type or steps is None or steps.scale is None:
        return -math.inf, math.inf, 0.0
    scale, zero = steps.scale[0], steps.zeroPoint[0]
    return (-largest - 1 - zero) * scale, (largest - zero) * scale, scale


_REPLACED: dict[int, tuple[int, Callable[[Any, Any], bool], str]] = {
    _OPERATORS.SELECT: (_OPERATORS.SELECT_V2, _alike, "SelectV2Options"),
    _OPERATORS.RELU6: (_OPERATORS.RELU, _ends_at_six, ""),
    _OPERATORS.RELU_N1_TO_1: (_OPERATORS.QUANTIZE, _ends_at_one, "QuantizeOptions"),
}


def _number_codes(model: Any) -> None:
    """Leave out codes that no operator has, and those that are there twice."""
    kept: dict[tuple[Any, ...], Any] = {}
    for graph in model.subgraphs:
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            key = (code.builtinCode, code.customCode, code.version)
            kept.setdefault(key, code)
            op.opcodeIndex = list(kept).index(key)
    model.operatorCodes = list(kept.values())
