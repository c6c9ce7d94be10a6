"""Buffers that TFLM's kernels allocate: for good when they are prepared, and scratch buffers for each call.

Found by measuring models of one op with the `tflite-micro` wheel and, for CMSIS-NN, from its documented
`*_get_buffer_size` functions for cores with DSP instructions: two columns of a convolution's patch and one of a
depthwise one, in int16. Newer releases need no buffer for a depthwise 3x3 convolution; it is counted here.
"""

from math import prod

from tflite_bench.model.operators.spec import DTYPE_BYTES, LayoutBytes, Operands

_SOFTMAX_INT16_TABLE_BYTES = 1026
_QUANTIZED = ("int8", "int16")

# Of a tensor's structure: on a 64-bit host, on a microcontroller, and there with CMSIS-NN.
_EVAL_TENSOR_BYTES = (24, 12, 12)

Sizes = tuple[int, ...]
LayoutSizes = tuple[LayoutBytes, ...]


def per_filter(op: Operands) -> Sizes:
    """A multiplier and a shift per filter."""
    return (4 * op.weights[0],) * 2


def per_channel(op: Operands) -> Sizes:
    """A multiplier and a shift per channel of a depthwise convolution."""
    return (4 * op.weights[3],) * 2


def per_dense_channel(op: Operands) -> Sizes:
    """A multiplier and a shift per output, where the weights have a scale for each."""
    return per_filter(op) if op.inputs[1].num_scales > 1 else ()


def softmax_tables(op: Operands) -> Sizes:
    """Two tables of the exponential for int16."""
    return (_SOFTMAX_INT16_TABLE_BYTES,) * 2 if op.inputs[0].dtype == "int16" else ()


def conv_patch(op: Operands) -> Sizes:
    """CMSIS-NN's two columns of a convolution's patch."""
    return tuple([2 * size for size in depthwise_patch(op)])


def depthwise_patch(op: Operands) -> Sizes:
    """CMSIS-NN's one column of a depthwise convolution's patch."""
    shape = op.weights
    if len(shape) != 4 or op.inputs[0].dtype == "float32" or shape[1] == shape[2] == 1:
        return ()
    return (2 * prod(shape[1:]),)


def transpose_conv_totals(op: Operands) -> Sizes:
    """A total per output element, of 32 bits for int8 and of 64 for int16."""
    output = op.outputs[0]
    return ((4 if output.dtype == "int8" else 8) * output.num_elements,) if output.dtype in _QUANTIZED else ()


def svdf_totals(op: Operands) -> Sizes:
    """A total per filter and, where the network is quantized, one per output."""
    per_filter_bytes, output = 4 * op.weights[0], op.outputs[0]
    return (per_filter_bytes, 4 * output.num_elements) if output.dtype in _QUANTIZED else (per_filter_bytes,)


def lstm_gates(op: Operands) -> Sizes:
    """Four gates, of 16 bits where the network is quantized."""
    output = op.outputs[0]
    return ((2 if output.dtype in _QUANTIZED else 4) * output.shape[-1],) * 4


def reduced_axes(op: Operands) -> Sizes:
    """An index per dimension and the resolved axes."""
    return (4 * len(op.inputs[0].shape), 4 * op.inputs[1].num_elements)


def totals_and_axes(op: Operands) -> Sizes:
    """Totals of 32 bits where the network is quantized, and what every reduction has."""
    output = op.outputs[0]
    totals = (4 * output.num_elements,) if output.dtype in _QUANTIZED else ()
    return (*totals, *reduced_axes(op))


def two_per_dimension(op: Operands) -> Sizes:
    """Two numbers per dimension."""
    return (4 * len(op.outputs[0].shape),) * 2


def detection_lists(op: Operands) -> Sizes:
    """Boxes, scores and lists of candidates of a detector; `flags` are `max_detections` and `num_classes`.

    Source: `Prepare` in tflite-micro's `detection_postprocess.cc`.
    """
    _, num_boxes, num_scores = op.weights
    most, num_classes = (max(0, flag) for flag in op.flags or (0, 0))
    per_box, per_detection = 4 * num_boxes, 4 * num_boxes * most
    return (
        num_boxes,
        4 * per_box,
        num_scores * per_box,
        *(per_box, per_box),
        *(per_detection, per_detection),
        per_box,
        per_detection,
        max(num_classes, most) * per_box,
        min(num_boxes, most) * per_box,
    )


def unpacked_weights(op: Operands) -> Sizes:
    """Weights of 4 bits, unpacked to bytes."""
    return (op.inputs[1].num_elements,) if op.inputs[1].dtype == "int4" else ()


def add_n_inputs(op: Operands) -> Sizes:
    """A pointer per summand, counted as on a 64-bit host."""
    return (8 * len(op.inputs),)


def add_n_data(op: Operands) -> Sizes:
    """The kernel's data, where the network is quantized."""
    return (40,) if op.outputs[0].dtype in _QUANTIZED else ()


def cumsum_data(op: Operands) -> Sizes:
    """The kernel's data, where the network is quantized."""
    return (36,) if op.outputs[0].dtype in _QUANTIZED else ()


def log_softmax_data(op: Operands) -> Sizes:
    """The kernel's data, where the network is quantized."""
    return (40,) if op.outputs[0].dtype in _QUANTIZED else ()


def output_shape(op: Operands) -> Sizes:
    """A shape of the output that can be written."""
    return (_shape_bytes(op.outputs[0].shape),)


def transposed_matrices(op: Operands) -> LayoutSizes:
    """Multipliers where the network is quantized, a copy of each matrix that is transposed, and the output's shape.

    The kernel wants the second matrix transposed: it copies that one where the file has not transposed it already.
    """
    sizes: list[LayoutBytes] = [28] if op.outputs[0].dtype in _QUANTIZED else []
    first, second = op.flags or (0, 0)
    for tensor, copies in zip(op.inputs, (first, not second), strict=False):
        if copies:
            data = tensor.num_elements * DTYPE_BYTES[tensor.dtype]
            sizes += [_EVAL_TENSOR_BYTES, _shape_bytes(tensor.shape), data]
    return (*sizes, *output_shape(op))


def _shape_bytes(shape: tuple[int, ...]) -> int:
    return 4 * (len(shape) + 1)
