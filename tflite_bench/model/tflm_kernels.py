"""Table of TFLM's kernels: which types of tensors each takes, and what else it demands.

How it was found: models of one op each, with every type at every place, in the interpreter of the `tflite-micro` wheel
(0.dev20261023); `tools/benchmarks/runtime_refusals.py` compares both again. A kernel that does not look at the type of
a tensor computes nonsense with some; such mixtures are not in this table.

A signature lists the types of an op's inputs, then those of its outputs:

* `int8|int4`: one of these; `*`: any; `T`: any, the same at all places of a `T`.
* `int32?`: may be missing.
* `T+`: one or more of these, at the end of a side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Kernel:
    """What one of TFLM's kernels takes.

    Attributes:
        signatures: Types of its inputs and outputs; one of them has to match.
        constants: Places of inputs that have to be constants, with what they are.
        max_rank: Most dimensions of the tensors.
        needs_scales: Places of inputs that need a quantization scale where they are integers.
        never_absent: Places of inputs that must not be listed as absent: the kernel crashes then.
        always_absent: Places of inputs that the kernel does not know.
        scales_output: Whether its output needs a quantization scale.
    """

    signatures: tuple[str, ...]
    constants: tuple[tuple[int, str], ...] = ()
    max_rank: int | None = None
    needs_scales: tuple[int, ...] = ()
    never_absent: tuple[int, ...] = ()
    always_absent: tuple[int, ...] = ()
    scales_output: bool = False


_F32 = "float32"
_UP_TO_INT8 = (_F32, "int8")
_UP_TO_INT16 = (_F32, "int8", "int16")
_UP_TO_INT32 = (_F32, "int8", "int16", "int32")


def _each(types: tuple[str, ...], form: str) -> tuple[str, ...]:
    """Return a form once for every type, in the place of its `T`."""
    return tuple([form.replace("T", name) for name in types])


def _unary(*types: str) -> Kernel:
    return Kernel(_each(types, "T > T"))


def _binary(*types: str) -> Kernel:
    return Kernel(_each(types, "T T > T"))


def _compares(*types: str) -> Kernel:
    return Kernel(_each(types, "T T > bool"))


def _reduces(*types: str) -> Kernel:
    return Kernel(_each(types, "T int32 > T"))


def _lstm(values: str, *, weights: str, biases: str, cell: str) -> str:
    """Return the signature of an LSTM: values, 8 weights, 3 peepholes, 4 biases, projection, 2 states, 4 norms."""
    inputs = [values, *[weights] * 8, *["*"] * 3, *[biases] * 4, *["*"] * 2, values, cell, *["*"] * 4]
    return f"{' '.join(inputs)} > {values}"


_COMPARED = (_F32, "int8", "int32", "int64")
_CAST = "float32|int8|int16|int32|uint32|bool"
_PADDINGS = ((1, "paddings"),)

KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "ABS": _unary(*_UP_TO_INT16),
        "ADD": _binary(*_UP_TO_INT32),
        "ADD_N": Kernel(_each(_UP_TO_INT8, "T+ > T")),
        "ARG_MAX": Kernel(_each(_UP_TO_INT8, "T int32 > int32")),
        "ARG_MIN": Kernel(_each(_UP_TO_INT8, "T int32 > int32")),
        "ASSIGN_VARIABLE": Kernel(("resource * >",)),
        "AVERAGE_POOL_2D": _unary(*_UP_TO_INT16),
        "BATCH_MATMUL": Kernel(_each(_UP_TO_INT16, "T T > T"), max_rank=5),
        "BATCH_TO_SPACE_ND": Kernel(
            _each(_UP_TO_INT8, "T int32 int32 > T"), constants=((1, "block shape"), (2, "crops")), max_rank=4
        ),
        "BROADCAST_ARGS": _binary("int32", "int64"),
        "BROADCAST_TO": Kernel(("T int32|int64 > T",), constants=((1, "shape"),), max_rank=5),
        "CALL_ONCE": Kernel((" >",)),
        "CAST": Kernel((f"{_CAST} > {_CAST}",)),
        "CEIL": _unary(_F32),
        "CONCATENATION": Kernel(_each((*_UP_TO_INT32, "int64", "bool"), "T+ > T"), max_rank=6),
        "CONV_2D": Kernel(
            (
                "float32 float32 *? > float32",
                "int8 int8|int4 int32? > int8",
                "int16 int8 int32|int64? > int16",
            ),
            needs_scales=(0, 1),
        ),
        "COS": _unary(_F32),
        "CUMSUM": _reduces(*_UP_TO_INT8),
        "DEPTHWISE_CONV_2D": Kernel(
            (
                "float32 float32 *? > float32",
                "int8 int8|int4 int32? > int8",
                "int16 int8 int32|int64? > int16",
            ),
            needs_scales=(0, 1),
            never_absent=(2,),
        ),
        "DEPTH_TO_SPACE": _unary(*_UP_TO_INT8),
        "DEQUANTIZE": Kernel(("int8|int16|uint8 > float32",)),
        "DIV": _binary(*_UP_TO_INT8),
        "DYNAMIC_UPDATE_SLICE": Kernel(_each(_UP_TO_INT32, "T T int32|int64 > T"), max_rank=6),
        "ELU": _unary(*_UP_TO_INT8),
        "EMBEDDING_LOOKUP": Kernel(("int32 float32 > float32", "int32 int8 > int8|float32")),
        "EQUAL": _compares(*_COMPARED, "bool"),
        "EXP": _unary(_F32),
        "EXPAND_DIMS": Kernel(_each(_UP_TO_INT16, "T int32 > T"), constants=((1, "axis"),)),
        "FILL": Kernel(_each((_F32, "int8", "int32"), "int32|int64 T > T"), constants=((0, "shape"),)),
        "FLOOR": _unary(_F32),
        "FLOOR_DIV": _binary(_F32),
        "FLOOR_MOD": _binary(_F32),
        "FULLY_CONNECTED": Kernel(
            (
                "float32 float32 *? > float32",
                "int8 int8|int4 int32? > int8",
                "int16 int8 int32|int64? > int16",
            ),
            needs_scales=(0, 1, 2),
        ),
        "GATHER": _reduces(*_UP_TO_INT8),
        "GATHER_ND": _reduces(*_UP_TO_INT8),
        "GREATER": _compares(*_COMPARED, "int16"),
        "GREATER_EQUAL": _compares(*_COMPARED),
        "HARD_SWISH": _unary(*_UP_TO_INT8),
        "IF": Kernel(("bool * > *",)),
        "L2_NORMALIZATION": Kernel(_each(_UP_TO_INT8, "T > T"), max_rank=4),
        "L2_POOL_2D": _unary(_F32),
        "LEAKY_RELU": _unary(*_UP_TO_INT16),
        "LESS": _compares(*_COMPARED),
        "LESS_EQUAL": _compares(*_COMPARED),
        "LOG": _unary(_F32),
        "LOGICAL_AND": _binary("bool"),
        "LOGICAL_NOT": _unary("bool"),
        "LOGICAL_OR": _binary("bool"),
        "LOGISTIC": _unary(*_UP_TO_INT16),
        "LOG_SOFTMAX": _unary(*_UP_TO_INT8),
        "MAXIMUM": _binary(*_UP_TO_INT32, "int64"),
        "MAX_POOL_2D": _unary(*_UP_TO_INT16),
        "MEAN": _reduces(*_UP_TO_INT16),
        "MINIMUM": _binary(*_UP_TO_INT32, "int64"),
        "MIRROR_PAD": _reduces(*_UP_TO_INT8),
        "MUL": _binary(*_UP_TO_INT32),
        "NEG": _unary(_F32),
        "NOT_EQUAL": _compares(*_COMPARED, "bool"),
        "PACK": Kernel(_each((*_UP_TO_INT32, "int64"), "T+ > T")),
        "PAD": Kernel(_each(_UP_TO_INT32, "T int32 > T"), constants=_PADDINGS, max_rank=5),
        "PADV2": Kernel(_each(_UP_TO_INT32, "T int32 T > T"), constants=_PADDINGS, max_rank=5),
        "PRELU": Kernel(_each(_UP_TO_INT8, "T T > T"), max_rank=4),
        "QUANTIZE": Kernel(
            (
                "float32 > int8|int16",
                "int8 > int8|int16|int32|uint8",
                "int16 > int8|int16|int32",
                "int32 > int8|int16",
                "uint8 > int8",
            ),
            scales_output=True,
        ),
        "READ_VARIABLE": Kernel(("resource > *",)),
        "REDUCE_ALL": _reduces("bool"),
        "REDUCE_MAX": _reduces(*_UP_TO_INT8),
        "REDUCE_MIN": _reduces(*_UP_TO_INT8),
        "RELU": _unary(*_UP_TO_INT16),
        "RELU6": _unary(*_UP_TO_INT16),
        "RESHAPE": Kernel(("T *? > T",)),
        "RESIZE_BILINEAR": Kernel(_each(_UP_TO_INT8, "T int32 > T"), constants=((1, "size"),)),
        "RESIZE_NEAREST_NEIGHBOR": Kernel(_each(_UP_TO_INT16, "T int32 > T"), constants=((1, "size"),)),
        "REVERSE_V2": Kernel(_each((*_UP_TO_INT32, "int64", "uint8", "bool"), "T int32 > T"), max_rank=6),
        "ROUND": _unary(_F32),
        "RSQRT": _unary(*_UP_TO_INT16),
        "SELECT_V2": Kernel(_each(_UP_TO_INT16, "bool T T > T")),
        "SHAPE": Kernel(("* > int32",)),
        "SIN": _unary(_F32),
        "SLICE": Kernel(
            tuple(f"{t} {i} {i} > {t}" for t in (*_UP_TO_INT32, "bool") for i in ("int32", "int64")), max_rank=5
        ),
        "SOFTMAX": Kernel((*_each(_UP_TO_INT16, "T > T"), "int8 > int16")),
        "SPACE_TO_BATCH_ND": Kernel(
            _each(_UP_TO_INT8, "T int32 int32 > T"), constants=((1, "block shape"), (2, "paddings")), max_rank=4
        ),
        "SPACE_TO_DEPTH": _unary(*_UP_TO_INT8),
        "SPLIT": Kernel(_each(_UP_TO_INT32, "int32 T > T+"), constants=((0, "axis"),)),
        "SPLIT_V": Kernel(_each(_UP_TO_INT32, "T int32|int64 int32 > T+"), constants=((2, "axis"),)),
        "SQRT": _unary(_F32),
        "SQUARE": _unary(_F32),
        "SQUARED_DIFFERENCE": _binary(*_UP_TO_INT32),
        "SQUEEZE": Kernel(("T > T",)),
        "STRIDED_SLICE": Kernel(
            _each((*_UP_TO_INT32, "bool"), "T int32 int32 int32 > T"),
            constants=((1, "begin"), (2, "end"), (3, "strides")),
            max_rank=4,
        ),
        "SUB": _binary(*_UP_TO_INT32),
        "SUM": _reduces(*_UP_TO_INT16),
        "SVDF": Kernel(
            (
                "float32 float32 float32 float32? float32 > float32",
                "int8 int8 int16 int32 int16 > int8",
                "int8 int8 int8 int32 int8 > int8",
            ),
            needs_scales=(0, 1, 2, 3),
        ),
        "TANH": _unary(*_UP_TO_INT16),
        "TRANSPOSE": Kernel(_each(_UP_TO_INT16, "T int32|int64 > T"), constants=((1, "permutation"),), max_rank=5),
        "TRANSPOSE_CONV": Kernel(
            (
                "int32 float32 float32 *? > float32",
                "int32 int8 int8 int32? > int8",
                "int32 int8 int16 int32|int64? > int16",
            ),
            needs_scales=(1, 2),
        ),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": Kernel(
            (
                _lstm(_F32, weights=_F32, biases=_F32, cell=_F32),
                _lstm("int8", weights="int8", biases="int32", cell="int16"),
                _lstm("int16", weights="int8", biases="int64", cell="int16"),
            ),
            always_absent=(9, 10, 11, 16, 17, 20, 21, 22, 23),
        ),
        "UNPACK": Kernel(_each(_UP_TO_INT32, "T > T+")),
        "VAR_HANDLE": Kernel((" > resource",)),
        "WHILE": Kernel(("*+ > *+",)),
        "ZEROS_LIKE": _unary(_F32, "int8", "int32", "int64"),
    }
)

# Custom operators that TFLM has kernels for, besides those that a firmware registers itself.
CUSTOM_KERNELS = frozenset(
    {
        "CIRCULAR_BUFFER",
        "SignalDelay",
        "SignalEnergy",
        "SignalFftAutoScale",
        "SignalFilterBank",
        "SignalFilterBankLog",
        "SignalFilterBankSpectralSubtraction",
        "SignalFilterBankSquareRoot",
        "SignalFramer",
        "SignalIrfft",
        "SignalOverlapAdd",
        "SignalPCAN",
        "SignalRfft",
        "SignalStacker",
        "SignalWindow",
        "TFLM_DECODE",
        "TFLite_Detection_PostProcess",
    }
)
