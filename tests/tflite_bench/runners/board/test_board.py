"""Models measured over a serial port: the firmware's own C code around the real TFLM interpreter, on a PC."""

import json
import os
import signal
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from wire_proxy import Fault, Wire, corrupting, dropping, repeating, silent

from tflite_bench import run_benchmark
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.cli import main
from tflite_bench.errors import ConfigError, DoesNotFitError, RunnerError
from tflite_bench.measurement.inputs import random_inputs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack
from tflite_bench.reporting.documents import benchmark_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.runners import tflm
from tflite_bench.runners.board.client import Client
from tflite_bench.runners.board.runner import BoardRunner, _parity
from tflite_bench.runners.registry import make_runner
from tflite_bench.transports import frames
from tflite_bench.transports.board_link import BoardLink, BoardResetError
from tflite_bench.transports.frames import Frame
from tflite_bench.transports.messages import Kind, ProtocolError
from tflite_bench.transports.serial_port import SerialPort

pytestmark = pytest.mark.skipif(not tflm.is_installed(), reason="needs tflite-micro")

FEW = Plan(num_runs=20)
Board = subprocess.Popen  # of str, with the attribute `port`
Start = Callable[..., "Board[str]"]


def dense_network(units: int = 64) -> bytes:
    network = SyntheticNetwork((units,))
    network.dense(units, relu=True)
    network.dense(4)
    return network.to_bytes()


def run_often(client: Client) -> None:
    for _ in range(100):
        client.run(1, limit_s=1)


@pytest.fixture
def wire(board: "Board[str]") -> Iterator[Wire]:
    """A wire to the board that is free of faults at first."""
    wire = Wire(board.port, seed=1)
    yield wire
    wire.close()


@pytest.fixture
def firmware() -> Iterator[Callable[[Callable[[Frame], bytes]], str]]:
    """Returns a function that makes a port where something answers whole frames."""
    ends = threading.Event()
    threads, descriptors = [], []

    def answer(reply: Callable[[Frame], bytes]) -> str:
        controller, terminal = os.openpty()
        tty.setraw(terminal)
        os.set_blocking(controller, False)
        descriptors.extend((controller, terminal))

        def work() -> None:
            decoder = frames.Decoder()
            while not ends.wait(0.01):
                try:
                    received = os.read(controller, 4096)
                except BlockingIOError:
                    continue
                for frame in decoder.feed(received):
                    os.write(controller, reply(frame))

        thread = threading.Thread(target=work, daemon=True)
        threads.append(thread)
        thread.start()
        return os.ttyname(terminal)

    yield answer
    ends.set()
    for thread in threads:
        thread.join()
    for descriptor in descriptors:
        os.close(descriptor)


