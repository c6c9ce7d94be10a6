"""A zoo of small networks: every layer and combination that the cost model is held against the real converter with."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

Network = Callable[[], keras.Model]


def _image(*shape: int) -> keras.KerasTensor:
    return keras.Input(shape or (12, 12, 3))


def _classify(x: keras.KerasTensor, classes: int = 4) -> keras.KerasTensor:
    return layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))


def dense() -> keras.Model:
    x = source = keras.Input((20,))
    for units in (32, 16):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(source, layers.Dense(4, activation="softmax")(x))


def dense_without_bias() -> keras.Model:
    source = keras.Input((12,))
    x = layers.Dense(16, use_bias=False, activation="tanh")(source)
    return keras.Model(source, layers.Dense(3, use_bias=False)(x))


def dense_batch_norm() -> keras.Model:
    x = source = keras.Input((16,))
    for units in (24, 12):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dense(8, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    return keras.Model(source, layers.Dense(3)(x))


def dense_on_sequence() -> keras.Model:
    source = keras.Input((10, 6))
    x = layers.Dense(8, activation="relu")(source)
    return keras.Model(source, layers.Dense(3)(layers.Flatten()(x)))


def autoencoder() -> keras.Model:
    x = source = keras.Input((64,))
    for units in (32, 32, 8, 32, 32):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
    return keras.Model(source, layers.Dense(64)(x))


def conv2d() -> keras.Model:
    source = _image()
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(source)
    x = layers.Conv2D(12, (3, 1), activation="relu")(x)
    return keras.Model(source, _classify(x))


def conv2d_batch_norm() -> keras.Model:
    source = _image()
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(source)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Conv2D(8, 3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(8, 1, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    return keras.Model(source, _classify(x))


def conv1d() -> keras.Model:
    source = keras.Input((32, 6))
    x = layers.Conv1D(8, 5, activation="relu")(source)
    x = layers.Conv1D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(source, layers.Dense(4)(layers.Flatten()(x)))


def har_conv_net() -> keras.Model:
    x = source = keras.Input((64, 9))
    for filters in (8, 16):
        x = layers.Conv1D(filters, 5, padding="same", activation="relu")(x)
        x = layers.MaxPooling1D(2)(x)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(source, layers.Dense(6, activation="softmax")(x))


def depthwise() -> keras.Model:
    source = _image()
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(source)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    return keras.Model(source, _classify(layers.BatchNormalization()(x)))


def depthwise_1d() -> keras.Model:
    source = keras.Input((32, 6))
    x = layers.DepthwiseConv1D(5, padding="same", activation="relu")(source)
    x = layers.DepthwiseConv1D(3, strides=2)(x)
    return keras.Model(source, layers.Dense(4)(layers.Flatten()(x)))


def separable() -> keras.Model:
    source = _image()
    x = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(source)
    x = layers.SeparableConv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(source, _classify(x))


def separable_1d() -> keras.Model:
    source = keras.Input((32, 6))
    x = layers.SeparableConv1D(8, 5, padding="same", activation="relu")(source)
    x = layers.SeparableConv1D(8, 3)(x)
    return keras.Model(source, layers.Dense(4)(layers.Flatten()(x)))


def grouped() -> keras.Model:
    source = _image(8, 8, 4)
    x = layers.Conv2D(8, 3, groups=2, padding="same", activation="relu")(source)
    x = layers.Conv2D(8, 3, groups=4, use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(source, _classify(x))


def dilated() -> keras.Model:
    source = _image(16, 16, 3)
    x = layers.Conv2D(6, 3, dilation_rate=2, activation="relu")(source)
    x = layers.Conv2D(6, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x)
    return keras.Model(source, _classify(x))


def transposed() -> keras.Model:
    source = _image(6, 6, 4)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(source)
    x = layers.Conv2DTranspose(3, 2, strides=2)(x)
    x = layers.Conv2DTranspose(3, 3, use_bias=False)(x)
    return keras.Model(source, layers.ReLU()(layers.BatchNormalization()(x)))


def batch_norm_at_input() -> keras.Model:
    source = _image()
    x = layers.BatchNormalization()(source)
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    return keras.Model(source, _classify(x))


def batch_norm_after_add() -> keras.Model:
    source = _image()
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(source)
    y = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Add()([x, y])))
    return keras.Model(source, _classify(x))


def batch_norm_after_pooling() -> keras.Model:
    source = _image()
    x = layers.Conv2D(6, 3, activation="relu")(source)
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    x = layers.Conv2D(6, 3)(x)
    x = layers.BatchNormalization()(layers.AveragePooling2D(2)(x))
    x = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(x))
    return keras.Model(source, layers.Dense(3)(x))


def batch_norm_before_convolution() -> keras.Model:
    """The order of a pre-activation residual network."""
    source = _image()
    x = layers.Conv2D(8, 3, padding="same")(source)
    y = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, padding="same")(y)
    x = layers.Add()([x, y])
    y = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, padding="same")(y)
    return keras.Model(source, _classify(layers.Add()([x, y])))


def activations() -> keras.Model:
    x = source = _image(8, 8, 2)
    names = ("relu", "relu6", "leaky_relu", "hard_silu", "silu", "sigmoid", "hard_sigmoid", "tanh", "elu", "softmax")
    for name in names:
        x = layers.Activation(name)(layers.Conv2D(4, 1)(x))
    return keras.Model(source, _classify(x))


def activation_layers() -> keras.Model:
    x = source = keras.Input((16,))
    kinds = (
        layers.ReLU(),
        layers.ReLU(6.0),
        layers.LeakyReLU(),
        layers.LeakyReLU(negative_slope=0.1),
        layers.PReLU(),
        layers.ELU(),
        layers.Softmax(),
    )
    for layer in kinds:
        x = layer(layers.Dense(8)(x))
    return keras.Model(source, layers.Dense(3)(x))


def activations_alone() -> keras.Model:
    """Activations behind ops that take none."""
    source = _image(8, 8, 4)
    x = layers.Activation("relu")(source)
    x = layers.Activation("relu6")(layers.MaxPooling2D()(x))
    x = layers.Activation("relu")(layers.AveragePooling2D(2)(x))
    x = layers.Activation("relu")(layers.Concatenate()([x, layers.Activation("tanh")(x)]))
    x = layers.Activation("relu")(layers.Flatten()(x))
    return keras.Model(source, layers.Activation("sigmoid")(layers.Dense(2)(x)))


def pooling() -> keras.Model:
    x = source = _image(16, 16, 3)
    x = layers.MaxPooling2D(2)(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    x = layers.MaxPooling2D((3, 2), strides=(2, 1), padding="same")(x)
    x = layers.AveragePooling2D((2, 1))(x)
    return keras.Model(source, layers.Dense(4)(layers.Flatten()(x)))


def pooling_1d() -> keras.Model:
    x = source = keras.Input((32, 4))
    x = layers.MaxPooling1D(2)(x)
    x = layers.AveragePooling1D(2)(x)
    x = layers.Conv1D(6, 3, activation="relu")(x)
    return keras.Model(source, layers.Dense(4)(layers.GlobalMaxPooling1D()(x)))


def global_pooling() -> keras.Model:
    source = _image()
    x = layers.Conv2D(6, 3, activation="relu")(source)
    pooled = [
        layers.GlobalAveragePooling2D()(x),
        layers.GlobalMaxPooling2D()(x),
        layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(x)),
        layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True)(x)),
    ]
    return keras.Model(source, layers.Dense(4)(layers.Concatenate()(pooled)))


def residual() -> keras.Model:
    x = source = _image(8, 8, 4)
    for _ in range(2):
        y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        y = layers.Conv2D(4, 3, padding="same")(y)
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(source, _classify(x))


def arithmetic() -> keras.Model:
    source = _image(8, 8, 3)
    x, y, z = (layers.Conv2D(4, 3, padding="same", activation="relu")(source) for _ in range(3))
    a = layers.Add()([x, y, z])
    b = layers.Subtract()([a, x])
    c = layers.Maximum()([b, y])
    d = layers.Minimum()([c, z])
    return keras.Model(source, _classify(layers.Multiply()([d, y])))


def inception() -> keras.Model:
    source = _image()
    branches = [
        layers.Conv2D(4, 1, activation="relu")(source),
        layers.Conv2D(4, 3, padding="same", activation="relu")(source),
        layers.MaxPooling2D(3, strides=1, padding="same")(source),
    ]
    x = layers.Concatenate()(branches)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3)(x)))
    return keras.Model(source, _classify(x))


def squeeze_excite() -> keras.Model:
    source = _image()
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(source)
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, 8))(layers.Dense(8, activation="sigmoid")(layers.Dense(2, activation="relu")(gate)))
    x = layers.Multiply()([x, gate])
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
    return keras.Model(source, _classify(layers.Multiply()([x, gate])))


def zero_padding() -> keras.Model:
    source = _image(11, 11, 3)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(source)
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3)(x)
    return keras.Model(source, _classify(layers.Cropping2D(1)(x)))


def zero_padding_1d() -> keras.Model:
    source = keras.Input((30, 4))
    x = layers.ZeroPadding1D((2, 1))(source)
    x = layers.Conv1D(6, 3, padding="causal", activation="relu")(x)
    return keras.Model(source, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def reshaping() -> keras.Model:
    source = keras.Input((48,))
    x = layers.Reshape((4, 4, 3))(source)
    x = layers.Conv2D(6, 3, activation="relu")(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((-1, 6))(x)
    return keras.Model(source, layers.Dense(5)(layers.Flatten()(x)))


def upsampling() -> keras.Model:
    source = _image(4, 4, 3)
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(source)
    x = layers.UpSampling2D(2)(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    return keras.Model(source, layers.Conv2D(1, 1, activation="sigmoid")(x))


def two_inputs() -> keras.Model:
    image, numbers = _image(8, 8, 3), keras.Input((5,))
    x = layers.Flatten()(layers.Conv2D(4, 3, strides=2, activation="relu")(image))
    y = layers.Dense(8, activation="relu")(numbers)
    return keras.Model([image, numbers], layers.Dense(3)(layers.Concatenate()([x, y])))


def two_outputs() -> keras.Model:
    source = _image()
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(source)
    label = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    box = layers.Dense(2)(layers.Flatten()(x))
    return keras.Model(source, [label, box])


def two_towers() -> keras.Model:
    left, right = keras.Input((8,)), keras.Input((8, 2))
    x = layers.Dense(6, activation="relu")(left)
    y = layers.Dense(6, activation="tanh")(layers.Flatten()(right))
    both = layers.Subtract()([x, y])
    return keras.Model([left, right], [layers.Dense(2)(both), layers.Activation("sigmoid")(both), x])


def ds_cnn() -> keras.Model:
    source = keras.Input((49, 10, 1))
    x = layers.Conv2D(16, (10, 4), strides=2, padding="same", use_bias=False)(source)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(16, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.AveragePooling2D(x.shape[1:3])(layers.Dropout(0.4)(x))
    return keras.Model(source, layers.Dense(12, activation="softmax")(layers.Flatten()(x)))


def resnet_8() -> keras.Model:
    source = _image(16, 16, 3)
    x = layers.Conv2D(8, 3, padding="same")(source)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for filters, stride in ((8, 1), (16, 2), (32, 2)):
        y = layers.Conv2D(filters, 3, strides=stride, padding="same")(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        if stride > 1:
            x = layers.Conv2D(filters, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(4)(x))
    return keras.Model(source, layers.Dense(10, activation="softmax")(x))


def mobilenet_v1() -> keras.Model:
    return keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=4)


def mobilenet_v2() -> keras.Model:
    return keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=4)


def mobilenet_v3_small() -> keras.Model:
    return keras.applications.MobileNetV3Small((32, 32, 3), alpha=0.35, weights=None, classes=4)


NETWORKS: dict[str, Network] = {
    network.__name__: network
    for network in (
        dense, dense_without_bias, dense_batch_norm, dense_on_sequence, autoencoder, conv2d, conv2d_batch_norm, conv1d,
        har_conv_net, depthwise, depthwise_1d, separable, separable_1d, grouped, dilated, transposed,
        batch_norm_at_input, batch_norm_after_add, batch_norm_after_pooling, batch_norm_before_convolution,
        activations, activation_layers, activations_alone, pooling, pooling_1d, global_pooling, residual, arithmetic,
        inception, squeeze_excite, zero_padding, zero_padding_1d, reshaping, upsampling, two_inputs, two_outputs,
        two_towers, ds_cnn, resnet_8, mobilenet_v1, mobilenet_v2, mobilenet_v3_small,
    )
}  # fmt: skip

# Their conversion takes several seconds each.
SLOW = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small")


def build(name: str) -> keras.Model:
    """Return a network of the zoo with weights as after a training: no two biases or scales are equal.

    Of a fresh network the converter would drop or merge the equal ones.
    """
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    model = NETWORKS[name]()
    weights = [np.abs(rng.normal(1, 0.1, w.shape)) if w.ndim == 1 else w for w in model.get_weights()]
    model.set_weights(weights)
    return model


def samples(model: keras.Model, count: int = 8) -> list[np.ndarray]:
    """Return random calibration samples, one array per input."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(count, *source.shape[1:])).astype("float32") for source in model.inputs]
