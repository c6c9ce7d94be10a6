"""How good a network and its file are on the validation samples, by the task's metric."""

from typing import Any

import keras

from kd_edge.conversion.answer_reader import reader_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.distillation.outputs.decisions import decisions_of
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert


def keras_metric(model: keras.Model, data: Dataset) -> float:
    """Return the metric of a Keras model: the mean of `Task.credits`."""
    return float(Judged.of(data, "val").credits(decisions_of(model, data, "val")).mean())


def file_metric(content: bytes, data: Dataset, *, probabilities: Any = None) -> float:
    """Return that of a `.tflite` file, in LiteRT.

    Args:
        content: Bytes of the file.
        data: Its validation samples are run.
        probabilities: As for `reader_of`.
    """
    outputs, _ = litert.run_reference(content, quantize(data.x_val, read_model(content).input_tensors[0]))
    reader = reader_of(content, data.task, probabilities=probabilities)
    return float(Judged.of(data, "val").credits(reader.decisions(outputs)).mean())
