"""Latency: cycles per MAC, byte and call, summed op by op."""

from dataclasses import replace
from pathlib import Path

import pytest

from kd_edge.cost.devices import DeviceProfile, KernelCost, KernelCosts, list_devices, load_device
from kd_edge.cost.latency import dtype_of_macs, inference_ms, latency_ms
from kd_edge.errors import ConfigError
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.lowering import lower
from tflite_bench.model.operators.spec import Blocks
from tflite_bench.model.operators.work import Work, kernel_variant, op_work

FREE = KernelCost()
CHEAP = KernelCost(fixed_cycles=1.0)


def device(**kernels: KernelCost) -> DeviceProfile:
    """A board at 1 MHz, so that 1000 cycles are a millisecond."""
    names = ("conv", "pointwise", "depthwise", "dense", "pool", "elementwise", "softmax", "copy")
    costs = KernelCosts(**{name: kernels.get(name, CHEAP) for name in names})
    known = load_device("nucleo-l4r5zi")
    return replace(
        known, name="board", clock_mhz=1.0, error_percent=25.0, int8=costs, float32=None, int8_inference_cycles=0.0
    )


def conv(kernel: int, *, channels: int = 3, filters: int = 8, side: int = 4, dtype: str = "int8") -> Graph:
    tensors = (
        Tensor((1, side, side, channels), dtype),
        Tensor((filters, kernel, kernel, channels), dtype, constant=True),
        Tensor((1, side, side, filters), dtype),
    )
    return Graph(tensors, (Op("CONV_2D", (0, 1), (2,), padding="SAME"),), (0,), (2,))


def one_op(kind: str, *tensors: Tensor) -> Graph:
    last = len(tensors) - 1
    return Graph(tensors, (Op(kind, tuple(range(last)), (last,)),), (0,), (last,))


def work_of(graph: Graph) -> Work:
    return op_work(graph.operands(graph.ops[0]))


def test_a_convolution_costs_its_macs_its_bytes_and_its_call() -> None:
    # 16 positions x 8 filters x 27 weights = 3456 MACs; 16 x 27 bytes gathered + 16 x 8 written = 560 bytes.
    cost = KernelCost(cycles_per_mac=2.0, cycles_per_byte=3.0, fixed_cycles=408.0)
    latency = latency_ms(conv(3), device(conv=cost))
    assert latency.ms == pytest.approx((3456 * 2 + 560 * 3 + 408) / 1000)
    assert latency.per_op == (latency.ms,)
    assert (latency.low_ms, latency.high_ms) == pytest.approx((latency.ms / 1.25, latency.ms * 1.25))


def test_twice_the_clock_takes_half_the_time() -> None:
    slow = device(conv=KernelCost(cycles_per_mac=2.0))
    assert latency_ms(conv(3), replace(slow, clock_mhz=2.0)).ms == pytest.approx(latency_ms(conv(3), slow).ms / 2)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (conv(3), ("conv", 16 * 8 * 27, 16 * 27 + 16 * 8)),
        (conv(1), ("pointwise", 16 * 8 * 3, 16 * 3 + 16 * 8)),
        (
            one_op(
                "DEPTHWISE_CONV_2D",
                Tensor((1, 4, 4, 3)),
                Tensor((1, 3, 3, 6), constant=True),
                Tensor((6,), "int32", constant=True),
                Tensor((1, 4, 4, 6)),
            ),
            ("depthwise", 16 * 6 * 9, 16 * 3 + 16 * 6),
        ),
        (
            one_op("FULLY_CONNECTED", Tensor((1, 10)), Tensor((5, 10), constant=True), Tensor((1, 5))),
            ("dense", 50, 10 + 5),
        ),
        (
            one_op(
                "TRANSPOSE_CONV",
                Tensor((4,), "int32", constant=True),
                Tensor((8, 2, 2, 3), constant=True),
                Tensor((1, 4, 4, 3)),
                Tensor((1, 8, 8, 8)),
            ),
            ("conv", 4 * 4 * 3 * 2 * 2 * 8, 4 * 4 * 3 * 2 * 2 + 8 * 8 * 8),
        ),
        (one_op("ADD", Tensor((1, 7)), Tensor((1, 7)), Tensor((1, 7))), ("elementwise", 0, 21)),
        (
            one_op(
                "RESIZE_BILINEAR",
                Tensor((1, 2, 2, 3)),
                Tensor((2,), "int32", constant=True),
                Tensor((1, 4, 4, 3)),
            ),
            ("elementwise", 0, 12 + 48),
        ),
        (one_op("AVERAGE_POOL_2D", Tensor((1, 4, 4, 2)), Tensor((1, 1, 1, 2))), ("pool", 0, 34)),
        (one_op("SOFTMAX", Tensor((1, 4)), Tensor((1, 4))), ("softmax", 0, 8)),
        (
            one_op("RESHAPE", Tensor((1, 2, 2)), Tensor((2,), "int32", constant=True), Tensor((1, 4))),
            ("copy", 0, 8),
        ),
        (
            # Recurrent: 12 weights at each of 5 steps.
            one_op("SOME_LSTM", Tensor((1, 5, 3)), Tensor((4, 3), constant=True), Tensor((1, 5, 4))),
            ("dense", 12 * 5, 15 + 20),
        ),
    ],
    ids=lambda value: value.ops[0].kind if isinstance(value, Graph) else "",
)
def test_the_work_of_an_op_is_counted(graph: Graph, expected: tuple[str, int, int]) -> None:
    assert work_of(graph)[:3] == expected


