"""A file beside the one that it is to replace, on the same test samples."""

from dataclasses import dataclass

from kd_edge.cost.gate import HOLDS, Gate, at_most
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.named_class import named_classes
from kd_edge.errors import ConfigError
from kd_edge.ir.lowering import lower
from kd_edge.verification.confidence import paired_difference
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Computed, Measured
from tflite_bench.runners import litert


@dataclass(frozen=True, slots=True)
class Against:
    """What changes with a file.

    Attributes:
        base: Where the file is that it replaces.
        accuracy_base: Share of the test samples that this one classifies right, in LiteRT.
        accuracy: The same of the new one.
        loss: The check of what the new one loses, with its interval over the same samples.
        flash_bytes_base: Size of the old file.
        flash_bytes: Size of the new one.
        arena_bytes_base: Arena of the old one in TFLM on a 32-bit processor.
        arena_bytes: Arena of the new one.
    """

    base: str
    accuracy_base: Measured[float]
    accuracy: Measured[float]
    loss: Measured[Gate]
    flash_bytes_base: Measured[int]
    flash_bytes: Measured[int]
    arena_bytes_base: Computed[int]
    arena_bytes: Computed[int]

    @property
    def passed(self) -> bool:
        """Whether the loss is proven to keep its limit."""
        return self.loss.verdict == HOLDS


def compare_files(base: bytes, model: bytes, data: Dataset, *, max_loss: float, name: str) -> Against:
    """Run two files on the test samples, and compare them.

    Args:
        base: Bytes of the file that is replaced.
        model: Bytes of the new one.
        data: Its test samples are run.
        max_loss: Largest accepted loss of accuracy, a share.
        name: How to call the file that is replaced.

    Raises:
        ConfigError: There are several outputs.
        RunnerError: LiteRT refuses one of them.
    """
    if data.task.parts:
        raise ConfigError(f"bad --against: expected files of one output, received {len(data.task.parts)}; leave it out")
    right = []
    for content in (base, model):
        samples = quantize(data.x_test, read_model(content).input_tensors[0])
        outputs, _ = litert.run_reference(content, samples)
        right.append(named_classes(outputs) == data.y_test)
    loss = paired_difference(*right, groups=data.group_test)
    arenas = [arena_bytes(lower(content), pointer_bytes=4).arena_bytes for content in (base, model)]
    return Against(
        base=name,
        accuracy_base=float(right[0].mean()),
        accuracy=float(right[1].mean()),
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
