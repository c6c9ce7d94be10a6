"""Reads a `.tflite` file as a Graph."""

from kd_edge.errors import ModelError
from kd_edge.ir.graph import Graph, Op, Tensor, name_bytes
from kd_edge.ir.loop_counts import loop_rounds
from tflite_bench.model.called_subgraphs import called_subgraphs
from tflite_bench.model.info import ModelInfo, OpInfo, SubgraphInfo
from tflite_bench.model.operators.registry import spec_of
from tflite_bench.model.operators.spec import DTYPE_BYTES

# Far above any network for a small device; planning buffers takes the square of their number.
_MAX_OPS = 4096
# Of the weights of convolutions, and of the images that they read and write.
_IMAGE_RANKS = (4, 5)


def read_graph(model: ModelInfo) -> Graph:
    """Return the ops and tensors of a file as they are, its other subgraphs included.

    Raises:
        ModelError: An op or a tensor is none whose cost is known, or a subgraph calls itself.
    """
    num_ops = sum(len(graph.ops) for graph in model.subgraphs)
    if num_ops > _MAX_OPS:
        raise ModelError(f"cannot lower the file: expected at most {_MAX_OPS} ops, received {num_ops}")
    variables: dict[tuple[str, str], int] = {}
    first, *others = (_read_subgraph(model, number, variables) for number in range(model.num_subgraphs))
    _check_calls(first, others)
    return first._replace(subgraphs=tuple(others), num_variables=len(variables))


def _read_subgraph(model: ModelInfo, number: int, variables: dict[tuple[str, str], int]) -> Graph:
    source = model.subgraphs[number]
    for info in source.tensors:
        if info.dtype not in DTYPE_BYTES:
            known = ", ".join(DTYPE_BYTES)
            raise ModelError(f"cannot lower tensor {info.index}: expected a type of {known}, received {info.dtype}")
    numbers = _variables(source, variables)
    # The name of a variable is none of the plan's buffers: TFLM keeps its number with the op.
    tensors = [Tensor(t.shape, t.dtype, t.constant or t.index in numbers, t.num_scales) for t in source.tensors]
    ops = [_read_op(op, source, model, numbers) for op in source.ops]
    for index, op in enumerate(ops):
        _check_operands(index, op, tensors)
    used = {index for op in ops for index in (*op.inputs, *op.outputs)} | {*source.inputs, *source.outputs}
    states = tuple(info.index for info in source.tensors if info.is_variable)
    unused = tuple(i for i, t in enumerate(tensors) if i not in used and i not in states and not t.constant)
    names = sum(name_bytes(len(tensor.name.encode())) for tensor in source.tensors)
    return Graph(tuple(tensors), tuple(ops), source.inputs, source.outputs, names, unused=unused, states=states)


def _variables(graph: SubgraphInfo, known: dict[tuple[str, str], int]) -> dict[int, int]:
    """Return the numbers of the resource variables that tensors name, by the tensor; the same name is the same one."""
    numbers = {}
    for op in graph.ops:
        if op.name == "VAR_HANDLE" and op.outputs:
            name = str(op.options.get("container", "")), str(op.options.get("shared_name", ""))
            numbers[op.outputs[0]] = known.setdefault(name, len(known))
    return numbers


def _check_calls(first: Graph, others: list[Graph]) -> None:
    """Refuse calls of subgraphs that do not exist, and of those that are running already."""
    graphs = [first, *others]
    done: set[int] = set()

    def visit(number: int, callers: tuple[int, ...]) -> None:
        for op in graphs[number].ops:
            for called in op.calls:
                if not 0 < called < len(graphs):
                    raise ModelError(f"{op.kind} calls subgraph {called}: expected one of 1 to {len(graphs) - 1}")
                if called in (*callers, number):
                    raise ModelError(f"{op.kind} calls subgraph {called}, which is running: expected no recursion")
                if called not in done:
                    visit(called, (*callers, number))
        done.add(number)

    for number in range(len(graphs)):
        visit(number, ())


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
    # A transposed convolution reads the shape of its result first, and the image last.
    images = (op.inputs[0 if least == 2 else 2], op.outputs[0]) if rank in _IMAGE_RANKS else ()
    for shape in (tensors[image].shape for image in images):
        if len(shape) != rank:
            raise ModelError(f"cannot lower op {index} ({op.kind}): expected images of rank {rank}, received {shape}")


def _read_op(op: OpInfo, graph: SubgraphInfo, model: ModelInfo, variables: dict[int, int]) -> Op:
    def pair(*names: str) -> tuple[int, int]:
        return tuple(int(op.options.get(name, 1)) for name in names)  # type: ignore[return-value, arg-type]

    slides = "stride_h" in op.options
    window = pair("filter_height", "filter_width") if "filter_height" in op.options else (0, 0)
    calls, subgraphs = called_subgraphs(op), model.subgraphs
    loops = op.name == "WHILE" and all(0 <= number < len(subgraphs) for number in calls)
    handle = (op.outputs if op.name == "VAR_HANDLE" else op.inputs)[:1]
    return Op(
        op.name,
        op.inputs,
        op.outputs,
        strides=pair("stride_h", "stride_w"),
        padding=str(op.options["padding"]) if slides else "",
        window=window,
        dilations=pair("dilation_h_factor", "dilation_w_factor"),
        activation=str(op.options.get("fused_activation", "NONE")),
        flags=tuple([int(op.options.get(name, 0)) for name in spec_of(op.name).flags]),  # type: ignore[arg-type]
        calls=calls,
        repeats=loop_rounds(op, graph, *(subgraphs[number] for number in calls)) if loops else None,
        variable=variables.get(handle[0], -1) if handle else -1,
    )
