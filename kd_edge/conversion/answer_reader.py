"""Reads what a network's raw outputs say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kd_edge.conversion.told_task import check_outputs_told, outputs_told, probabilities_told
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.anomaly import anomaly_scores, threshold_of
from kd_edge.data.records import as_records
from kd_edge.data.task import Task
from kd_edge.errors import ModelError, RefusedError
from tflite_bench.model.info import TensorInfo
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
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
        """Return what raw outputs say; see `Task.decisions`.

        Raises:
            RefusedError: Some are no numbers: no class, label or value follows from them.
        """
        real = dequantize(outputs, self.output)
        self._check_numbers(real)
        return self.task.decisions(real, probabilities=self.probabilities)

    def _check_numbers(self, answers: np.ndarray) -> None:
        """Refuse answers that are no numbers; of an infinite logit a class follows, of an infinite value nothing."""
        values = self.task.answers_values
        is_number = np.isfinite(answers) if values else ~np.isnan(answers)
        unfit = int((~is_number.reshape(len(answers), -1).all(axis=1)).sum())
        if unfit:
            raise RefusedError(
                f"broken: expected numbers as answers, received NaN{' or infinity' if values else ''} for {unfit:,} of "
                f"{len(answers):,} samples; a logarithm, a root or a division in the network may have left its range"
            )


@dataclass(frozen=True, slots=True)
class OutputsReader:
    """Reads the raw outputs of a file of several, whose numbers are in a row; see `reference_outputs`.

    Attributes:
        readers: Of each output by its name.
        columns: Where its numbers are.
    """

    readers: dict[str, AnswerReader]
    columns: dict[str, slice]

    def decisions(self, outputs: np.ndarray) -> np.ndarray:
        """Return what raw outputs say: records; see `Task.decisions`."""
        said = ((name, reader.decisions(outputs[:, self.columns[name]])) for name, reader in self.readers.items())
        return as_records(dict(said))


def reader_of(
    model: bytes, task: Task, *, outputs: Sequence[str] = (), probabilities: Any = None
) -> AnswerReader | OutputsReader:
    """Return the reader of a file's outputs.

    Args:
        model: Bytes of the `.tflite` file, with one output, or several that its metadata name.
        task: What was asked.
        outputs: Names of several outputs in the file's order, where it does not tell them.
        probabilities: Whether they are probabilities, of a file without metadata whose student is known, see
            `answers_probabilities`; by default the file tells.

    Raises:
        ModelError: Several outputs are asked for, and nothing names those of the file, or one has another size.
    """
    info = read_model(model)
    if not task.parts:
        known = probabilities_told(model) if probabilities is None else probabilities
        return AnswerReader(task, info.output_tensors[0], known)
    names = list(outputs or outputs_told(model))
    if sorted(names) != sorted(task.names):
        raise ModelError(
            f"the file's outputs are not those of the data: expected metadata that name {', '.join(task.names)}, as "
            f"`kd-edge convert --data` writes them, received {', '.join(names) or 'none'}"
        )
    check_outputs_told(names, task.by_output, info)
    ends = np.cumsum([tensor.num_elements for tensor in info.output_tensors]).tolist()
    columns = {name: slice(*ends_of) for name, *ends_of in zip(names, [0, *ends], ends, strict=False)}
    places = {name: names.index(name) for name in task.names}
    known = probabilities or {name: probabilities_told(model, place) for name, place in places.items()}
    readers = {
        name: AnswerReader(part, info.output_tensors[places[name]], known[name])
        for name, part in task.by_output.items()
    }
    return OutputsReader(readers, columns)


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
    source = read_model(model).input_tensors[0]
    outputs, _ = litert.run_reference(model, quantize(samples, source))
    return threshold_of(scores_as_read(reader_of(model, data.task).decisions(outputs), samples, source))


def scores_as_read(decisions: np.ndarray, samples: np.ndarray, source: TensorInfo) -> np.ndarray:
    """Return how badly a file reconstructs what it read, as its firmware computes it; see `anomaly_scores`.

    A quantized input holds no value beyond its range: what a sample has there, neither the file nor its firmware sees.

    Args:
        decisions: The reconstructions.
        samples: What was reconstructed.
        source: The file's input.
    """
    return anomaly_scores(decisions, dequantize(quantize(samples, source), source))
