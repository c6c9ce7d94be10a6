"""TensorFlow Lite Micro: the real interpreter of microcontrollers (tflite-micro), run on this machine."""

import contextlib
import importlib
import importlib.util
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tflite_bench.errors import ConfigError, RunnerError, RuntimeMissingError
from tflite_bench.measurement.environment import read_versions
from tflite_bench.measurement.inputs import check_inputs, random_inputs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.processes.isolation import Array, ChildError, ChildResult, run_child, serve
from tflite_bench.provenance import Measured
from tflite_bench.runners.base import RunnerResult
from tflite_bench.runners.interpreters import check_output, run_samples, time_inference, wall_times
from tflite_bench.runners.spec import Device, RunnerSpec
from tflite_bench.runners.tflm_probe import probe_model

MISSING_RUNTIME = (
    "TFLM is not installed: expected the package tflite-micro, which has wheels for Linux on x86_64 only; "
    "there, pip install 'tflite-micro>=0.dev20261023'"
)
NOTE = "TFLM's reference kernels on this PC: these milliseconds say nothing about any microcontroller"

_START_SECONDS = 60.0
# Memory that is never touched is never taken, so a generous arena costs nothing.
_ARENA_BYTES = 64 * 2**20
# Below about 100 bytes the interpreter crashes instead of reporting.
_SMALLEST_ARENA_BYTES = 512
_FIGURE = re.compile(r"^\[RecordingMicroAllocator\] Arena allocation (total|head|tail) (\d+) bytes$", re.MULTILINE)
_MISSING_OP = re.compile(r"^Didn't find op for builtin opcode '(\w+)'", re.MULTILINE)
_PROBE_MARK = "== probe ==\n"
_PROBE_PASSED = "Op builtin_code out of range"
# The planner of the arena says the latter when it finds no room for its own list.
_ARENA_TOO_SMALL = re.compile(r"missing: \d+|Too many buffers")
_HYBRID = re.compile(r"Input type: FLOAT32 with filter type: INT8 not supported")


@dataclass(frozen=True)
class Arena:
    """Working memory that TFLM needs for a model, on this 64-bit machine.

    The non-persistent part is the same on a 32-bit microcontroller with the same kernels; the persistent part is
    smaller there, because it holds pointers.

    Attributes:
        arena_bytes: Both parts together, as TFLM's recording allocator counts them after one inference.
        persistent_bytes: Structures that live as long as the interpreter.
        nonpersistent_bytes: Activations and scratch buffers.
        minimum_bytes: Smallest arena in which the model really runs; None if it was not searched for. For very small
            models it is larger than `arena_bytes`, since setting up needs more than running.
    """

    arena_bytes: Measured[int]
    persistent_bytes: Measured[int]
    nonpersistent_bytes: Measured[int]
    minimum_bytes: Measured[int | None] = None


