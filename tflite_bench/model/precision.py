"""In which numbers a `.tflite` file computes."""

from tflite_bench.model.info import ModelInfo, OpInfo

# Position of the activations among the inputs of the ops that have weights at position 1.
_WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}
_FULLY_QUANTIZED = {"int8": "int8", "int16": "int16x8"}


def precision_of(info: ModelInfo) -> str:
    """Return how a file is quantized, by the names that `convert` knows: of its input and of its ops with weights.

    Returns:
        `"int8"`, `"int16x8"`, `"float16"` or `"dynamic"`; `"float32"` where nothing is quantized; `"mixed"` where
        input and ops differ, as of an int8 file that reads and writes floats.
    """
    ops = [op for op in info.ops if op.name in _WEIGHTED and len(op.inputs) > max(1, _WEIGHTED[op.name])]
    activations = {info.tensors[op.inputs[_WEIGHTED[op.name]]].dtype for op in ops}
    activations |= {source.dtype for source in info.input_tensors}
    if len(activations) > 1:
        return "mixed"
    only = next(iter(activations), "")
    return _of_floats(info, ops) if only == "float32" else _FULLY_QUANTIZED.get(only, "mixed")


def _of_floats(info: ModelInfo, ops: list[OpInfo]) -> str:
    if any(info.tensors[op.inputs[1]].dtype == "int8" for op in ops):
        return "dynamic"
    return "float16" if any(tensor.constant and tensor.dtype == "float16" for tensor in info.tensors) else "float32"
