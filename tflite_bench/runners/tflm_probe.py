"""Makes the tiny models that a runtime is asked with whether it knows an operator."""

from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.writer import pack

_OUT_OF_RANGE = 2**31 - 1


def probe_model(op: str, *, custom: bool = False) -> bytes:
    """Return a model with one operator of a kind, followed by one that cannot exist.

    TFLM looks all operators up before it prepares the first. The second one stops it there, so that no kernel ever sees
    this model's meaningless tensor.

    Args:
        op: TFLite's name of the operator, e.g. `"CONV_2D"`, or a custom operator's code.
        custom: True for a custom operator.
    """
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_code(op, custom), _impossible_code()]
    graph = schema.SubGraphT()
    tensor = schema.TensorT()
    tensor.shape = [1]
    graph.tensors = [tensor]
    graph.inputs = graph.outputs = [0]
    graph.operators = [_operator(0), _operator(1)]
    if op == "VAR_HANDLE":
        # TFLM's Python wrapper counts the variables by their names before it starts.
        graph.operators[0].builtinOptionsType = schema.BuiltinOptions.VarHandleOptions
        graph.operators[0].builtinOptions = schema.VarHandleOptionsT()
    model.subgraphs = [graph]
    model.buffers = [schema.BufferT()]
    return pack(model)


def _code(op: str, custom: bool) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, op)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.customCode = op if custom else None
    return code


def _impossible_code() -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = _OUT_OF_RANGE, 127
    return code


def _operator(code: int) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs = operator.outputs = [0]
    return operator
