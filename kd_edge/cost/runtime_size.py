"""The machine code of TFLM's interpreter and kernels: flash that a network needs beside its file.

No release of TFLM states it per op. Known are two ends. Above: the code of the reference kernels, for all dtypes, in
the `tflite-micro` wheel (0.dev20261023, x86-64), read by `tools/profiles/measure_kernels.py`. Below: TensorFlow's
documentation, 16 kB for the interpreter on a Cortex-M3 and 22 kB together with what its keyword model needs, in one
dtype.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_PUBLISHED_CORE_BYTES = 16_000
_PUBLISHED_KEYWORD_BYTES = 22_000
_KEYWORD_KINDS = ("DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "RESHAPE")
_CORE_BYTES = 23_875
_KERNEL_BYTES = {
    "ABS": 4514,
    "ADD": 16271,
    "ADD_N": 3433,
    "ARG_MAX": 2722,
    "ARG_MIN": 3422,
    "ASSIGN_VARIABLE": 11722,
    "AVERAGE_POOL_2D": 7292,
    "BASIC_CLASSIFIER": 1465,
    "BATCH_MATMUL": 16911,
    "BATCH_TO_SPACE_ND": 2408,
    "BROADCAST_ARGS": 1926,
    "BROADCAST_TO": 2127,
    "CALL_ONCE": 480,
    "CAST": 3290,
    "CEIL": 1064,
    "CIRCULAR_BUFFER": 1758,
    "CONCATENATION": 8015,
    "CONV_2D": 12476,
    "COS": 698,
    "CUMSUM": 2904,
    "DECODE": 3430,
    "DEPTHWISE_CONV_2D": 10308,
    "DEPTH_TO_SPACE": 2516,
    "DEQUANTIZE": 1281,
    "DETECTION_POSTPROCESS": 8175,
    "DIV": 13898,
    "DYNAMIC_UPDATE_SLICE": 3433,
    "ELU": 1263,
    "EMBEDDING_LOOKUP": 1686,
    "EQUAL": 19165,
    "ETHOSU": 3,
    "EXP": 986,
    "EXPAND_DIMS": 1105,
    "FILL": 1501,
    "FLOOR": 1332,
    "FLOOR_DIV": 3172,
    "FLOOR_MOD": 3068,
    "FULLY_CONNECTED": 9202,
    "GATHER": 3273,
    "GATHER_ND": 2095,
    "GREATER": 21737,
    "GREATER_EQUAL": 17588,
    "HARD_SWISH": 2449,
    "IF": 1709,
    "L2NORM_REF": 2228,
    "L2_NORMALIZATION": 3755,
    "L2_POOL_2D": 2524,
    "LEAKY_RELU": 1804,
    "LESS": 17588,
    "LESS_EQUAL": 17588,
    "LOG": 698,
    "LOGICAL_AND": 4325,
    "LOGICAL_NOT": 822,
    "LOGICAL_OR": 3367,
    "LOGISTIC": 3683,
    "LOG_SOFTMAX": 6638,
    "MAXIMUM": 12727,
    "MAX_POOL_2D": 7292,
    "MEAN": 9665,
    "MINIMUM": 12727,
    "MIRROR_PAD": 1527,
    "MUL": 13719,
    "NEG": 340,
    "NOT_EQUAL": 19184,
    "PACK": 2750,
    "PAD": 8286,
    "PADV2": 10483,
    "PRELU": 6714,
    "QUANTIZE": 2961,
    "READ_VARIABLE": 3433,
    "REDUCE_ALL": 4482,
    "REDUCE_MAX": 5922,
    "REDUCE_MIN": 10619,
    "RELU": 1648,
    "RELU6": 1928,
    "RESHAPE": 1249,
    "RESIZE_BILINEAR": 4340,
    "RESIZE_NEAREST_NEIGHBOR": 6902,
    "REVERSE_V2": 6654,
    "ROUND": 1024,
    "RSQRT": 3700,
    "SELECT_V2": 10401,
    "SHAPE": 566,
    "SIN": 698,
    "SLICE": 4527,
    "SOFTMAX": 9542,
    "SPACE_TO_BATCH_ND": 2702,
    "SPACE_TO_DEPTH": 3596,
    "SPLIT": 2444,
    "SPLIT_V": 2395,
    "SQRT": 4434,
    "SQUARE": 4177,
    "SQUARED_DIFFERENCE": 10597,
    "SQUEEZE": 1167,
    "STRIDED_SLICE": 19688,
    "SUB": 18895,
    "SUM": 10612,
    "SVDF": 7645,
    "TANH": 3827,
    "TRANSPOSE": 3974,
    "TRANSPOSE_CONV": 10730,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 15736,
    "UNPACK": 2099,
    "VAR_HANDLE": 2569,
    "WHILE": 2099,
    "ZEROS_LIKE": 709,
}
_SOURCE = (
    "from what TensorFlow publishes for a Cortex-M3, scaled to these ops, up to the code of the reference kernels of "
    "all dtypes, measured on x86-64; not measured on a microcontroller: link your firmware and read its map file"
)


@dataclass(frozen=True, slots=True)
class RuntimeFlash:
    """Flash that the interpreter and the kernels of a network's ops take, apart from the model.

    Attributes:
        low_bytes: With kernels for one dtype, optimized for size.
        high_bytes: With reference kernels for all dtypes.
        source: Where the figures come from.
    """

    low_bytes: int
    high_bytes: int
    source: str


def runtime_flash(kinds: Iterable[str]) -> RuntimeFlash:
    """Return what the runtime takes for a set of ops.

    Args:
        kinds: Kinds of ops, e.g. `{"CONV_2D", "RESHAPE"}`; what TFLM has no kernel for counts nothing.

    Returns:
        `low = 16,000 + (22,000 - 16,000) x kernels / kernels of the keyword model`, `high = core + kernels`, both with
        the kernels' bytes measured on x86-64.
    """
    kernels = _kernel_bytes(kinds)
    scale = (_PUBLISHED_KEYWORD_BYTES - _PUBLISHED_CORE_BYTES) / _kernel_bytes(_KEYWORD_KINDS)
    return RuntimeFlash(round(_PUBLISHED_CORE_BYTES + scale * kernels), _CORE_BYTES + kernels, _SOURCE)


def _kernel_bytes(kinds: Iterable[str]) -> int:
    return sum(_KERNEL_BYTES.get(kind, 0) for kind in set(kinds))
