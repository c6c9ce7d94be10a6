"""Which operators of a file a runtime refuses, by rules: no runtime has to be installed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tflite_bench.model.info import ModelInfo, OpInfo, SubgraphInfo, TensorInfo
from tflite_bench.model.operators.registry import is_own
from tflite_bench.model.operators.spec import ABSENT, Operands, TensorLike, operands_of
from tflite_bench.model.tflm_kernels import CUSTOM_KERNELS, KERNELS, Kernel
from tflite_bench.model.type_signatures import matches
from tflite_bench.provenance import Computed

ETHOS_U = "ethos-u"
_EDGE_TPU = "edgetpu-custom-op"
_FLEX = "Flex"
# Custom operators that LiteRT has kernels for.
_LITERT_CUSTOM = frozenset({"TFLite_Detection_PostProcess", "AudioSpectrogram", "Mfcc", "NumericVerify"})
_WEIGHTED = {"CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "FULLY_CONNECTED": (0, 1), "TRANSPOSE_CONV": (2, 1)}
_NO_SIZE = ("string", "variant")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a runtime refuses of a file.

    Attributes:
        op: TFLite's name of the operator, or the code of a custom one; `"input"` for an input of the model.
        index: Position of the operator in its subgraph, or of the input.
        reason: Why, and what would do.
        subgraph: Position of the subgraph.
    """

    op: str
    index: Computed[int]
    reason: str
    subgraph: Computed[int] = 0

    def __str__(self) -> str:
        where = f" of subgraph {self.subgraph}" if self.subgraph else ""
        return f"{self.op} ({'number' if self.op == 'input' else 'op'} {self.index}{where}): {self.reason}"


def refusals_of(model: ModelInfo, *, runs_tflm: bool = True) -> tuple[Refusal, ...]:
    """Return what a runtime refuses of a file.

    Args:
        model: The file.
        runs_tflm: Whether the runtime is TFLM. Others take more: of them only custom operators and inputs without a
            fixed size are judged.

    Returns:
        One entry per operator and input that is refused, in the order of the file, with those of `silent_refusals`.
        That there is none is no proof: other scales and the values of arguments are not judged.
    """

    def reason(op: OpInfo, graph: SubgraphInfo) -> str | None:
        return _custom_reason(op, runs_tflm) if op.custom else _builtin_reason(op, graph) if runs_tflm else None

    return (*_unsized_inputs(model), *_refused_ops(model, reason))


def silent_refusals(model: ModelInfo) -> tuple[Refusal, ...]:
    """Return what TFLM runs, but in another size than was meant, or with wrong numbers: only rules can tell.

    Args:
        model: The file.
    """

    def reason(op: OpInfo, graph: SubgraphInfo) -> str | None:
        return None if op.custom else _wrong_numbers(op, graph)

    return (*_unsized_inputs(model), *_refused_ops(model, reason))


def _refused_ops(model: ModelInfo, reason: Callable[[OpInfo, SubgraphInfo], str | None]) -> Iterator[Refusal]:
    for number, graph in enumerate(model.subgraphs):
        for op in graph.ops:
            if said := reason(op, graph):
                yield Refusal(op.name, op.index, said, number)


def op_refusal(op: Operands) -> str | None:
    """Return why TFLM refuses an operator with these tensors; `None` where it does not.

    Args:
        op: The operator.
    """
    kernel = KERNELS.get(op.kind)
    if kernel is None:
        return None if op.kind in CUSTOM_KERNELS or is_own(op.kind) else "TFLM has no kernel for it"
    if not any(matches(signature, op.inputs, op.outputs) for signature in kernel.signatures):
        return _types_reason(op, kernel)
    return next(_other_reasons(op, kernel), None)


def _custom_reason(op: OpInfo, runs_tflm: bool) -> str | None:
    if op.name == ETHOS_U:
        return "Vela wrote this file for an Arm Ethos-U, nothing else runs it; take the file that Vela has read"
    if op.name == _EDGE_TPU:
        return "the Edge TPU compiler wrote this file for a Coral accelerator; take the file that it has read"
    if op.name in (CUSTOM_KERNELS if runs_tflm else _LITERT_CUSTOM):
        return None
    if op.name.startswith(_FLEX):
        return "an operator of TensorFlow that TFLite lacks; convert without SELECT_TF_OPS"
    return "a custom operator, for which the runtime has no kernel; replace it, or register yours in the firmware"


def _builtin_reason(op: OpInfo, graph: SubgraphInfo) -> str | None:
    for tensor in _tensors(graph, (*op.inputs, *op.outputs)):
        if tensor.dtype in _NO_SIZE:
            return f"TFLM has no tensors of the type {tensor.dtype}"
    for tensor in _tensors(graph, op.outputs):
        if 0 in tensor.shape and tensor.shape != (0,):
            return f"its output has the shape {tensor.shape}: TFLM has no dynamic tensors"
    return _wrong_numbers(op, graph) or op_refusal(operands_of(graph.tensors, op.name, op.inputs, op.outputs))


