"""How far a `.tflite` file is from the model that it was made of, on a few samples."""

import re
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from kd_edge.clone.comparison import answers, batches
from kd_edge.clone.layer_names import layer_of, names_of
from kd_edge.errors import ModelError
from tflite_bench.errors import RunnerError
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert

# From here on a file is warned of: int8 of a trained student is off by 0.01 to 0.03, that of most networks with random
# weights by less than 0.03.
LARGE_NRMSE = 0.1
# LiteRT's words for an op that fails as it computes. What fails before, as an unknown operator, may run elsewhere.
_STOPPED = re.compile(r"Node number (\d+) \(\w+\) failed to invoke")


def output_nrmse(
    content: bytes, model: keras.Model, samples: Sequence[np.ndarray], *, values: Mapping[int, np.ndarray] | None = None
) -> float | None:
    """Return by how much the outputs of a file differ from those of its model.

    The root of the mean squared difference over the standard deviation of the model's output (normalized root mean
    square error); of several outputs, and of several measured values, the largest. LiteRT's reference kernels run the
    file, as TFLM's do.

    Args:
        content: Bytes of the file, whose inputs and outputs are those of the model in its order.
        model: The Keras model.
        samples: One array per input, shape `(samples, ...)`; the first 32 are run, of a model with state the first.
        values: Which numbers of an output are measured values, each of a unit of its own, by the output's place: a mask
            of shape `(values,)`. The others are held against the deviation of all numbers of the output.

    Returns:
        0 for equal outputs; `None` where the model gives the same number always, or one that is not finite.

    Raises:
        ModelError: An op of the file fails on these samples.
        RunnerError: LiteRT does not load the file, crashes or hangs.
    """
    theirs, own = batches(model, samples)
    expected, info = answers(model, theirs, len(own[0])), read_model(content)
    given = [quantize(array, tensor) for array, tensor in zip(own, info.input_tensors, strict=True)]
    found = []
    for place, (wanted, tensor) in enumerate(zip(expected, info.output_tensors, strict=True)):
        received = dequantize(_run(content, info, given, place, model), tensor)
        rows = wanted.astype(np.float64), received.reshape(wanted.shape)
        if values and place in values:
            found += [_nrmse(*(row.reshape(len(row), -1)[:, i] for row in rows)) for i in np.flatnonzero(values[place])]
        else:
            found.append(_nrmse(*rows))
    return max((error for error in found if error is not None), default=None)


def _run(content: bytes, info: ModelInfo, given: list[np.ndarray], output: int, model: keras.Model) -> np.ndarray:
    try:
        return litert.run_reference(content, given, output=output)[0]
    except RunnerError as error:
        stopped = _STOPPED.findall(str(error))
        if not stopped:
            raise
        op = info.ops[int(stopped[-1])]  # those before are inside of it, in other subgraphs
        layer, reason = layer_of(info, op, names_of(model)), str(error).rstrip(".")
        raise ModelError(
            f"cannot convert {model.name!r}: expected a file that runs on its calibration samples, received one whose "
            f"op {op.index} ({op.name}, layer {layer!r}) fails in LiteRT: {reason}; convert to another --quantize, or "
            "replace the layer"
        ) from error


def _nrmse(expected: np.ndarray, received: np.ndarray) -> float | None:
    spread = expected.std()
    if not spread or not np.isfinite(spread):
        return None
    return float(np.sqrt(np.mean((received - expected) ** 2)) / spread)
