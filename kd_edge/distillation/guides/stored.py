"""A teacher that was asked before the training."""

import math
from typing import Any

import keras

from kd_edge.distillation.guides.base import FINAL, Guide
from kd_edge.distillation.outputs.logits import changed_where
from kd_edge.distillation.outputs.names import places_of
from kd_edge.distillation.samples import Samples, inputs_of
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.output_names import output_names


class StoredTeacher(Guide):
    """A teacher of which only its outputs are here.

    Args:
        targets: The outputs.
    """

    def __init__(self, targets: SoftTargets) -> None:
        super().__init__("teacher", weight=1.0, softmax=[False] * len(targets.shapes), sigmoid=targets.sigmoid)
        self.targets = targets
        self._shapes = targets.shapes
        self._places = list(range(len(targets.shapes)))

    @property
    def variables(self) -> list[keras.Variable]:
        """None: there is no network."""
        return []

    @property
    def macs_per_sample(self) -> int:
        """None: the network ran before."""
        return 0

    @property
    def num_passes(self) -> float:
        """One, or none where the outputs came from a file."""
        return float(self.targets.num_passes)

    def check(self, student: keras.Model) -> None:
        """Check that the outputs have the shapes of the student's, but for those that are flat on one side."""
        outputs = getattr(student, "outputs", None)
        if outputs is None:
            return
        shapes = [tuple(output.shape[1:]) for output in outputs]
        self._shapes = shapes
        self._places = places_of(output_names(student), self.targets.names, len(self.targets.shapes))
        self.sigmoid = [self.targets.sigmoid[place] for place in self._places]
        theirs = [self.targets.shapes[place] for place in self._places]
        if len(shapes) != len(theirs) or not all(map(_same_numbers, shapes, theirs)):
            raise ModelError(
                f"soft targets and student have different outputs: expected {shapes}, received "
                f"{self.targets.shapes}; build the student for the teacher's task"
            )

    def answer(self, x: Any) -> dict[str, Any]:
        """Return the outputs that belong to samples.

        Raises:
            ConfigError: They are of views of the samples, and nobody says of which.
        """
        stored = x.targets if isinstance(x, Samples) else None
        if stored is None and self.targets.views is not None:
            raise ConfigError(
                "stored outputs of views belong to those that Distiller.fit makes of samples in memory: expected its "
                "batches, received one that does not say its views; use fit, or targets without views"
            )
        logits = self.targets.lookup(inputs_of(x)) if stored is None else stored
        answers = changed_where(self.targets.sigmoid, keras.ops.sigmoid, logits)
        if self._shapes != self.targets.shapes or self._places != sorted(self._places):
            flat = keras.tree.flatten(answers)
            ordered = zip((flat[place] for place in self._places), self._shapes, strict=True)
            shaped = [keras.ops.reshape(answer, (-1, *shape)) for answer, shape in ordered]
            answers = shaped if keras.tree.is_nested(answers) else shaped[0]
        return {FINAL: answers}


def _same_numbers(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether shapes are the same, or one is the other one flat, as of a reconstruction."""
    return one == other or (1 in (len(one), len(other)) and None not in one and math.prod(one) == math.prod(other))
