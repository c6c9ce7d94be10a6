"""Makes `.tflite` files of one operator each, in any types: what a runtime's kernel takes is found by trying."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.writer import pack

TYPES = (
    *("float32", "float16", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool", "int4"),
)
_USUAL = ("float32", "int8", "int16")
_QUANTIZED = ("int8", "int16", "uint8", "int4")
_SCALE, _BIAS_SCALE = 1 / 32, 1 / 1024
# Scale and zero point that these kernels demand of their outputs in int8; in int16 it is 1/32768 and 0.
_OUTPUT = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "LOG_SOFTMAX": (1 / 16, 127)}
_IMAGE, _ROW = (1, 4, 4, 4), (1, 4)


@dataclass(frozen=True)
class Value:
    """An input of an op.

    Attributes:
        shape: Its dimensions.
        constant: Its values; `None` where the caller fills it.
        dtype: Its type; `None` for the one that is tried.
        bias: Whether it has a bias' scale.
        state: Whether it survives an inference.
    """

    shape: tuple[int, ...]
    constant: Any = None
    dtype: str | None = None
    bias: bool = False
    state: bool = False


@dataclass(frozen=True)
class Case:
    """An op to be tried.

    Attributes:
        kind: TFLite's name of the operator.
        inputs: Its inputs.
        outputs: Shapes of its outputs.
        options: Name of its options in the schema, and their fields.
        result: Type of the outputs; `None` for the one that is tried.
    """

    kind: str
    inputs: tuple[Value, ...]
    outputs: tuple[tuple[int, ...], ...]
    options: tuple[str, dict[str, Any]] | None = None
    result: str | None = None


def _integers(*values: Any) -> Value:
    array = np.array(values)
    return Value(array.shape, array, "int32")


def _cases() -> Iterator[Case]:
    image, row = Value(_IMAGE), Value(_ROW)
    for kind in (
        *("ABS", "CEIL", "COS", "DEQUANTIZE", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOG", "LOGICAL_NOT", "LOGISTIC"),
        *("LOG_SOFTMAX", "NEG", "QUANTIZE", "RELU", "RELU6", "ROUND", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH"),
        "ZEROS_LIKE",
    ):
        result = {"DEQUANTIZE": "float32", "QUANTIZE": "int8"}.get(kind)
        yield Case(kind, (image,), (_IMAGE,), result=result)
    for kind in ("ADD", "DIV", "MUL", "SUB"):
        yield Case(kind, (image, image), (_IMAGE,), (f"{kind.capitalize()}Options", {}))
    for kind in ("ADD_N", "FLOOR_MOD", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"):
        yield Case(kind, (image, image), (_IMAGE,))
    for kind in ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"):
        yield Case(kind, (image, image), (_IMAGE,), result="bool")
    for kind in ("MEAN", "REDUCE_ALL", "REDUCE_MAX", "REDUCE_MIN", "SUM"):
        yield Case(kind, (image, _integers(1, 2)), (_ROW,), ("ReducerOptions", {}))
    for kind in ("AVERAGE_POOL_2D", "L2_POOL_2D", "MAX_POOL_2D"):
        window = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, "padding": 1}
        yield Case(kind, (image,), ((1, 2, 2, 4),), ("Pool2DOptions", window))
    yield from _weighted(image)
    yield from _moving(image, row)


def _weighted(image: Value) -> Iterator[Case]:
    same = {"strideH": 1, "strideW": 1, "padding": 0}
    yield Case("CONV_2D", (image, Value((8, 3, 3, 4), 1), Value((8,), 1, bias=True)), ((1, 4, 4, 8),),
               ("Conv2DOptions", same))  # fmt: skip
    yield Case("DEPTHWISE_CONV_2D", (image, Value((1, 3, 3, 4), 1), Value((4,), 1, bias=True)), (_IMAGE,),
               ("DepthwiseConv2DOptions", {**same, "depthMultiplier": 1}))  # fmt: skip
    yield Case("FULLY_CONNECTED", (Value((1, 16)), Value((8, 16), 1), Value((8,), 1, bias=True)), ((1, 8),),
               ("FullyConnectedOptions", {}))  # fmt: skip
    yield Case("TRANSPOSE_CONV", (_integers(1, 8, 8, 8), Value((8, 3, 3, 4), 1), image, Value((8,), 1, bias=True)),
               ((1, 8, 8, 8),), ("TransposeConvOptions", {"strideH": 2, "strideW": 2, "padding": 0}))  # fmt: skip
    yield Case("BATCH_MATMUL", (Value((1, 4, 8)), Value((1, 8, 4))), ((1, 4, 4),), ("BatchMatMulOptions", {}))
    yield Case("PRELU", (image, Value((1, 1, 4), 1)), (_IMAGE,))
    svdf = (Value((1, 8)), Value((4, 8), 1), Value((4, 3), 1), Value((4,), 1, bias=True), Value((1, 12), state=True))
    yield Case("SVDF", svdf, (_ROW,), ("SVDFOptions", {"rank": 1, "fusedActivationFunction": 1}))


def _moving(image: Value, row: Value) -> Iterator[Case]:
    borders = _integers([0, 0], [1, 1], [1, 1], [0, 0])
    yield Case("ARG_MAX", (image, _integers(3)), ((1, 4, 4),), ("ArgMaxOptions", {"outputType": 2}), "int32")
    yield Case("ARG_MIN", (image, _integers(3)), ((1, 4, 4),), ("ArgMinOptions", {"outputType": 2}), "int32")
    yield Case("BATCH_TO_SPACE_ND", (Value((4, 4, 4, 4)), _integers(2, 2), _integers([0, 0], [0, 0])), ((1, 8, 8, 4),))
    yield Case("BROADCAST_ARGS", (Value((2,)), Value((2,))), ((2,),))
    yield Case("BROADCAST_TO", (row, _integers(3, 4)), ((3, 4),))
    yield Case("CAST", (image,), (_IMAGE,), ("CastOptions", {}))
    yield Case("CONCATENATION", (image, image), ((1, 4, 4, 8),), ("ConcatenationOptions", {"axis": 3}))
    yield Case("CUMSUM", (image, Value((), 1, "int32")), (_IMAGE,), ("CumsumOptions", {}))
    yield Case("DEPTH_TO_SPACE", (image,), ((1, 8, 8, 1),), ("DepthToSpaceOptions", {"blockSize": 2}))
    yield Case("DYNAMIC_UPDATE_SLICE", (Value((4, 4)), Value((2, 2)), _integers(0, 0)), ((4, 4),))
    yield Case("EMBEDDING_LOOKUP", (Value((3,), None, "int32"), Value((5, 4), 1)), ((3, 4),))
    yield Case("EXPAND_DIMS", (row, _integers(1)), ((1, 1, 4),))
    yield Case("FILL", (_integers(2, 3), Value(())), ((2, 3),))
    yield Case("FLOOR_DIV", (image, Value(_IMAGE, 1)), (_IMAGE,))
    yield Case("GATHER", (image, _integers(0, 1)), ((1, 4, 4, 2),), ("GatherOptions", {"axis": 3}))
    yield Case("GATHER_ND", (Value((4, 4)), _integers([0], [1])), ((2, 4),))
    yield Case("L2_NORMALIZATION", (image,), (_IMAGE,), ("L2NormOptions", {}))
    yield Case("LEAKY_RELU", (image,), (_IMAGE,), ("LeakyReluOptions", {"alpha": 0.1}))
    yield Case("MIRROR_PAD", (image, borders), ((1, 6, 6, 4),), ("MirrorPadOptions", {"mode": 0}))
    yield Case("PACK", (row, row), ((2, 1, 4),), ("PackOptions", {"valuesCount": 2}))
    yield Case("PAD", (image, borders), ((1, 6, 6, 4),))
    yield Case("PADV2", (image, borders, Value((1,), 0)), ((1, 6, 6, 4),))
    yield Case("RESHAPE", (image, _integers(1, 64)), ((1, 64),), ("ReshapeOptions", {"newShape": [1, 64]}))
    yield Case("RESIZE_BILINEAR", (image, _integers(8, 8)), ((1, 8, 8, 4),), ("ResizeBilinearOptions", {}))
    nearest = "ResizeNearestNeighborOptions"
    yield Case("RESIZE_NEAREST_NEIGHBOR", (image, _integers(8, 8)), ((1, 8, 8, 4),), (nearest, {}))
    yield Case("REVERSE_V2", (image, _integers(1)), (_IMAGE,))
    yield Case("SELECT_V2", (Value(_IMAGE, None, "bool"), image, image), (_IMAGE,))
    yield Case("SHAPE", (image,), ((4,),), ("ShapeOptions", {"outType": 2}), "int32")
    yield Case("SLICE", (image, _integers(0, 0, 0, 0), _integers(1, 2, 2, 4)), ((1, 2, 2, 4),))
    yield Case("SOFTMAX", (row,), (_ROW,), ("SoftmaxOptions", {"beta": 1.0}))
    yield Case("SPACE_TO_BATCH_ND", (image, _integers(2, 2), _integers([0, 0], [0, 0])), ((4, 2, 2, 4),))
    yield Case("SPACE_TO_DEPTH", (image,), ((1, 2, 2, 16),), ("SpaceToDepthOptions", {"blockSize": 2}))
    yield Case("SPLIT", (Value((), 3, "int32"), image), ((1, 4, 4, 2),) * 2, ("SplitOptions", {"numSplits": 2}))
    parts = (image, _integers(1, 3), Value((), 3, "int32"))
    yield Case("SPLIT_V", parts, ((1, 4, 4, 1), (1, 4, 4, 3)), ("SplitVOptions", {"numSplits": 2}))
    yield Case("SQUEEZE", (Value((1, 1, 4)),), (_ROW,), ("SqueezeOptions", {"squeezeDims": [1]}))
    corners = (_integers(0, 0, 0, 0), _integers(1, 2, 2, 4), _integers(1, 1, 1, 1))
    yield Case("STRIDED_SLICE", (image, *corners), ((1, 2, 2, 4),), ("StridedSliceOptions", {}))
    yield Case("TRANSPOSE", (Value((1, 2, 3, 4)), _integers(0, 2, 1, 3)), ((1, 3, 2, 4),))
    yield Case("UNPACK", (Value((2, 4)),), ((4,), (4,)), ("UnpackOptions", {"num": 2}))


CASES = {case.kind: case for case in _cases()}


def signature(case: Case, dtype: str) -> tuple[str, ...]:
    """Return the types of inputs and outputs of an op that works in a type, as a converter would write them."""
    types = [value.dtype or dtype for value in case.inputs]
    if dtype in ("int8", "int16", "uint8", "int4"):
        for place, value in enumerate(case.inputs):
            if value.bias:
                types[place] = "int64" if dtype == "int16" else "int32"
            elif value.constant is not None and value.dtype is None and dtype == "int16" and case.kind != "PADV2":
                types[place] = "int8"
    if case.kind == "SVDF" and dtype == "int8":
        types[2] = types[4] = "int16"
    return *types, *[case.result or dtype] * len(case.outputs)


def variants(case: Case) -> Iterator[tuple[str, ...]]:
    """Yield types to try an op in: each type throughout, and the usual ones with another type at one place."""
    seen = set()
    for dtype in TYPES:
        base = signature(case, dtype)
        others = (
            (*base[:place], other, *base[place + 1 :])
            for place, other in itertools.product(range(len(base)), ("float32", "int8", "int32", "uint8"))
            if dtype in _USUAL
        )
        for types in (base, *others):
            if types not in seen:
                seen.add(types)
                yield types


def single_op(case: Case, types: Sequence[str]) -> bytes:
    """Return the file of one op.

    Args:
        case: The op.
        types: Of its inputs, then of its outputs.
    """
    model, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    graph.tensors, graph.inputs = [], []
    for value, dtype in zip(case.inputs, types, strict=False):
        graph.tensors.append(_tensor(model, value, dtype))
        if value.constant is None and not value.state:
            graph.inputs.append(len(graph.tensors) - 1)
    operator.inputs = list(range(len(case.inputs)))
    for shape, dtype in zip(case.outputs, types[len(case.inputs) :], strict=True):
        graph.tensors.append(_tensor(model, Value(shape), dtype, kind=case.kind))
        if case.kind == "SOFTMAX" and (types[0], dtype) == ("int8", "int16"):
            graph.tensors[-1].quantization = _quantization(1 / 65536, -32768)
    operator.outputs = graph.outputs = list(range(len(case.inputs), len(graph.tensors)))
    if case.options:
        name, fields = case.options
        options = getattr(schema, f"{name}T")()
        for field, setting in fields.items():
            setattr(options, field, setting)
        operator.builtinOptionsType, operator.builtinOptions = getattr(schema.BuiltinOptions, name), options
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, case.kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    model.operatorCodes = [code]
    return pack(model)


def _tensor(model: Any, value: Value, dtype: str, kind: str = "") -> Any:
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.isVariable = list(value.shape), getattr(schema.TensorType, dtype.upper()), False
    tensor.isVariable = value.state
    if value.bias and dtype.startswith("int"):
        tensor.quantization = _quantization(_BIAS_SCALE, 0)
    elif dtype in _QUANTIZED:
        scale, zero = _OUTPUT.get(kind, (_SCALE, 0))
        tensor.quantization = _quantization(1 / 32768 if kind in _OUTPUT and dtype == "int16" else scale,
                                            0 if dtype == "int16" else zero)  # fmt: skip
    if value.constant is not None:
        array = np.broadcast_to(np.asarray(value.constant), value.shape)
        buffer = schema.BufferT()
        buffer.data = list(bytes(-(-array.size // 2)) if dtype == "int4" else array.astype(dtype).tobytes())
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
    return tensor


def _quantization(scale: float, zero_point: int) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [scale], [zero_point]
    return quantization
