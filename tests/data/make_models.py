"""Makes the small `.tflite` files in tests/data with TensorFlow: `python -m tests.data.make_models [FOLDER]`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

FLOAT = tf.TensorSpec([1, 4], tf.float32)


def residual_network() -> keras.Model:
    """Every op kind that the students of kd_edge use, in 421 parameters."""
    keras.utils.set_random_seed(1)
    source = keras.Input((12, 8, 3), batch_size=1)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(source)
    y = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    y = keras.layers.Conv2D(8, 1)(y)
    x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.AveragePooling2D((6, 4))(x)
    return keras.Model(source, keras.layers.Dense(5)(keras.layers.Flatten()(x)))


def convert_network(*, quantize: str) -> bytes:
    """Return the network in float, int8, or with int8 weights and float activations (dynamic range)."""
    converter = tf.lite.TFLiteConverter.from_keras_model(residual_network())
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "int8":
        rng = np.random.default_rng(0)
        converter.representative_dataset = lambda: ([rng.random((1, 12, 8, 3), np.float32)] for _ in range(50))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def convert_function(function: Callable[..., object], *specs: tf.TensorSpec) -> bytes:
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert()


def endless(x: tf.Tensor) -> tf.Tensor:
    return tf.while_loop(lambda x: tf.reduce_sum(x * x) > -1.0, lambda x: (x * 0.5,), [x])[0]


def hybrid_dense() -> bytes:
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((64,), batch_size=1), keras.layers.Dense(24)])
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    models = {
        "residual_int8": convert_network(quantize="int8"),
        "residual_float": convert_network(quantize="none"),
        "dense_hybrid": hybrid_dense(),
        "atan2": convert_function(lambda x: tf.math.atan2(x, x + 1.0), FLOAT),
        "two_in_two_out": convert_function(lambda x, y: (x + y, x * y), FLOAT, FLOAT),
        "endless_loop": convert_function(endless, FLOAT),
    }
    for name, content in models.items():
        (folder / f"{name}.tflite").write_bytes(content)
        print(f"{name}.tflite: {len(content)} B")


if __name__ == "__main__":
    main()
