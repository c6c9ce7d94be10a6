"""Spells out what TensorFlow's converter leaves out of a `.tflite` file, since TFLite's runtimes do without."""

import copy
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.writer import pack


def spell_out(model: bytes) -> bytes:
    """Return a model with what the converter leaves out, and without the names and texts of its maker.

    bakenn writes names into the comments of its C code, where one that ends the comment would be compiled and executed.

    Tensors always have the shapes that the file states, every RESHAPE repeats its shape in its options, a quantized
    dense layer has a bias, and before a dense layer that reads an image stands a RESHAPE.

    Args:
        model: Bytes of a `.tflite` file with one subgraph.
    """
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = tree.subgraphs[0]
    operators: list[schema.OperatorT] = []
    for operator in graph.operators:
        code = tree.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)  # files from before 2020 have the second alone
        if kind == schema.BuiltinOperator.FULLY_CONNECTED:
            _give_bias(tree, operator)
            if len(graph.tensors[operator.inputs[0]].shape) != 2:
                operators.append(_flattened(tree, operator))
        if kind == schema.BuiltinOperator.RESHAPE and operator.builtinOptions is None:
            _set_shape(operator, graph.tensors[operator.outputs[0]].shape)
        operators.append(operator)
    graph.operators = operators
    for index, tensor in enumerate(graph.tensors):
        tensor.shapeSignature = None
        tensor.name = f"tensor{index}".encode()
    graph.name = tree.description = None
    tree.signatureDefs, tree.metadata = [], []
    return pack(tree)


def _give_bias(tree: schema.ModelT, dense: schema.OperatorT) -> None:
    """Add a bias of zeros where there is none."""
    graph = tree.subgraphs[0]
    source, weights = (graph.tensors[index].quantization for index in dense.inputs[:2])
    has_bias = len(dense.inputs) > 2 and dense.inputs[2] >= 0
    if has_bias or source.scale is None or weights.scale is None:
        return
    units = graph.tensors[dense.inputs[1]].shape[0]
    bias, zeros = schema.TensorT(), schema.BufferT()
    bias.name, bias.shape, bias.type, bias.buffer = b"zeros", [units], schema.TensorType.INT32, len(tree.buffers)
    bias.quantization = schema.QuantizationParametersT()
    bias.quantization.scale = [source.scale[0] * scale for scale in weights.scale]
    bias.quantization.zeroPoint = [0] * len(weights.scale)
    zeros.data = np.zeros(4 * units, np.uint8)
    dense.inputs = [*dense.inputs[:2], len(graph.tensors)]
    graph.tensors.append(bias)
    tree.buffers.append(zeros)


def _flattened(tree: schema.ModelT, dense: schema.OperatorT) -> schema.OperatorT:
    """Return a RESHAPE of a dense layer's input to rows, which the layer then reads."""
    graph = tree.subgraphs[0]
    weights, flat = graph.tensors[dense.inputs[1]], copy.copy(graph.tensors[dense.inputs[0]])
    flat.shape = [int(np.prod(flat.shape)) // weights.shape[1], weights.shape[1]]
    flat.buffer = 0
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    tree.operatorCodes.append(code)
    reshape = schema.OperatorT()
    reshape.opcodeIndex = len(tree.operatorCodes) - 1
    reshape.inputs, reshape.outputs = [dense.inputs[0]], [len(graph.tensors)]
    _set_shape(reshape, flat.shape)
    graph.tensors.append(flat)
    dense.inputs = [reshape.outputs[0], *dense.inputs[1:]]
    return reshape


def _set_shape(reshape: schema.OperatorT, shape: Sequence[int]) -> None:
    reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    reshape.builtinOptions = schema.ReshapeOptionsT()
    reshape.builtinOptions.newShape = list(shape)
