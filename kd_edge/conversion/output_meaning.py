"""Whether the numbers that a `.tflite` file answers with are probabilities or logits, as its operators tell it."""

from collections.abc import Iterator

from tflite_bench.model.info import ModelInfo, OpInfo

# What leaves probabilities probabilities: in another shape or type, their mean or largest, several side by side.
_CARRIERS = frozenset(
    (
        *("CAST", "DEQUANTIZE", "EXPAND_DIMS", "QUANTIZE", "RESHAPE", "SQUEEZE", "TRANSPOSE"),
        *("AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN"),
    )
)
_JOINING = frozenset({"CONCATENATION", "PACK"})
_PROBABILITIES = ("LOGISTIC", "SOFTMAX")


def file_answers_probabilities(info: ModelInfo, output: int = 0) -> bool:
    """Return whether a file's output holds probabilities: whether sigmoids or a softmax made all of it.

    Args:
        info: The file, read.
        output: Its place. Defaults to 0.
    """
    return all(op is not None and op.name in _PROBABILITIES for op in closing_ops(info, output))


def closing_ops(info: ModelInfo, output: int = 0) -> list[OpInfo | None]:
    """Return the ops whose numbers a file's output holds, however shaped, pooled or joined; `None` for what no op made.

    Args:
        info: The file, read.
        output: Its place. Defaults to 0.
    """
    makers = {made: op for op in info.ops for made in op.outputs}

    def behind(tensor: int) -> Iterator[OpInfo | None]:
        op = makers.get(tensor)
        if op is None or op.name not in _CARRIERS | _JOINING:
            yield op
            return
        for read in op.inputs if op.name in _JOINING else op.inputs[:1]:
            yield from behind(read)

    return list(behind(info.outputs[output]))
