"""A student and a network that learns beside it, as one function of one vector of weights: three forms of a trainee."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.ir.lowering import lower
from tools.studies.halting.loop import Pool, Steps, divergence, labels_loss, look
from tools.studies.halting.networks import FlatNetwork, State, stepped
from tools.studies.halting.tasks import Task

SEPARATE, SHARED, SUB_NETWORK = "separate", "shared first layers", "sub-network of a wider student"
_WIDER = 3
_NUM_SHARED = 3  # activations: those of the first convolution and of the first separable block


@dataclass(frozen=True)
class Joint:
    """A student and its trainee.

    Attributes:
        call: `(weights, others, x)` in training: the student's logits, the trainee's, and `others` after the step.
        answer: `(weights, others, x)`: the trainee's logits outside of training.
        decay: Of each weight.
        places: Where the student's weights are among all.
        others: Where the student's moving averages are among all.
        start: Returns the state before the first step, of the student's start and a seed.
        hint: Weight of what the trainee teaches the student.
        macs: What the trainee costs beside the student: multiply-accumulates of a forward pass for a sample.
    """

    call: Callable[..., tuple[Any, Any, tuple[Any, ...]]]
    answer: Callable[..., Any]
    decay: np.ndarray
    places: np.ndarray
    others: tuple[int, ...]
    start: Callable[[State, int], State]
    hint: float
    macs: int

    def student(self, state: State) -> State:
        """Return the student alone, with its part of the optimizer's state."""
        parts = (tf.gather(part, self.places) for part in state[:3])
        return State._make([*parts, tuple(state.others[i] for i in self.others)])

    def beginning(self, student: State, weights: np.ndarray, others: tuple[Any, ...]) -> State:
        """Return a first state with these weights, in which the student has its own."""
        weights[self.places] = student.weights.numpy()
        vector = tf.constant(weights)
        return State(vector, tf.zeros_like(vector), tf.zeros_like(vector), others)


class Watch(NamedTuple):
    """Sums over steps of what a halting rule observes: divergence and agreement of the trainee."""

    divergence: Any
    agreement: Any


def make_joint(form: str, task: Task, data: Dataset, student: FlatNetwork) -> Joint:
    """Return the student of a task with a trainee of a form.

    Args:
        form: `SEPARATE`: a network like the teacher. `SHARED`: a large network that begins with the student's first
            layers, from Zhou et al., "Rocket Launching" (arXiv 1708.04106): what the student learns from it does not
            flow back into it. `SUB_NETWORK`: a student with three times the channels, of which the student has the
            first ones, from Cai et al., "Network Augmentation for Tiny Deep Learning" (arXiv 2110.08890), with one
            width in place of one drawn in each step.
        task: The data set.
        data: Its samples, for their shapes.
        student: The student.
    """
    make = {SEPARATE: _separate, SHARED: _shared, SUB_NETWORK: _sub_network}[form]
    return make(task, data, student)


def make_joint_loop(joint: Joint, num_classes: int) -> Callable[..., Any]:
    """Return the compiled function `(state, pool, steps, loss, first_step)` of the state after them and a `Watch`.

    The student's loss is that of `make_loop` plus `(1 - w) b D(trainee)`, with b the hint's weight; the trainee's own
    is the cross-entropy with the labels.
    """

    def run(state: State, pool: Pool, steps: Steps, loss: Any, first_step: Any) -> tuple[State, Watch]:
        count = tf.shape(steps.rate)[0]
        watch = Watch(tf.constant(0.0), tf.constant(0.0))
        for i in tf.range(count):
            batch = look(pool, steps.index[i], steps.seeds[i], None, num_classes)
            with tf.GradientTape() as tape:
                tape.watch(state.weights)
                logits, shown, others = joint.call(state.weights, state.others, batch.x)
                told = divergence(tf.stop_gradient(shown), logits, loss.temperature)
                guides = loss.teacher * divergence(steps.taught[i], logits, loss.temperature) + joint.hint * told
                total = (
                    loss.labels * labels_loss(batch, logits) + (1 - loss.labels) * guides + labels_loss(batch, shown)
                )
            gradient = tape.gradient(total, state.weights)
            step = tf.cast(first_step + i, tf.float32)
            state = stepped(state, gradient, steps.rate[i], step, joint.decay, others)
            same = tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == tf.argmax(shown, -1), tf.float32))
            watch = Watch(watch.divergence + told, watch.agreement + same)
        return state, watch

    return tf.function(run, reduce_retracing=True)


class GuidedLoss(NamedTuple):
    """Weights of the loss: temperature, the labels' share, and 1 where there is a teacher, else 0."""

    temperature: Any
    labels: Any
    teacher: Any


