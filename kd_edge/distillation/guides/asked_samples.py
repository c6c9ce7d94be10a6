"""Which training samples a guide is still asked for."""

from typing import Any

import keras
import tensorflow as tf

from kd_edge.distillation.guides.base import FINAL, OWN_LOSS, LiveGuide
from kd_edge.distillation.guides.trainee import Trainee
from kd_edge.distillation.outputs.logits import Softmax, alike, to_logits
from kd_edge.distillation.samples import Samples
from kd_edge.errors import ConfigError

ASKED, INDEX = "asked", "index"
_NONE = -1  # in the place of the class that both gave
_FEWEST_TRAINED_ON = 8


class AskedSamples:
    """Asks a guide only for those samples of a batch for which the student does not answer like it.

    A sample leaves when student and guide give the same class, which is noted. It comes back when the student gives
    another class at a later visit: of a teacher, whose class stays, nothing is missed, and of a trainee only what it
    has learnt since.

    In the step the guide runs on the asked samples alone, a smaller batch. A trainee is not trained on the others
    either, nor on fewer than eight, whose statistics would spoil its batch normalisation: these wait for another batch.
    Where the guide was not asked, the student's own answer takes the place of the guide's, for which every divergence
    and its gradient are zero: the mean over the batch has the terms of the asked samples and no others.

    Args:
        guide: The guide, with one output of classes.
        student_softmax: Whether the student's output is probabilities, as far as that is known.
    """

    def __init__(self, guide: LiveGuide, *, student_softmax: Softmax) -> None:
        self._guide = guide
        self._student_softmax = student_softmax
        # A table, not an array: how many samples there are is nowhere said.
        self._agreed = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, default_value=_NONE)

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Return what the guide shows for those samples that it is asked for, and by `ASKED` which these are.

        Raises:
            ConfigError: The positions of the samples are not known.
        """
        if not isinstance(x, Samples) or x.index is None:
            raise ConfigError(
                f"a {self._guide.name} asked by sample must know which these are: expected batches of Samples with "
                "their index, received batches without; pass x and y to fit as arrays"
            )
        asked = self._noted(x.index) == _NONE
        num_asked = tf.reduce_sum(tf.cast(asked, tf.int32))
        fewest = _FEWEST_TRAINED_ON if isinstance(self._guide, Trainee) else 1
        runs = num_asked >= tf.minimum(fewest, tf.size(x.index))
        asked &= runs
        batch = keras.tree.map_structure(lambda leaf: _rows(leaf, asked), (x, y, sample_weight))
        shown = tf.cond(runs, lambda: self._shown(*batch), self._nothing)
        return {**shown, ASKED: asked, INDEX: x.index}

    def completed(self, shown: dict[str, Any], features: dict[str, Any]) -> dict[str, Any]:
        """Return what the guide shows for the whole batch, and note for which samples both gave the same class."""
        own = tf.cast(self._in_form_of_guide(tf.stop_gradient(features[FINAL])), tf.float32)
        answers = tf.tensor_scatter_nd_update(own, tf.where(shown[ASKED]), shown[FINAL])
        ours = tf.argmax(own, axis=-1)
        theirs = tf.where(shown[ASKED], tf.argmax(answers, axis=-1), self._noted(shown[INDEX]))
        self._agreed.insert(shown[INDEX], tf.where(ours == theirs, ours, tf.constant(_NONE, tf.int64)))
        return {FINAL: answers, OWN_LOSS: shown[OWN_LOSS]}

    def _noted(self, index: Any) -> Any:
        return tf.ensure_shape(self._agreed.lookup(index), (None,))

    def _shown(self, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        shown = self._guide.observe(x, y, sample_weight)
        return {name: tf.cast(shown.get(name, 0.0), tf.float32) for name in (FINAL, OWN_LOSS)}

    def _nothing(self) -> dict[str, Any]:
        return {FINAL: tf.zeros((0, self._guide.model.outputs[0].shape[-1])), OWN_LOSS: tf.zeros(())}

    def _in_form_of_guide(self, answers: Any) -> Any:
        theirs, ours = alike(self._guide.softmax, self._student_softmax)
        if theirs == ours:
            return answers
        logits = to_logits(answers, ours)
        return tf.nn.softmax(logits) if theirs[0] else logits


def _rows(leaf: Any, chosen: Any) -> Any:
    return None if leaf is None else tf.boolean_mask(leaf, chosen)