def test_channels_are_rounded_up_to_what_the_kernels_take_at_once() -> None:
    # 16 positions x 9 of the window x 3 inputs x 8 filters: the inputs become 4, the filters 16.
    cost = KernelCost(cycles_per_mac=2.0)
    board = replace(device(conv=cost), int8_blocks=Blocks(inputs=4, filters=16))
    assert latency_ms(conv(3), board).ms == pytest.approx(16 * 9 * 4 * 16 * 2 / 1000)
    # One weight per channel: 3 channels become 16.
    image = Tensor((1, 2, 2, 3))
    depthwise = one_op("DEPTHWISE_CONV_2D", image, Tensor((1, 1, 1, 3), constant=True), image)
    board = replace(device(depthwise=cost), int8_blocks=Blocks(inputs=4, depthwise=16))
    assert latency_ms(depthwise, board).ms == pytest.approx(4 * 16 * 2 / 1000)


def test_blocks_of_one_dtype_do_not_count_for_another() -> None:
    costs = device(conv=KernelCost(cycles_per_mac=2.0)).int8
    board = replace(device(), float32=costs, int8_blocks=Blocks(16, 16))
    assert latency_ms(conv(3, dtype="float32"), board).ms == pytest.approx(3456 * 2 / 1000)
    board = replace(board, float32_blocks=Blocks(1, 16))
    assert latency_ms(conv(3, dtype="float32"), board).ms == pytest.approx(2 * 3456 * 2 / 1000)


def test_an_op_that_reads_constants_alone_is_worked_out_when_loading() -> None:
    graph = one_op("DEQUANTIZE", Tensor((9, 3), "float16", constant=True), Tensor((9, 3), "float32"))
    assert work_of(graph)[:3] == ("copy", 0, 0)


def test_an_op_that_looks_up_in_a_table_moves_what_it_finds() -> None:
    graph = one_op("GATHER", Tensor((500, 8), constant=True), Tensor((1, 5), "int32"), Tensor((1, 5, 8)))
    assert work_of(graph)[:3] == ("copy", 0, 40 + 5 * 4)


@pytest.mark.parametrize(
    ("graph", "kind", "steps"),
    [
        (conv(3), "CONV_2D", 16),
        # Two groups of 2 of the 4 channels.
        (
            one_op("CONV_2D", Tensor((1, 5, 4, 4)), Tensor((6, 3, 3, 2), constant=True), Tensor((1, 5, 4, 6))),
            "CONV_2D_GROUPED",
            20,
        ),
        (
            one_op(
                "DEPTHWISE_CONV_2D", Tensor((1, 5, 4, 3)), Tensor((1, 5, 5, 3), constant=True), Tensor((1, 5, 4, 3))
            ),
            "DEPTHWISE_CONV_2D",
            5,
        ),
        (
            one_op(
                "DEPTHWISE_CONV_2D", Tensor((1, 5, 4, 3)), Tensor((1, 9, 3, 3), constant=True), Tensor((1, 5, 4, 3))
            ),
            "CONV_2D_GROUPED",
            20,
        ),
        (
            one_op(
                "DEPTHWISE_CONV_2D", Tensor((1, 5, 4, 3)), Tensor((1, 3, 3, 6), constant=True), Tensor((1, 5, 4, 6))
            ),
            "CONV_2D_GROUPED",
            20,
        ),
        (one_op("MAX_POOL_2D", Tensor((1, 6, 4, 2)), Tensor((1, 3, 2, 2))), "MAX_POOL_2D", 3),
        (one_op("MEAN", Tensor((1, 6, 4, 2)), Tensor((1, 2))), "MEAN", 24),
        (one_op("MUL", Tensor((1, 6, 4, 2)), Tensor((2,), constant=True), Tensor((1, 6, 4, 2))), "BROADCAST", 24),
        (one_op("MUL", Tensor((1, 6, 4, 2)), Tensor((1, 6, 4, 2)), Tensor((1, 6, 4, 2))), "MUL", 24),
    ],
)
def test_kinds_with_costs_of_their_own_and_their_steps(graph: Graph, kind: str, steps: int) -> None:
    assert (kernel_variant(graph.operands(graph.ops[0])), work_of(graph).steps) == (kind, steps)


