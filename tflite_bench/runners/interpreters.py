"""Inference loops: what the interpreters that Python calls, LiteRT's and TFLM's, have in common."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.measurement.timing import Plan, describe_end, measure
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.streams import has_resources, steps_of
from tflite_bench.processes.isolation import Array, ChildResult
from tflite_bench.runners.base import OpResult, RunnerResult


def check_output(model: ModelInfo, output: int) -> None:
    """Raise unless a model has an output of a position.

    Raises:
        ConfigError: It has none.
    """
    if not 0 <= output < len(model.outputs):
        raise ConfigError(f"cannot run: the model has {len(model.outputs)} outputs, received output={output}")


def has_state(model: ModelInfo) -> bool:
    """Return whether something survives from one inference to the next, which then is reset before each sample."""
    return has_resources(model) or any(tensor.is_variable for graph in model.subgraphs for tensor in graph.tensors)


def run_samples(
    model: ModelInfo, arrays: list[Array], *, reset: Callable[[], object], run: Callable[[list[Array]], Array]
) -> Array:
    """Run samples one by one; one that is a window of a stream step by step, and then the last output counts.

    Args:
        model: What is run.
        arrays: For each input the samples, of the shape `(n, ...)`.
        reset: Resets the state of a recurrent model.
        run: Returns the output of one sample, given as one array of batch 1 per input.

    Returns:
        The outputs, of the shape `(n, ...)`.
    """
    results = []
    for sample in range(len(arrays[0])):
        if has_state(model):
            reset()
        samples = [array[sample : sample + 1] for array in arrays]
        steps = [[frames] for frames in steps_of(model, samples[0])] if len(samples) == 1 else [samples]
        results.append([run(step) for step in steps][-1])
    batched = results[0].shape[:1] == (1,)
    return np.concatenate(results) if batched else np.stack(results)


def time_inference(
    invoke: Callable[[], object], request: Mapping[str, Any], *, init_ms: float
) -> tuple[Mapping[str, Any], list[Array]]:
    """Measure an interpreter in a child process by the plan of the parent's request; `wall_times` reads the answer."""
    timing = measure(invoke, Plan(**request["plan"]))
    return {"init_ms": init_ms, "reached": timing.reached}, [timing.samples_ms, timing.warmup_ms]


def wall_times(runner: str, model: ModelInfo, child: ChildResult, plan: Plan, *, note: str) -> RunnerResult:
    """Return what a child process measured with `time_inference`, without the settings of the runner.

    Args:
        runner: Its name.
        model: What was measured.
        child: The child's answer.
        plan: How long it was to measure.
        note: What a reader must know beside why measuring ended early.
    """
    samples_ms, warmup_ms = child.arrays
    init_ms = child.values["init_ms"]
    return RunnerResult(
        runner=runner,
        kind="wall time",
        note="; ".join(filter(None, (note, describe_end(child.values["reached"], len(samples_ms), plan)))),
        num_runs=len(samples_ms),
        num_warmup_runs=len(warmup_ms),
        latency=LatencyStats.from_samples(samples_ms, warmup_ms=warmup_ms, seed=plan.seed, init_ms=init_ms),
        ops=tuple(OpResult(op.index, op.name) for op in model.ops),
    )
