"""What guides teach: the distillation losses, between which layers, through which projector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import keras
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from kd_edge.distillation.arguments import as_weight
from kd_edge.distillation.guides.base import FINAL, Guide, LiveGuide
from kd_edge.distillation.guides.checks import check_apart
from kd_edge.distillation.guides.fresh import fresh_copy
from kd_edge.distillation.guides.stored import StoredTeacher
from kd_edge.distillation.guides.trainee import Trainee
from kd_edge.distillation.losses.fit import LABELS, compared, taught_outputs
from kd_edge.distillation.losses.guide_losses import SampleLoss, distillation_value
from kd_edge.distillation.outputs.logits import Softmax, alike, sigmoid_to_logits, to_logits
from kd_edge.distillation.outputs.names import in_order_of
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.output_names import output_names


@dataclass(frozen=True)
class LossTerm:
    """One distillation loss at work.

    Attributes:
        loss: The loss.
        weight: Its weight among the losses.
        projector: Brings the student's features to the guide's width; `None` where they have it.
        output: Place and name of the one output that it compares; `None` for all.
    """

    loss: DistillationLoss
    weight: float
    projector: keras.layers.Layer | None = None
    output: tuple[int, str] | None = None

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

    @property
    def compares(self) -> str:
        """What it compares of outputs: classes, labels, values, or anything, which is empty."""
        return compared(self.loss)

    def taught_outputs(self, num_outputs: int) -> list[int]:
        """Return the places of the outputs that it compares; none of a loss between layers."""
        if self.teacher_layer != FINAL or not num_outputs:
            return []
        return taught_outputs(self.loss, num_outputs) if self.output is None else [self.output[0]]

    def value(
        self,
        guide: Guide,
        shown: dict[str, Any],
        features: dict[str, Any],
        *,
        student_softmax: Softmax,
        student_sigmoid: Softmax,
        sample_weight: Any,
        labels: Any,
    ) -> Any:
        """Return the loss between what a guide shows and what the student has, weighed.

        Args:
            guide: Who shows it.
            shown: Its outputs by name.
            features: The student's outputs by name.
            student_softmax: Which of the student's final outputs are probabilities of classes, as far as that is known.
            student_sigmoid: Which are probabilities of labels.
            sample_weight: Shape `(batch,)` or `None`.
            labels: As in `fit`, or `None`.
        """
        theirs, ours = _as_float(shown[self.teacher_layer]), _as_float(features[self.student_layer])
        if self.takes_logits and self.teacher_layer == FINAL:
            of_labels = self.compares == LABELS
            turn = sigmoid_to_logits if of_labels else to_logits
            sides = alike(guide.sigmoid, student_sigmoid) if of_labels else alike(guide.softmax, student_softmax)
            theirs, ours = turn(theirs, sides[0]), turn(ours, sides[1])
        if self.output is not None:
            theirs, ours = (keras.tree.flatten(side)[self.output[0]] for side in (theirs, ours))
            labels, sample_weight = (_of_output(value, *self.output) for value in (labels, sample_weight))
        if self.projector is not None:
            ours = self.projector(ours)
        return self.weight * distillation_value(self.loss, theirs, ours, sample_weight=sample_weight, labels=labels)


def as_losses(losses: Any) -> list[DistillationLoss]:
    """Return one loss or several as a list.

    Raises:
        ConfigError: There is none.
    """
    several = list(losses.values()) if isinstance(losses, Mapping) else losses
    if several is None or several in ([], ()):
        raise ConfigError(f"no distillation losses: expected one or a list, received {losses}; see keras.distillation")
    return list(several) if isinstance(several, list | tuple) else [several]


def as_outputs(losses: Any, student: keras.Model) -> list[tuple[int, str] | None]:
    """Return for each loss the place and the name of the output that it is given for; `None` for all.

    Args:
        losses: One loss, a list, or a mapping of the names of outputs to losses.
        student: Whose outputs they are.

    Raises:
        ConfigError: There is no output of such a name, or one loss for outputs of different kinds.
    """
    if not isinstance(losses, Mapping):
        return [None] * len(as_losses(losses))
    names = output_names(student) if getattr(student, "outputs", None) else []
    for name in losses:
        if name not in names:
            raise ConfigError(f"no output {name!r} for a distillation loss: expected one of {names}, received {name!r}")
    return [(names.index(name), name) for name in losses]


def as_weights(weights: Any, losses: Any) -> list[float]:
    """Return a weight for each of the losses; 1 by default.

    Args:
        weights: In the order of the losses, or by the same names; of a single loss its weight.
        losses: One loss, a list, or a mapping.

    Raises:
        ConfigError: There are more or less of them, or other names, or one is no weight.
    """
    num_losses = len(as_losses(losses))
    if weights is None:
        return [1.0] * num_losses
    if isinstance(weights, Mapping):
        names = list(losses) if isinstance(losses, Mapping) else []
        if set(weights) != set(names):
            raise ConfigError(
                f"distillation_loss_weights do not match the losses: expected {names or 'a list, as of the losses'}, "
                f"received {list(weights)}"
            )
        weights = [weights[name] for name in names]
    is_one = isinstance(losses, DistillationLoss) and isinstance(weights, Real)
    flat = [weights] if is_one else list(weights) if hasattr(weights, "__len__") else []
    if len(flat) != num_losses:
        raise ConfigError(
            f"distillation_loss_weights do not match the losses: expected {num_losses}, received "
            f"{len(flat) or repr(weights)}"
        )
    return [as_weight("distillation_loss_weights", weight) for weight in flat]


def make_loss_terms(
    losses: Sequence[DistillationLoss],
    weights: Sequence[float],
    outputs: Sequence[tuple[int, str] | None],
    teacher: Any,
    student: keras.Model,
) -> list[LossTerm]:
    """Return the losses with the projectors that the widths of their layers call for.

    Args:
        losses: The losses.
        weights: One per loss.
        outputs: The output that each compares, from `as_outputs`.
        teacher: The teacher, its soft targets, or `None`.
        student: The student.

    Raises:
        ModelError: A loss needs layers that are not there, or whose outputs cannot be compared.
    """
    for loss, output in zip(losses, outputs, strict=True):
        _check(loss, teacher, student)
        if output is None:
            _check_structure(loss, student)
    return [
        LossTerm(loss, float(weight), _projector(loss, teacher, student, f"projector_{i}"), output)
        for i, (loss, weight, output) in enumerate(zip(losses, weights, outputs, strict=True))
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
    if isinstance(trainee, str):
        trainee = _like(trainee, teacher)
    teacher, trainee = (
        in_order_of(student, network) if isinstance(network, keras.Model) else network for network in (teacher, trainee)
    )
    if isinstance(teacher, SoftTargets):
        guides.append(StoredTeacher(teacher))
    elif teacher is not None:
        names = dict.fromkeys(term.teacher_layer for term in loss_terms if term.teacher_layer != FINAL)
        guides.append(LiveGuide("teacher", teacher, layer_names=tuple(names)))
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


def _check(loss: Any, teacher: Any, student: keras.Model) -> None:
    if not isinstance(loss, DistillationLoss):
        raise ConfigError(
            f"not a distillation loss: expected a keras.distillation.DistillationLoss, received a "
            f"{type(loss).__name__}; see keras.distillation and kd_edge.distillation.losses.guide_losses"
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


def _check_structure(loss: Any, student: keras.Model) -> None:
    """Refuse one loss on several outputs; of Keras' losses one may have a structure of losses."""
    outputs = getattr(student, "outputs", None) or ()
    if len(outputs) < 2 or LossTerm(loss, 1.0).teacher_layer != FINAL:
        return
    inner = keras.tree.flatten(loss.loss) if isinstance(loss, LogitsDistillation | FeatureDistillation) else []
    if len(inner) != len(outputs) and (inner or isinstance(loss, SampleLoss)):
        names = output_names(student)
        example = ", ".join(f"{name!r}: ..." for name in names)
        raise ConfigError(
            f"one {type(loss).__name__} for {len(outputs)} outputs: expected a loss for each of {names}, received one; "
            f"pass distillation_losses={{{example}}}, each of the kind of its output"
        )


def _of_output(value: Any, place: int, name: str) -> Any:
    """Return what of labels or weights belongs to one output."""
    if isinstance(value, Mapping):
        return value.get(name)
    return keras.tree.flatten(value)[place] if isinstance(value, list | tuple) else value


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