def test_a_kind_with_costs_of_its_own_leaves_the_class_to_the_others() -> None:
    own = {"MEAN": KernelCost(cycles_per_byte=3.0, cycles_per_step=5.0, fixed_cycles=7.0)}
    board = replace(device(pool=KernelCost(fixed_cycles=100.0)), int8_ops=own)
    mean = one_op("MEAN", Tensor((1, 6, 4, 2)), Tensor((1, 2)))
    pool = one_op("AVERAGE_POOL_2D", Tensor((1, 6, 4, 2)), Tensor((1, 1, 1, 2)))
    assert latency_ms(mean, board).ms == pytest.approx((50 * 3 + 24 * 5 + 7) / 1000)
    assert latency_ms(pool, board).ms == pytest.approx(100 / 1000)


def test_groups_round_their_own_channels_up_to_blocks() -> None:
    # 2 groups, 20 positions, 9 weights: 2 inputs become 4, 3 filters become 8. Each group gathers 2 of the 4 channels.
    graph = one_op("CONV_2D", Tensor((1, 5, 4, 4)), Tensor((6, 3, 3, 2), constant=True), Tensor((1, 5, 4, 6)))
    own = {"CONV_2D_GROUPED": KernelCost(cycles_per_mac=1.0, cycles_per_byte=0.5)}
    board = replace(device(), int8_ops=own, int8_blocks=Blocks(4, 8))
    cycles = 2 * 20 * 9 * 4 * 8 + 0.5 * (20 * 9 * 4 + 20 * 6)
    assert latency_ms(graph, board).ms == pytest.approx(cycles / 1000)


def test_a_position_of_a_window_costs_beside_its_channels() -> None:
    board = replace(device(conv=KernelCost(cycles_per_mac=1.0)), int8_blocks=Blocks(window=2))
    assert latency_ms(conv(3, channels=3), board).ms == pytest.approx(16 * 9 * (3 + 2) * 8 / 1000)


def test_a_transposed_convolution_is_of_the_type_of_its_samples() -> None:
    graph = one_op(
        "TRANSPOSE_CONV",
        Tensor((4,), "int32", constant=True),
        Tensor((8, 2, 2, 3), "float32", constant=True),
        Tensor((1, 4, 4, 3), "float32"),
        Tensor((1, 8, 8, 8), "float32"),
    )
    board = replace(device(), float32=device(conv=KernelCost(fixed_cycles=9.0)).int8, float32_inference_cycles=2000.0)
    assert latency_ms(graph, board).ms == pytest.approx((9 + 2000) / 1000)


def test_an_op_of_an_unknown_class_has_no_blocks() -> None:
    graph = one_op("SOME_LSTM", Tensor((1, 5, 3)), Tensor((4, 3), constant=True), Tensor((1, 5, 4)))
    board = device(dense=KernelCost(cycles_per_mac=2.0))
    assert latency_ms(graph, replace(board, int8_blocks=Blocks(16, 16))) == latency_ms(graph, board)


def test_bytes_of_float_tensors_count_four_times() -> None:
    assert work_of(conv(3, dtype="float32")).moved_bytes == 4 * (16 * 27 + 16 * 8)


def test_equal_macs_cost_differently_by_kernel() -> None:
    # 3x3 over 4 channels and 1x1 over 36 channels both do 36 MACs per output.
    board = device(conv=KernelCost(cycles_per_mac=1.0), pointwise=KernelCost(cycles_per_mac=2.0))
    window, point = conv(3, channels=4), conv(1, channels=36)
    assert window.total_macs == point.total_macs
    assert latency_ms(point, board).ms == pytest.approx(2 * latency_ms(window, board).ms)


def test_a_float_model_needs_float_costs() -> None:
    with pytest.raises(ConfigError, match=r"no latency on board: expected ops of int8, received float32; convert"):
        latency_ms(conv(3, dtype="float32"), device())


