"""What a guide teaches: the distillation losses, between which layers, through which projector."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from kd_edge.distillation.asked_samples import ASKED, AskedSamples
from kd_edge.distillation.guides import (
    FINAL,
    Guide,
    LiveGuide,
    StoredTeacher,
    Trainee,
    check_apart,
    feature_extractor,
    fresh_copy,
    update_mean,
)
from kd_edge.distillation.logits import Softmax, alike, ends_in_softmax, to_logits
from kd_edge.distillation.losses import distillation_value
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.training_log import TrainingLog
from kd_edge.errors import ConfigError, ModelError, TrainingWarning


@dataclass(frozen=True)
class LossTerm:
    """One distillation loss at work.

    Attributes:
        loss: The loss.
        weight: Its weight among the losses.
        projector: Brings the student's features to the guide's width; `None` where they have it.
    """

    loss: DistillationLoss
    weight: float
    projector: keras.layers.Layer | None = None

    @property
    def teacher_layer(self) -> str:
        """Name of what the guide shows; as in Keras, without a layer of the guide both sides are the outputs."""
        return getattr(self.loss, "teacher_layer_name", None) or FINAL

    @property
    def student_layer(self) -> str:
        """Name of what it is compared with."""
        named = self.teacher_layer != FINAL
        return (getattr(self.loss, "student_layer_name", None) if named else None) or FINAL

    @property
    def takes_logits(self) -> bool:
        """Whether probabilities must become logits first."""
        return isinstance(self.loss, LogitsDistillation) or getattr(self.loss, "takes_logits", False)

    def value(
        self,
        guide: Guide,
        shown: dict[str, Any],
        features: dict[str, Any],
        *,
        student_softmax: Softmax,
        sample_weight: Any,
        labels: Any,
    ) -> Any:
        """Return the loss between what a guide shows and what the student has, weighed.

        Args:
            guide: Who shows it.
            shown: Its outputs by name.
            features: The student's outputs by name.
            student_softmax: Which of the student's final outputs are probabilities, as far as that is known.
            sample_weight: Shape `(batch,)` or `None`.
            labels: As in `fit`, or `None`.
        """
        theirs, ours = _as_float(shown[self.teacher_layer]), _as_float(features[self.student_layer])
        if self.takes_logits and self.teacher_layer == FINAL:
            sides = alike(guide.softmax, student_softmax)
            theirs, ours = to_logits(theirs, sides[0]), to_logits(ours, sides[1])
        if self.projector is not None:
            ours = self.projector(ours)
        return self.weight * distillation_value(self.loss, theirs, ours, sample_weight=sample_weight, labels=labels)


def as_losses(losses: Any) -> list[DistillationLoss]:
    """Return one loss or several as a list."""
    if losses is None:
        raise ConfigError("no distillation losses: expected one or a list, received None; see keras.distillation")
    return list(losses) if isinstance(losses, list | tuple) else [losses]


def as_weights(weights: Any, num_losses: int) -> list[float]:
    """Return a weight for each of the losses; 1 by default."""
    if weights is not None and len(weights) != num_losses:
        raise ConfigError(
            f"distillation_loss_weights do not match the losses: expected {num_losses}, received {len(weights)}"
        )
    return [1.0] * num_losses if weights is None else list(weights)


def make_loss_terms(
    losses: Sequence[DistillationLoss], weights: Sequence[float], teacher: Any, student: keras.Model
) -> list[LossTerm]:
    """Return the losses with the projectors that the widths of their layers call for.

    Args:
        losses: The losses.
        weights: One per loss.
        teacher: The teacher, its soft targets, or `None`.
        student: The student.

    Raises:
        ModelError: A loss needs layers that are not there, or whose outputs cannot be compared.
    """
    for loss in losses:
        _check(loss, teacher, student)
    return [
        LossTerm(loss, float(weight), _projector(loss, teacher, student, f"projector_{i}"))
        for i, (loss, weight) in enumerate(zip(losses, weights, strict=True))
    ]


def make_guides(
    teacher: Any, trainee: Any, student: keras.Model, *, loss_terms: Sequence[LossTerm], trainee_loss_weight: float
) -> list[Guide]:
    """Return the guides, the teacher first.

    Args:
        student: Whom they guide.
        teacher: A network, its soft targets, or `None`.
        trainee: A network, `"like_teacher"`, or `None`.
        loss_terms: What they teach.
        trainee_loss_weight: Weight of the trainee beside the teacher.
    """
    guides: list[Guide] = []
    if isinstance(teacher, SoftTargets):
        guides.append(StoredTeacher(teacher))
    elif teacher is not None:
        names = dict.fromkeys(term.teacher_layer for term in loss_terms if term.teacher_layer != FINAL)
        guides.append(LiveGuide("teacher", teacher, layer_names=tuple(names)))
    if isinstance(trainee, str):
        trainee = _like(trainee, teacher)
    if trainee is not None:
        if all(term.teacher_layer != FINAL for term in loss_terms):
            raise ConfigError(
                "a trainee teaches by its outputs: expected a loss on outputs, received only losses between layers; "
                "add keras.distillation.LogitsDistillation()"
            )
        guides.append(Trainee(trainee, weight=trainee_loss_weight))
    for guide in guides:
        guide.check(student)
    live = {guide.name: guide.model for guide in guides if isinstance(guide, LiveGuide)}
    check_apart({"student": student} | live)
    return guides


def _like(word: str, teacher: Any) -> keras.Model:
    if word != "like_teacher":
        raise ConfigError(f"unknown trainee: expected a keras.Model or 'like_teacher', received {word!r}")
    if not isinstance(teacher, keras.Model):
        raise ConfigError(
            "a trainee 'like_teacher' copies the teacher's network: expected a keras.Model as teacher, received "
            f"{type(teacher).__name__}; pass the trainee itself"
        )
    return fresh_copy(teacher)


class GuideSet:
    """The guides, what they teach, and the student that looks at them.

    Plain on purpose: Keras does not track what it holds; see `Guide`.

    Args:
        student: The student.
        guides: Its guides.
        loss_terms: What they teach. A trainee teaches only what compares outputs.

    Attributes:
        guides: Those that are still there, by name.
        training_log: What they cost.
        student_softmax: Which of the student's outputs are probabilities, as far as that is known.
    """

    def __init__(self, student: keras.Model, guides: Sequence[Guide], loss_terms: Sequence[LossTerm]) -> None:
        self.guides = {guide.name: guide for guide in guides}
        self.training_log = TrainingLog()
        self.student_softmax: Softmax = ends_in_softmax(student)
        self._student = student
        self._was_said = False
        self._loss_terms = loss_terms
        self._by_sample: dict[str, AskedSamples] = {}
        names = (term.student_layer for term in loss_terms)
        self._look = feature_extractor(student, tuple(dict.fromkeys(name for name in names if name != FINAL)))

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, dict[str, Any]]:
        """Return what every guide shows for a batch; a trainee learns from it, too."""
        shown = {}
        for name, guide in self.guides.items():
            shown[name] = self._by_sample.get(name, guide).observe(x, y, sample_weight)
            if ASKED in shown[name]:
                self.training_log.count_skipped(name, shown[name][ASKED])
        return shown

    @property
    def is_open(self) -> bool:
        """Whether the graphs leave open for a guide or the student that its outputs are probabilities."""
        guides = [guide.softmax for guide in self.guides.values()]
        return any(None in softmax for softmax in (*guides, self.student_softmax))

    def tell_probabilities(self, samples: Any) -> None:
        """Find out from outputs for some samples what the graphs do not tell: whether they are probabilities.

        Args:
            samples: A batch of inputs; `None` where there is none to look at.

        Warns:
            TrainingWarning: It stays unknown, so that outputs of both sides are taken as they are; said once.
        """
        live = [guide for guide in self.guides.values() if isinstance(guide, LiveGuide)]
        if None in self.student_softmax:
            self.student_softmax = ends_in_softmax(self._student, samples)
        for guide in live:
            if None in guide.softmax:
                guide.softmax = ends_in_softmax(guide.model, samples)
            if isinstance(guide, Trainee):
                guide.student_softmax = self.student_softmax
        unknown = [guide.name for guide in live if None in guide.softmax]
        unknown += ["student"] if None in self.student_softmax else []
        if unknown and not self._was_said and any(term.takes_logits for term in self._loss_terms):
            self._was_said = True
            warnings.warn(
                f"whether the outputs of {' and '.join(unknown)} are logits or probabilities is not known: guides and "
                "student are compared as they are, as logits; give samples as arrays, or end in a Dense layer or a "
                "softmax of Keras",
                TrainingWarning,
                stacklevel=3,
            )

    def ask_by_sample(self, name: str) -> None:
        """Let a guide be asked only for the samples that the student does not answer like it; see `AskedSamples`.

        Raises:
            ConfigError: Its answers for single samples cannot be told, or left out.
        """
        guide = self.guides[name]
        if not isinstance(guide, LiveGuide):
            raise ConfigError(
                f"the {name}'s targets are stored: expected a network to ask by sample, received SoftTargets, which "
                "cost nothing to ask; leave the callback out"
            )
        shapes = [tuple(output.shape) for output in getattr(guide.model, "outputs", None) or ()]
        if len(shapes) != 1 or len(shapes[0]) != 2 or (shapes[0][1] or 0) < 2:
            raise ConfigError(
                f"the {name} cannot be asked by sample: expected one output of 2 classes or more, received the shapes "
                f"{shapes}; halt it as a whole, with EarlyHalting"
            )
        if any(term.teacher_layer != FINAL for term in self._loss_terms) and name == "teacher":
            raise ConfigError(
                "the teacher cannot be asked by sample: expected losses on outputs, received one between layers; "
                "halt it as a whole, with EarlyHalting"
            )
        self._by_sample[name] = AskedSamples(guide, student_softmax=self.student_softmax)

    def ask_always(self) -> bool:
        """Let every guide be asked for all samples; tell whether one was not."""
        by_sample, self._by_sample = self._by_sample, {}
        return bool(by_sample)

    def look(self, inputs: Any) -> dict[str, Any]:
        """Return the student's outputs and features, in one forward pass for training."""
        return self._look(inputs, training=True)

    def divergence(
        self, guide: Guide, outputs: dict[str, Any], features: dict[str, Any], *, sample_weight: Any, labels: Any
    ) -> Any:
        """Return how far the student is from what one guide shows."""
        context = {"student_softmax": self.student_softmax, "sample_weight": sample_weight, "labels": labels}
        loss_terms = [term for term in self._loss_terms if term.teacher_layer in outputs]
        return sum(term.value(guide, outputs, features, **context) for term in loss_terms)

    def divergences(
        self, features: dict[str, Any], shown: dict[str, dict[str, Any]], *, sample_weight: Any, labels: Any
    ) -> dict[str, Any]:
        """Return how far the student is from what each guide shows, and note it."""
        divergences = {}
        for name, outputs in shown.items():
            guide = self.guides[name]
            if name in self._by_sample:
                outputs = self._by_sample[name].completed(outputs, features)
            divergences[name] = self.divergence(guide, outputs, features, sample_weight=sample_weight, labels=labels)
            update_mean(guide.divergence, divergences[name], features[FINAL])
            guide.agreement.update_state(_agreement(outputs[FINAL], features[FINAL]))
        return divergences

    def taught_projectors(self) -> list[keras.layers.Layer]:
        """Return the projectors that a guide who is still there makes use of."""
        if "teacher" not in self.guides:
            return []
        return [term.projector for term in self._loss_terms if term.projector is not None]

    def halt(self, name: str, *, epoch: int, step: int, reason: str) -> None:
        """Let a guide go."""
        self._by_sample.pop(name, None)
        self.training_log.add_halt(self.guides.pop(name), epoch=epoch, step=step, reason=reason)

    def results(self) -> dict[str, Any]:
        """Return the guides' metrics by the names they have in the history."""
        return {name: value for guide in self.guides.values() for name, value in guide.results().items()}

    def reset_metrics(self) -> None:
        """Start the guides' metrics anew."""
        for guide in self.guides.values():
            for metric in guide.metrics:
                metric.reset_state()


