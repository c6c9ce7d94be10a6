"""What `fit` was given, for callbacks that need samples."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False, slots=True)
class FitData:
    """The arguments of a `Distiller.fit`, as long as it runs.

    Attributes:
        x: Training samples, with the teacher's stored outputs where they are looked up beforehand.
        y: Their labels; `None` where `x` brings them.
        sample_weight: Their weights, or `None`.
        validation_data: Held-out samples with labels, or `None`.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    validation_data: Any = None
