"""Guides leave the training: when, and what is left of them."""

import copy
import functools
import gc
import json
import math
import os
import subprocess
import sys
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.halting.rules import Agreement, FixedEpoch, Plateau
from kd_edge.distillation.losses.guide_losses import RelationalDistillation
from kd_edge.errors import ConfigError

BATCH = 16
STEPS = 4  # of one epoch over the task's 64 samples


class Traces(keras.layers.Layer):
    """Passes its input on, counts how often it is executed and how often it is traced."""

    def __init__(self):
        super().__init__()
        self.num_traces = 0

    def build(self, shape):
        self.count = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.num_traces += 1
        self.count.assign_add(1)
        return x


def compiled(task, *, teacher=None, student=None, trainee="like_teacher", **kwargs):
    distiller = Distiller(
        teacher or task.network(16), student or task.network(), LogitsDistillation(2.0), trainee=trainee
    )
    distiller.compile("adam", loss=task.loss(), metrics=["accuracy"], **kwargs)
    return distiller


def fit(distiller, task, *callbacks, epochs=3, **kwargs):
    return distiller.fit(
        task.x, task.y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks), **kwargs
    )


def after(epochs, guide="trainee", **kwargs):
    return EarlyHalting(guide, "epoch", start_from_epoch=epochs, **kwargs)


def reasons(rule, values):
    return [rule.reason(value, epoch) for epoch, value in enumerate(values, start=1)]


def test_plateau_halts_after_patience_values_within_the_relative_change():
    # 10 sets the level; 9 is 10 % away and sets it anew; 8.9 and 9.1 are 1.1 % away from 9.
    halts = [r is not None for r in reasons(Plateau(min_delta=0.05, patience=2), [10, 9, 8.9, 9.1])]
    assert halts == [False, False, False, True]


def test_plateau_goes_on_while_the_divergence_grows():
    assert not any(reasons(Plateau(min_delta=0.05, patience=1), [1, 1.1, 1.3, 1.6, 2.0]))


@pytest.mark.parametrize("value", [-0.9, 0.0])
def test_plateau_halts_whatever_the_sign_of_the_divergence(value):
    assert [r is not None for r in reasons(Plateau(patience=2), [value] * 3)] == [False, False, True]


def test_plateau_waits_for_a_finite_level():
    assert reasons(Plateau(patience=2), [math.inf, 5.0, 3.0, 1.0, 0.5]) == [None] * 5


def test_plateau_forgets_on_reset():
    rule = Plateau(patience=1)
    rule.reason(1.0, 1)
    rule.reset()
    assert rule.reason(1.0, 1) is None


def test_agreement_needs_patience_values_in_a_row():
    values = reasons(Agreement(baseline=0.9, patience=2), [0.91, 0.5, 0.9, 0.95])
    assert values == [None, None, None, "agreement 0.950 reached 0.9"]


def test_fixed_epoch_halts_at_its_epoch():
    assert reasons(FixedEpoch(2), [math.nan, math.nan]) == [None, "fixed after 2 epochs"]


def test_after_halting_the_guide_is_out_of_the_compiled_step(task):
    in_teacher, in_trainee, in_student = Traces(), Traces(), Traces()
    teacher, trainee = task.network(16, extra=in_teacher), task.network(16, extra=in_trainee)
    student = task.network(extra=in_student)
    distiller = compiled(task, teacher=teacher, trainee=trainee, student=student)
    before = in_student.num_traces
    fit(distiller, task, epochs=1)
    assert in_student.num_traces - before == 1
    fit(distiller, task, after(1), after(2, "teacher"), epochs=4)
    assert int(in_trainee.count) == (1 + 1) * STEPS
    assert int(in_teacher.count) == (1 + 2) * STEPS
    assert int(in_student.count) == (1 + 4) * STEPS
    assert in_student.num_traces - before == 1 + 2  # once more for each guide that left
    assert distiller.guides == ()
    assert distiller.halted == ("trainee", "teacher")


def test_a_halted_trainee_and_its_optimizer_leave_the_memory(task):
    distiller = compiled(task)
    tensors = [v.value for v in (*distiller.trainee.variables, *distiller.trainee.optimizer.variables)]
    held = [weakref.ref(o) for o in (distiller.trainee, distiller.trainee.optimizer, *tensors)]
    del tensors
    fit(distiller, task, after(1), epochs=2)
    assert [ref() for ref in held] == [None] * len(held)


HALTED_WIDTH = 1_000_000
WEIGHTS = 4 * (8 + 1 + 3) * HALTED_WIDTH  # float32; Adam keeps two moments of each


