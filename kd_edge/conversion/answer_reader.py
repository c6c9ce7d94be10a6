"""Reads what a network's raw outputs say."""

from dataclasses import dataclass

import numpy as np

from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.anomaly import anomaly_scores, threshold_of
from kd_edge.data.task import Task
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import TensorInfo, read_model
from tflite_bench.runners import litert

# Training samples whose scores give the threshold of an anomaly.
_NUM_SCORED = 1000


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads the raw outputs of one `.tflite` file.

    Attributes:
        task: What was asked.
        output: The file's output, whose scale and zero point bring its numbers back to real ones.
        probabilities: Whether those are probabilities, not logits.
    """

    task: Task
    output: TensorInfo
    probabilities: bool

    def decisions(self, outputs: np.ndarray) -> np.ndarray:
        """Return what raw outputs say; see `Task.decisions`."""
        return self.task.decisions(dequantize(outputs, self.output), probabilities=self.probabilities)


def reader_of(model: bytes, task: Task) -> AnswerReader:
    """Return the reader of a file's outputs.

    Args:
        model: Bytes of the `.tflite` file, with one output.
        task: What was asked.
    """
    info = read_model(model)
    return AnswerReader(task, info.output_tensors[0], file_answers_probabilities(info))


def anomaly_threshold(model: bytes, data: Dataset) -> float | None:
    """Return the score above which a sample is an anomaly for a file; `None` for a task that is no reconstruction.

    LiteRT runs up to 1,000 normal training samples; see `threshold_of`.

    Args:
        model: Bytes of the `.tflite` file.
        data: The training samples.

    Raises:
        RunnerError: LiteRT refuses the file.
    """
    if data.task.kind != "reconstruction":
        return None
    normal = Judged.of(data, "train").rows
    rows = normal[np.linspace(0, len(normal) - 1, min(len(normal), _NUM_SCORED)).astype(int)]
    samples = np.asarray(data.x_train[rows])
    outputs, _ = litert.run_reference(model, quantize(samples, read_model(model).input_tensors[0]))
    return threshold_of(anomaly_scores(reader_of(model, data.task).decisions(outputs), samples))
