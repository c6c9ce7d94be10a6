"""Runs a `.tflite` file on a board behind a serial port, beside the same file in TFLM on this PC."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from kd_edge.conversion.answer_reader import reader_of
from kd_edge.conversion.told_task import as_file_answers, as_told
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.energy import interval_mj, no_power
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.data.dataset import Dataset, check_single
from kd_edge.data.judged import Judged
from kd_edge.errors import ConfigError
from kd_edge.ir.lowering import lower
from tflite_bench.errors import RuntimeMissingError
from tflite_bench.measurement.stats import LatencyStats, too_few_runs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Computed, Measured
from tflite_bench.runners import tflm
from tflite_bench.runners.board.runner import BoardRunner
from tflite_bench.runners.registry import make_runner

HOST_CORE = "host"
NUM_SAMPLES = 100


@dataclass(frozen=True, slots=True)
class BoardRun:
    """What a board said about a `.tflite` file.

    Attributes:
        device: What the board says of itself.
        num_samples: Test samples that it ran.
        accuracy: The task's metric on them, of classes the share that it classifies right; see `Task.metric`.
        num_identical: Those whose outputs are TFLM's on this PC, bit for bit; `None` without TFLM here.
        max_difference: Largest difference of an output from it, in steps of the output's numbers.
        latency_ms: Median of one inference, by the board's own counter; `None` of an emulated board.
        latency_low_ms: Lower end of its 95 % interval; `None` of too few runs.
        latency_high_ms: Upper end of it.
        instructions: Of one inference, on an emulated board.
        arena_bytes: What TFLM's arena holds there.
        predicted_arena_bytes: The same as predicted for the size of its pointers.
        arena_error_percent: By how much the prediction exceeds it.
        unavailable_reason: Why a figure is `None`, by the figure's name.
        energy_mj: Energy of one inference: the measured latency multiplied by the power of the profile.
        energy_low_mj: Lower end of its interval; see `kd_edge.cost.energy`. `None` where the latency has none.
        energy_high_mj: Upper end of it.
        metric: What `accuracy` is; see `Task.metric`.
    """

    device: Mapping[str, str]
    num_samples: Measured[int]
    accuracy: Measured[float]
    num_identical: Measured[int | None]
    max_difference: Measured[int | None]
    latency_ms: Measured[float | None]
    latency_low_ms: Measured[float | None]
    latency_high_ms: Measured[float | None]
    instructions: Measured[int | None]
    arena_bytes: Measured[int | None]
    predicted_arena_bytes: Computed[int]
    arena_error_percent: Computed[float | None]
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)
    energy_mj: Computed[float | None] = None
    energy_low_mj: Computed[float | None] = None
    energy_high_mj: Computed[float | None] = None
    metric: str = "accuracy"


def make_board(choice: str) -> BoardRunner:
    """Return the board of what follows `--on`.

    Raises:
        ConfigError: It is no board on a serial port.
    """
    runner = make_runner(choice)
    if not isinstance(runner, BoardRunner):
        raise ConfigError(f"bad --on: expected a board such as serial:/dev/ttyACM0,921600, received {choice!r}")
    return runner


def check_samples(data: Dataset, num_samples: int) -> None:
    """Refuse samples that a board cannot be judged by; the arguments and errors are those of `run_on_board`."""
    check_single(data, "a run on a board")
    Judged.of(_drawn(data, num_samples))


def run_on_board(
    board: BoardRunner,
    model: bytes,
    data: Dataset,
    *,
    num_samples: int = NUM_SAMPLES,
    device: DeviceProfile | None = None,
) -> BoardRun:
    """Run test samples on a board, and measure it.

    Args:
        board: Where.
        model: Bytes of the `.tflite` file.
        data: The first of its test samples are run, in an order that a seed shuffles. What the file tells of its task
            counts (`as_told`).
        num_samples: How many; each goes over the wire.
        device: The board's profile, for the power.

    Raises:
        DataError: There are several outputs, or of a reconstruction no normal sample is among those.
        RunnerError: The board fails, or the model does not fit it.
    """
    check_samples(data, num_samples)
    data = _drawn(as_told(model, data), num_samples)
    samples = quantize(data.x_test, read_model(model).input_tensors[0])
    outputs = board.outputs(model, samples)
    result = board.benchmark(model, Plan())
    reasons = {name: reason for name, reason in result.unavailable_reason.items() if name in ("latency", "arena_bytes")}
    identical, difference = _parity(model, samples, outputs, reasons)
    pointer_bytes = 8 if result.device["core"] == HOST_CORE else 4
    predicted = arena_bytes(lower(model), pointer_bytes=pointer_bytes).arena_bytes
    latency = result.latency
    few = too_few_runs(latency, result.num_runs)
    reasons |= {name.replace("ci95", "latency"): why for name, why in few.items()}
    energies = _energies(latency, device, reasons)
    return BoardRun(
        device=result.device,
        num_samples=len(samples),
        accuracy=_metric(model, outputs, data),
        num_identical=identical,
        max_difference=difference,
        latency_ms=latency.median_ms if latency else None,
        latency_low_ms=latency.ci95_low_ms if latency else None,
        latency_high_ms=latency.ci95_high_ms if latency else None,
        instructions=result.execution.instructions if result.execution else None,
        arena_bytes=result.arena_bytes,
        predicted_arena_bytes=predicted,
        arena_error_percent=100 * (predicted / result.arena_bytes - 1) if result.arena_bytes else None,
        unavailable_reason=reasons,
        energy_mj=energies[0],
        energy_low_mj=energies[1],
        energy_high_mj=energies[2],
        metric=data.task.metric,
    )


def _drawn(data: Dataset, num_samples: int) -> Dataset:
    """Return a data set with some of its test samples, and without their groups."""
    chosen = np.random.default_rng(0).permutation(len(data.x_test))[:num_samples]
    return replace(data, x_test=data.x_test[chosen], y_test=data.y_test[chosen], group_test=None)


def _metric(model: bytes, outputs: np.ndarray, data: Dataset) -> float:
    """Return the task's metric of a file's raw outputs for the test samples."""
    data = as_file_answers(model, outputs, data)
    return float(Judged.of(data).credits(reader_of(model, data.task).decisions(outputs)).mean())


def _energies(
    latency: LatencyStats | None, device: DeviceProfile | None, reasons: dict[str, str]
) -> tuple[float | None, float | None, float | None]:
    middle_ms = None if latency is None else latency.median_ms
    if latency is None or middle_ms is None:
        reasons["energy_mj"] = reasons.get("latency", "no time was measured")
    elif device is None or device.power is None:
        reasons["energy_mj"] = "expected a profile, for the power of the board" if device is None else no_power(device)
    else:
        low_ms, high_ms = latency.ci95_low_ms, latency.ci95_high_ms
        if low_ms is not None and high_ms is not None:
            return interval_mj(device.power, (middle_ms, low_ms, high_ms))
        reasons |= dict.fromkeys(("energy_low_mj", "energy_high_mj"), reasons["latency_low_ms"])
        return interval_mj(device.power, (middle_ms, middle_ms, middle_ms))[0], None, None
    return None, None, None


def _parity(
    model: bytes, samples: np.ndarray, outputs: np.ndarray, reasons: dict[str, str]
) -> tuple[int | None, int | None]:
    try:
        expected = tflm.run_outputs(model, samples)
    except RuntimeMissingError as error:
        reasons |= dict.fromkeys(("num_identical", "max_difference"), str(error))
        return None, None
    apart = np.abs(outputs.astype(np.float64) - expected.astype(np.float64)).reshape(len(samples), -1).max(axis=1)
    return int((apart == 0).sum()), int(np.ceil(apart.max()))
