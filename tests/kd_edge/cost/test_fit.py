"""Whether a network fits: holds, broken or not proven, by the interval of each figure."""

from dataclasses import replace

import pytest

from kd_edge.cost.budget import Budget
from kd_edge.cost.comparison import compare_boards
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.cost.fit import cost_gates, narrower
from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN
from kd_edge.cost.model import CostModel
from kd_edge.cost.report import report_cost
from kd_edge.errors import ConfigError
from kd_edge.ir.graph import Graph, Op, Tensor

BOARD = replace(load_device("nucleo-l4r5zi"), error_percent=100.0)
ROOMY = Budget(64_000, 32_000)


def dense(units: int = 10) -> Graph:
    tensors = (Tensor((1, 64)), Tensor((units, 64), constant=True), Tensor((1, units)))
    return Graph(tensors, (Op("FULLY_CONNECTED", (0, 1), (2,)),), (0,), (2,))


@pytest.mark.parametrize(
    ("share", "verdict"),
    # The interval is from half of the estimate to twice of it.
    [(0.49, BROKEN), (0.51, NOT_PROVEN), (1.0, NOT_PROVEN), (1.99, NOT_PROVEN), (2.01, HOLDS)],
)
def test_a_latency_holds_by_its_upper_end_and_is_broken_by_its_lower(share, verdict):
    cost = CostModel(BOARD).estimate(dense())
    gates = cost_gates(cost, replace(ROOMY, latency_ms=share * cost.latency_ms), BOARD)
    assert gates["latency_ms"].verdict == verdict
    assert (gates["flash_bytes"].verdict, gates["ram_bytes"].verdict) == (HOLDS, HOLDS)


@pytest.mark.parametrize(
    ("beyond", "verdict"), [(-129, BROKEN), (-128, NOT_PROVEN), (0, NOT_PROVEN), (127, NOT_PROVEN), (128, HOLDS)]
)
def test_a_size_that_was_computed_is_known_to_128_bytes_and_that_of_a_file_to_the_byte(beyond, verdict):
    size = CostModel(BOARD).estimate(dense()).flash_bytes
    budget = replace(ROOMY, flash_bytes=size + beyond)
    _, computed = report_cost(dense(), BOARD, budget)
    gate = computed.gates["flash_bytes"]
    assert (gate.verdict, gate.low, gate.high) == (verdict, size - 128, size + 128)
    row = compare_boards(dense(), [BOARD], lambda device: budget).devices[0]
    assert (row.verdict, row.open) == (verdict, ("flash_bytes",) if verdict == NOT_PROVEN else ())
    _, measured = report_cost(dense(), BOARD, budget, file_bytes=size)
    assert measured.gates["flash_bytes"].verdict == (HOLDS if beyond >= 0 else BROKEN)


def test_what_one_measured_model_would_not_narrow_is_decided_by_a_measurement_of_this_one():
    board = replace(BOARD, error_percent=35.0)
    assert "devices add" not in narrower(board)
    assert narrower(board).endswith(
        "only this model's own time on the board decides (tflite-bench run --on serial:PORT)"
    )


def test_the_way_out_of_a_profile_that_was_named_by_its_path_names_that_path(tmp_path):
    path = tmp_path / "my boards" / "mynrf.toml"
    path.parent.mkdir()
    path.write_text(to_toml(BOARD))
    assert f"devices add my-{BOARD.board} --like '{path}' --measured" in narrower(load_device(path))


def unknown_kernel(kind: str = "SignalRfft") -> Graph:
    return Graph((Tensor((1, 512), "int16"), Tensor((1, 514), "int16")), (Op(kind, (0,), (1,)),), (0,), (1,))


def test_the_ram_of_a_kernel_that_nobody_knows_may_be_broken_but_does_not_hold():
    cost, report = report_cost(unknown_kernel(), BOARD, ROOMY)
    assert (report.verdict, report.gates["ram_bytes"].verdict) == (NOT_PROVEN, NOT_PROVEN)
    assert "nobody knows the RAM of the kernel for SignalRfft" in report.gates["ram_bytes"].reason
    assert report.runtime_flash is None
    assert "code of TFLM's kernel for SignalRfft" in report.unavailable_reason["runtime_flash"]
    short = replace(ROOMY, ram_bytes=cost.ram_bytes - 1)
    assert report_cost(unknown_kernel(), BOARD, short)[1].gates["ram_bytes"].verdict == BROKEN
    (row,) = compare_boards(unknown_kernel(), [BOARD], lambda board: ROOMY).devices
    assert (row.verdict, row.open) == (NOT_PROVEN, ("ram_bytes",))