@functools.cache
def memory_around_a_halt(onednn):
    """Return what a child process saw, in bytes, with TensorFlow's oneDNN kernels off ("0") or on ("1")."""
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(Path(__file__).with_name("halting_memory.py")), str(HALTED_WIDTH)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_shrinks_by_a_halted_trainees_weights_and_slots():
    # Without oneDNN: with it, TensorFlow's allocator keeps large blocks for its own use.
    memory = memory_around_a_halt("0")
    assert memory["before"]["resident"] - memory["halted"]["resident"] > 0.95 * 3 * WEIGHTS


# A processor that has no use for oneDNN does with "1" what it does with "0", and both tests hold as well.
@pytest.mark.parametrize("onednn", ["0", "1"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_halted_trainees_weights_and_slots_are_no_longer_in_use(onednn):
    memory = memory_around_a_halt(onednn)
    assert memory["before"]["in_use"] - memory["halted"]["in_use"] > 0.95 * 3 * WEIGHTS


@pytest.mark.parametrize("onednn", ["0", "1"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_halting_freed_is_allocated_again_without_new_memory_from_the_system(onednn):
    memory = memory_around_a_halt(onednn)
    assert memory["allocated_again"]["taken"] - memory["before"]["taken"] < 0.05 * 3 * WEIGHTS


def test_a_halted_teacher_stays_with_its_owner(task):
    teacher = task.network(16)
    distiller = compiled(task, teacher=teacher, trainee=None)
    fit(distiller, task, after(1, "teacher"), epochs=2)
    assert distiller.teacher is None
    held = weakref.ref(teacher)
    del teacher
    gc.collect()
    assert held() is None


def test_the_student_and_its_optimizer_do_not_notice_the_halt(task):
    distiller = compiled(task)
    fit(distiller, task)
    weights = distiller.student.get_weights()
    slots = [v.numpy() for v in distiller.optimizer.variables]
    distiller.halt("trainee")
    for before, now in zip(weights, distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(before, now)
    for before, now in zip(slots, distiller.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, now.numpy())
    assert int(distiller.optimizer.iterations) == 3 * STEPS


def test_without_guides_the_student_learns_as_it_would_alone(task):
    student, twin = task.network(), task.network()
    twin.set_weights(student.get_weights())
    distiller = compiled(task, student=student, trainee=None)
    distiller.halt("teacher")
    fit(distiller, task, shuffle=False)
    twin.compile("adam", loss=task.loss(), metrics=["accuracy"])
    twin.fit(task.x, task.y, batch_size=BATCH, epochs=3, verbose=0, shuffle=False)
    for ours, alone in zip(student.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, alone, rtol=1e-5, atol=1e-7)


def test_the_trainee_learns_and_its_metrics_are_in_the_history(task):
    distiller = compiled(task)
    history = fit(distiller, task, epochs=4).history
    assert {"trainee_loss", "trainee_accuracy", "trainee_divergence", "trainee_agreement"} <= set(history)
    assert history["trainee_loss"][-1] < history["trainee_loss"][0]
    assert int(distiller.trainee.optimizer.iterations) == 4 * STEPS


def test_a_trainee_alone_can_guide(task):
    distiller = Distiller(None, task.network(), LogitsDistillation(2.0), trainee=task.network(16))
    distiller.compile("adam", loss=task.loss(), run_eagerly=True)
    history = fit(distiller, task).history
    assert history["distillation_loss"] == pytest.approx([0.5 * value for value in history["trainee_divergence"]])


def test_the_trainee_optimizer_is_a_fresh_copy_unless_another_is_given(task):
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(), trainee="like_teacher")
    distiller.compile(optimizer, loss=task.loss())
    copied = distiller.trainee.optimizer
    assert copied is not optimizer
    assert copied.get_config() == optimizer.get_config()
    bias = distiller.trainee.get_layer("hidden").bias
    assert not copied._use_weight_decay(bias)
    distiller.compile(optimizer, loss=task.loss(), trainee_optimizer=keras.optimizers.SGD(0.5))
    assert isinstance(distiller.trainee.optimizer, keras.optimizers.SGD)


def test_one_optimizer_for_both_is_copied_for_the_trainee(task):
    optimizer = keras.optimizers.SGD(0.1)
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(), trainee="like_teacher")
    distiller.compile(optimizer, loss=task.loss(), trainee_optimizer=optimizer, run_eagerly=True)
    distiller.train_on_batch(task.x, task.y)
    assert int(distiller.trainee.optimizer.iterations) == int(optimizer.iterations) == 1


def test_a_trainee_like_a_frozen_teacher_is_trainable_and_fresh(task):
    teacher = task.network(16)
    teacher.trainable = False
    trainee = Distiller(teacher, task.network(), LogitsDistillation(), trainee="like_teacher").trainee
    assert len(trainee.trainable_weights) == 4
    assert np.abs(trainee.get_weights()[0] - teacher.get_weights()[0]).max() > 0.01


def test_halting_can_be_checked_every_few_steps(task):
    class Second:
        metric = "divergence"

        def __init__(self):
            self.values = []

        def reset(self):
            pass

        def reason(self, value, epoch):
            self.values.append(value)
            return "enough" if len(self.values) == 3 else None

    rule = Second()
    distiller = compiled(task)
    history = fit(distiller, task, EarlyHalting(rule=rule, check_freq=2), epochs=3).history
    report = distiller.halting_reports[1]
    assert (report.step, report.epoch) == (6, 1)  # the third check, two steps into the second epoch
    first_epoch = history["trainee_divergence"][0]
    assert np.mean(rule.values[:2]) == pytest.approx(first_epoch, rel=1e-5)  # each check sees its own steps
    assert len(history["trainee_divergence"]) == 1  # the second epoch ended without the trainee


class Listens:
    """Never halts and remembers what it was told."""

    metric = "divergence"

    def __init__(self):
        self.values = []

    def reset(self):
        pass

    def reason(self, value, epoch):
        self.values.append(value)


def test_steps_between_two_checks_count_on_over_the_end_of_an_epoch(task):
    rule = Listens()
    history = fit(compiled(task), task, EarlyHalting(rule=rule, check_freq=6), epochs=3).history
    assert len(rule.values) == 2  # of 12 steps, 4 of each epoch
    assert 6 * sum(rule.values) == pytest.approx(4 * sum(history["trainee_divergence"]), rel=1e-5)


def test_the_step_of_a_halt_counts_on_when_the_distiller_is_compiled_again(task):
    distiller = compiled(task, run_eagerly=True)
    fit(distiller, task, epochs=2)
    distiller.compile("sgd", loss=task.loss(), run_eagerly=True)
    fit(distiller, task, EarlyHalting(rule="epoch", check_freq=3, start_from_epoch=1), epochs=2)
    report = distiller.halting_reports[1]
    assert (report.epoch, report.step) == (1, 2 * STEPS + 6)


def test_the_report_counts_what_was_spent_and_saved(task):
    distiller = compiled(task)
    history = fit(distiller, task, after(1), epochs=4)
    teacher, trainee = distiller.halting_reports
    macs = 8 * 16 + 16 * 3  # of one forward pass for one sample
    weights = 8 * 16 + 16 + 16 * 3 + 3
    assert (trainee.epoch, trainee.step, trainee.reason) == (1, STEPS, "fixed after 1 epochs")
    assert trainee.macs_spent == 3 * macs * 64
    assert trainee.macs_saved == 3 * macs * 64 * 3
    adam = 2 * 4 * weights + 8 + 4  # two float32 moments, an int64 step counter, a float32 learning rate
    assert trainee.megabytes_saved * 1e6 == pytest.approx(4 * weights + adam, abs=8)
    assert (teacher.macs_spent, teacher.macs_saved) == (macs * 64 * 4, 0)
    assert (teacher.data_passes, trainee.data_passes) == (4.0, 1.0)
    assert (teacher.halted, teacher.epoch, teacher.megabytes_saved) == (False, None, 0.0)
    # Its only epoch compiled the step: what it took says nothing of another one.
    assert (trainee.seconds_spent, trainee.seconds_saved) == (None, None)
    assert "two epochs with and two without the guide" in trainee.to_dict()["unavailable_reason"]["seconds_saved"]
    assert history.halting == [teacher.to_dict(), trainee.to_dict()]


def test_the_report_says_what_could_not_be_had(task):
    distiller = compiled(task, run_eagerly=True)
    fit(distiller, task, epochs=1)
    report = distiller.halting_reports[0].to_dict()
    assert report["seconds_spent"] is None
    assert "seconds_spent" in report["unavailable_reason"]
    assert report["units"]["macs_spent"] == "multiply-accumulates"
    assert report["provenance"]["macs_spent"] == "computed"


def test_a_used_callback_can_be_copied_for_another_training(task):
    callback = after(1)
    fit(compiled(task, run_eagerly=True), task, callback, epochs=2)
    other = compiled(task, run_eagerly=True)
    fit(other, task, copy.deepcopy(callback), epochs=2)
    assert other.halted == ("trainee",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"guide": "treinee"}, "unknown guide 'treinee'; did you mean 'trainee'"),
        ({"rule": "platau"}, "unknown halting rule 'platau'; did you mean 'plateau'"),
        ({"check_freq": 0}, "expected 'epoch' or a number of steps, received 0"),
        ({"patience": 0}, "bad patience: expected at least 1 check, received 0"),
        ({"baseline": 80}, "bad baseline of the rule 'agreement': expected a share from 0 to 1, received 80"),
        ({"rule": "gradient", "patience": 0}, "bad patience: expected at least 1 check, received 0"),
        ({"guide": None}, "unknown guide None; known: teacher, trainee"),
        ({"rule": 3}, "bad halting rule: .* metric, reset and reason, received 3; known names: agreement"),
        ({"rule": Plateau}, "bad halting rule: .* received <class"),
        *(({"patience": bad}, f"bad patience: .* received {bad!r}") for bad in (1.5, "x", True)),
        *(({"check_freq": bad}, f"bad check_freq: .* received {bad!r}") for bad in (1.5, "x", True)),
        *(({"start_from_epoch": bad}, f"bad start_from_epoch: .* received {bad!r}") for bad in (-1, 1.5, "a")),
        *(({"baseline": bad}, f"bad baseline of the rule .* received {bad!r}") for bad in ("a", math.nan)),
        *(({"baseline": bad, "monitor": "loss"}, f"bad baseline: .* {bad!r}") for bad in ("a", math.nan)),
        *(({"min_delta": bad, "rule": "plateau"}, f"bad min_delta: .* {bad!r}") for bad in ("a", math.nan, -1)),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EarlyHalting(**arguments)


@pytest.mark.parametrize(("rule", "patience"), [("agreement", 1), ("plateau", 3)])
def test_the_patience_is_that_of_the_rule_unless_it_is_given(rule, patience):
    assert vars(EarlyHalting(rule=rule).rule)["_patience"] == patience
    assert vars(EarlyHalting(rule=rule, patience=7).rule)["_patience"] == 7


@pytest.mark.parametrize("check_freq", ["epoch", 2])
def test_a_metric_that_is_not_there_is_named(task, check_freq):
    callback = EarlyHalting(monitor="trainee_agrement", check_freq=check_freq)
    with pytest.raises(ConfigError, match=r"no metric 'trainee_agrement' .* expected one of .*, trainee_agreement, "):
        fit(compiled(task), task, callback)


@pytest.mark.parametrize("check_freq", [2, 30])
def test_metrics_of_validation_are_observed_at_the_end_of_an_epoch_alone(task, check_freq):
    observed = EarlyHalting(monitor="val_accuracy", baseline=0.0, check_freq=check_freq)
    with pytest.raises(ConfigError, match="no metric 'val_accuracy' after a number of steps"):
        fit(compiled(task), task, observed, validation_data=(task.x, task.y))


def test_a_validation_that_does_not_follow_every_epoch_is_waited_for(task):
    distiller = compiled(task, run_eagerly=True)
    observed = EarlyHalting(monitor="val_accuracy", baseline=0.0)
    fit(distiller, task, observed, validation_data=(task.x, task.y), validation_freq=2)
    assert distiller.halting_reports[1].epoch == 2
    with pytest.raises(ConfigError, match="no metric 'val_acuracy' at the end of an epoch"):
        fit(distiller, task, EarlyHalting("teacher", monitor="val_acuracy"), validation_data=(task.x, task.y))


def test_a_metric_that_goes_with_its_guide_is_missed_by_nobody(task):
    distiller = compiled(task, run_eagerly=True)
    observed = EarlyHalting("teacher", monitor="trainee_agreement", baseline=2.0)
    assert len(fit(distiller, task, observed, after(1)).epoch) == 3
    assert distiller.halted == ("trainee",)


def test_a_student_without_classes_cannot_agree_on_one(task):
    student = keras.Sequential([keras.Input(task.x.shape[1:]), keras.layers.Dense(1)])
    teacher, trainee = (keras.models.clone_model(student) for _ in range(2))
    distiller = Distiller(teacher, student, RelationalDistillation(), trainee=trainee)
    distiller.compile("sgd", loss="mse")
    with pytest.raises(ConfigError, match=r"expected an output of 2 classes or more.*use rule='plateau'"):
        distiller.fit(task.x, task.y, verbose=0, callbacks=[EarlyHalting()])


def test_a_guide_that_is_not_there_cannot_be_halted(task):
    distiller = compiled(task, trainee=None, run_eagerly=True)
    with pytest.raises(ConfigError, match="no guide 'trainee' to halt"):
        fit(distiller, task, EarlyHalting())
    with pytest.raises(ConfigError, match="no guide 'trainee' to halt"):
        distiller.halt("trainee")


def test_a_plain_model_has_no_guides_to_halt(task):
    student = task.network()
    student.compile("adam", loss=task.loss())
    with pytest.raises(ConfigError, match=r"needs a kd_edge.Distiller, received a Functional"):
        student.fit(task.x, task.y, verbose=0, callbacks=[EarlyHalting()])
