"""Distillation losses that `keras.distillation` does not have, and how every one of them is weighed per sample."""

import copy
import inspect
from typing import Any

import keras
import tensorflow as tf
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from kd_edge.compat.keras import with_sample_weight
from kd_edge.distillation.arguments import as_temperature, as_weight
from kd_edge.distillation.losses.fit import CLASSES, LABELS, kind_of
from kd_edge.errors import ConfigError


class SampleLoss(DistillationLoss):  # type: ignore[misc]
    """A distillation loss that is a weighted mean over samples.

    Subclasses implement `per_sample`.
    """

    takes_logits = False  # of outputs: probabilities become logits first
    compares = ""  # of outputs: "classes" of which one holds, "labels" that hold together, "values"; empty for anything
    always_projects = False  # the student's features go through a trainable projector

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return one value per sample."""
        raise NotImplementedError

    def compute_loss(
        self, teacher_outputs: Any, student_outputs: Any, sample_weight: Any = None, labels: Any = None, **kwargs: Any
    ) -> Any:
        """Return the mean over the samples of all replicas, each counted with its weight.

        Args:
            teacher_outputs: What the guide shows.
            student_outputs: What the student has.
            sample_weight: Shape `(batch,)`. Defaults to `None`: every sample counts once.
            labels: Class indices or one-hot rows. Defaults to `None`.
            **kwargs: Ignored, as by the losses of Keras.
        """
        values = self.per_sample(teacher_outputs, student_outputs, labels)
        if sample_weight is not None:
            _check_by_sample(self, sample_weight)
            values *= keras.ops.reshape(keras.ops.cast(sample_weight, values.dtype), (-1,))
        return keras.ops.mean(values) / tf.distribute.get_strategy().num_replicas_in_sync

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SampleLoss":
        """Make a loss of what `get_config` returned."""
        return cls(**config)


class LayerLoss(SampleLoss):
    """A loss between a layer of the guide and a layer of the student.

    Args:
        teacher_layer_name: The guide's layer.
        student_layer_name: The student's layer.
    """

    def __init__(self, teacher_layer_name: str | None, student_layer_name: str | None) -> None:
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Check that the layers exist."""
        FeatureDistillation(
            teacher_layer_name=self.teacher_layer_name, student_layer_name=self.student_layer_name
        ).validate_model_compatibility(teacher, student)


@keras.saving.register_keras_serializable("kd_edge")
class HintDistillation(LayerLoss):
    """Hints: the student's layer predicts the teacher's through a trainable projector (FitNets).

    `1/2 mean((t - r(s))^2)` with the projector `r`, a dense map of the channels. The paper sums over the units; the
    mean keeps the weight of the loss independent of the layer's size.

    Source: A. Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550, equation 3.

    Args:
        teacher_layer_name: The teacher's hint layer.
        student_layer_name: The student's guided layer, of the same resolution.
    """

    always_projects = True

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return half the mean square of the difference."""
        return _mean_rows(keras.ops.square(teacher_outputs - student_outputs)) / 2


@keras.saving.register_keras_serializable("kd_edge")
class AttentionTransfer(LayerLoss):
    """Where the networks look: the maps of their squared activations, whatever the number of channels.

    `1/2 |Q_t / |Q_t| - Q_s / |Q_s||^2` with the flattened map `Q = sum over channels of A^2`.

    Source: S. Zagoruyko, N. Komodakis, "Paying More Attention to Attention", ICLR 2017, arXiv 1612.03928, equation 2
    with p = 2 and the square of the norm, whose gradient exists where the maps agree.

    Args:
        teacher_layer_name: A layer of the teacher with channels last.
        student_layer_name: A layer of the student of the same resolution.
    """

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return half the squared distance of the normalised maps."""
        return keras.ops.sum(keras.ops.square(_attention(teacher_outputs) - _attention(student_outputs)), axis=-1) / 2