def test_float_costs_are_used_where_they_are_known() -> None:
    board = device(conv=KernelCost(cycles_per_mac=1.0))
    with_float = replace(board, float32=device(conv=KernelCost(cycles_per_mac=5.0)).int8)
    assert latency_ms(conv(3, dtype="float32"), with_float).ms == pytest.approx(3456 * 5 / 1000)


def test_quantizing_a_float_input_needs_no_float_costs() -> None:
    graph = one_op("QUANTIZE", Tensor((1, 10), "float32", num_scales=0), Tensor((1, 10)))
    assert latency_ms(graph, device(copy=KernelCost(cycles_per_byte=2.0))).ms == pytest.approx(2 * (40 + 10) / 1000)


def test_an_op_without_outputs_costs_what_it_reads() -> None:
    graph = Graph((Tensor((1, 10)),), (Op("ASSIGN_VARIABLE", (0,), ()),), (0,), ())
    assert latency_ms(graph, device(copy=KernelCost(cycles_per_byte=2.0))).ms == pytest.approx(2 * 10 / 1000)


def test_an_empty_graph_takes_no_time() -> None:
    assert latency_ms(Graph((Tensor((1, 4)),), (), (0,), (0,)), device()).ms == 0


@pytest.mark.shared
@pytest.mark.parametrize("name", list_devices())
def test_every_shared_int8_model_has_a_latency_on_every_device(name: str, shared_path: Path) -> None:
    for path in sorted((shared_path / "models").glob("*int8.tflite")):
        graph = lower(path)
        latency = latency_ms(graph, load_device(name))
        assert 0 < latency.low_ms < latency.ms < latency.high_ms
        computes_in = [dtype_of_macs(graph.operands(op)) for op in graph.ops]
        whole = sum(latency.per_op) + inference_ms(computes_in, load_device(name))
        assert whole == pytest.approx(latency.ms)


@pytest.mark.shared
def test_macs_are_those_of_the_graph(shared_path: Path) -> None:
    for model in ("mlperf_vww_96_int8", "mlperf_pretrainedResnet_quant", "mlperf_ad01_int8"):
        graph = lower(shared_path / "models" / f"{model}.tflite")
        assert [op_work(graph.operands(op)).macs for op in graph.ops] == [graph.macs(op) for op in graph.ops]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("device_name", "model", "published_ms"),
    [
        # MLPerf Tiny v1.2, Renesas EK-RA8D1; the profile was fitted to these rows.
        ("ek-ra8d1", "mlperf_pretrainedResnet_quant", 8.4783),
        ("ek-ra8d1", "mlperf_ad01_int8", 0.5307),
        # mcufit-bench, whole models; the profile was fitted to the same board's rows per operator.
        ("nrf52840", "mlperf_kws_ref_model", 224.553),
        ("nrf52840", "tflm_person_detect", 655.145),
        ("esp32", "mlperf_kws_ref_model", 162.334),
        ("esp32", "tflm_person_detect", 474.381),
    ],
)
def test_measured_boards_reproduce_published_latencies(
    device_name: str, model: str, published_ms: float, shared_path: Path
) -> None:
    latency = latency_ms(lower(shared_path / "models" / f"{model}.tflite"), load_device(device_name))
    assert latency.ms == pytest.approx(published_ms, rel=0.1)
    assert latency.low_ms < published_ms < latency.high_ms


def test_an_inference_costs_its_cycles_beside_the_ops() -> None:
    board = replace(device(), int8_inference_cycles=500.0, float32_inference_cycles=2000.0)
    board = replace(board, float32=board.int8)
    assert latency_ms(conv(3), board).ms == pytest.approx((1 + 500) / 1000)
    assert latency_ms(conv(3, dtype="float32"), board).ms == pytest.approx((1 + 2000) / 1000)


def test_an_int8_network_that_is_fed_floats_is_an_int8_one() -> None:
    board = replace(device(), int8_inference_cycles=500.0, float32_inference_cycles=2000.0)
    tensors = (*conv(3).tensors, Tensor(conv(3).tensors[0].shape, "float32"))
    fed = Graph(tensors, (Op("QUANTIZE", (3,), (0,)), *conv(3).ops), (3,), (2,))
    assert latency_ms(fed, board).ms == pytest.approx((1 + 1 + 500) / 1000)


@pytest.mark.parametrize("changes", [{"clock_mhz": 1e-320}, {"error_percent": 1e308}])
def test_a_time_that_no_number_holds_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"no latency on board: .* give a time that is too large for a number"):
        latency_ms(conv(3), replace(device(conv=KernelCost(cycles_per_mac=1e4)), **changes))
