"""The LiteRT runtime (ai-edge-litert), as on phones and Linux boards."""

import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tflite_bench.errors import ConfigError, RunnerError
from tflite_bench.measurement.environment import read_versions
from tflite_bench.measurement.inputs import check_inputs, random_inputs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.processes.isolation import Array, ChildError, ChildResult, run_child, serve
from tflite_bench.runners.base import RunnerResult
from tflite_bench.runners.interpreters import check_output, run_samples, time_inference, wall_times
from tflite_bench.runners.litert_interpreter import (
    WRONG_SUM,
    forgotten,
    make_interpreter,
    reference_interpreter,
    sums_integers,
)
from tflite_bench.runners.spec import Device, RunnerSpec

_START_SECONDS = 60.0


def run_outputs(
    model: bytes,
    inputs: Array | Sequence[Array],
    *,
    reference_kernels: bool = False,
    num_threads: int = 1,
    output: int = 0,
    time_limit_s: float = 600.0,
) -> Array:
    """Run samples one by one through a model, in a child process.

    Args:
        model: Bytes of a `.tflite` file of batch 1.
        inputs: Samples of the shape `(n, ...)` in the type of the model's input (quantized where the model is), or one
            such array per input.
        reference_kernels: Use the plain kernels, whose results are the same bits on every machine, instead of the
            optimised ones. TFLM computes the same bits, but for FULLY_CONNECTED, which LiteRT rounds in float: there
            the two may differ by 1 per layer (LiteRT issue 8567). They are refused for SUM of int8 or int16, which
            they compute wrongly; see `run_reference`.
        num_threads: Threads of the optimised kernels.
        output: Position of the output to return.
        time_limit_s: Give up after this many seconds.

    Returns:
        The raw outputs, of the shape `(n, ...)` and the type of the model's output. The state of a recurrent model
        is reset before each sample.

    Raises:
        ModelFileError: The bytes are no usable model.
        ConfigError: The inputs do not belong to the model.
        RunnerError: The runtime refused it, crashed or hung.

    Example:

    ```python
    scores = run_outputs(Path("model.tflite").read_bytes(), samples, reference_kernels=True)
    ```
    """
    info = read_model(model)
    check_output(info, output)
    if reference_kernels and sums_integers(info):
        raise RunnerError(f"cannot run the model: LiteRT's reference kernels {WRONG_SUM}; use the optimised ones")
    request = {
        "task": "outputs",
        "resolver": "BUILTIN_REF" if reference_kernels else "AUTO",
        "num_threads": num_threads,
        "output": output,
    }
    arrays = check_inputs(info, inputs)
    return _run(request, model, arrays, time_limit_s).arrays[0]


def run_reference(
    model: bytes, inputs: Array | Sequence[Array], *, output: int = 0, time_limit_s: float = 600.0
) -> tuple[Array, str | None]:
    """Run samples as `run_outputs` does, with reference kernels wherever LiteRT has right ones.

    Where they lack an op, as TILE of version 3 (UpSampling2D), or compute it wrongly, which is SUM of int8 and int16,
    the optimised kernels run the whole file, without XNNPACK.

    Args:
        model: Bytes of a `.tflite` file of batch 1.
        inputs: See `run_outputs`.
        output: Position of the output to return.
        time_limit_s: Give up after this many seconds.

    Returns:
        The raw outputs, and `None` or a sentence on the op for which the reference kernels were not used.

    Raises:
        ModelFileError, ConfigError, RunnerError: See `run_outputs`.
    """
    info = read_model(model)
    check_output(info, output)
    request = {"task": "reference", "output": output}
    arrays = check_inputs(info, inputs)
    child = _run(request, model, arrays, time_limit_s)
    return child.arrays[0], child.values["lack"]


