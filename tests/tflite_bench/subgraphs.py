"""Files of several subgraphs, made of one."""

from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.writer import pack, unpack


def behind_another(content: bytes, *, times: int = 1) -> bytes:
    """Return a file whose first subgraph is one NEG of floats, with the first one of another file behind it."""
    model = unpack(content)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.NEG
    model.operatorCodes.append(code)
    model.subgraphs = [_negation(len(model.operatorCodes) - 1), *model.subgraphs[:1] * times]
    model.signatureDefs = []
    return pack(model)


def _negation(code: int) -> schema.SubGraphT:
    op, graph = schema.OperatorT(), schema.SubGraphT()
    op.opcodeIndex, op.inputs, op.outputs = code, [0], [1]
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [_floats("x"), _floats("y")], [op], [0], [1]
    return graph


def _floats(name: str) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 4], schema.TensorType.FLOAT32, 0
    return tensor
