"""Workload of a network's operators, by the classes and kinds that a calibration fits costs for."""

from tflite_bench.model.info import ModelInfo
from tflite_bench.model.operators.spec import NO_BLOCKS, Blocks, operands_of
from tflite_bench.model.operators.work import Work, op_work

# Kinds of operators that a runtime may work at otherwise than at the rest of their class.
OWN = (
    "CONV_2D_GROUPED",
    "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "MAX_POOL_2D",
    "MEAN",
    "REDUCE_MAX",
    "BROADCAST",
    "RELU",
    "PRELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "ELU",
    "LOGISTIC",
    "TANH",
    "RESIZE_BILINEAR",
    "CONCATENATION",
    "PAD",
    "TRANSPOSE",
    "TILE",
    "STRIDED_SLICE",
    "QUANTIZE",
)
# Kinds that stand for their class in the networks of a calibration.
_OF_CLASSES = frozenset(
    {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "SOFTMAX", "RESHAPE"),
        *("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"),
    }
)


def count_work(model: ModelInfo, blocks: Blocks = NO_BLOCKS) -> tuple[Work, ...]:
    """Return the work of every operator, by `KERNEL_CLASSES` and `OWN`; see `op_work`.

    Args:
        model: A model of operators that calibrations know.
        blocks: Count the MACs as if the channels were multiples of these.

    Raises:
        KeyError: It has another operator.
    """
    for op in model.ops:
        if op.name not in _OF_CLASSES and op.name not in OWN:
            raise KeyError(op.name)
    operands = [operands_of(model.tensors, op.name, op.inputs, op.outputs) for op in model.ops]
    return tuple([op_work(op, blocks, OWN) for op in operands])