def _wrong_numbers(op: OpInfo, graph: SubgraphInfo) -> str | None:
    """Return why TFLM computes wrong numbers; `None` where nothing is known of that."""
    for tensor in _tensors(graph, op.outputs):
        if -1 in tensor.shape_signature[1:]:
            return (
                f"its output has no fixed size ({sizes_text(tensor)}), and TFLM, which has no dynamic tensors, "
                "computes wrong numbers; of a loop over time unroll the layer, as int8 does"
            )
    if op.name != "RELU6":
        return None
    if len({(tensor.scales, tensor.zero_points) for tensor in _tensors(graph, (*op.inputs, *op.outputs))}) < 2:
        return None
    return (
        "TFLM runs it and computes wrong numbers, since it has no code for an output of another scale than the "
        "input's; let it follow a convolution or an addition, which clip by themselves"
    )


def _tensors(graph: SubgraphInfo, indices: Sequence[int]) -> list[TensorInfo]:
    """Return the tensors that are there."""
    return [graph.tensors[index] for index in indices if index >= 0]


def is_unsized(tensor: TensorInfo) -> bool:
    """Return whether the size of an input is not fixed, apart from a batch, which TFLite files state as 1."""
    batched = tensor.shape[:1] == (1,)
    return -1 in tensor.shape_signature[1 if batched else 0 :]


def _unsized_inputs(model: ModelInfo) -> Iterator[Refusal]:
    """Yield the inputs whose size is not fixed."""
    for position, tensor in enumerate(model.input_tensors):
        if is_unsized(tensor):
            yield Refusal("input", position, _unsized_reason(tensor))


def sizes_text(tensor: TensorInfo) -> str:
    """Return the sizes that a tensor may have, as its file's signature states them."""
    return ", ".join("any" if size < 0 else str(size) for size in tensor.shape_signature)


def _unsized_reason(tensor: TensorInfo) -> str:
    known = f"the figures would be those of {tensor.shape}"
    return f"no fixed size ({sizes_text(tensor)}): {known}; convert with a fixed input shape"


def _types_reason(op: Operands, kernel: Kernel) -> str:
    """Return why no signature matches, in the words of who converts models."""
    present = [tensor for tensor in op.inputs if tensor is not ABSENT]
    types = {tensor.dtype for tensor in (*present, *op.outputs)}
    if op.kind in _WEIGHTED and len(op.inputs) > max(_WEIGHTED[op.kind]):
        values, weights = (op.inputs[place].dtype for place in _WEIGHTED[op.kind])
        if values == "float32" and weights.startswith(("int", "uint")):
            return f"TFLM has no hybrid kernels (float32 values with {weights} weights); convert to int8 throughout"
    if "uint8" in types:
        return "TFLM has no uint8 kernel for it; convert to int8"
    if "float16" in types:
        return "TFLM has no float16 kernel for it; convert to int8 or float32"
    received = f"{_listed(op.inputs)} > {_listed(op.outputs)}"
    return f"TFLM has no kernel for these types: expected {' or '.join(kernel.signatures)}, received {received}"


def _listed(tensors: tuple[TensorLike, ...]) -> str:
    return " ".join("none" if tensor is ABSENT else tensor.dtype for tensor in tensors)


def _other_reasons(op: Operands, kernel: Kernel) -> Iterator[str]:
    for place, name in kernel.constants:
        if len(op.inputs) > place and not op.inputs[place].constant:
            yield f"its {name} have to be a constant, TFLM reads them before it runs"
    rank = max((len(tensor.shape) for tensor in (*op.inputs, *op.outputs)), default=0)
    if kernel.max_rank is not None and rank > kernel.max_rank:
        yield f"{rank} dimensions: TFLM's kernel takes at most {kernel.max_rank}"
    for place in kernel.needs_scales:
        tensor = op.inputs[place] if len(op.inputs) > place else ABSENT
        if tensor is not ABSENT and tensor.dtype.startswith("int") and not tensor.num_scales:
            yield f"input {place} has no quantization scale"
    if kernel.scales_output and not all(tensor.num_scales for tensor in op.outputs):
        yield "its output has no quantization scale"
    for place in kernel.never_absent:
        if op.inputs[place : place + 1] == (ABSENT,):
            yield f"input {place} is listed as absent, on which TFLM's kernel crashes"
    for place in kernel.always_absent:
        if len(op.inputs) > place and op.inputs[place] is not ABSENT:
            yield f"input {place} is an extension (peephole, projection or layer norm) that TFLM's kernel lacks"
