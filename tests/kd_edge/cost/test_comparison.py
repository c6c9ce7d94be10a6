"""One network on many boards."""

from dataclasses import replace

import pytest

from kd_edge.cost.budget import Budget
from kd_edge.cost.comparison import compare_boards
from kd_edge.cost.devices import load_all, load_device
from kd_edge.cost.model import CostModel
from kd_edge.cost.report import report_cost
from kd_edge.ir.graph import Graph, Op, Tensor
from tflite_bench.model.runtime_support import Refusal

BOARDS = ("nucleo-l4r5zi", "esp32-s3", "rp2040", "raspberry-pi-4", "nucleo-h7a3zi-cube-ai")


def convolution(dtype: str = "int8") -> Graph:
    tensors = (Tensor((1, 6, 6, 4), dtype), Tensor((8, 3, 3, 4), dtype, constant=True), Tensor((1, 6, 6, 8), dtype))
    return Graph(tensors, (Op("CONV_2D", (0, 1), (2,)),), (0,), (2,))


def test_a_row_says_what_the_report_of_its_board_says():
    rows = compare_boards(convolution(), map(load_device, BOARDS), Budget.of).devices
    assert {row.device for row in rows} == set(BOARDS)
    for row in rows:
        board = load_device(row.device)
        cost, report = report_cost(convolution(), board, Budget.of(board))
        assert (row.verdict, row.fits, row.runtime) == (report.verdict, report.fits, board.runtime_title)
        assert (row.ram_bytes, row.flash_bytes) == (cost.ram_bytes, cost.flash_bytes)
        assert (row.latency_ms, row.latency_high_ms) == (cost.latency_ms, cost.latency_high_ms)
        assert row.ram_left_bytes == board.ram_bytes - board.reserved_ram_bytes - cost.ram_bytes
        assert row.flash_left_bytes == board.flash_bytes - board.reserved_flash_bytes - cost.flash_bytes


@pytest.mark.parametrize("order", [1, -1])
def test_what_tflm_refuses_another_runtime_with_its_kernels_takes_whichever_comes_first(order):
    boards = [load_device(name) for name in ("nucleo-l4r5zi", "nucleo-l4r5zi-microtvm")]
    hybrid = convolution()._replace(tensors=tuple(t._replace(dtype="float32") for t in convolution().tensors))
    hybrid = hybrid._replace(tensors=(hybrid.tensors[0], convolution().tensors[1], hybrid.tensors[2]))
    rows = compare_boards(hybrid, boards[::order], Budget.of).devices
    expected = {"nucleo-l4r5zi": ("broken", ("refusals",)), "nucleo-l4r5zi-microtvm": ("holds", ())}
    assert {row.device: (row.verdict, row.broken) for row in rows} == expected


def test_a_row_says_what_its_runtime_refuses_of_the_file():
    refused = (Refusal("CUSTOM", 0, "no kernel"),)
    boards = [load_device(name) for name in ("nucleo-l4r5zi", "nucleo-l4r5zi-microtvm")]
    rows = compare_boards(convolution(), boards, Budget.of, refusals={True: (), False: refused}).devices
    assert {row.device: row.verdict for row in rows} == {"nucleo-l4r5zi": "holds", "nucleo-l4r5zi-microtvm": "broken"}


def test_what_is_proven_to_fit_comes_first_and_what_is_broken_last():
    board = load_device("nucleo-l4r5zi")
    expected_ms = CostModel(board).estimate(convolution()).latency_ms
    boards = [replace(board, name=name, clock_mhz=clock) for name, clock in (("a", 1.0), ("b", 120.0), ("c", 1e4))]
    comparison = compare_boards(convolution(), boards, lambda b: replace(Budget.of(b), latency_ms=expected_ms))
    assert [(row.device, row.verdict) for row in comparison.devices] == [
        ("c", "holds"),
        ("b", "not_proven"),
        ("a", "broken"),
    ]
    assert [(row.broken, row.open) for row in comparison.devices[1:]] == [((), ("latency_ms",)), (("latency_ms",), ())]
    assert comparison.num_fitting == 1


def test_a_board_without_the_networks_numbers_has_sizes_and_the_reason():
    board = load_device("nucleo-l4r5zi")
    (row,) = compare_boards(convolution("float32"), [board], Budget.of).devices
    assert (row.latency_ms, row.verdict) == (None, "holds")
    assert "received float32" in row.reason
    assert row.ram_bytes == CostModel(board).estimate_known(convolution("float32"))[0].ram_bytes


def test_the_size_of_a_file_takes_the_place_of_the_computed_one():
    (row,) = compare_boards(convolution(), [load_device("rp2040")], Budget.of, file_bytes=1000).devices
    assert row.flash_bytes == 1000


@pytest.mark.parametrize("quality", ["measured", "not measured"])
def test_all_boards_are_compared(quality):
    rows = compare_boards(convolution(), load_all(), Budget.of).devices
    assert len({row.board for row in rows}) >= 35
    assert quality in {row.quality for row in rows}
