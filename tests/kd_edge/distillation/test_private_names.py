"""What is reached through private names of Keras and TensorFlow still does what it is there for."""

import gc
import pickle
import weakref

import keras
import pytest
import tensorflow as tf
from keras.distillation import LogitsDistillation

from kd_edge.compat.keras import (
    compiled_losses,
    compiled_metrics,
    excluded_from_weight_decay,
    state_without_model,
    with_sample_weight,
)
from kd_edge.compat.tensorflow import release_traced_graphs, runs_on_several_workers
from kd_edge.distillation.distiller import Distiller


def test_what_does_not_decay_is_read_from_an_optimizer():
    optimizer = keras.optimizers.AdamW()
    assert excluded_from_weight_decay(optimizer) is None
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert excluded_from_weight_decay(optimizer) == "bias"


def test_the_state_of_a_callback_has_no_model(task):
    callback = keras.callbacks.Callback()
    callback.set_model(task.network())
    state = state_without_model(callback)
    assert state.keys() == vars(callback).keys()
    pickle.dumps(state)
    assert callback.model is not None


def test_the_metrics_and_losses_of_compile_are_found(task):
    model = task.network()
    assert compiled_metrics(model) is compiled_losses(model) is None
    model.compile("sgd", loss="mse", metrics=["mae"])
    compiled_metrics(model).build(keras.KerasTensor((None, 3)), keras.KerasTensor((None, 3)))
    assert [metric.name for metric in compiled_metrics(model).metrics] == ["mae"]
    assert not compiled_losses(model).built


def test_a_loss_weighs_samples_and_stays_of_its_class():
    loss = with_sample_weight(keras.losses.MeanSquaredError(), [1.0, 3.0])
    assert isinstance(loss, keras.losses.MeanSquaredError)
    assert float(loss([[0.0], [0.0]], [[1.0], [2.0]])) == pytest.approx((1 * 1 + 3 * 4) / 2)


def test_keras_training_loop_calls_what_the_distiller_overrides(task, monkeypatch):
    called = []
    monkeypatch.setattr(Distiller, "before_first_step", lambda self, spec: called.append(len(spec)))
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0))
    assert distiller.strategy is None
    assert distiller.loss_mean is None
    distiller.compile("sgd", loss=task.loss())
    distiller.fit(task.x, task.y, verbose=0)
    assert called == [2]  # a batch of samples and labels
    assert float(distiller.loss_mean.result()) > 0


def test_one_computer_is_not_several():
    assert not runs_on_several_workers(tf.distribute.get_strategy())


def traced_silu():
    @tf.function
    def square_of_silu(x):
        return tf.nn.silu(x) ** 2

    return square_of_silu, square_of_silu.get_concrete_function(tf.TensorSpec((), tf.float32))


def test_a_traced_function_with_a_custom_gradient_leaves_the_memory_with_its_last_user():
    function, concrete = traced_silu()
    graph = weakref.ref(concrete.graph)
    del function, concrete
    gc.collect()
    assert graph() is not None  # TensorFlow keeps it, for good
    release_traced_graphs()
    gc.collect()
    assert graph() is None


def test_a_custom_gradient_is_there_as_long_as_its_graph_is():
    function, _ = traced_silu()
    release_traced_graphs()
    gc.collect()
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    sigmoid = tf.sigmoid(2.0)
    expected = 2 * 2 * sigmoid * (sigmoid * (1 + 2 * (1 - sigmoid)))  # 2 silu(x) silu'(x)
    assert float(tape.gradient(y, x)) == pytest.approx(float(expected), rel=1e-5)