def _agreement(theirs: Any, ours: Any) -> Any:
    """For each sample whether both give the same answer, on average over outputs; zero without classes."""
    pairs = zip(keras.tree.flatten(theirs), keras.tree.flatten(ours), strict=True)
    same = [
        keras.ops.cast(keras.ops.argmax(a, axis=-1) == keras.ops.argmax(b, axis=-1), "float32")
        for a, b in pairs
        if b.shape[-1] and b.shape[-1] > 1
    ]
    return sum(keras.ops.mean(s) for s in same) / len(same) if same else 0.0


def check_observable(metric: str, student: keras.Model) -> None:
    """Check that a guide's metric says something of a student; a subclassed model's outputs are not known.

    Args:
        metric: Its name without the guide's, as in `HaltingRule`.
        student: The student.

    Raises:
        ConfigError: It is the agreement on classes, and no output has any.
    """
    outputs = getattr(student, "outputs", None)
    if metric == "agreement" and outputs and all((output.shape[-1] or 0) < 2 for output in outputs):
        raise ConfigError(
            "the rule 'agreement' never halts a guide of this student: expected an output of 2 classes or more, "
            f"received the shapes {[tuple(output.shape) for output in outputs]}; use rule='plateau'"
        )


def _check(loss: Any, teacher: Any, student: keras.Model) -> None:
    if not isinstance(loss, DistillationLoss):
        raise ConfigError(
            f"not a distillation loss: expected a keras.distillation.DistillationLoss, received a "
            f"{type(loss).__name__}; see keras.distillation and kd_edge.distillation.losses"
        )
    if LossTerm(loss, 1.0).teacher_layer == FINAL:
        return
    if not isinstance(teacher, keras.Model):
        raise ModelError(
            f"{type(loss).__name__} looks into the teacher's layers: expected a keras.Model as teacher, received "
            f"{type(teacher).__name__}; pass the teacher itself, or losses on outputs"
        )
    try:
        loss.validate_model_compatibility(teacher, student)
    except ValueError as error:
        raise ModelError(" ".join(str(error).split())) from error


