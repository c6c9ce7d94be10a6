"""In which numbers a `.tflite` file computes."""

from collections.abc import Iterator

from tflite_bench.model.info import ModelInfo, TensorInfo

# Position of the activations among the inputs of the ops that have weights at position 1.
_WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}
_FULLY_QUANTIZED = {"int8": "int8", "int16": "int16x8"}


def precision_of(info: ModelInfo) -> str:
    """Return how a file is quantized, by the names that `convert` knows: of its input and of its ops with weights.

    Ops of other subgraphs count too, such as those in the body of a loop.

    Returns:
        `"int8"`, `"int16x8"`, `"float16"` or `"dynamic"`; `"float32"` where nothing is quantized; `"mixed"` where
        input and ops differ, as of an int8 file that reads and writes floats.
    """
    read = list(_activations_and_weights(info))
    activations = {source.dtype for source in (*info.input_tensors, *(activation for activation, _ in read))}
    if len(activations) > 1:
        return "mixed"
    only = next(iter(activations), "")
    if only != "float32":
        return _FULLY_QUANTIZED.get(only, "mixed")
    return _of_floats(info, {weights.dtype for _, weights in read})


def _activations_and_weights(info: ModelInfo) -> Iterator[tuple[TensorInfo, TensorInfo]]:
    for graph in info.subgraphs:
        for op in graph.ops:
            if op.name in _WEIGHTED and len(op.inputs) > max(1, _WEIGHTED[op.name]):
                yield graph.tensors[op.inputs[_WEIGHTED[op.name]]], graph.tensors[op.inputs[1]]


def _of_floats(info: ModelInfo, weights: set[str]) -> str:
    if "int8" in weights:
        return "dynamic"
    constants = {tensor.dtype for graph in info.subgraphs for tensor in graph.tensors if tensor.constant}
    return "float16" if "float16" in constants else "float32"
