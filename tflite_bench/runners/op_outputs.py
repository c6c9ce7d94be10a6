"""Runs a `.tflite` file so that the output of every op is kept, in a child process without TensorFlow."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.inputs import check_inputs
from tflite_bench.model.info import ModelInfo, OpInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import steps_of
from tflite_bench.model.writer import pack, unpack
from tflite_bench.processes.isolation import ChildError, run_child, serve
from tflite_bench.runners.interpreters import has_state
from tflite_bench.runners.litert_interpreter import forgotten, reference_interpreter
from tflite_bench.runners.tflm import load_interpreter, plenty_bytes

Array = np.ndarray[Any, np.dtype[Any]]


def trace(model: bytes, samples: Array, *, runtime: str = "litert", time_limit_s: float = 600.0) -> tuple[Array, ...]:
    """Return the first output of every op for each sample.

    The file is rewritten so that all of them are outputs of the model. No kernel changes by that, but the plan of the
    memory does: what goes wrong in a shared buffer only does not show here.

    Args:
        model: Bytes of a `.tflite` file with one input of batch 1.
        samples: Shape `(n, ...)`, in the type of the model's input; of windows of a stream the last step is kept.
        runtime: `"litert"` (reference kernels; see `run_reference`) or `"tflm"`.
        time_limit_s: Give up after this many seconds.

    Returns:
        One array per op in the order of execution, raw as the runtime has it: its shape, batch included, behind the
        number of samples; empty for an op without outputs, or with the name of a variable.

    Raises:
        RunnerError: The runtime refuses the file, crashed or hung.
    """
    arrays = check_inputs(read_model(model), samples)
    try:
        request = {"runtime": runtime}
        return run_child(__name__, request, model=model, arrays=arrays, time_limit_s=time_limit_s).arrays
    except ChildError as error:
        raise RunnerError(f"cannot trace the model in {runtime}: {error}") from error


def _with_outputs_of_all_ops(content: bytes) -> bytes:
    model, info = unpack(content), read_model(content)
    graph = model.subgraphs[0]
    graph.outputs = [op.outputs[0] for op in info.ops if _is_traced(info, op)]
    model.signatureDefs = []
    return pack(model)


def _handle(request: Mapping[str, Any], model: bytes, arrays: list[Array]) -> tuple[Mapping[str, Any], list[Array]]:
    info = read_model(model)
    run = _run_tflm if request["runtime"] == "tflm" else _run_litert
    samples = run(info, _with_outputs_of_all_ops(model), arrays[0])
    traced = (np.concatenate(outputs) for outputs in zip(*samples, strict=True))
    return {}, [next(traced) if _is_traced(info, op) else np.zeros(0, np.int8) for op in info.ops]


def _is_traced(info: ModelInfo, op: OpInfo) -> bool:
    """Return whether an op gives numbers: the name of a variable is none."""
    return bool(op.outputs) and info.tensors[op.outputs[0]].dtype != "resource"


def _run_litert(info: ModelInfo, model: bytes, samples: Array) -> Iterator[list[Array]]:
    interpreter, _ = reference_interpreter(model)
    source = interpreter.get_input_details()[0]["index"]
    outputs = [details["index"] for details in interpreter.get_output_details()]
    for sample in samples:
        if has_state(info):
            interpreter = forgotten(interpreter, info, lambda: reference_interpreter(model)[0])
        for frames in steps_of(info, sample[np.newaxis]):
            interpreter.set_tensor(source, frames)
            interpreter.invoke()
        yield [interpreter.get_tensor(index)[np.newaxis] for index in outputs]


def _run_tflm(info: ModelInfo, model: bytes, samples: Array) -> Iterator[list[Array]]:
    interpreter = load_interpreter(model, plenty_bytes(info))
    num_outputs = sum(_is_traced(info, op) for op in info.ops)
    for sample in samples:
        if has_state(info):
            interpreter.reset()
        for frames in steps_of(info, sample[np.newaxis]):
            interpreter.set_input(frames, 0)
            interpreter.invoke()
        yield [interpreter.get_output(position)[np.newaxis] for position in range(num_outputs)]


if __name__ == "__main__":
    serve(_handle)
