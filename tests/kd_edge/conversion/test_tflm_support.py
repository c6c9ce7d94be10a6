"""find_missing_ops(): operators that the real TFLM interpreter lacks, wherever in the file they are."""

import keras
from ai_edge_litert import schema_py_generated as schema

from kd_edge.conversion.converter import convert
from kd_edge.conversion.tflm_support import MissingOp, find_missing_ops, missing_from
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack


def test_an_operator_that_tflm_lacks_in_the_body_of_a_loop_is_named_with_its_layer():
    model = keras.Sequential(
        [keras.Input((6, 4)), keras.layers.GRU(8, activation="gelu", name="loop"), keras.layers.Dense(3)]
    )
    assert missing_from(model) == ("TFLM has no kernel for GELU, layer 'gru_cell'",)
    info = read_model(convert(model, quantize="none"))
    (missing,) = find_missing_ops(info)
    assert info.subgraphs[missing.subgraph].ops[missing.index].name == "GELU"
    assert missing.subgraph > 0


def test_an_operator_of_another_signature_has_its_place_in_its_own_subgraph():
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes = [operator_code("NEG"), operator_code("ATAN2")]
    model.subgraphs = [subgraph("first", [(0, [0])]), subgraph("second", [(0, [0]), (1, [0, 1])])]
    assert find_missing_ops(read_model(pack(model))) == (MissingOp("ATAN2", 1, "second", subgraph=1),)


def operator_code(name):
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(127, code.builtinCode)
    return code


def subgraph(layer, ops):
    """Return a chain of ops, each a code and the tensors that it reads; op `i` writes tensor `i + 1`."""
    graph = schema.SubGraphT()
    graph.tensors = [tensor(f"model/{layer}/{i}") for i in range(len(ops) + 1)]
    graph.inputs, graph.outputs, graph.operators = [0], [len(ops)], []
    for place, (code, inputs) in enumerate(ops):
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = code, inputs, [place + 1]
        graph.operators.append(op)
    return graph


def tensor(name):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, [1, 4], schema.TensorType.FLOAT32, 0
    return made
