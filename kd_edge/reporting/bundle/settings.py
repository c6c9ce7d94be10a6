"""What firmware has to know about a model beside its bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kd_edge.data.front_end import FrontEnd
from kd_edge.data.options import SEVERAL
from kd_edge.data.task import Task
from kd_edge.errors import ModelError

# What an output is that no sigmoid or softmax made.
_MEANINGS = {"regression": "value", "reconstruction": "reconstruction"} | dict.fromkeys(
    ("multiclass", "binary", "multilabel"), "logit"
)
Scale = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What firmware has to know about a model beside its bytes.

    Attributes:
        arena_bytes: Size of the tensor arena.
        arena_source: How that was found, a sentence.
        task: What the model was asked.
        scale: Mean and standard deviation per channel to be applied to the raw values, `None` where none are.
        probabilities: Whether outputs are probabilities, not logits.
        anomaly_threshold: Of a reconstruction, the score above which a sample is an anomaly.
        front_end: What computes samples from sound; `None` without sound.
        meaning_known: Whether anything says what the outputs mean.
        input_known: Whether anything says how the values of the input are scaled before.
        parts: Of several outputs the settings of each, by its name in the file's order; empty for one output.

    Raises:
        ModelError: C has no 32-bit number for a mean or a deviation.
    """

    arena_bytes: int
    arena_source: str
    task: Task
    scale: Scale | None
    probabilities: bool = False
    anomaly_threshold: float | None = None
    front_end: FrontEnd | None = None
    meaning_known: bool = True
    input_known: bool = True
    parts: "Mapping[str, Settings]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        for mean, deviation in (self.scale or ((), ()), (self.task.mean, self.task.deviation)):
            with np.errstate(over="ignore"):
                numbers, divisors = np.asarray(mean, np.float32), np.asarray(deviation, np.float32)
            if not (np.isfinite([*numbers, *divisors]).all() and (divisors > 0).all()):
                raise ModelError(
                    f"cannot bundle: expected means and deviations that 32 bits hold, received {list(mean)} and "
                    f"{list(deviation)}; choose another unit"
                )

    @property
    def output(self) -> str:
        """What a number of the output is: `"probability"`, `"logit"`, `"value"`, `"reconstruction"` or `"unknown"`.

        Of several outputs it is `"several"`.
        """
        if self.parts:
            return SEVERAL
        if not self.meaning_known:
            return "unknown"
        classifies = _MEANINGS[self.task.kind] == "logit"
        return "probability" if self.probabilities and classifies else _MEANINGS[self.task.kind]