def is_installed() -> bool:
    """Return whether the `tflite-micro` wheel is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def run_outputs(
    model: bytes,
    inputs: Array | Sequence[Array],
    *,
    arena_bytes: int | None = None,
    output: int = 0,
    time_limit_s: float = 600.0,
) -> Array:
    """Run samples one by one through a model in TFLM, in a child process.

    Args:
        model: Bytes of a `.tflite` file of batch 1.
        inputs: Samples of the shape `(n, ...)` in the type of the model's input (quantized where the model is), or one
            such array per input.
        arena_bytes: Size of the arena, to try whether the model runs in it; None for plenty.
        output: Position of the output to return.
        time_limit_s: Give up after this many seconds.

    Returns:
        The raw outputs, of the shape `(n, ...)` and the type of the model's output. The state of a recurrent model is
        reset before each sample.

    Raises:
        ModelFileError: The bytes are no usable model.
        RuntimeMissingError: `tflite-micro` is not installed.
        ConfigError: The inputs do not belong to the model.
        RunnerError: TFLM lacks an operator, which is named; the arena is too small; or TFLM crashed or hung.
    """
    info = read_model(model)
    check_output(info, output)
    if arena_bytes is not None and arena_bytes < _SMALLEST_ARENA_BYTES:
        raise ConfigError(f"cannot run: expected an arena of {_SMALLEST_ARENA_BYTES} B or more, received {arena_bytes}")
    arrays = check_inputs(info, inputs)
    request = {"task": "outputs", "arena_bytes": arena_bytes or plenty_bytes(info), "output": output}
    return _run(request, model, arrays, time_limit_s).arrays[0]


def measure_arena(model: bytes, *, minimum: bool = False, time_limit_s: float = 600.0) -> Arena:
    """Measure how much working memory TFLM needs for a model.

    Args:
        model: Bytes of a `.tflite` file.
        minimum: Also search the smallest arena that works by bisection: some twenty starts of the interpreter.
        time_limit_s: Give up after this many seconds.

    Returns:
        The figures.

    Raises:
        ModelFileError: The bytes are no usable model.
        RuntimeMissingError: `tflite-micro` is not installed.
        RunnerError: TFLM refused the model, crashed or hung.
    """
    info = read_model(model)
    inputs = random_inputs(info)
    child = _run({"task": "arena", "arena_bytes": plenty_bytes(info)}, model, inputs, time_limit_s)
    figures = {part: int(size) for part, size in _FIGURE.findall(child.stderr)}
    if figures.keys() != {"total", "head", "tail"}:
        raise RunnerError("cannot measure the arena: this tflite-micro prints no figures of the form known here")
    smallest = None
    if minimum:
        request = {"task": "minimum", "arena_bytes": figures["total"]}
        smallest = int(_run(request, model, inputs, time_limit_s).values["minimum_bytes"])
    return Arena(figures["total"], figures["tail"], figures["head"], smallest)


def missing_ops(model: ModelInfo, *, time_limit_s: float = 60.0) -> tuple[str, ...]:
    """Return the names of the operators that TFLM has no kernel for, in the order of their first use.

    The installed interpreter is asked, with a tiny model per operator. A kernel that exists may still refuse the types
    or shapes of this model.

    Args:
        model: The model.
        time_limit_s: Give up after this many seconds.

    Raises:
        RuntimeMissingError: `tflite-micro` is not installed.
        RunnerError: TFLM crashed or hung.
    """
    ops = list(dict.fromkeys((op.name, op.custom) for graph in model.subgraphs for op in graph.ops))
    child = _run({"task": "probe", "ops": ops}, b"", [], time_limit_s)
    answers = child.stderr.split(_PROBE_MARK)[1:]
    if len(answers) != len(ops):
        raise RunnerError(f"cannot ask TFLM for its operators: expected {len(ops)} answers, received {len(answers)}")
    return tuple(name for (name, _), answer in zip(ops, answers, strict=True) if _PROBE_PASSED not in answer)


@dataclass(frozen=True)
class TFLMRunner:
    """Measures the arena in TFLM, and the time of its reference kernels on this machine.

    Attributes:
        minimum_arena: Also search the smallest arena that works.
    """

    minimum_arena: bool = True
    name: str = "tflm"
    calibrates: ClassVar[bool] = False

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Measure one inference on random input values, and the arena; see `Runner`."""
        info = read_model(model)
        request = {"task": "benchmark", "arena_bytes": plenty_bytes(info), "plan": plan._asdict()}
        time_limit_s = _START_SECONDS + 2 * plan.time_limit_s
        child = _run(request, model, random_inputs(info, seed=plan.seed), time_limit_s)
        arena = measure_arena(model, minimum=self.minimum_arena, time_limit_s=time_limit_s)
        reasons = {"ops.latency_ms": "the tflite-micro wheel does not time single operators"}
        if arena.minimum_bytes is None:
            reasons["arena_minimum_bytes"] = "the search for it was switched off"
        return replace(
            wall_times(self.name, info, child, plan, note=NOTE),
            arena_bytes=arena.arena_bytes,
            arena_persistent_bytes=arena.persistent_bytes,
            arena_nonpersistent_bytes=arena.nonpersistent_bytes,
            arena_minimum_bytes=arena.minimum_bytes,
            unavailable_reason=reasons,
        )


def _run(request: Mapping[str, Any], model: bytes, arrays: Sequence[Array], time_limit_s: float) -> ChildResult:
    if not is_installed():
        raise RuntimeMissingError(MISSING_RUNTIME)
    try:
        return run_child(__name__, request, model=model, arrays=arrays, time_limit_s=time_limit_s)
    except ChildError as error:
        raise RunnerError(_explain(error, request)) from error