def test_a_board_is_measured_by_its_own_counter_and_the_arena_is_that_of_tflm(
    board: "Board[str]", model_path: Callable[[str], Path]
) -> None:
    path = model_path("residual_int8")
    command = ["run", str(path), "--on", f"serial:{board.port},921600", "--num-runs", "600", "--json"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    schema = json.loads((files("tflite_bench.reporting") / "schemas/benchmark.schema.json").read_text())
    jsonschema.validate(document, schema)
    result, arena = document["result"], tflm.measure_arena(path.read_bytes(), minimum=False)
    assert (result["runner"], result["kind"], result["num_runs"]) == ("serial", "wall time", 600)
    assert result["arena_bytes"] == arena.arena_bytes
    assert result["arena_persistent_bytes"] == arena.persistent_bytes
    assert result["arena_nonpersistent_bytes"] == arena.nonpersistent_bytes
    assert document["provenance"]["latency.median_ms"] == "measured"
    assert result["device"]["counter"] == "CLOCK_MONOTONIC"
    assert "say nothing about any microcontroller" in result["note"]


def test_outputs_of_given_inputs_are_those_of_tflm_bit_for_bit(
    board: "Board[str]", model_bytes: Callable[[str], bytes]
) -> None:
    model = model_bytes("residual_int8")
    inputs = np.random.default_rng(0).integers(-128, 128, (20, 12, 8, 3), dtype=np.int8)
    inputs = inputs.reshape(20, *read_model(model).input_tensors[0].shape[1:])
    runner = BoardRunner(board.port)
    assert (runner.outputs(model, inputs) == tflm.run_outputs(model, inputs)).all()
    runner.close()


def test_every_output_is_compared_with_those_of_litert(
    board: "Board[str]", model_bytes: Callable[[str], bytes]
) -> None:
    model = model_bytes("two_in_two_out")
    info = read_model(model)
    inputs = random_inputs(info)
    port = SerialPort(board.port)
    client = Client(BoardLink(port))
    loaded = client.load(model, info)
    assert _parity(client, model, info, inputs, loaded) == (True, None)
    other = unpack(model)
    other.subgraphs[0].outputs = [other.subgraphs[0].outputs[0]] * 2  # LiteRT returns the first one twice
    assert _parity(client, pack(other), info, inputs, loaded) == (False, None)
    port.close()


@pytest.mark.parametrize("fault", [dropping(2e-4), repeating(2e-4), corrupting(2e-4)])
def test_a_wire_that_loses_repeats_or_changes_bytes_changes_no_result(
    fault: Fault, wire: Wire, model_bytes: Callable[[str], bytes]
) -> None:
    model = model_bytes("residual_int8")
    inputs = np.random.default_rng(0).integers(-128, 128, (4, *read_model(model).input_tensors[0].shape[1:]), np.int8)
    runner = BoardRunner(wire.port, 921_600, patience_s=20)
    wire.to_board = wire.to_host = fault
    assert (runner.outputs(model, inputs) == tflm.run_outputs(model, inputs)).all()
    assert runner.benchmark(model, FEW).num_runs == 20
    runner.close()


def test_a_frame_that_comes_twice_is_answered_twice_and_done_once(board: "Board[str]") -> None:
    port = SerialPort(board.port)
    link = BoardLink(port)
    model = dense_network()
    Client(link).load(model, read_model(model))
    frame = frames.encode(Frame(Kind.RUN, 70, link._session, (3).to_bytes(2, "little")))
    decoder = frames.Decoder()
    answers: list[Frame] = []
    port.write(frame + frame)
    while len(answers) < 2:
        answers += decoder.feed(port.read(2))
    port.close()
    # Three inferences that were measured anew would take other nanoseconds.
    assert answers[0] == answers[1]


def test_an_upload_goes_on_after_a_reset(board: "Board[str]", wire: Wire) -> None:
    model = dense_network(300)
    port = SerialPort(wire.port)
    client = Client(BoardLink(port))
    size, cut = client.link.hello.max_payload, 60_000
    assert len(model) > cut + 2 * size

    def reset(content: bytes, rng: object) -> bytes:
        if wire.num_bytes > cut:
            board.send_signal(signal.SIGUSR1)
            wire.to_board = lambda content, rng: content
        return content

    before = wire.num_bytes
    wire.to_board = reset
    loaded = client.load(model, read_model(model))
    port.close()
    assert loaded.num_bytes == len(model)
    # Two chunks and a few questions more than once, where a new beginning would be 60 kB.
    assert wire.num_bytes - before < len(model) * 1.02 + 2 * size + 500


def test_a_reset_while_measuring_measures_nothing(board: "Board[str]") -> None:
    port = SerialPort(board.port)
    client = Client(BoardLink(port))
    model = dense_network()
    client.load(model, read_model(model))
    board.send_signal(signal.SIGUSR1)
    with pytest.raises(BoardResetError, match="was reset, or another program talks to it; nothing was measured"):
        run_often(client)
    port.close()


def test_a_board_that_hangs_is_an_error_in_time(wire: Wire) -> None:
    runner = BoardRunner(wire.port, 921_600, patience_s=1)
    model = dense_network()
    runner.benchmark(model, FEW)
    wire.to_host = silent
    with pytest.raises(RunnerError, match=r"did not answer begin within 1 s: it hangs, .*nothing was measured"):
        runner.benchmark(model, FEW)


def test_a_model_larger_than_the_memory_an_arena_too_small_and_a_missing_operator_are_named(
    start_board: Start,
) -> None:
    small = start_board("--model-memory", "20000", "--arena", "2500", "--without", "SOFTMAX")
    runner = BoardRunner(small.port)
    image = SyntheticNetwork((24, 24, 3))
    image.conv(8, 3)
    image.pool()
    image.dense(4)
    with pytest.raises(DoesNotFitError, match="larger than the 20000 B of RAM for models"):
        runner.benchmark(dense_network(300), FEW)
    with pytest.raises(DoesNotFitError, match=r"arena on .* of 2500 B is too small: (at least \d+ B are missing|TFLM)"):
        runner.benchmark(image.to_bytes(), FEW)
    scores = SyntheticNetwork((16,))
    scores.dense(4)
    scores.softmax()
    with pytest.raises(DoesNotFitError, match="was built without the operator SOFTMAX"):
        runner.benchmark(scores.to_bytes(), FEW)
    assert runner.benchmark(dense_network(16), FEW).num_runs == 20


def test_two_hosts_at_once_are_one_host_and_one_error(board: "Board[str]") -> None:
    first = BoardRunner(board.port)
    first.benchmark(dense_network(), FEW)
    with pytest.raises(RunnerError, match=r"the serial port .* is busy: another program uses it"):
        BoardRunner(board.port).benchmark(dense_network(), FEW)
    assert first.benchmark(dense_network(), FEW).num_runs == 20
    first.close()


def test_a_second_host_that_got_in_takes_the_board_from_the_first(board: "Board[str]") -> None:
    port = SerialPort(board.port)
    first = BoardLink(port)
    BoardLink(port)
    with pytest.raises(BoardResetError, match="another program talks to it"):
        first.ask(Kind.LOAD)
    port.close()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"Hello from Zephyr\r\n", r"another firmware is on .*: it sends b'Hello from Zephyr"),
        (b"\0\1\2\3\0", r"another firmware is on .*: it sends b'"),
        (b"", r"does not answer at 115200 baud: expected the measuring firmware"),
    ],
)
def test_another_firmware_or_none_is_one_line(
    reply: bytes, message: str, firmware: Callable[[Callable[[Frame], bytes]], str]
) -> None:
    port = firmware(lambda frame: reply)
    with pytest.raises(RunnerError, match=message):
        BoardRunner(port, patience_s=1).benchmark(dense_network(), FEW)


