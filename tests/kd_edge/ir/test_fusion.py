"""Fusion and passes on graphs built by hand: what the converter makes of neighbouring ops."""

import pytest

from kd_edge.errors import ModelError
from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.passes import finished


def started(*shape: int) -> tuple[GraphBuilder, int]:
    """Return a builder and the tensor of the network's input."""
    to = GraphBuilder()
    return to, to.tensor((1, *shape))


def convolved(to: GraphBuilder, source: int) -> int:
    """Add a 1x1 convolution without a bias that keeps the shape."""
    channels = to.shape(source)[-1]
    return to.op("CONV_2D", (source, to.constant((channels, 1, 1, channels))), to.shape(source))


def kinds(to: GraphBuilder, source: int, output: int) -> list[str]:
    return [op.kind for op in finished(to, (source,), (output,)).ops]


def test_of_two_reshapes_in_a_row_the_last_one_is_left() -> None:
    to, source = started(4, 6)
    output = fusion.reshape(to, fusion.reshape(to, source, (1, 24)), (1, 6, 4))
    assert kinds(to, source, output) == ["RESHAPE"]
    assert to.shape(output) == (1, 6, 4)


def test_a_reshape_back_to_the_first_shape_leaves_nothing() -> None:
    to, source = started(4, 6)
    assert fusion.reshape(to, fusion.reshape(to, source, (1, 24)), (1, 4, 6)) == source


def test_a_batch_normalization_gives_a_convolution_the_bias_it_lacks() -> None:
    to, source = started(4, 4, 6)
    output = fusion.scale(to, convolved(to, source), values=None)
    graph = finished(to, (source,), (output,))
    assert [(op.kind, len(op.inputs)) for op in graph.ops] == [("CONV_2D", 3)]
    assert graph.tensors[graph.ops[0].inputs[2]].shape == (6,)


def test_an_activation_is_fused_unless_another_layer_reads_the_value_before_it() -> None:
    for readers, expected in ((1, ["CONV_2D"]), (2, ["CONV_2D", "RELU"])):
        to, source = started(4, 4, 6)
        middle = convolved(to, source)
        to.add_readers(middle, readers)
        assert kinds(to, source, fusion.activate(to, middle, "relu")) == expected


def test_only_the_padding_that_a_same_convolution_does_itself_is_taken_off() -> None:
    to, source = started(4, 4, 6)
    padded = fusion.pad(to, source, ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert to.shape(padded) == (1, 6, 6, 6)
    assert fusion.before_padding(to, padded, lambda tensor: ((0, 0), (1, 1), (1, 1), (0, 0))) == source
    assert fusion.before_padding(to, padded, lambda tensor: ((0, 0), (0, 1), (0, 1), (0, 0))) is None
    assert fusion.before_padding(to, source, lambda tensor: ()) is None


def test_what_meets_a_softmax_in_a_concatenation_is_quantized_again() -> None:
    to, source = started(5)
    scores = fusion.activate(to, source, "softmax")
    joined = to.op("CONCATENATION", (scores, source), (1, 10))
    assert kinds(to, source, joined) == ["SOFTMAX", "QUANTIZE", "CONCATENATION"]


def test_what_only_a_taken_off_op_read_is_dropped() -> None:
    to, source = started(4, 6)
    scaled = fusion.scale(to, source, values=(2.0, 1.0))
    assert fusion.before_scaling(to, scaled, takes=lambda scaling: scaling.adds) == source
    assert kinds(to, source, to.op("TANH", (source,), (1, 4, 6))) == ["TANH"]


def test_equal_constants_are_kept_once() -> None:
    to, _ = started(5)
    assert to.numbers(1, 2) == to.numbers(1, 2) != to.numbers(1, 3)
    assert to.value(to.numbers(1, 2)) == (1, 2)


def test_unequal_sizes_are_refused() -> None:
    to, source = started(4, 3)
    other = to.tensor((1, 4, 2))
    with pytest.raises(ModelError, match=r"of the shapes \(1, 4, 3\) and \(1, 4, 2\): expected equal sizes or 1"):
        fusion.combine(to, "MUL", source, other)
