"""has_state(): what survives from one inference to the next, wherever in the file it is."""

from collections.abc import Callable

from ai_edge_litert import schema_py_generated as schema
from subgraphs import behind_another

from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import has_resources
from tflite_bench.model.writer import pack, unpack
from tflite_bench.runners.interpreters import has_state


def test_a_variable_of_another_subgraph_is_state(model_bytes: Callable[[str], bytes]) -> None:
    model = unpack(behind_another(model_bytes("residual_int8")))
    assert not has_state(read_model(pack(model)))
    model.subgraphs[1].tensors[model.subgraphs[1].outputs[0]].isVariable = True
    assert has_state(read_model(pack(model)))


def test_a_resource_of_another_subgraph_is_state(model_bytes: Callable[[str], bytes]) -> None:
    model = unpack(behind_another(model_bytes("residual_int8")))
    last = model.subgraphs[1].operators[-1]
    model.operatorCodes[last.opcodeIndex].builtinCode = schema.BuiltinOperator.VAR_HANDLE
    info = read_model(pack(model))
    assert has_resources(info)
    assert has_state(info)
