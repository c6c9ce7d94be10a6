"""Graphs: MACs, parameters and numbering."""

from pathlib import Path

import pytest

from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.lowering import lower


def weights(*shape):
    return Tensor(shape, constant=True)


def test_the_macs_of_a_convolution_are_output_elements_times_filter_size():
    tensors = (Tensor((1, 8, 8, 3)), weights(16, 3, 5, 3), weights(16), Tensor((1, 4, 4, 16)))
    graph = Graph(tensors, (Op("CONV_2D", (0, 1, 2), (3,)),), (0,), (3,))
    assert graph.total_macs == 4 * 4 * 16 * 3 * 5 * 3
    assert graph.params == 16 * 3 * 5 * 3 + 16


def test_the_macs_of_a_depthwise_convolution_leave_out_the_input_channels():
    tensors = (Tensor((1, 8, 8, 12)), weights(1, 3, 3, 12), weights(12), Tensor((1, 8, 8, 12)))
    graph = Graph(tensors, (Op("DEPTHWISE_CONV_2D", (0, 1, 2), (3,)),), (0,), (3,))
    assert graph.total_macs == 8 * 8 * 12 * 9


def test_the_macs_of_a_dense_layer_are_inputs_times_outputs():
    tensors = (Tensor((1, 20)), weights(7, 20), Tensor((1, 7)))
    graph = Graph(tensors, (Op("FULLY_CONNECTED", (0, 1, -1), (2,)),), (0,), (2,))
    assert graph.total_macs == 140
    assert graph.params == 140


def test_the_macs_of_a_transposed_convolution_count_every_input_pixel_once_per_filter_weight():
    shape = Tensor((4,), "int32", True, 0)
    tensors = (shape, weights(5, 2, 2, 3), Tensor((1, 4, 4, 3)), Tensor((1, 8, 8, 5)))
    graph = Graph(tensors, (Op("TRANSPOSE_CONV", (0, 1, 2), (3,)),), (2,), (3,))
    assert graph.total_macs == (4 * 4 * 3) * (5 * 2 * 2)


def one_op(kind: str, *tensors: Tensor | None) -> Graph:
    """One op that reads all tensors but the last and writes that; None is an absent input."""
    given = [tensor for tensor in tensors if tensor is not None]
    places = [-1 if tensor is None else next(i for i, t in enumerate(given) if t is tensor) for tensor in tensors]
    return Graph(tuple(given), (Op(kind, tuple(places[:-1]), (places[-1],)),), (0,), (len(given) - 1,))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_macs_of_an_lstm_are_those_of_its_gates_products_at_every_step(dtype):
    # 5 steps of 3 features, 4 units: per step and gate 4 x 3 + 4 x 4 products; biases are added, not multiplied.
    biases = [Tensor((4,), "int32" if dtype == "int8" else dtype, True) for _ in range(4)]
    of_input, of_state = ([Tensor((4, size), dtype, True) for _ in range(4)] for size in (3, 4))
    inputs = [Tensor((1, 5, 3), dtype), *of_input, *of_state, None, None, None, *biases, None, None]
    states = [Tensor((1, 4), dtype), Tensor((1, 4), "int16" if dtype == "int8" else dtype)]
    graph = one_op("UNIDIRECTIONAL_SEQUENCE_LSTM", *inputs, *states, Tensor((1, 5, 4), dtype))
    assert graph.total_macs == 5 * 4 * (4 * 3 + 4 * 4)


def test_an_lstm_without_an_input_gate_and_with_a_projection_multiplies_what_it_has():
    # Three gates of 4 cells on 3 features and 2 outputs, then 4 cells to 2 outputs, at each of 5 steps.
    of_input, of_state = ([weights(4, size) for _ in range(3)] for size in (3, 2))
    inputs = [Tensor((1, 5, 3)), None, *of_input, None, *of_state, *[None] * 7, weights(2, 4)]
    graph = one_op("UNIDIRECTIONAL_SEQUENCE_LSTM", *inputs, Tensor((1, 5, 2)))
    assert graph.total_macs == 5 * (3 * (4 * 3 + 4 * 2) + 4 * 2)


def test_the_macs_of_an_svdf_are_products_over_features_then_over_the_memory():
    # 6 filters (3 units of rank 2) on 10 features, a memory of 8 steps.
    inputs = (Tensor((1, 10)), weights(6, 10), Tensor((6, 8), "int16", True), Tensor((3,), "int32", True))
    graph = one_op("SVDF", *inputs, Tensor((1, 48), "int16"), Tensor((1, 3)))
    assert graph.total_macs == 6 * 10 + 6 * 8


@pytest.mark.parametrize("first", [(2, 5, 7), (2, 7, 5)], ids=["as it is", "transposed"])
@pytest.mark.parametrize("constant", [False, True])
def test_the_macs_of_a_matrix_product_are_outputs_times_what_is_summed_over(first, constant):
    # Two products of 5x7 and 7x3 matrices.
    graph = one_op("BATCH_MATMUL", Tensor(first), Tensor((2, 7, 3), constant=constant), Tensor((2, 5, 3)))
    assert graph.total_macs == 2 * 5 * 3 * 7


def test_the_macs_of_a_convolution_in_three_dimensions_count_the_whole_window():
    graph = one_op("CONV_3D", Tensor((1, 4, 4, 4, 2)), weights(3, 2, 1, 2, 5), Tensor((1, 2, 3, 4, 5)))
    assert graph.total_macs == (2 * 3 * 4 * 5) * (3 * 2 * 1) * 2


def test_the_macs_of_a_transposed_convolution_in_three_dimensions_count_every_input_once_per_filter_weight():
    shape = Tensor((5,), "int32", True, 0)
    graph = one_op("CONV_3D_TRANSPOSE", shape, weights(3, 2, 2, 5, 2), Tensor((1, 2, 2, 2, 2)), Tensor((1, 4, 4, 4, 5)))
    assert graph.total_macs == (2 * 2 * 2 * 2) * (3 * 2 * 2) * 5


@pytest.mark.shared
def test_the_macs_of_an_int8_lstm_file_are_those_of_its_layers(shared_path: Path) -> None:
    graph = lower(shared_path / "models" / "tflm_mnist_lstm_int8.tflite")
    # 28 rows of 28 pixels, 20 units; then a dense layer from all 28 x 20 outputs to 10 digits.
    assert [graph.macs(op) for op in graph.ops if graph.macs(op)] == [28 * 4 * (20 * 28 + 20 * 20), 28 * 20 * 10]


def test_canonical_numbers_tensors_by_first_use_and_drops_unused_ones():
    scrambled = Graph(
        (Tensor((9, 9)), Tensor((1, 7)), weights(7, 20), Tensor((1, 20))),
        (Op("FULLY_CONNECTED", (3, 2, -1), (1,)),),
        (3,),
        (1,),
    )
    assert scrambled.canonical() == Graph(
        (Tensor((1, 20)), weights(7, 20), Tensor((1, 7))), (Op("FULLY_CONNECTED", (0, 1, -1), (2,)),), (0,), (2,)
    )
