"""Whether the numbers that a `.tflite` file answers with are probabilities or logits."""

from tflite_bench.model.info import ModelInfo

# What leaves probabilities probabilities.
_CARRIERS = ("CAST", "DEQUANTIZE", "EXPAND_DIMS", "QUANTIZE", "RESHAPE", "SQUEEZE", "TRANSPOSE")
_PROBABILITIES = ("LOGISTIC", "SOFTMAX")


def file_answers_probabilities(info: ModelInfo, output: int = 0) -> bool:
    """Return whether a file's output holds probabilities: whether a sigmoid or a softmax made it.

    Args:
        info: The file, read.
        output: Its place. Defaults to 0.
    """
    makers = {output: op for op in info.ops for output in op.outputs}
    op = makers.get(info.outputs[output])
    while op is not None and op.name in _CARRIERS:
        op = makers.get(op.inputs[0])
    return op is not None and op.name in _PROBABILITIES
