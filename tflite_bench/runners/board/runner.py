"""Measures a model on a microcontroller, over a serial port."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tflite_bench.errors import DoesNotFitError, RunnerError
from tflite_bench.measurement.inputs import check_inputs, random_inputs
from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.measurement.timing import Plan, Timing, describe_end, measure_batches
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import has_resources
from tflite_bench.processes.isolation import Array
from tflite_bench.runners import litert
from tflite_bench.runners.base import Execution, OpResult, RunnerResult
from tflite_bench.runners.board.client import Batch, Client
from tflite_bench.runners.interpreters import has_state
from tflite_bench.runners.parity import NO_STEPS, Parity, compare_outputs
from tflite_bench.runners.spec import Device, RunnerSpec, Wishes
from tflite_bench.transports import serial_port
from tflite_bench.transports.board_link import BoardLink
from tflite_bench.transports.messages import Counts, Hello, Loaded
from tflite_bench.transports.serial_port import SerialPort, parse_address

# One batch should end in this time, so that a time limit is kept and a board that hangs is noticed.
_BATCH_SECONDS = 0.4
_INFERENCE_SECONDS = 30.0
_INSTRUCTIONS = (
    "an emulated board: instructions that its counter counted, which are no time; they mean nothing without the "
    "kernels beside them"
)


@dataclass
class BoardRunner:
    """Measures on a board that runs the measuring firmware.

    The board is greeted on first use, and kept until `close` or a failure: each opening of a port may reset it.

    Attributes:
        port: The serial port.
        baud: Bits per second.
        profile: Whether to measure every operator, where the firmware can.
        patience_s: Seconds to wait for an answer that takes no work.
    """

    port: str
    baud: int = serial_port.DEFAULT_BAUD
    profile: bool = False
    patience_s: float = 6.0
    _client: Client | None = None

    @property
    def name(self) -> str:
        """Name in results."""
        return "serial"

    @property
    def calibrates(self) -> bool:
        """Whether it measures times; raises as `benchmark` does, and where models cannot be uploaded."""
        with self._connected() as client:
            hello = client.link.hello
        if not hello.has_upload:
            raise RunnerError(
                f"cannot calibrate on {self.port}: its firmware has a model compiled in; flash one with TFLM, "
                "which takes uploads"
            )
        return hello.counts != Counts.INSTRUCTIONS

    def describe(self) -> dict[str, str]:
        """Return what the board says of itself; raises as `benchmark` does."""
        with self._connected() as client:
            return _device(client.link.hello)

    def close(self) -> None:
        """Let others use the port."""
        if self._client is not None:
            self._client.link.port.close()
        self._client = None

    def check(self, model: bytes) -> None:
        """Refuse a stream, before the board is asked.

        Args:
            model: Bytes of a `.tflite` file.

        Raises:
            DoesNotFitError: It is one.
        """
        if has_resources(read_model(model)):
            raise DoesNotFitError(
                "cannot run on a board: expected a file without resource variables, which the measuring firmware does "
                "not have, received a stream; leave out --on serial"
            )

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Measure one inference on random input values; see `Runner`.

        Raises:
            DoesNotFitError: The board is too small for the model, lacks an operator, or the model is a stream.
        """
        self.check(model)
        info = read_model(model)
        with self._connected() as client:
            loaded = client.load(model, info)
            inputs = random_inputs(info, seed=plan.seed)
            client.set_inputs(inputs)
            timing, counts = _measure(client, plan)
            ops = _ops(client, info, self.profile, limit_s=plan.time_limit_s)
            parity = None
            if client.link.hello.counts == Counts.INSTRUCTIONS:
                parity = _parity(client, model, info, inputs, loaded)
            return _result(client.link.hello, self.port, loaded, timing, counts, ops, plan, parity)

    def outputs(self, model: bytes, inputs: Array, *, output: int = 0) -> Array:
        """Return the outputs of samples, run one by one on the board.

        Args:
            model: Bytes of a `.tflite` file.
            inputs: The samples, of the shape `(n, ...)`, in the type of the model's input.
            output: Position of the output.

        Raises:
            ConfigError: The samples are not those of the model.
            RunnerError: See `benchmark`.
        """
        self.check(model)
        info = read_model(model)
        arrays = check_inputs(info, inputs)
        tensor = info.output_tensors[output]
        with self._connected() as client:
            rows = []
            loaded = client.load(model, info)
            for position in range(len(arrays[0])):
                if position and has_state(info):
                    loaded = client.load(model, info)
                client.set_inputs([array[position : position + 1] for array in arrays])
                client.run(1, limit_s=_INFERENCE_SECONDS)
                content = client.output(output, loaded.outputs[output].num_bytes)
                rows.append(np.frombuffer(content, tensor.dtype).reshape(tensor.shape))
        return np.concatenate(rows) if tensor.shape[:1] == (1,) else np.stack(rows)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Client]:
        if self._client is None:
            port = SerialPort(self.port, self.baud)
            try:
                self._client = Client(BoardLink(port, patience_s=self.patience_s))
            except BaseException:
                port.close()
                raise
        try:
            yield self._client
        except BaseException:
            self.close()
            raise


