"""Reads a `.tflite` file as a Graph."""

from kd_edge.errors import ModelError
from kd_edge.ir.graph import DTYPE_BYTES, Graph, Op, Tensor, name_bytes
from tflite_bench.model.reader import ModelInfo, OpInfo

# Far above any network for a small device; planning buffers takes the square of their number.
_MAX_OPS = 4096


# What the cost of an op is computed from: how many inputs it has at least, and the rank of its weights, input 1.
_OPERANDS = {
    "CONV_2D": (2, 4),
    "DEPTHWISE_CONV_2D": (2, 4),
    "FULLY_CONNECTED": (2, 2),
    "MEAN": (2, None),
    "REDUCE_MAX": (2, None),
    "REDUCE_MIN": (2, None),
    "SOFTMAX": (1, None),
    "SUM": (2, None),
    "SVDF": (2, 2),
    "TRANSPOSE_CONV": (3, 4),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (1, None),
}


def read_graph(model: ModelInfo) -> Graph:
    """Return the ops and tensors of a file as they are.

    Raises:
        ModelError: An op or a tensor is none whose cost is known.
    """
    if len(model.ops) > _MAX_OPS:
        raise ModelError(f"cannot lower the file: expected at most {_MAX_OPS} ops, received {len(model.ops)}")
    for info in model.tensors:
        if info.dtype not in DTYPE_BYTES:
            known = ", ".join(DTYPE_BYTES)
            raise ModelError(f"cannot lower tensor {info.index}: expected a type of {known}, received {info.dtype}")
    tensors = [Tensor(tensor.shape, tensor.dtype, tensor.constant, len(tensor.scales)) for tensor in model.tensors]
    ops = [_read_op(op) for op in model.ops]
    for index, op in enumerate(ops):
        _check_operands(index, op, tensors)
    names = sum(name_bytes(len(tensor.name.encode())) for tensor in model.tensors)
    return Graph(tuple(tensors), tuple(ops), model.inputs, model.outputs, names)


def _check_operands(index: int, op: Op, tensors: list[Tensor]) -> None:
    least, rank = _OPERANDS.get(op.kind, (0, None))
    given = [i for i in op.inputs[:least] if i >= 0]
    if op.kind in _OPERANDS and (len(given) < least or not op.outputs or -1 in op.outputs):
        raise ModelError(
            f"cannot lower op {index} ({op.kind}): expected at least {least} inputs and an output, "
            f"received {len(given)} and {len(op.outputs)}"
        )
    if rank is not None and len(tensors[op.inputs[1]].shape) != rank:
        shape = tensors[op.inputs[1]].shape
        raise ModelError(f"cannot lower op {index} ({op.kind}): expected weights of rank {rank}, received {shape}")


def _read_op(op: OpInfo) -> Op:
    def pair(*names: str) -> tuple[int, int]:
        return tuple(int(op.options.get(name, 1)) for name in names)  # type: ignore[return-value, arg-type]

    slides = "stride_h" in op.options
    window = pair("filter_height", "filter_width") if "filter_height" in op.options else (0, 0)
    return Op(
        op.name,
        op.inputs,
        op.outputs,
        strides=pair("stride_h", "stride_w"),
        padding=str(op.options["padding"]) if slides else "",
        window=window,
        dilations=pair("dilation_h_factor", "dilation_w_factor"),
        activation=str(op.options.get("fused_activation", "NONE")),
    )
