"""Layers: what each class says of itself agrees with its ops and with Keras; classes from outside are known too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kd_edge.errors import ModelError
from kd_edge.ir import fusion, layers
from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers import LAYERS, InputLayer, Layer, Node, base, register_layer
from kd_edge.ir.lowering import lower, read_blueprint
from kd_edge.search.space.student_space import StudentSpace

OWN_LAYERS = dict(LAYERS)
IMAGE, SEQUENCE, FLAT = (9, 7, 4), (11, 4), (12,)

# At least one example of every class, with the shapes of its inputs and the output's, worked out by hand.
EXAMPLES = [
    (layers.InputLayer((3, 2)), [], (3, 2)),
    (layers.Activation("relu"), [IMAGE], IMAGE),
    (layers.ReLU(), [SEQUENCE], SEQUENCE),
    (layers.LeakyReLU(), [FLAT], FLAT),
    (layers.PReLU((1, 2)), [IMAGE], IMAGE),
    (layers.ELU(), [IMAGE], IMAGE),
    (layers.Softmax(), [FLAT], FLAT),
    (layers.Dense(5), [FLAT], (5,)),
    (layers.Dense(5), [SEQUENCE], (11, 5)),
    (layers.BatchNormalization(), [IMAGE], IMAGE),
    (layers.Rescaling(2.0, 1.0), [IMAGE], IMAGE),
    (layers.LayerNormalization(), [IMAGE], IMAGE),
    (layers.Normalization((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 1.0, 2.0)), [IMAGE], IMAGE),
    (layers.AddChannels((1.0, 2.0, 3.0, 4.0)), [IMAGE], IMAGE),
    (layers.MultiplyChannels((1.0, 2.0, 3.0, 4.0)), [SEQUENCE], SEQUENCE),
    (layers.ReorderChannels((3, 2, 1, 0)), [IMAGE], IMAGE),
    (layers.SubtractNumber(1.0), [IMAGE], IMAGE),
    (layers.Dropout(0.5), [IMAGE], IMAGE),
    (layers.SpatialDropout1D(0.5), [SEQUENCE], SEQUENCE),
    (layers.SpatialDropout2D(0.5), [IMAGE], IMAGE),
    (layers.Conv2D(6, (3, 3)), [IMAGE], (7, 5, 6)),
    (layers.Conv2D(6, (3, 3), (2, 2), "same"), [IMAGE], (5, 4, 6)),
    (layers.Conv2D(6, (3, 2), dilation_rate=(2, 3)), [IMAGE], (5, 4, 6)),
    (layers.Conv2D(6, (3, 3), groups=2), [IMAGE], (7, 5, 6)),
    (layers.DepthwiseConv2D((2, 2), depth_multiplier=3), [IMAGE], (8, 6, 12)),
    (layers.SeparableConv2D(6, (3, 3), (2, 2)), [IMAGE], (4, 3, 6)),
    (layers.Conv2DTranspose(6, (3, 3), (2, 2), "same"), [IMAGE], (18, 14, 6)),
    (layers.Conv2DTranspose(6, (3, 5), (2, 2)), [IMAGE], (19, 17, 6)),
    (layers.Conv1D(6, (3,), (2,)), [SEQUENCE], (5, 6)),
    (layers.Conv1D(6, (3,), (2,), "causal"), [SEQUENCE], (6, 6)),
    (layers.Conv1D(6, (3,), padding="causal", dilation_rate=(4,)), [SEQUENCE], (11, 6)),
    (layers.DepthwiseConv1D((3,), (2,), "same"), [SEQUENCE], (6, 4)),
    (layers.SeparableConv1D(6, (3,), (3,)), [SEQUENCE], (3, 6)),
    (layers.Add(), [IMAGE, IMAGE], IMAGE),
    (layers.Subtract(), [IMAGE, IMAGE], IMAGE),
    (layers.Multiply(), [IMAGE, (1, 1, 4)], IMAGE),
    (layers.Maximum(), [(1, 1, 4), IMAGE], IMAGE),
    (layers.Minimum(), [(9, 1, 4), (1, 7, 1)], IMAGE),
    (layers.Concatenate(), [IMAGE, (9, 7, 2)], (9, 7, 6)),
    (layers.Concatenate(1), [IMAGE, (2, 7, 4)], (11, 7, 4)),
    (layers.MaxPooling2D(), [IMAGE], (4, 3, 4)),
    (layers.MaxPooling2D((3, 3), (2, 2), "same"), [IMAGE], (5, 4, 4)),
    (layers.AveragePooling2D((9, 7), (9, 7)), [IMAGE], (1, 1, 4)),
    (layers.MaxPooling1D(), [SEQUENCE], (5, 4)),
    (layers.AveragePooling1D((3,), (2,), "same"), [SEQUENCE], (6, 4)),
    (layers.GlobalAveragePooling2D(), [IMAGE], (4,)),
    (layers.GlobalMaxPooling2D(keepdims=True), [IMAGE], (1, 1, 4)),
    (layers.GlobalAveragePooling1D(keepdims=True), [SEQUENCE], (1, 4)),
    (layers.GlobalMaxPooling1D(), [SEQUENCE], (4,)),
    (layers.Flatten(), [IMAGE], (252,)),
    (layers.Reshape((-1, 14)), [IMAGE], (18, 14)),
    (layers.Permute((3, 1, 2)), [IMAGE], (4, 9, 7)),
    (layers.ZeroPadding2D(((1, 2), (3, 0))), [IMAGE], (12, 10, 4)),
    (layers.ZeroPadding1D((1, 2)), [SEQUENCE], (14, 4)),
    (layers.Cropping2D(((1, 2), (3, 0))), [IMAGE], (6, 4, 4)),
    (layers.Cropping1D((1, 2)), [SEQUENCE], (8, 4)),
    (layers.UpSampling2D((2, 3)), [IMAGE], (18, 21, 4)),
    (layers.UpSampling2D((2, 2), "bilinear"), [IMAGE], (18, 14, 4)),
    (layers.UpSampling1D(3), [SEQUENCE], (33, 4)),
]
TITLES = [f"{type(layer).__name__}-{number}" for number, (layer, _, _) in enumerate(EXAMPLES)]


def alone(layer: Layer, inputs: Sequence[tuple[int, ...]]) -> Blueprint:
    """Return a network of one layer."""
    nodes = [Node(InputLayer(shape)) for shape in inputs]
    return Blueprint((*nodes, Node(layer, tuple(range(len(nodes))))), (len(nodes),))


def emitted_shape(layer: Layer, inputs: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    graph = alone(layer, inputs).to_graph()
    return graph.tensors[graph.outputs[0]].shape[1:]


def test_every_class_has_an_example() -> None:
    assert {type(layer) for layer, _, _ in EXAMPLES} == set(OWN_LAYERS.values())


@pytest.mark.parametrize(("layer", "inputs", "expected"), EXAMPLES, ids=TITLES)
def test_the_shape_of_a_layers_output_is_that_of_its_last_op_and_that_of_keras(layer, inputs, expected) -> None:
    assert layer.output_shape(inputs) == expected
    assert emitted_shape(layer, inputs) == expected
    if inputs:
        assert alone(layer, inputs).to_keras().output_shape == (None, *expected)


sizes = st.integers(1, 9)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from([layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.MaxPooling2D]),
    image=st.tuples(sizes, sizes, st.just(2)),
    window=st.tuples(sizes, sizes),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["same", "valid"]),
)
def test_any_window_slides_by_one_rule_or_is_refused_by_both(kind, image, window, strides, padding) -> None:
    filters = (5,) if kind in (layers.Conv2D, layers.SeparableConv2D) else ()
    layer = kind(*filters, window, strides, padding)
    try:
        expected = layer.output_shape([image])
    except ModelError:
        with pytest.raises(ModelError, match="bad window: expected one within"):
            emitted_shape(layer, [image])
        return
    assert emitted_shape(layer, [image]) == expected
    own = getattr(keras.layers, kind.__name__)(*filters, window, strides=strides, padding=padding)
    assert own.compute_output_shape((1, *image)) == (1, *expected)


def test_a_cropping_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match=r"bad cropping: expected less than \(11,\), received \(\(6, 5\),\)"):
        layers.Cropping1D((6, 5)).output_shape([SEQUENCE])


@pytest.mark.parametrize(
    "layer",
    [layer for layer, inputs, _ in EXAMPLES if layer.over_sequences and inputs == [SEQUENCE]],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_over_sequences_does_the_same_over_images_of_width_one(layer) -> None:
    shape = (SEQUENCE[0], 1, SEQUENCE[1])
    for image in layer.as_image_layers():
        shape = image.output_shape([shape])
    expected = layer.output_shape([SEQUENCE])
    assert shape == (expected if len(expected) == 1 else (expected[0], 1, expected[1]))


def test_a_separable_convolution_is_two_layers() -> None:
    (depthwise, first), (pointwise, second) = layers.SeparableConv2D(6, (3, 3), (2, 2), activation="relu").parts()
    assert (first, second) == ("depthwise", "pointwise")
    assert depthwise == layers.DepthwiseConv2D((3, 3), (2, 2), use_bias=False)
    assert pointwise == layers.Conv2D(6, (1, 1), activation="relu")


@keras.saving.register_keras_serializable(package="outside")
class Tripled(keras.layers.Layer):
    """A layer that kd_edge does not have: three times its input, clipped from below."""

    def __init__(self, floor=0.0, **kwargs):
        super().__init__(**kwargs)
        self.floor = floor

    def call(self, x):
        return keras.ops.maximum(3.0 * x, self.floor)

    def get_config(self):
        return {**super().get_config(), "floor": self.floor}


@pytest.fixture
def registry():
    """Forgets after the test what it has registered."""
    known = dict(base._LAYERS)
    yield
    base._LAYERS.clear()
    base._LAYERS.update(known)


@pytest.fixture
def tripled(registry):
    """The class of kd_edge for it, written outside."""

    @register_layer
    @dataclass(frozen=True, slots=True)
    class Tripled(Layer):
        floor: float = 0.0
        shrinkable: ClassVar[bool] = True
        channelwise: ClassVar[bool] = True

        def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
            return fusion.activate(to, fusion.scale(to, inputs[0], add=False, values=(3.0, 0.0)), "relu")

    return Tripled


def network():
    source = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, padding="same")(source)
    x = keras.layers.Flatten()(Tripled(name="times")(keras.layers.MaxPooling2D()(x)))
    return keras.Model(source, keras.layers.Dense(3)(x))


def test_a_layer_from_outside_is_refused_until_it_is_registered() -> None:
    with pytest.raises(ModelError, match=r"cannot read layer 'times' \(Tripled\): supported layers are"):
        read_blueprint(network())


def test_a_layer_from_outside_is_read_rendered_pruned_and_shaped_by_its_one_class(tripled) -> None:
    model = network()
    graph = lower(model)
    assert [op.kind for op in graph.ops] == ["CONV_2D", "MAX_POOL_2D", "MUL", "RESHAPE", "FULLY_CONNECTED"]
    assert graph.ops[2].activation == "RELU"
    blueprint = read_blueprint(model)
    assert blueprint.nodes[3].layer == tripled(0.0)
    assert blueprint.nodes[3].layer.output_shape([IMAGE]) == IMAGE
    again = blueprint.to_keras()
    assert isinstance(again.layers[3], Tripled)
    assert (read_blueprint(again), lower(again)) == (blueprint, blueprint.to_graph())
    assert Blueprint.from_dict(blueprint.to_dict()) == blueprint
    space = StudentSpace.from_teacher(model)
    smallest = space.blueprint({name: options[0] for name, options in space.choices.items()})
    assert tripled(0.0) in [node.layer for node in smallest.nodes]


def test_a_class_without_a_keras_layer_is_named(registry) -> None:
    @register_layer
    @dataclass(frozen=True, slots=True)
    class Nowhere(Layer):
        pass

    sketch = Sketch(FLAT)
    blueprint = sketch.blueprint(sketch.add(Nowhere()))
    with pytest.raises(ModelError, match=r"no Keras layer 'Nowhere': expected one in keras\.layers or registered"):
        blueprint.to_keras()