def _explain(error: ChildError, request: Mapping[str, Any]) -> str:
    if missing := _MISSING_OP.search(error.stderr):
        return f"TFLM has no kernel for the operator {missing[1]}; change the network, or register the operator"
    if _HYBRID.search(error.stderr):
        return "TFLM runs no model with float activations and int8 weights; quantize it fully (int8 input and output)"
    if _ARENA_TOO_SMALL.search(error.stderr):
        return f"an arena of {request['arena_bytes']} B is too small for this model in TFLM; give it more"
    return f"TFLM: {error}"


def _handle(request: Mapping[str, Any], model: bytes, arrays: list[Array]) -> tuple[Mapping[str, Any], list[Array]]:
    if request["task"] == "probe":
        _probe(request["ops"])
        return {}, []
    if request["task"] == "minimum":
        return {"minimum_bytes": _minimum_arena(model, arrays, request["arena_bytes"])}, []
    importlib.import_module("tflite_micro")  # not part of init_ms
    start = time.perf_counter()
    interpreter = load_interpreter(model, request["arena_bytes"])
    init_ms = (time.perf_counter() - start) * 1e3
    if request["task"] == "outputs":
        return {}, [_outputs(interpreter, read_model(model), arrays, request["output"])]
    _feed(interpreter, arrays)
    if request["task"] == "arena":
        interpreter.invoke()
        interpreter.print_allocations()
        return {}, []
    return time_inference(interpreter.invoke, request, init_ms=init_ms)


def plenty_bytes(model: ModelInfo) -> int:
    """Return a size of the arena that no model is too large for."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    activations = sum(tensor.num_bytes or 0 for tensor in tensors if not tensor.constant)
    # TFLM fills the arena from both ends and loses bytes at an end that is not aligned to 16.
    return _ARENA_BYTES + -(-2 * activations // 16) * 16


def load_interpreter(model: bytes, arena_bytes: int) -> Any:
    """Return TFLM's interpreter with an arena of a size, for use in a child process."""
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)


def _outputs(interpreter: Any, info: ModelInfo, arrays: list[Array], output: int) -> Array:
    def run(values: list[Array]) -> Array:
        _feed(interpreter, values)
        interpreter.invoke()
        result: Array = interpreter.get_output(output)
        return result

    return run_samples(info, arrays, reset=interpreter.reset, run=run)


def _feed(interpreter: Any, values: Iterable[Array]) -> None:
    for position, value in enumerate(values):
        interpreter.set_input(value, position)


def _minimum_arena(model: bytes, arrays: list[Array], recorded_bytes: int) -> int:
    """Return the smallest size in which one inference works, to the byte."""
    low, high = 0, recorded_bytes
    while not _works(model, arrays, high):
        low, high = high, high + max(256, high // 8)
        if high > _ARENA_BYTES + 2 * recorded_bytes:
            raise RunnerError("TFLM ran this model in no arena of any size")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _works(model, arrays, middle) else (middle, high)
    return high


def _works(model: bytes, arrays: list[Array], arena_bytes: int) -> bool:
    """Try one inference in a process of its own: some kernels crash instead of reporting that memory is short."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            interpreter = load_interpreter(model, arena_bytes)
            _feed(interpreter, arrays)
            interpreter.invoke()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(process, 0)[1] == 0


def _probe(ops: list[tuple[str, bool]]) -> None:
    for name, custom in ops:
        os.write(2, _PROBE_MARK.encode())
        # Every probe model fails; what TFLM says on stderr tells how far it came.
        with contextlib.suppress(RuntimeError):
            load_interpreter(probe_model(name, custom=custom), _ARENA_BYTES)


def _discover() -> Iterator[Device]:
    found = is_installed()
    yield Device(
        "tflm", found, f"tflite-micro {read_versions()['tflite-micro']}" if found else "pip install tflite-micro"
    )


SPEC = RunnerSpec("tflm", make=lambda rest, wishes: TFLMRunner(), discover=_discover)


if __name__ == "__main__":
    serve(_handle)
