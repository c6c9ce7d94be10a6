"""SELECT as SELECT_V2, of which TFLM has a kernel."""

import math
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.writer import pack, unpack

_OLD, _NEW = schema.BuiltinOperator.SELECT, schema.BuiltinOperator.SELECT_V2


def with_select_v2(content: bytes) -> bytes:
    """Return a file whose SELECT operators are SELECT_V2; the file itself where it has none.

    Both choose value by value. They differ in conditions of another shape than the values: SELECT takes one for each
    slice along the first axis, SELECT_V2 broadcasts. A file with such a condition, of more than one number, stays.

    Args:
        content: Bytes of the file, as the converter writes it.
    """
    root = schema.Model.GetRootAs(content)
    if all(root.OperatorCodes(i).BuiltinCode() != _OLD for i in range(root.OperatorCodesLength())):
        return content
    model = unpack(content)
    numbers = {number for number, code in enumerate(model.operatorCodes) if code.builtinCode == _OLD}
    found = [(graph, op) for graph in model.subgraphs for op in graph.operators if op.opcodeIndex in numbers]
    if not all(_alike(graph, op) for graph, op in found):
        return content
    for number in numbers:
        code = model.operatorCodes[number]
        code.builtinCode = code.deprecatedBuiltinCode = _NEW
    for _, op in found:
        op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.SelectV2Options, schema.SelectV2OptionsT()
    return pack(model)


def _alike(graph: Any, op: Any) -> bool:
    condition, value = (list(graph.tensors[op.inputs[place]].shape) for place in (0, 1))
    return condition == value or math.prod(condition) == 1
