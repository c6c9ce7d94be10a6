"""Halting together with Keras' own callbacks, execution modes and distribution strategies, and with keras-tuner."""

import csv
import json
import os
import socket
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting

BATCH = 16
STEPS = 4  # of one epoch over the task's 64 samples


def compiled(task, **kwargs):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0), trainee="like_teacher")
    distiller.compile("adam", loss=task.loss(), metrics=["accuracy"], **{"run_eagerly": True, **kwargs})
    return distiller


def fit(distiller, task, *callbacks, epochs=4, **kwargs):
    return distiller.fit(
        task.x, task.y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks), **kwargs
    )


def after(epochs, guide="trainee"):
    return EarlyHalting(guide, "epoch", start_from_epoch=epochs)


class AsBest(keras.callbacks.Callback):
    """Remembers the student's weights at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            self.weights = self.model.student.get_weights()


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_early_stopping_restores_weights_from_before_the_halt(task):
    first = AsBest(0)
    stopping = keras.callbacks.EarlyStopping("loss", mode="max", patience=3, restore_best_weights=True)
    distiller = compiled(task)
    fit(distiller, task, after(1), first, stopping)  # the loss falls, so the first epoch is the "best"
    assert distiller.halted == ("trainee",)
    assert_same(distiller.student.get_weights(), first.weights)


@pytest.mark.parametrize("name", ["best.keras", "best.weights.h5"])
def test_a_checkpoint_from_before_the_halt_can_be_loaded_after_it(task, tmp_path, name):
    first = AsBest(0)
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / name, "loss", mode="max", save_best_only=True, save_weights_only=name.endswith("h5")
    )
    distiller = compiled(task)
    fit(distiller, task, checkpoint, first, after(1))
    if name.endswith("h5"):
        distiller.load_weights(tmp_path / name)
        student = distiller.student
    else:
        student = keras.models.load_model(tmp_path / name).student
    assert_same(student.get_weights(), first.weights)


class Crash(keras.callbacks.Callback):
    """Ends the process' training as a power cut would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_restored_run_stays_halted(task, tmp_path):
    distiller = compiled(task)
    with pytest.raises(KeyboardInterrupt):
        fit(distiller, task, after(1), keras.callbacks.BackupAndRestore(tmp_path), Crash(2))
    restored = compiled(task)
    fit(restored, task, keras.callbacks.BackupAndRestore(tmp_path), after(1))
    assert (restored.guides, restored.halted) == (("teacher",), ("trainee",))
    assert int(restored.optimizer.iterations) == 4 * STEPS
    report = restored.halting_reports[1]
    assert (report.epoch, report.step, report.data_passes) == (1, STEPS, 1.0)


def test_a_restored_run_goes_on_with_the_trainee_it_had(task, tmp_path):
    distiller = compiled(task)
    with pytest.raises(KeyboardInterrupt):
        fit(distiller, task, keras.callbacks.BackupAndRestore(tmp_path), Crash(2))
    restored = compiled(task)
    restored.load_weights(tmp_path / "latest.weights.h5")
    assert_same(restored.trainee.get_weights(), distiller.trainee.get_weights())
    assert int(restored.trainee.optimizer.iterations) == 2 * STEPS


def test_loggers_go_on_without_the_metrics_of_a_guide_that_left(task, tmp_path):
    loggers = keras.callbacks.CSVLogger(tmp_path / "log.csv"), keras.callbacks.TensorBoard(tmp_path / "board")
    fit(compiled(task), task, after(1), *loggers, epochs=2, validation_data=(task.x, task.y))
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["trainee_loss"]) > 0
    assert rows[1]["trainee_loss"] == "NA"
    assert float(rows[1]["val_accuracy"]) > 0
    assert list((tmp_path / "board" / "train").iterdir())