@dataclass(frozen=True)
class LiteRTRunner:
    """Measures the latency in LiteRT on this machine.

    Attributes:
        num_threads: Threads of the kernels.
        xnnpack: False to switch the XNNPACK delegate off.
        cpus: Cores to bind the process to, by Linux' numbers; empty for any.
    """

    num_threads: int = 1
    xnnpack: bool = True
    cpus: tuple[int, ...] = ()
    name: str = "litert"

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Measure one inference on random input values; see `Runner`."""
        info = read_model(model)
        check_cpus(self.cpus)
        resolver = "AUTO" if self.xnnpack else "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
        request = {
            "task": "benchmark",
            "resolver": resolver,
            "num_threads": self.num_threads,
            "cpus": self.cpus,
            "plan": plan._asdict(),
        }
        arrays = random_inputs(info, seed=plan.seed)
        child = _run(request, model, arrays, _START_SECONDS + 2 * plan.time_limit_s)
        kernels = "XNNPACK where it applies" if self.xnnpack else "LiteRT's own kernels, without XNNPACK"
        arena = "LiteRT takes its memory from the heap, there is no arena"
        return replace(
            wall_times(self.name, info, child, plan, note=kernels),
            num_threads=self.num_threads,
            cpus=self.cpus,
            unavailable_reason={
                "arena_bytes": arena,
                "arena_persistent_bytes": arena,
                "arena_nonpersistent_bytes": arena,
                "arena_minimum_bytes": arena,
                "ops.latency_ms": "LiteRT's Python interface times no single operators, benchmark_model does",
            },
        )


def _run(request: Mapping[str, Any], model: bytes, arrays: Sequence[Array], time_limit_s: float) -> ChildResult:
    try:
        return run_child(__name__, request, model=model, arrays=arrays, time_limit_s=time_limit_s)
    except ChildError as error:
        raise RunnerError(f"cannot run the model in LiteRT: {error}") from error


def check_cpus(cpus: Sequence[int]) -> None:
    """Raise unless this process may be bound to these cores.

    Raises:
        ConfigError: There is no such core, or the system cannot bind a process.
    """
    if not cpus:
        return
    if not hasattr(os, "sched_getaffinity"):
        raise ConfigError("cannot bind to cores: only Linux can do that; leave the cores out")
    usable = os.sched_getaffinity(0)
    if not set(cpus) <= usable:
        raise ConfigError(f"cannot bind to the cores {sorted(cpus)}: this process may use {sorted(usable)}")


def _handle(request: Mapping[str, Any], model: bytes, arrays: list[Array]) -> tuple[Mapping[str, Any], list[Array]]:
    if request.get("cpus"):
        os.sched_setaffinity(0, request["cpus"])  # before any thread starts: they inherit it
    if request["task"] == "reference":
        _, lack = reference_interpreter(model)
        info, output = read_model(model), request["output"]
        return {"lack": lack}, [_outputs(lambda: reference_interpreter(model)[0], info, arrays, output)]
    import ai_edge_litert.interpreter  # noqa: F401  # its import is no part of the initialization

    make = functools.partial(make_interpreter, model, request["resolver"], request["num_threads"])
    if request["task"] == "outputs":
        return {}, [_outputs(make, read_model(model), arrays, request["output"])]
    start = time.perf_counter()
    interpreter = make()
    init_ms = (time.perf_counter() - start) * 1e3
    _feed(interpreter, arrays)
    return time_inference(interpreter.invoke, request, init_ms=init_ms)


def _outputs(make: Callable[[], Any], info: ModelInfo, arrays: list[Array], output: int) -> Array:
    interpreter = make()
    index = interpreter.get_output_details()[output]["index"]

    def reset() -> None:
        nonlocal interpreter
        interpreter = forgotten(interpreter, info, make)

    def run(values: list[Array]) -> Array:
        _feed(interpreter, values)
        interpreter.invoke()
        result: Array = interpreter.get_tensor(index)
        return result

    return run_samples(info, arrays, reset=reset, run=run)


def _feed(interpreter: Any, values: list[Array]) -> None:
    for details, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(details["index"], value)


def _discover() -> Iterator[Device]:
    yield Device("litert", True, f"ai-edge-litert {read_versions()['ai-edge-litert']}")


SPEC = RunnerSpec(
    "litert",
    make=lambda rest, wishes: LiteRTRunner(wishes.num_threads, wishes.xnnpack, wishes.cpus),
    discover=_discover,
    options=frozenset({"num_threads", "xnnpack", "cpus"}),
)


if __name__ == "__main__":
    serve(_handle)