@keras.saving.register_keras_serializable("kd_edge")
class RelationalDistillation(LayerLoss):
    """How the samples of a batch lie to each other: distances of pairs and angles of triples.

    Huber losses between the networks' distances, each divided by their mean over the pairs of the batch, and between
    the cosines of the angles at every sample of every triple; the mean over pairs and triples.

    Source: W. Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068, equations 4 to 9.

    Args:
        distance_weight: Weight of the distances. Defaults to 1.0.
        angle_weight: Weight of the angles. Defaults to 2.0, the paper's ratio.
        teacher_layer_name: The teacher's layer. Defaults to `None`: its outputs.
        student_layer_name: The student's layer. Defaults to `None`: its outputs.

    Raises:
        ConfigError: A layer of the student is named, and none of the teacher.
    """

    def __init__(
        self,
        distance_weight: float = 1.0,
        angle_weight: float = 2.0,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        if student_layer_name is not None and teacher_layer_name is None:
            raise ConfigError(
                "RelationalDistillation compares a layer of the student with one of the teacher: expected "
                f"teacher_layer_name beside student_layer_name={student_layer_name!r}, received none"
            )
        super().__init__(teacher_layer_name, student_layer_name)
        self.distance_weight = as_weight("distance_weight", distance_weight)
        self.angle_weight = as_weight("angle_weight", angle_weight)

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return for each sample the mean over its pairs and over the triples it is the corner of."""
        theirs, ours = _differences(teacher_outputs), _differences(student_outputs)
        distances = _huber(_relative_norms(theirs), _relative_norms(ours))
        angles = _huber(_cosines(theirs), _cosines(ours))
        return self.distance_weight * _mean_rows(distances) + self.angle_weight * _mean_rows(angles)


@keras.saving.register_keras_serializable("kd_edge")
class DecoupledDistillation(SampleLoss):
    """KL divergence in two parts: how sure of the target class, and how the rest is spread over the other classes.

    `T^2 (alpha KL(b_t || b_s) + beta KL(q_t || q_s))` with `b = (p_target, 1 - p_target)`, `q` the probabilities of the
    other classes among themselves and `p = softmax(logits / T)`.

    Source: B. Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679, equation 7.

    Args:
        temperature: `T`. Defaults to 4.0.
        alpha: Weight of the target class. Defaults to 1.0.
        beta: Weight of the other classes. Defaults to 8.0.
    """

    takes_logits = True
    compares = "classes"

    def __init__(self, temperature: float = 4.0, alpha: float = 1.0, beta: float = 8.0) -> None:
        self.temperature = as_temperature(temperature)
        self.alpha = as_weight("alpha", alpha)
        self.beta = as_weight("beta", beta)

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return the two parts; without labels, the teacher's answer is the target class."""
        target = _one_hot(teacher_outputs if labels is None else labels, teacher_outputs)
        theirs, ours = teacher_outputs / self.temperature, student_outputs / self.temperature
        sure = _kl(_binary(theirs, target), _binary(ours, target))
        hidden = target * 1e9  # softmax makes an exact zero of it
        spread = _kl(keras.ops.log_softmax(theirs - hidden), keras.ops.log_softmax(ours - hidden))
        return self.temperature**2 * _mean_rows(self.alpha * sure + self.beta * spread)


def distillation_value(
    loss: DistillationLoss, teacher: Any, student: Any, *, sample_weight: Any = None, labels: Any = None
) -> Any:
    """Return the scalar value of a distillation loss, each sample counted with its weight.

    The losses of `keras.distillation` know no weights; they are given them through the Keras losses they wrap. A
    user's own loss gets `sample_weight` and `labels` if its `compute_loss` names them.

    Args:
        loss: The loss.
        teacher: The guide's outputs or features.
        student: The student's outputs or features.
        sample_weight: Shape `(batch,)`. Defaults to `None`: every sample counts once.
        labels: As in `fit`. Defaults to `None`.
    """
    loss.validate_outputs(teacher, student)
    if keras.tree.is_nested(sample_weight):
        weights = keras.tree.flatten(sample_weight)
        sample_weight = sum(weights) / len(weights)
    if isinstance(loss, LogitsDistillation | FeatureDistillation):
        loss = copy.copy(loss)
        of_logits = isinstance(loss, LogitsDistillation)
        loss.loss = keras.tree.map_structure(
            lambda inner: _weighted(inner, sample_weight, of_logits=of_logits), loss.loss
        )
        return loss.compute_loss(teacher, student)
    offered = {"sample_weight": sample_weight, "labels": labels}
    taken = inspect.signature(loss.compute_loss).parameters
    return loss.compute_loss(teacher, student, **{name: value for name, value in offered.items() if name in taken})


class MeanOf(keras.losses.Loss):  # type: ignore[misc]
    """Makes a loss of a function, so that sample weights and distribution strategies are taken into account."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the function's values."""
        return self._function(y_true, y_pred)


class OfProbabilities(keras.losses.Loss):  # type: ignore[misc]
    """Shows a loss of probabilities those of a guide's logits, and of the student's unless it takes logits itself."""

    def __init__(self, loss: keras.losses.Loss, activate: Any) -> None:
        super().__init__(reduction=loss.reduction)
        self._loss = loss
        self._activate = activate

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss' values."""
        takes_logits = getattr(self._loss, "from_logits", False)
        return self._loss.call(self._activate(y_true), y_pred if takes_logits else self._activate(y_pred))


def _weighted(inner: Any, sample_weight: Any, *, of_logits: bool) -> Any:
    """Return a loss inside of one of Keras' distillation losses, of those of probabilities one that is shown logits."""
    if inner is None:
        return None
    if inner is keras.losses.kl_divergence:
        # What the default "kl_divergence" of Keras 3.15 resolves to; with it LogitsDistillation takes no softmax.
        inner = keras.losses.KLDivergence()
    weighted = copy.copy(inner) if isinstance(inner, keras.losses.Loss) else MeanOf(inner)
    activate = {CLASSES: keras.ops.softmax, LABELS: keras.ops.sigmoid}.get(kind_of(inner))
    if of_logits and activate is not None and not isinstance(inner, keras.losses.KLDivergence):
        weighted = OfProbabilities(weighted, activate)
    return with_sample_weight(weighted, sample_weight)


def _check_by_sample(loss: SampleLoss, sample_weight: Any) -> None:
    if any(size != 1 for size in sample_weight.shape[1:]):
        raise ConfigError(
            f"{type(loss).__name__} weighs whole samples: expected sample_weight of shape (samples,), received "
            f"{tuple(sample_weight.shape)}; keras.distillation.LogitsDistillation weighs each answer of a sample"
        )


def _mean_rows(values: Any) -> Any:
    rest = tuple(range(1, len(values.shape)))
    return keras.ops.mean(values, axis=rest) if rest else values


def _attention(features: Any) -> Any:
    energy = keras.ops.sum(keras.ops.square(features), axis=-1)
    flat = keras.ops.reshape(energy, (keras.ops.shape(energy)[0], -1))
    return flat / (keras.ops.norm(flat, axis=-1, keepdims=True) + 1e-12)


def _differences(outputs: Any) -> Any:
    flat = keras.ops.reshape(outputs, (keras.ops.shape(outputs)[0], -1))
    return flat[:, None, :] - flat[None, :, :]


def _norms(differences: Any) -> Any:
    return keras.ops.sqrt(keras.ops.maximum(keras.ops.sum(keras.ops.square(differences), axis=-1), 1e-12))


def _relative_norms(differences: Any) -> Any:
    norms = _norms(differences)
    pairs = keras.ops.cast(keras.ops.shape(norms)[0], norms.dtype)
    return norms * keras.ops.maximum(pairs * (pairs - 1), 1) / keras.ops.maximum(keras.ops.sum(norms), 1e-12)


def _cosines(differences: Any) -> Any:
    units = differences / _norms(differences)[..., None]
    return keras.ops.einsum("ijd,ikd->ijk", units, units)


def _huber(a: Any, b: Any) -> Any:
    error = keras.ops.abs(a - b)
    return keras.ops.where(error <= 1, keras.ops.square(error) / 2, error - 0.5)


def _one_hot(labels: Any, logits: Any) -> Any:
    """Return rows of the shape of logits: labels are such rows, or the numbers of classes, maybe with an axis of 1."""
    if len(labels.shape) == len(logits.shape):
        labels = keras.ops.argmax(labels, axis=-1) if labels.shape[-1] == logits.shape[-1] else labels[..., 0]
    return keras.ops.one_hot(keras.ops.cast(labels, "int32"), logits.shape[-1])


def _binary(logits: Any, target: Any) -> Any:
    """Log-probabilities of the target class and of all others together."""
    of_target = keras.ops.sum(logits * target, axis=-1)
    of_others = keras.ops.logsumexp(logits - target * 1e9, axis=-1)
    return keras.ops.log_softmax(keras.ops.stack([of_target, of_others], axis=-1))


def _kl(log_p: Any, log_q: Any) -> Any:
    return keras.ops.sum(keras.ops.exp(log_p) * (log_p - log_q), axis=-1)
