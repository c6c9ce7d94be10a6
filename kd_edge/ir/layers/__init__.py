"""The layers a blueprint is made of: Keras' names and arguments, and the TFLite ops each becomes.

Every class is named like its Keras layer and every field like that layer's argument, so that one generic function
renders any of them in either direction.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kd_edge.ir.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from kd_edge.ir.layers.base import InputLayer, Layer, Node
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
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
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
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Node",
    "PReLU",
    "Permute",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "Subtract",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
]


LAYERS: Mapping[str, type[Layer]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            *(Activation, ELU, LeakyReLU, PReLU, ReLU, Softmax),
            *(Conv1D, Conv2D, Conv2DTranspose, DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D),
            *(Add, Concatenate, Maximum, Minimum, Multiply, Subtract),
            *(MaxPooling1D, MaxPooling2D, AveragePooling1D, AveragePooling2D),
            *(GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalMaxPooling1D, GlobalMaxPooling2D),
            *(Cropping1D, Cropping2D, Flatten, Permute, Reshape),
            *(UpSampling1D, UpSampling2D, ZeroPadding1D, ZeroPadding2D),
            *(BatchNormalization, Dense, Dropout, InputLayer, Rescaling, SpatialDropout1D, SpatialDropout2D),
        )
    }
)
