"""Multiply-accumulates (MACs) of operators, from the shapes of their tensors, and the kernels that do them."""

from math import prod

from tflite_bench.model.operators.spec import BROADCAST, GROUPED, Operands

# XNNPACK has no depthwise kernels of more weights per channel, it computes such layers as grouped convolutions.
_LARGE_WINDOW = 25
# Inputs of TFLite's LSTM (unidirectional_sequence_lstm.cc): weights of the input and of the state by gate, and the
# projection's. The rest are applied element by element, added, or states.
_LSTM_WEIGHTS = (*range(1, 9), 16)


def conv_macs(op: Operands) -> int:
    """Output elements x height x width of the window x input channels of a group."""
    return op.outputs[0].num_elements * prod(op.weights[1:])


def depthwise_macs(op: Operands) -> int:
    """Output elements x height x width of the window."""
    return op.outputs[0].num_elements * op.weights[1] * op.weights[2]


def dense_macs(op: Operands) -> int:
    """Output elements x inputs."""
    return op.outputs[0].num_elements * op.weights[-1]


def transpose_conv_macs(op: Operands) -> int:
    """Input elements x height x width of the window x output channels."""
    return op.inputs[2].num_elements * prod(op.weights[:3])


def conv_3d_macs(op: Operands) -> int:
    """Output elements x the window x input channels; the filters are (depth, height, width, input, output)."""
    return op.outputs[0].num_elements * prod(op.weights[:4])


def transpose_conv_3d_macs(op: Operands) -> int:
    """Input elements x the window x output channels; the filters are (depth, height, width, output, input)."""
    return op.inputs[2].num_elements * prod(op.weights[:4])


def matmul_macs(op: Operands) -> int:
    """Output elements x the dimension that is summed over.

    That is what the first matrix has beside the output's rows, transposed or not.
    """
    rows = op.outputs[0].shape[-2:-1]
    summed = prod(op.inputs[0].shape[-2:]) // (prod(rows) or 1)
    return op.outputs[0].num_elements * summed


def lstm_macs(op: Operands) -> int:
    """Steps x weights of all gates, for the input and for the state, and of the projection.

    Source: Hochreiter and Schmidhuber (1997) with TFLite's four gates: `W x + R h` per gate and step, `P h` after it.
    Biases, peepholes and normalisation work element by element and are left out, as the cell's own products are.
    """
    weights = sum([tensor.num_elements for i, tensor in enumerate(op.inputs) if i in _LSTM_WEIGHTS])
    return weights * prod(op.outputs[0].shape[:-1])


def svdf_macs(op: Operands) -> int:
    """Batch x filters x (inputs + steps of memory).

    Source: Nakkiran et al., "Compressing Deep Neural Networks using a Rank-Constrained Topology" (2015): each filter
    takes a dot product over the features, then one over the memory of its results.
    """
    return prod(op.outputs[0].shape[:-1]) * (prod(op.weights) + op.inputs[2].num_elements)


def weights_per_position(op: Operands) -> int:
    """Positions of the output x all constants but int32 biases: of recurrent layers and the like without a rule."""
    if not op.outputs:
        return 0
    constants = sum([t.num_elements for t in op.inputs if t.constant and t.dtype != "int32"])
    return constants * prod(op.outputs[0].shape[:-1])


def conv_kernel(op: Operands) -> str:
    """A convolution with a window of 1x1 has kernels of its own."""
    return "pointwise" if op.weights[1] == op.weights[2] == 1 else "conv"


def weights_kernel(op: Operands) -> str:
    """What multiplies with constants costs as a dense layer, the rest moves data."""
    return "dense" if weights_per_position(op) else "copy"


def conv_variant(op: Operands) -> str:
    """A convolution whose filters see some of the input channels is a grouped one."""
    return GROUPED if (0,) < op.weights[3:] < op.inputs[0].shape[-1:] else op.kind


def depthwise_variant(op: Operands) -> str:
    """Runtimes seldom have depthwise kernels with a multiplier or of more than 25 weights per channel."""
    multiplied = op.weights[3:] > op.inputs[0].shape[-1:]
    return GROUPED if multiplied or prod(op.weights[1:3]) > _LARGE_WINDOW else op.kind


def arithmetic_variant(op: Operands) -> str:
    """Arithmetic of two tensors of different size repeats the smaller one."""
    return BROADCAST if len({tensor.num_elements for tensor in op.inputs}) > 1 else op.kind
