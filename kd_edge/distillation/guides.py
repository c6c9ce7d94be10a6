"""The networks that a student learns from: a teacher, its stored outputs, or a trainee that learns beside it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kd_edge.compat.keras import excluded_from_weight_decay
from kd_edge.distillation.logits import (
    Softmax,
    alike,
    changed_where,
    ends_in_sigmoid,
    ends_in_softmax,
    sigmoid_to_logits,
    to_logits,
)
from kd_edge.distillation.models.cloning import clone_of
from kd_edge.distillation.models.foreign_models import only_answers
from kd_edge.distillation.outputs import output_names, places_of
from kd_edge.distillation.samples import Samples, inputs_of, label_weight_of, labelled
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import DataError, ModelError
from kd_edge.ir.lowering import macs_of

FINAL = "final_output"
OWN_LOSS = "own_loss"


class Guide(ABC):
    """What shows the student outputs to learn from, and is measured against it.

    Plain on purpose: Keras tracks and saves neither a guide nor its metrics with the Distiller that holds it, so
    `get_weights` and the optimizer are the student's alone, and a halted guide leaves nothing behind.

    Args:
        name: `"teacher"` or `"trainee"`.
        weight: Weight of what it teaches in the student's distillation loss.
        softmax: For each output in order whether it holds probabilities of classes, `None` where that is not known.
        sigmoid: The same of probabilities of labels.
    """

    def __init__(self, name: str, *, weight: float, softmax: Softmax, sigmoid: Softmax) -> None:
        self.name = name
        self.weight = weight
        self.softmax = softmax
        self.sigmoid = sigmoid
        self.divergence = keras.metrics.Mean(name=f"{name}_divergence")
        self.agreement = keras.metrics.Mean(name=f"{name}_agreement")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset at the start of an epoch."""
        return [self.divergence, self.agreement]

    @property
    def num_passes(self) -> float | None:
        """Passes over the samples apart from the training steps; `None` where the guide runs in every step."""
        return None

    @property
    @abstractmethod
    def variables(self) -> list[keras.Variable]:
        """Weights, and slots of the optimizer where there is one."""

    @property
    @abstractmethod
    def macs_per_sample(self) -> int | None:
        """Multiply-accumulates that a sample costs in a training step; `None` where they are unknown."""

    @abstractmethod
    def check(self, student: keras.Model) -> None:
        """Check that guide and student fit together.

        Raises:
            ModelError: They do not.
        """

    @abstractmethod
    def answer(self, x: Any) -> dict[str, Any]:
        """Return the guide's outputs for samples by `"final_output"` and the names of its layers that are shown."""

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Return the guide's outputs for the batch of a training step, named as by `answer`."""
        del y, sample_weight
        return self.answer(x)

    def results(self) -> dict[str, Any]:
        """Return the metrics by the names they have in the history."""
        return {metric.name: metric.result() for metric in (self.divergence, self.agreement)}


class LiveGuide(Guide):
    """A network that runs in every step: a trained, frozen teacher.

    Args:
        name: `"teacher"` or `"trainee"`.
        model: The network.
        weight: Weight of what it teaches in the student's distillation loss.
        layer_names: Layers whose outputs are shown too.
    """

    mac_factor = 1  # a forward pass

    def __init__(
        self, name: str, model: keras.Model, *, weight: float = 1.0, layer_names: tuple[str, ...] = ()
    ) -> None:
        super().__init__(name, weight=weight, softmax=ends_in_softmax(model), sigmoid=ends_in_sigmoid(model))
        self.model = model
        self._forward = feature_extractor(model, layer_names)

    @property
    def variables(self) -> list[keras.Variable]:
        """Weights, and slots of the optimizer where there is one."""
        return list(self.model.variables)

    @property
    def macs_per_sample(self) -> int | None:
        """Multiply-accumulates that a sample costs in a training step; `None` where they are unknown."""
        macs = macs_of(self.model)
        return None if macs is None else macs * self.mac_factor

    def check(self, student: keras.Model) -> None:
        """Check that guide and student fit together; see `check_pair`."""
        check_pair(self.model, student, self.name)

    def answer(self, x: Any) -> dict[str, Any]:
        """Return the guide's outputs and features for samples."""
        return self._forward(inputs_of(x), training=False)


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
        """Return the outputs that belong to samples."""
        stored = x.targets if isinstance(x, Samples) else None
        logits = self.targets.lookup(inputs_of(x)) if stored is None else stored
        answers = changed_where(self.targets.sigmoid, keras.ops.sigmoid, logits)
        if self._shapes != self.targets.shapes or self._places != sorted(self._places):
            flat = keras.tree.flatten(answers)
            ordered = zip((flat[place] for place in self._places), self._shapes, strict=True)
            shaped = [keras.ops.reshape(answer, (-1, *shape)) for answer, shape in ordered]
            answers = shaped if keras.tree.is_nested(answers) else shaped[0]
        return {FINAL: answers}