def _teacher_like(task: Task, data: Dataset) -> keras.Model:
    return build_teacher(data.input_shape, data.num_classes, width=task.teacher.width)


def _separate(task: Task, data: Dataset, student: FlatNetwork) -> Joint:
    large = FlatNetwork(_teacher_like(task, data))
    size, num_others = len(student.decay), len(student.model.non_trainable_variables)

    def call(weights: Any, others: Any, x: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        logits, ours = student.call(weights[:size], others[:num_others], x, training=True)
        shown, theirs = large.call(weights[size:], others[num_others:], x, training=True)
        return logits, shown, ours + theirs

    def answer(weights: Any, others: Any, x: Any) -> Any:
        return large.call(weights[size:], others[num_others:], x, training=False)[0]

    def start(begin: State, seed: int) -> State:
        keras.utils.set_random_seed(seed)
        fresh = large.start(_teacher_like(task, data))
        return joint.beginning(begin, np.concatenate([begin.weights, fresh.weights]), begin.others + fresh.others)

    decay = np.concatenate([student.decay, large.decay])
    places, macs = np.arange(size), lower(large.model).known_macs
    joint = Joint(call, answer, decay, places, tuple(range(num_others)), start, 0.5, macs)
    return joint


def _shared(task: Task, data: Dataset, student: FlatNetwork) -> Joint:
    both, small, head = _two_headed(task, data)
    network = FlatNetwork(both)
    del student

    def call(weights: Any, others: Any, x: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        (logits, shown), changed = network.call(weights, others, x, training=True)
        return logits, shown, changed

    def answer(weights: Any, others: Any, x: Any) -> Any:
        return network.call(weights, others, x, training=False)[0][1]

    def start(begin: State, seed: int) -> State:
        keras.utils.set_random_seed(seed)
        fresh = network.start(_two_headed(task, data)[0])
        return joint.beginning(begin, fresh.weights.numpy(), fresh.others)

    others = [id(v) for v in both.non_trainable_variables]
    averages = tuple(others.index(id(v)) for v in small.non_trainable_variables)
    joint = Joint(call, answer, network.decay, _places(both, small), averages, start, 0.5, lower(head).known_macs)
    return joint


def _two_headed(task: Task, data: Dataset) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Return a student with residual blocks on its first layers as a second output, the student, and the blocks."""
    small = task.build_student(data, 0)
    middle = [layer for layer in small.layers if isinstance(layer, keras.layers.ReLU)][_NUM_SHARED - 1].output
    shape = tuple(middle.shape[1:])
    if len(data.input_shape) == 2:
        shape = shape[::2]  # without the width of 1 that sequences are convolved with
        middle = keras.layers.Reshape(shape)(middle)
    head = build_teacher(shape, data.num_classes, width=task.teacher.width)
    return keras.Model(small.input, [small.output, head(middle)]), small, head


def _places(both: keras.Model, small: keras.Model) -> np.ndarray:
    """Return where the weights of a network are among those of one that has its layers."""
    first, begin = {}, 0
    for variable in both.trainable_variables:
        first[id(variable)] = begin
        begin += int(np.prod(variable.shape))
    return np.concatenate([first[id(v)] + np.arange(int(np.prod(v.shape))) for v in small.trainable_variables])


def _sub_network(task: Task, data: Dataset, student: FlatNetwork) -> Joint:
    blueprint = task.network(data.input_shape, data.num_classes, wider=_WIDER)
    wide = FlatNetwork(blueprint.to_keras())
    num_others = len(student.model.non_trainable_variables)
    places, begin = [], 0
    for variable, part in zip(wide.model.trainable_variables, student.model.trainable_variables, strict=True):
        size = int(np.prod(variable.shape))
        grid = np.arange(begin, begin + size).reshape(variable.shape)
        places.append(grid[tuple(slice(length) for length in part.shape)].ravel())
        begin += size

    def call(weights: Any, others: Any, x: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        logits, ours = student.call(tf.gather(weights, joint.places), others[:num_others], x, training=True)
        shown, theirs = wide.call(weights, others[num_others:], x, training=True)
        return logits, shown, ours + theirs

    def answer(weights: Any, others: Any, x: Any) -> Any:
        return wide.call(weights, others[num_others:], x, training=False)[0]

    def start(begin: State, seed: int) -> State:
        keras.utils.set_random_seed(seed)
        fresh = wide.start(blueprint.to_keras())
        return joint.beginning(begin, fresh.weights.numpy(), begin.others + fresh.others)

    macs = lower(wide.model).known_macs
    joint = Joint(call, answer, wide.decay, np.concatenate(places), tuple(range(num_others)), start, 0.0, macs)
    return joint
