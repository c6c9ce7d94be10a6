"""The layers a blueprint is made of: Keras' names and arguments, and the TFLite ops each becomes.

Every class is named like its Keras layer and every field like that layer's argument, so that one generic function
renders any of them in either direction. What the rest of kd_edge has to know of a layer is said by its class: adding
one is writing the class, with `register_layer` above it.
"""

from kd_edge.ir.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from kd_edge.ir.layers.arithmetic import (
    AddChannels,
    MultiplyChannels,
    Normalization,
    ReorderChannels,
    SubtractNumber,
)
from kd_edge.ir.layers.base import (
    LAYERS,
    Channels,
    InputLayer,
    Layer,
    Node,
    Simulation,
    is_of_keras,
    kind_of,
    register_layer,
)
from kd_edge.ir.layers.convolutional import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from kd_edge.ir.layers.core import (
    BatchNormalization,
    Dense,
    Dropout,
    Rescaling,
    SpatialDropout1D,
    SpatialDropout2D,
)
from kd_edge.ir.layers.merging import Add, Concatenate, Maximum, Minimum, Multiply, Subtract
from kd_edge.ir.layers.normalizing import LayerNormalization
from kd_edge.ir.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from kd_edge.ir.layers.reshaping import (
    Cropping1D,
    Cropping2D,
    Flatten,
    Permute,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)

__all__ = [
    "ELU",
    "LAYERS",
    "Activation",
    "Add",
    "AddChannels",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Channels",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "MultiplyChannels",
    "Node",
    "Normalization",
    "PReLU",
    "Permute",
    "ReLU",
    "ReorderChannels",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "Simulation",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "Subtract",
    "SubtractNumber",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "is_of_keras",
    "kind_of",
    "register_layer",
]
