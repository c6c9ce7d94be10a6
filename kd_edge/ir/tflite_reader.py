"""Reads a `.tflite` file as a Graph."""

from kd_edge.errors import ModelError
from kd_edge.ir.graph import Graph, Op, Tensor, name_bytes
from tflite_bench.model.op_registry import spec_of
from tflite_bench.model.op_spec import DTYPE_BYTES
from tflite_bench.model.reader import ModelInfo, OpInfo

# Far above any network for a small device; planning buffers takes the square of their number.
_MAX_OPS = 4096


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
    tensors = [Tensor(tensor.shape, tensor.dtype, tensor.constant, tensor.num_scales) for tensor in model.tensors]
    ops = [_read_op(op) for op in model.ops]
    for index, op in enumerate(ops):
        _check_operands(index, op, tensors)
    names = sum(name_bytes(len(tensor.name.encode())) for tensor in model.tensors)
    return Graph(tuple(tensors), tuple(ops), model.inputs, model.outputs, names)


def _check_operands(index: int, op: Op, tensors: list[Tensor]) -> None:
    spec = spec_of(op.kind)
    least, rank = spec.least_inputs, spec.weights_rank
    given = [i for i in op.inputs[:least] if i >= 0]
    if least and (len(given) < least or not op.outputs or -1 in op.outputs):
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