def test_another_version_of_the_protocol_names_both(firmware: Callable[[Callable[[Frame], bytes]], str]) -> None:
    port = firmware(lambda frame: frames.encode(Frame(0xFF, frame.number, frame.session, b"", version=0)))
    with pytest.raises(ProtocolError, match="speaks version 0 of the protocol, expected 1: flash the firmware"):
        BoardRunner(port, patience_s=1).benchmark(dense_network(), FEW)


def test_the_firmware_names_its_version_to_a_newer_host(board: "Board[str]") -> None:
    port = SerialPort(board.port)
    port.write(frames.encode(Frame(Kind.HELLO, 1, 2, b"", version=9)))
    decoder = frames.Decoder()
    answers: list[Frame] = []
    while not answers:
        answers += decoder.feed(port.read(2))
    port.close()
    assert (answers[0].version, answers[0].kind, answers[0].payload[0]) == (1, 0xFF, 1)


def test_a_clock_that_is_stated_wrongly_is_found(board: "Board[str]") -> None:
    runner = BoardRunner(board.port)
    model = dense_network()
    runner.benchmark(model, FEW)
    client = runner._client
    assert client is not None
    object.__setattr__(client.link.hello, "clock_hz", 1000)
    with pytest.raises(RunnerError, match=r"its clock is not the 0.001 MHz that its firmware states"):
        runner.benchmark(model, FEW)


def test_a_counter_that_may_have_gone_round_is_refused(board: "Board[str]") -> None:
    runner = BoardRunner(board.port)
    model = dense_network()
    runner.benchmark(model, FEW)
    assert runner._client is not None
    object.__setattr__(runner._client.link.hello, "counter_bits", 10)  # about a microsecond
    with pytest.raises(RunnerError, match=r"begins again after 1.02e-06 s"):
        runner.benchmark(model, FEW)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/dev/ttyNOWHERE", "there is no serial port /dev/ttyNOWHERE: connect the board; tflite-bench devices"),
        ("/dev/null", "cannot open the serial port /dev/null"),
        ("/dev/ttyACM0,fast", "bad serial port: expected one such as /dev/ttyACM0 or /dev/ttyACM0,921600"),
        ("/dev/ttyACM0,0", "bad serial port"),
        ("socket://127.0.0.1:1", "cannot open the serial port socket://127.0.0.1:1"),
    ],
)
def test_a_port_that_cannot_be_used_ends_with_2_and_one_line_and_writes_nothing(
    address: str, message: str, tmp_path: Path, model_path: Callable[[str], Path]
) -> None:
    output = tmp_path / "result.json"
    model = str(model_path("residual_int8"))
    done = CliRunner().invoke(main, ["run", model, "--on", f"serial:{address}", "-o", str(output)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_port_is_named_with_or_without_its_speed() -> None:
    runner = make_runner("serial:/dev/ttyACM0,921600")
    assert isinstance(runner, BoardRunner)
    assert (runner.port, runner.baud) == ("/dev/ttyACM0", 921_600)
    with pytest.raises(ConfigError, match=r"unknown runner 'serial': expected one of .*serial:PORT"):
        make_runner("serial")


def test_the_firmware_is_handed_out_as_sources(tmp_path: Path) -> None:
    folder = tmp_path / "firmware"
    assert CliRunner().invoke(main, ["firmware", str(folder)]).exit_code == 0
    assert {"bench.c", "bench.h", "cycles.c", "model_tflm.cc"} <= {path.name for path in folder.iterdir()}
    again = CliRunner().invoke(main, ["firmware", str(folder)])
    assert (again.exit_code, "exists; choose another folder" in again.stderr) == (2, True)


def test_statistics_are_those_of_every_runner(board: "Board[str]") -> None:
    benchmark = run_benchmark(dense_network(), runner=f"serial:{board.port}", time_limit_s=5)
    latency = benchmark.result.latency
    assert latency is not None
    assert latency.ci95_low_ms is not None
    assert latency.ci95_low_ms <= (latency.median_ms or 0) <= (latency.ci95_high_ms or 0)
    assert benchmark.result.num_runs >= 50
    json.loads(to_json(benchmark_document(benchmark)))