def test_an_operator_that_nobody_knows_proves_no_ram_under_another_runtime():
    gate = report_cost(unknown_kernel("STABLEHLO_COMPOSITE"), load_device("pixel-3a"), ROOMY)[1].gates["ram_bytes"]
    assert (gate.verdict, "the kernel for STABLEHLO_COMPOSITE" in gate.reason) == (NOT_PROVEN, True)


def test_kernels_of_tflm_that_nobody_knows_prove_no_ram():
    gate = report_cost(dense(), replace(BOARD, runtime="tflm+hifi"), ROOMY)[1].gates["ram_bytes"]
    assert (gate.verdict, "scratch buffers of the kernels of 'tflm+hifi'" in gate.reason) == (NOT_PROVEN, True)


def test_of_a_runtime_that_nobody_knows_no_refusals_are_proven():
    report = report_cost(dense(), replace(BOARD, runtime="my-engine"), ROOMY)[1]
    assert (report.verdict, report.gates["refusals"].verdict) == (NOT_PROVEN, NOT_PROVEN)
    assert "nobody knows what the runtime 'my-engine' of nucleo-l4r5zi refuses" in report.gates["refusals"].reason
    assert report_cost(dense(), replace(BOARD, runtime="hale"), ROOMY)[1].verdict == HOLDS


def test_the_way_out_of_a_latency_that_is_not_proven_is_one_measured_model():
    cost = CostModel(BOARD).estimate(dense())
    gate = cost_gates(cost, replace(ROOMY, latency_ms=cost.latency_ms), BOARD)["latency_ms"]
    assert gate.reason == narrower(BOARD)
    assert "kd-edge devices add my-nucleo-l4r5zi --like nucleo-l4r5zi --measured kws.tflite=31ms" in gate.reason
    assert "\n" not in gate.reason


def test_an_arena_between_two_releases_of_the_kernels_is_not_proven():
    tensors = (Tensor((1, 6, 6, 4)), Tensor((8, 3, 3, 4), constant=True), Tensor((1, 6, 6, 8)))
    graph = Graph(tensors, (Op("CONV_2D", (0, 1), (2,)),), (0,), (2,))
    board = replace(load_device("esp32-s3"), runtime_version="")
    cost, report = report_cost(graph, board, ROOMY)
    # 912 bytes of scratch lie between the two releases.
    assert cost.ram_bytes - report.ram_low_bytes == 1472 - 560
    between = replace(ROOMY, ram_bytes=cost.ram_bytes - 1)
    report = report_cost(graph, board, between)[1]
    assert (report.verdict, report.fits, report.gates["ram_bytes"].verdict) == (NOT_PROVEN, False, NOT_PROVEN)
    assert "put runtime_version into your own profile" in report.gates["ram_bytes"].reason
    assert report.excess == {}
    assert report_cost(graph, replace(board, runtime_version="esp-nn 2026"), between)[1].fits


def test_a_broken_limit_is_exceeded_by_the_estimate():
    cost, report = report_cost(dense(), BOARD, Budget(1, 32_000))
    assert (report.verdict, report.fits) == (BROKEN, False)
    assert report.excess == {"flash_bytes": cost.flash_bytes - 1}


def test_a_search_aims_at_the_upper_end_unless_told_to_expect():
    cost = CostModel(BOARD).estimate(dense())
    upper = replace(ROOMY, latency_ms=1.5 * cost.latency_ms)
    assert not cost.fits(upper)
    assert cost.excess(upper)["latency_ms"] == pytest.approx(0.5 * cost.latency_ms)
    assert cost.fits(replace(upper, latency_at="expected"))
    assert (upper.latency_figure, replace(upper, latency_at="expected").latency_figure) == (
        "latency_high_ms",
        "latency_ms",
    )


def test_what_a_search_aims_at_has_two_names():
    with pytest.raises(ConfigError, match="expected latency_at 'upper' or 'expected', received 'middle'"):
        Budget(1, 1, latency_at="middle")


def test_every_op_of_a_report_has_its_output_and_its_layer():
    _, report = report_cost(dense()._replace(layers=("head",)), BOARD, ROOMY)
    assert [(op.layer, op.output_shape) for op in report.ops] == [("head", (1, 10))]
    assert report_cost(dense(), BOARD, ROOMY)[1].ops[0].layer is None