def _measure(client: Client, plan: Plan) -> tuple[Timing, list[int]]:
    """Run inferences until the plan is fulfilled; return them in ms of the stated clock, and their bare counts."""
    hello = client.link.hello
    counts: list[int] = []
    first = client.run(1, limit_s=plan.time_limit_s)
    pace = max(first.elapsed_s, 1e-6)

    def batch(wanted: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        nonlocal pace
        seconds = min(_BATCH_SECONDS, client.wrap_s / 2)
        size = max(1, min(wanted, client.max_runs, int(seconds / pace)))
        done: Batch = client.run(size, limit_s=10 * size * pace)
        pace = max(done.elapsed_s / size, 1e-6)
        counts.extend(done.counts)
        return np.array(done.counts, np.float64) * 1e3 / hello.clock_hz

    timing = measure_batches(batch, plan)
    warmup = np.append(np.array(first.counts, np.float64) * 1e3 / hello.clock_hz, timing.warmup_ms)
    return timing._replace(warmup_ms=warmup), counts[len(counts) - len(timing.samples_ms) :]


def _ops(client: Client, info: ModelInfo, wanted: bool, *, limit_s: float) -> tuple[tuple[OpResult, ...], str]:
    """Return the operators, and why they have no times; empty if they have."""
    plain = tuple(OpResult(op.index, op.name) for op in info.ops)
    hello = client.link.hello
    if not wanted:
        return plain, "not asked for; --profile does"
    if not hello.has_profiler:
        return plain, "the firmware was built without TFLM's profiler"
    if hello.counts == Counts.INSTRUCTIONS:
        return plain, "the board counts instructions"
    rows = client.profile(limit_s=limit_s)
    names = [op.name for op in info.ops]
    if [name for name, _ in rows] != names:
        return plain, f"the board's profiler tells of {len(rows)} operators that are not the {len(names)} of the model"
    timed = zip(info.ops, rows, strict=True)
    return tuple(OpResult(op.index, op.name, count * 1e3 / hello.clock_hz) for op, (_, count) in timed), ""


def _parity(client: Client, model: bytes, info: ModelInfo, inputs: list[Array], loaded: Loaded) -> Parity:
    """Return how the outputs compare with those of LiteRT's reference kernels."""
    client.set_inputs(inputs)
    client.run(1, limit_s=_INFERENCE_SECONDS)
    contents = [client.output(index, tensor.num_bytes) for index, tensor in enumerate(loaded.outputs)]
    return compare_outputs(
        (np.frombuffer(content, tensor.dtype), litert.run_reference(model, inputs, output=index)[0])
        for index, (content, tensor) in enumerate(zip(contents, info.output_tensors, strict=True))
    )


def _result(
    hello: Hello,
    port: str,
    loaded: Loaded,
    timing: Timing,
    counts: list[int],
    ops: tuple[tuple[OpResult, ...], str],
    plan: Plan,
    parity: Parity | None,
) -> RunnerResult:
    reasons = {"arena_minimum_bytes": "the board's arena has one size"}
    arena = (loaded.arena_bytes, loaded.persistent_bytes, loaded.nonpersistent_bytes)
    if None in arena:  # of code with a plan: what it has reserved is no measurement
        reason = f"{hello.runtime} does not measure it; it reserves {loaded.arena_bytes or 'an unknown number of'} B"
        parts = ("arena_bytes", "arena_persistent_bytes", "arena_nonpersistent_bytes")
        arena, reasons = (None, None, None), reasons | dict.fromkeys(parts, reason)
    if ops[1]:
        reasons["ops.latency_ms"] = ops[1]
    end = describe_end(timing.reached, len(timing.samples_ms), plan)
    latency = execution = None
    if parity is None:
        latency = LatencyStats.from_samples(timing.samples_ms, warmup_ms=timing.warmup_ms, seed=plan.seed)
        note = _note(hello)
    else:
        reasons["latency"] = "the board counts instructions and has no model of time"
        note, execution = _INSTRUCTIONS, _execution(hello, counts, loaded, parity)
        if parity.largest_difference is None:
            reasons["execution.largest_difference"] = NO_STEPS
    return RunnerResult(
        runner="serial",
        kind="wall time" if execution is None else "instructions",
        note="; ".join(filter(None, (note, end))),
        num_runs=len(timing.samples_ms),
        num_warmup_runs=len(timing.warmup_ms),
        latency=latency,
        arena_bytes=arena[0],
        arena_persistent_bytes=arena[1],
        arena_nonpersistent_bytes=arena[2],
        execution=execution,
        device=_device(hello) | {"port": port},
        ops=ops[0],
        unavailable_reason=reasons,
    )


def _execution(hello: Hello, counts: list[int], loaded: Loaded, parity: Parity) -> Execution:
    return Execution(
        instructions=round(float(np.median(counts))),
        functions=(),
        matches_reference=parity.matches,
        largest_difference=parity.largest_difference,
        code_bytes=None,
        constant_bytes=None,
        workspace_bytes=loaded.arena_bytes,
        processor=hello.core,
        kernels=hello.runtime,
        compiler=hello.build,
    )


def _note(hello: Hello) -> str:
    if hello.counts == Counts.NANOSECONDS:
        return "the firmware runs on this PC: these milliseconds say nothing about any microcontroller"
    return f"cycles of the board's own counter {hello.counter}, at the {hello.clock_hz / 1e6:g} MHz that it states"


def _device(hello: Hello) -> dict[str, str]:
    return {
        "board": hello.board,
        "core": hello.core,
        "clock_mhz": f"{hello.clock_hz / 1e6:g}",
        "runtime": hello.runtime,
        "firmware": hello.firmware,
        "build": hello.build,
        "counter": hello.counter,
        "model_memory_bytes": str(hello.model_bytes),
        "arena_memory_bytes": str(hello.arena_bytes),
    }


def _make(rest: str, wishes: Wishes) -> BoardRunner:
    port, baud = parse_address(rest)
    return BoardRunner(port, baud, wishes.profile)


def _discover() -> Iterator[Device]:
    ports = tuple(serial_port.list_ports())
    if not ports:
        yield Device("serial:PORT[,BAUD]", False, "no serial port is connected")
    for name, description in ports:
        yield Device(f"serial:{name}", True, f"not contacted: {description}")


SPEC = RunnerSpec("serial:PORT[,BAUD]", make=_make, discover=_discover, options=frozenset({"profile"}))