def test_keras_tuner_halts_in_every_trial(task, tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")
    halted = []

    class Halted(keras.callbacks.Callback):
        def __deepcopy__(self, memo):
            return self

        def on_train_end(self, logs=None):
            halted.append(self.model.halted)

    def build(hp):
        hp.Int("width", 2, 8)
        return compiled(task)

    tuner = keras_tuner.RandomSearch(
        build, keras_tuner.Objective("val_accuracy", "max"), max_trials=2, directory=tmp_path, seed=1
    )
    tuner.search(task.x, task.y, validation_data=(task.x, task.y), epochs=2, verbose=0, callbacks=[after(1), Halted()])
    assert halted == [("trainee",), ("trainee",)]


def test_several_steps_per_execution_halt_at_the_same_step(task):
    distiller = compiled(task, run_eagerly=False, steps_per_execution=2)
    fit(distiller, task, EarlyHalting(rule="epoch", check_freq=2), epochs=2)
    assert distiller.halting_reports[1].step == 2
    assert int(distiller.optimizer.iterations) == 2 * STEPS


def test_mixed_precision_trains_and_halts(task):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        distiller = compiled(task, run_eagerly=False)
        history = fit(distiller, task, after(1), epochs=3).history
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
    assert distiller.halted == ("trainee",)
    assert np.isfinite(history["loss"]).all()


_PROGRAM = """
import json, os, sys
import keras, numpy as np, tensorflow as tf
import kd_edge

def network(width):
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(width, activation="relu"), keras.layers.Dense(3)])

def train(strategy, stored=False):
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype("float32")
    y = (x @ rng.normal(size=(8, 3))).argmax(axis=1)
    with strategy.scope():
        teacher = kd_edge.soft_targets(network(16), x) if stored else network(16)
        distiller = kd_edge.Distiller(
            teacher, network(4), keras.distillation.LogitsDistillation(2.0), trainee=network(16)
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        distiller.compile(keras.optimizers.SGD(0.1), loss=loss, metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    halting = kd_edge.EarlyHalting(rule="epoch", start_from_epoch=1)
    history = distiller.fit(data, epochs=3, verbose=0, callbacks=[halting]).history
    trainee = distiller.halting_reports[1]
    return {
        "loss": history["loss"], "trainee_loss": history["trainee_loss"],
        "trainee_accuracy": history["trainee_accuracy"], "guides": distiller.guides,
        "weights": [w.tolist() for w in distiller.student.get_weights()], "num_samples": trainee.num_samples,
        "replicas": strategy.num_replicas_in_sync,
    }
"""

_TWO_DEVICES = """
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
both = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = tf.distribute.get_strategy()
print(json.dumps([train(both), train(one), train(both, stored=True)]))
"""

_WORKER = """
print(json.dumps(train(tf.distribute.MultiWorkerMirroredStrategy())))
"""


def start(program, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **environment},
    )


def result(process, timeout=300):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def replicas():
    """What two replicas gave, one alone, and two with the teacher's stored outputs."""
    return result(start(_PROGRAM + _TWO_DEVICES))


def assert_trained_alike(two, one, tolerance):
    assert (two["replicas"], two["guides"], two["num_samples"]) == (2, ["teacher"], 64)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=tolerance)
    np.testing.assert_allclose(two["trainee_loss"], one["trainee_loss"], rtol=tolerance)
    np.testing.assert_allclose(two["trainee_accuracy"], one["trainee_accuracy"])
    for a, b in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(a, b, rtol=10 * tolerance, atol=tolerance)


def test_two_replicas_train_and_halt_as_one(replicas):
    two, one, _ = replicas
    assert_trained_alike(two, one, 1e-4)


def test_two_replicas_learn_from_stored_outputs_as_from_the_teacher(replicas):
    _, one, stored = replicas
    assert_trained_alike(stored, one, 1e-3)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_two_workers_halt_at_the_same_step():
    cluster = {"worker": [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]}
    workers = [
        start(_PROGRAM + _WORKER, TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}))
        for i in range(2)
    ]
    try:
        first, second = [result(worker) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert first["guides"] == second["guides"] == ["teacher"]
    assert first["num_samples"] == second["num_samples"] == 64
    for a, b in zip(first["weights"], second["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
