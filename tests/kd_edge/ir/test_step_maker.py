"""A step computes what the window does, or the layer that it cannot stand for is named."""

import keras
import numpy as np
import pytest
from keras import layers

from kd_edge.conversion.streams.step import StreamStep
from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Sketch
from kd_edge.ir.layers import Conv1D, Conv2DTranspose, Flatten, Layer
from kd_edge.ir.layers.core import Dense
from kd_edge.ir.streaming import Stream, stream


def streamed(shape: tuple[int, ...], layer: Layer, frames: int | None = None) -> Stream:
    sketch = Sketch(shape)
    sketch.add(layer)
    sketch.add(Flatten())
    return stream(sketch.blueprint(sketch.add(Dense(2))), frames)


@pytest.mark.parametrize("pooling", [layers.AveragePooling2D, layers.MaxPooling2D])
def test_the_padded_width_of_a_pooling_counts_in_no_mean_or_maximum(pooling: type[keras.layers.Layer]) -> None:
    # The last column of an odd width is pooled alone.
    model = keras.Sequential([layers.Input((8, 5, 2)), pooling(2, padding="same"), layers.Flatten(), layers.Dense(3)])
    windows = -np.random.default_rng(0).uniform(1, 2, (4, 8, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(StreamStep(model).answer(windows), model.predict(windows, verbose=0), rtol=1e-5)


def test_a_transposed_convolution_over_several_positions_of_time_is_named() -> None:
    with pytest.raises(ModelError, match=r"\(Conv2DTranspose\): it works on more than one position of time"):
        streamed((8, 4, 2), Conv2DTranspose(2, (3, 3), (1, 2), "same"))
    alone = streamed((8, 4, 2), Conv2DTranspose(2, (1, 3), (1, 2), "same"))
    assert (alone.frames, alone.blueprint.nodes[1].layer) == (1, Conv2DTranspose(2, (1, 3), (1, 2), "same"))


@pytest.mark.parametrize("frames", [None, 1, 2])
def test_a_window_that_ends_between_two_strides_is_refused_whatever_the_step(frames: int | None) -> None:
    with pytest.raises(ModelError, match="it reads 1 of every 2 positions, of which a window has 9; take a window"):
        streamed((9, 4), Conv1D(2, (1,), (2,)), frames)
    assert streamed((10, 4), Conv1D(2, (1,), (2,))).frames == 2
