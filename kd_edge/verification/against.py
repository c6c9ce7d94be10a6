"""A file beside the one that it is to replace, on the same test samples."""

from dataclasses import dataclass

import numpy as np

from kd_edge.config.checks import check_share
from kd_edge.conversion.answer_reader import reader_of
from kd_edge.conversion.file_outputs import reference_outputs
from kd_edge.conversion.told_task import as_file_answers, as_told, kind_told
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.gate import Gate, at_most
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.errors import ModelError
from kd_edge.ir.lowering import lower
from kd_edge.verification.intervals.difference import paired_difference
from kd_edge.verification.observation import check_signature
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Computed, Measured


@dataclass(frozen=True, slots=True)
class Against:
    """What changes with a file.

    Attributes:
        base: Where the file is that it replaces.
        metric: What `accuracy_base`, `accuracy` and `loss` are of; see `Task.metric`.
        accuracy_base: The task's metric of this one on the test samples, in LiteRT.
        accuracy: The same of the new one.
        loss: The check of what the new one loses, with its interval over the same samples.
        flash_bytes_base: Size of the old file.
        flash_bytes: Size of the new one.
        arena_bytes_base: Arena of the old one in TFLM on the board.
        arena_bytes: Arena of the new one.
    """

    base: str
    metric: str
    accuracy_base: Measured[float]
    accuracy: Measured[float]
    loss: Measured[Gate]
    flash_bytes_base: Measured[int]
    flash_bytes: Measured[int]
    arena_bytes_base: Computed[int]
    arena_bytes: Computed[int]


def check_base(base: bytes, data: Dataset, *, base_data: Dataset | None = None, name: str) -> None:
    """Refuse a file that reads or answers something else than the one that is to replace it.

    Args:
        base: As for `compare_files`, like the others.
        data: The samples, as the new file reads and answers them.
        base_data: The same, as this one does. Defaults to `data`.
        name: What the file is called in an error.

    Raises:
        DataError: It has the names of the data's classes, labels or values in another order.
        ModelError: Its input or its outputs do not belong to the data, or its task is another one.
        ModelFileError: The bytes are no `.tflite` model.
    """
    own = data if base_data is None else base_data
    if own.task.kind != data.task.kind:
        raise ModelError(
            f"bad --against {name}: expected a file of the task {data.task.kind!r}, received {own.task.kind!r}"
        )
    check_signature(read_model(base, name=name), as_told(base, own), refusal=f"bad --against {name}")
    if (told := kind_told(base)) not in (None, data.task.kind):
        raise ModelError(
            f"bad --against {name}: expected a file of the task {data.task.kind!r}, received one that tells {told!r}"
        )
    reader_of(base, own.task)


def compare_files(
    base: bytes,
    model: bytes,
    data: Dataset,
    *,
    base_data: Dataset | None = None,
    device: DeviceProfile,
    max_loss: float,
    name: str,
) -> Against:
    """Run two files on the test samples, and compare them.

    Args:
        base: Bytes of the file that is replaced; `check_base` has taken it.
        model: Bytes of the new one.
        data: Its test samples are run, as the new file reads and answers them.
        base_data: The same, as the other does. Defaults to `data`.
        device: The board, for the arenas.
        max_loss: Largest accepted loss of the task's metric.
        name: How to call the file that is replaced.

    Raises:
        ConfigError: `max_loss` is no share.
        RefusedError: One of them answers with no numbers.
        RunnerError: LiteRT refuses one of them.
    """
    check_share("max_loss", max_loss)
    before, after = _worth(base, data if base_data is None else base_data), _worth(model, data)
    loss = paired_difference(before, after, groups=Judged.of(data).groups)
    arenas = [CostModel(device).estimate_known(lower(content))[0].arena_bytes for content in (base, model)]
    return Against(
        base=name,
        metric=data.task.metric,
        accuracy_base=float(before.mean()),
        accuracy=float(after.mean()),
        loss=at_most(
            loss["difference"],
            max_loss,
            low=loss["ci95_low"],
            high=loss["ci95_high"],
            reason="the interval of the loss reaches beyond the limit; more test samples, or a larger limit",
        ),
        flash_bytes_base=len(base),
        flash_bytes=len(model),
        arena_bytes_base=arenas[0],
        arena_bytes=arenas[1],
    )


def _worth(content: bytes, data: Dataset) -> np.ndarray:
    """Return what a file's answer to each judged test sample is worth."""
    info, data = read_model(content), as_told(content, data)
    outputs, _ = reference_outputs(content, quantize(data.x_test, info.input_tensors[0]))
    data = as_file_answers(content, outputs, data)
    return Judged.of(data).credits(reader_of(content, data.task).decisions(outputs))