def _projector(loss: DistillationLoss, teacher: Any, student: keras.Model, name: str) -> keras.layers.Layer | None:
    always = getattr(loss, "always_projects", False)
    term = LossTerm(loss, 1.0)
    if term.teacher_layer == FINAL or not (always or isinstance(loss, FeatureDistillation)):
        return None
    theirs = teacher.get_layer(term.teacher_layer).output
    ours = student.output if term.student_layer == FINAL else student.get_layer(term.student_layer).output
    if keras.tree.is_nested(theirs) or keras.tree.is_nested(ours):
        return None
    if len(theirs.shape) != len(ours.shape) or theirs.shape[1:-1] != ours.shape[1:-1]:
        raise ModelError(
            f"features cannot be compared: expected the same extent, received {tuple(theirs.shape[1:])} from the "
            f"teacher's {term.teacher_layer!r} and {tuple(ours.shape[1:])} from the student's "
            f"{term.student_layer!r}; choose layers of the same resolution"
        )
    if theirs.shape[-1] == ours.shape[-1] and not always:
        return None
    projector = keras.layers.Dense(theirs.shape[-1], name=name)
    projector.build(ours.shape)
    return projector


def _as_float(outputs: Any) -> Any:
    return keras.tree.map_structure(lambda output: keras.ops.cast(output, keras.config.floatx()), outputs)