class Trainee(LiveGuide):
    """An untrained network that learns beside the student, by its own optimizer, in the same step.

    Args:
        model: The network.
        weight: Weight of what it teaches in the student's distillation loss.
    """

    mac_factor = 3  # a forward pass, gradients by its activations and by its weights

    def __init__(self, model: keras.Model, *, weight: float) -> None:
        super().__init__("trainee", model, weight=weight)
        self.loss = keras.metrics.Mean(name="trainee_loss")
        self.student_softmax, self.student_sigmoid = self.softmax, self.sigmoid

    def compile(self, *, student_softmax: Softmax, student_sigmoid: Softmax, **kwargs: Any) -> None:
        """Give the network its optimizer, loss and metrics; the arguments are those of `keras.Model.compile`."""
        self.student_softmax, self.student_sigmoid = student_softmax, student_sigmoid
        self.model.compile(**kwargs)
        if self.model.built:
            self.model.optimizer.build(self.model.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset at the start of an epoch."""
        return [*super().metrics, self.loss, *self.model.metrics]

    @property
    def variables(self) -> list[keras.Variable]:
        """Weights and slots."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Train the network on a batch; return the outputs it had before, and its loss."""
        inputs = inputs_of(x)
        if y is None:
            raise DataError("a trainee learns from labels: expected y, received none; pass y or leave the trainee out")
        model = self.model
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            answers = _in_form(outputs, *alike(self.softmax, self.student_softmax), to_logits, keras.ops.softmax)
            sides = alike(self.sigmoid, self.student_sigmoid)
            answers = _in_form(answers, *sides, sigmoid_to_logits, keras.ops.sigmoid)
            weight = label_weight_of(x, sample_weight)
            loss = model.compute_loss(inputs, y, answers, weight, training=True)
            scaled = model.optimizer.scale_loss(loss)
        weights = model.trainable_weights
        model.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        update_mean(self.loss, loss, outputs)
        model.compute_metrics(inputs, *labelled(x, y, answers, sample_weight))
        return {FINAL: keras.tree.map_structure(tf.stop_gradient, outputs), OWN_LOSS: loss}

    def results(self) -> dict[str, Any]:
        """Return the metrics by the names they have in the history."""
        own = {f"trainee_{name}": value for name, value in self.model.get_metrics_result().items() if name != "loss"}
        return {"trainee_loss": self.loss.result(), **own, **super().results()}


def check_pair(guide: keras.Model, student: keras.Model, name: str) -> None:
    """Check that a guide and the student take the same samples and give answers of the same kind.

    Args:
        guide: Its network.
        student: The student.
        name: What the guide is called.

    Raises:
        ModelError: Shapes or dtypes differ, or one of them is no Keras model.
    """
    for role, model in ((name, guide), ("student", student)):
        if not isinstance(model, keras.Model):
            raise ModelError(f"the {role} is no network: expected a keras.Model, received a {type(model).__name__}")
    for end in ("inputs", "outputs"):
        theirs, ours = getattr(guide, end, None), getattr(student, end, None)
        if theirs is None or ours is None:
            continue
        if len(theirs) != len(ours) or not all(map(_alike, theirs, ours)):
            raise ModelError(
                f"{name} and student have different {end}: expected the same shapes and dtypes, received "
                f"{_described(theirs)} and {_described(ours)}; build the student for the {name}'s task"
            )


def check_apart(models: dict[str, keras.Model]) -> None:
    """Check that networks share no weights.

    Args:
        models: They, by what they are called.

    Raises:
        ModelError: Two of them do.
    """
    owner: dict[int, str] = {}
    for name, model in models.items():
        for variable in model.variables:
            other = owner.setdefault(id(variable), name)
            if other != name:
                raise ModelError(
                    f"{name} and {other} share weights ({variable.path}): expected separate networks; build the "
                    f"{name} anew, or for a trainee pass 'like_teacher'"
                )


def feature_extractor(model: keras.Model, layer_names: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a network once and gives its outputs and the outputs of some of its layers.

    Args:
        model: A functional or sequential network where layers are named, any network otherwise.
        layer_names: The layers.

    Returns:
        A function of the inputs and `training`; its results are named `"final_output"` and as the layers.
    """
    if not layer_names:
        return lambda x, training: {FINAL: model(x, training=training)}
    if getattr(model, "inputs", None) is None:
        raise ModelError(
            f"layers of {model.name!r} cannot be read: expected a functional or sequential model, received a "
            f"{type(model).__name__}; use losses on the outputs"
        )
    sequential = isinstance(model, keras.Sequential)
    outputs = {FINAL: model.layers[-1].output if sequential else model.output}
    outputs |= {name: model.get_layer(name).output for name in layer_names}
    inputs = model.inputs if sequential else model.input
    extractor: Callable[..., dict[str, Any]] = keras.Model(inputs, outputs, name=f"{model.name}_features")
    return extractor


def update_mean(metric: keras.metrics.Mean, loss: Any, outputs: Any) -> None:
    """Add the loss of a batch to a mean over samples, as Keras' trainer does, also under a distribution strategy."""
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    count = tf.cast(tf.shape(keras.tree.flatten(outputs)[0])[0], metric.dtype)
    # What `update_state` does, without the operations that fit weights of any shape to values of any shape.
    metric.total.assign_add(tf.cast(loss * num_replicas, metric.dtype) * count)
    metric.count.assign_add(count)


def fresh_copy(model: keras.Model) -> keras.Model:
    """Return a network of the same architecture with fresh weights, all of them trainable.

    It keeps what no training gives: constants, and what layers were adapted to, as a `Normalization` is to data.

    Raises:
        ModelError: The network only answers: it has no layers that Keras could train.
    """
    if only_answers(model):
        raise ModelError(
            "no trainee like the teacher: expected a network of Keras' layers, received one that only answers; "
            "take the trainee 'none'"
        )
    is_graph = getattr(model, "inputs", None) is not None
    copy = clone_of(model, trained=False) if is_graph else keras.models.clone_model(model)
    _thaw(copy)
    return copy


def fresh_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return an optimizer with the same settings and no state."""
    copy = type(optimizer).from_config(optimizer.get_config())
    excluded = excluded_from_weight_decay(optimizer)
    if excluded:
        copy.exclude_from_weight_decay(var_names=[excluded])
    return copy


def fresh_metrics(metrics: Any) -> Any:
    """Return metrics with the same settings and no state."""
    return keras.tree.map_structure(
        lambda metric: metric.from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric,
        metrics,
    )


def _thaw(layer: keras.layers.Layer) -> None:
    """Make a layer trainable with all in it; the setter of a cloned functional model does not reach its layers."""
    layer.trainable = True
    for inner in getattr(layer, "layers", ()):
        _thaw(inner)


def _same_numbers(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether shapes are the same, or one is the other one flat, as of a reconstruction."""
    return one == other or (1 in (len(one), len(other)) and None not in one and math.prod(one) == math.prod(other))


def _alike(a: Any, b: Any) -> bool:
    if len(a.shape) != len(b.shape):
        return False
    same_shape = all(m == n or m is None or n is None for m, n in zip(a.shape, b.shape, strict=True))
    return same_shape and (a.dtype == b.dtype or ("float" in a.dtype and "float" in b.dtype))


def _described(tensors: list[Any]) -> str:
    return ", ".join(f"{tuple(tensor.shape[1:])} {tensor.dtype}" for tensor in tensors)


def _in_form(
    outputs: Any, has: list[bool], wanted: list[bool], turn: Callable[..., Any], activate: Callable[[Any], Any]
) -> Any:
    """Return outputs as logits where they are probabilities and should not be, and the other way round."""
    differ = [one != other for one, other in zip(has, wanted, strict=True)]
    logits = turn(outputs, [one and is_other for one, is_other in zip(has, differ, strict=True)])
    return changed_where([one and is_other for one, is_other in zip(wanted, differ, strict=True)], activate, logits)
