"""The firmware with a network that bakenn has translated, executed on an emulated Cortex-M, its UART on a socket."""

import zlib
from collections.abc import Iterator

import numpy as np
import pytest

from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import RunnerError
from tflite_bench.measurement.timing import Plan
from tflite_bench.runners import litert
from tflite_bench.runners.board.runner import BoardRunner
from tflite_bench.runners.qemu import firmware
from tflite_bench.runners.qemu import runner as qemu
from tflite_bench.runners.qemu.runner import QemuRunner
from tflite_bench.transports.board_link import BoardLink, BoardRefusalError, BoardResetError
from tflite_bench.transports.messages import Code, Kind
from tflite_bench.transports.serial_port import SerialPort
from tools.boards import emulated
from tools.boards.emulated import EmulatedBoard

pytestmark = pytest.mark.skipif(
    not (firmware.is_installed() and qemu.is_installed()),
    reason="needs bakenn, gcc-arm-none-eabi and qemu-system-arm (tools/install-system)",
)


def network() -> bytes:
    made = SyntheticNetwork((12, 8, 3))
    made.conv(8, 3, stride=2)
    made.pool((6, 4))
    made.dense(5)
    return made.to_bytes()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBoard]:
    """An emulated Cortex-M4 with the network's firmware."""
    folder = tmp_path_factory.mktemp("board")
    with emulated.running(emulated.build(network(), "m4", folder), "m4", folder) as board:
        yield board


def test_an_emulated_board_counts_instructions_and_tells_no_time(board: EmulatedBoard) -> None:
    runner = BoardRunner(board.port)
    result = runner.benchmark(network(), Plan(num_runs=20))
    runner.close()
    assert (result.kind, result.latency, result.num_runs) == ("instructions", None, 20)
    assert "no model of time" in result.unavailable_reason["latency"]
    assert "does not measure it; it reserves" in result.unavailable_reason["arena_bytes"]
    assert result.execution is not None
    assert result.execution.matches_reference
    # The emulator's own count of the same network; the firmware adds a call and two looks at the counter.
    alone = QemuRunner("m4").benchmark(network(), Plan()).execution
    assert alone is not None
    assert 0 < result.execution.instructions - alone.instructions < 200
    assert result.execution.instructions < 1.01 * alone.instructions


def test_outputs_of_given_inputs_are_those_of_litert(board: EmulatedBoard) -> None:
    inputs = np.random.default_rng(3).integers(-128, 128, (5, 12, 8, 3), dtype=np.int8)
    runner = BoardRunner(board.port)
    outputs = runner.outputs(network(), inputs)
    runner.close()
    assert (outputs == litert.run_outputs(network(), inputs, reference_kernels=True)).all()


def test_a_model_that_is_compiled_in_takes_no_upload_and_is_no_other(board: EmulatedBoard) -> None:
    port = SerialPort(board.port)
    link = BoardLink(port)
    with pytest.raises(BoardRefusalError, match=r"refuses begin: not supported \(upload\)") as refusal:
        link.ask(Kind.BEGIN, bytes(8))
    port.close()
    assert refusal.value.failure.code == Code.NOT_SUPPORTED
    other = SyntheticNetwork((16,))
    other.dense(3)
    checksum = f"{zlib.crc32(other.to_bytes()):08x}"
    with pytest.raises(RunnerError, match=f"has another model: expected .* with the CRC-32 {checksum}, it has"):
        BoardRunner(board.port).benchmark(other.to_bytes(), Plan(num_runs=5))
    with pytest.raises(RunnerError, match="its firmware has a model compiled in; flash one with TFLM"):
        _ = BoardRunner(board.port).calibrates


def test_a_reset_of_the_processor_is_told(board: EmulatedBoard) -> None:
    port = SerialPort(board.port)
    link = BoardLink(port)
    link.ask(Kind.LOAD)
    board.reset()
    with pytest.raises(BoardResetError, match="was reset"):
        link.ask(Kind.RUN, b"\1\0")
    link.greet()
    assert link.hello.core == "cortex-m4"
    port.close()


def test_a_processor_that_stands_still_is_an_error(board: EmulatedBoard) -> None:
    port = SerialPort(board.port)
    link = BoardLink(port, patience_s=1)
    board.stop()
    with pytest.raises(RunnerError, match="did not answer load within 1 s: it hangs"):
        link.ask(Kind.LOAD)
    board.go_on()
    link.greet()
    port.close()
