"""Graphs: MACs, parameters and numbering."""

from kd_edge.ir.graph import Graph, Op, Tensor


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
