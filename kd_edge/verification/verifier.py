"""Checks a `.tflite` file in the real runtimes against its budget, its float student and what was predicted."""

from typing import TYPE_CHECKING

from kd_edge.config.checks import check_share
from kd_edge.config.choices import MAX_ACCURACY_LOSS
from kd_edge.conversion.metadata import is_described, metadata_bytes
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.energy import Battery, energy_of, no_power
from kd_edge.cost.fit import energy_gates, latency_gate, ram_gate
from kd_edge.cost.gate import HOLDS, verdict_of
from kd_edge.cost.kernels import why_unbounded
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.cost.memory.firmware_ram import reserved_bytes
from kd_edge.cost.model import CostModel, Sizes
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError
from kd_edge.ir.graph import Graph
from kd_edge.ir.lowering import lower
from kd_edge.verification.accuracy import accuracy_gates, accuracy_intervals, accuracy_of, classification, outputs_of
from kd_edge.verification.gates import gates_of
from kd_edge.verification.intervals.interval import unbounded_ends
from kd_edge.verification.observation import Observation, observe
from kd_edge.verification.results import Verification
from kd_edge.verification.task_metrics import task_intervals, task_metrics
from kd_edge.verification.tflm_run import MeasuredSizes, Micro

if TYPE_CHECKING:
    import keras

HOST_POINTER_BYTES = 8
_KINDS: dict[str, tuple[type, str]] = {
    "model": (bytes, "the bytes of a .tflite file, Path(...).read_bytes()"),
    "data": (Dataset, "a kd_edge.Dataset, such as load_data returns"),
    "device": (DeviceProfile, "a DeviceProfile, such as load_device returns"),
    "budget": (Budget, "a kd_edge.Budget"),
}


def verify(
    model: bytes,
    data: Dataset,
    *,
    device: DeviceProfile,
    budget: Budget,
    student: "keras.Model | None" = None,
    teacher: "keras.Model | None" = None,
    max_accuracy_loss: float = MAX_ACCURACY_LOSS,
    max_teacher_loss: float | None = None,
    battery: Battery | None = None,
) -> Verification:
    """Run a quantized network in LiteRT and TFLM, and compare with budget, float student and prediction.

    Both runtimes work in child processes at the same time, sample by sample: a crash of theirs is an error here.

    Args:
        model: Bytes of the `.tflite` file: one input, and one output as the data's task has it; logits or probabilities
            of classes and labels. What it tells of its task counts (`as_told`).
        data: Its test samples are run, by a stream step by step from empty buffers, where the last answer counts; of a
            reconstruction training samples, too, for the threshold of anomalies.
        device: The board that costs are predicted for. Where its runtime is not TFLM, TFLM may refuse the file, and
            the arena that TFLM needs is an estimate.
        budget: The limits.
        student: The float student, for its accuracy, the noise of each op, and a prediction that has not seen the file
            where that is int8.
        teacher: The trained teacher, for its accuracy.
        max_accuracy_loss: Largest accepted difference of the float student's and the file's accuracy, or what the
            task's metric is.
        max_teacher_loss: The same of the teacher's and the file's; no limit by default.
        battery: A battery that pays for inferences on the device.

    Raises:
        ConfigError: An argument is of another kind, a loss no share, or one against the teacher has a limit, and there
            is no teacher.
        DataError: The data are of another task than the file tells, or have its names in other places.
        ModelError: The file's input or output does not belong to the data, or the file was made of another student.
        ModelFileError: The bytes are no `.tflite` model.
        RefusedError: LiteRT refuses the file or crashes on it, and so does the device's runtime, or it answers no
            numbers: it is broken.
        RunnerError: LiteRT alone does.
    """
    if max_teacher_loss is not None and teacher is None:
        raise ConfigError("a loss against the teacher has a limit: expected the teacher, received none; pass teacher=")
    _check_kinds(model=model, data=data, device=device, budget=budget)
    observed = observe(model, data, student=student, teacher=teacher)
    return judge(
        observed,
        device=device,
        budget=budget,
        max_accuracy_loss=max_accuracy_loss,
        max_teacher_loss=max_teacher_loss,
        battery=battery,
    )


def _check_kinds(**given: object) -> None:
    for name, value in given.items():
        kind, what = _KINDS[name]
        if not isinstance(value, kind):
            raise ConfigError(f"bad {name}: expected {what}, received {type(value).__name__} {value!r:.60}")


def judge(
    observed: Observation,
    *,
    device: DeviceProfile,
    budget: Budget,
    max_accuracy_loss: float = MAX_ACCURACY_LOSS,
    max_teacher_loss: float | None = None,
    battery: Battery | None = None,
) -> Verification:
    """Hold what the runtimes said of a file against a board's budget: many boards and budgets need the runs once.

    Args:
        observed: From `observe`.
        device: As for `verify`, like the others.
        budget: The limits.
        max_accuracy_loss: Largest accepted loss against the float student.
        max_teacher_loss: Largest accepted loss against the teacher; no limit by default.
        battery: A battery that pays for inferences on the device.

    Raises:
        ConfigError: A loss is no share.
    """
    check_share("max_accuracy_loss", max_accuracy_loss)
    if max_teacher_loss is not None:
        check_share("max_teacher_loss", max_teacher_loss)
    micro, answers, data, parity = observed.micro, observed.answers, observed.data, observed.parity
    reasons = _estimates(device, micro) | dict(observed.unavailable_reason)
    beside_bytes = metadata_bytes(data) if is_described(observed.info) else 0
    model = CostModel(device, beside_bytes=beside_bytes)
    predicted, unknown = model.estimate_known(observed.graph)
    reasons |= unknown
    host_arena_bytes = arena_bytes(observed.graph, pointer_bytes=HOST_POINTER_BYTES).arena_bytes
    graph, needed = lower(observed.model), micro.measured.needed_arena_bytes
    ram_bytes = firmware_bytes(graph, device, needed)
    gates = gates_of(
        observed.info,
        budget,
        latency=latency_gate(predicted, budget, device, unknown=unknown.get("latency_ms", "")),
        micro=micro,
        parity=parity,
        runs_tflm=device.runs_tflm,
        ram=ram_gate(
            ram_bytes,
            budget,
            device,
            least_ram_bytes=None if model.kernels_known else least_firmware_bytes(graph, device, needed),
            unbounded=why_unbounded(graph, device, measured=needed is not None),
        ),
        unknown_runtime=device.unknown_runtime,
    )
    gates |= energy_gates(predicted, budget, device, unknown=unknown.get("latency_ms", ""))
    gates |= accuracy_gates(answers, data, max_accuracy_loss=max_accuracy_loss, max_teacher_loss=max_teacher_loss)
    energy = energy_of(predicted, device, battery=battery)
    if energy is None:
        reasons["energy"] = unknown.get("latency_ms") or no_power(device)
    verdict = verdict_of(gates.values())
    classified, classified_ci95 = classification(answers, data)
    reasons |= _lacking(data)
    figures_ci95 = accuracy_intervals(answers, data)
    task_ci95 = task_intervals(answers.int8_litert, data, scores=answers.scores)
    reasons |= unbounded_ends("accuracy_ci95", figures_ci95) | unbounded_ends("task_metrics_ci95", task_ci95)
    return Verification(
        verdict=verdict,
        passed=verdict == HOLDS,
        gates=gates,
        accuracy=accuracy_of(answers, data),
        accuracy_ci95=figures_ci95,
        classification=classified,
        classification_ci95=classified_ci95,
        parity=parity,
        noise=observed.noise,
        missing_ops=micro.missing_ops,
        warnings=observed.warnings,
        predicted=predicted,
        predicted_from=observed.predicted_from,
        precision=observed.precision,
        ram_bytes=ram_bytes,
        predicted_host_arena_bytes=host_arena_bytes,
        prediction_error_percent=_errors(predicted, host_arena_bytes, micro.measured),
        measured=micro.measured,
        confusion=None if classified is None else classified.confusion,
        unavailable_reason=reasons,
        task=data.task.kind,
        task_metrics=task_metrics(answers.int8_litert, data, scores=answers.scores, threshold=observed.threshold),
        task_metrics_ci95=task_ci95,
        outputs=outputs_of(answers, data),
        energy=energy,
    )


def firmware_bytes(graph: Graph, device: DeviceProfile, measured: int | None) -> int:
    """Return the RAM that a firmware reserves for a file.

    Args:
        graph: The file.
        device: The board.
        measured: The smallest arena that TFLM ran it in on this 64-bit PC: what exceeds the computed one is added.
    """
    return reserved_bytes(CostModel(device).needed_arena_bytes(graph) + _beyond_computed(graph, measured))


def least_firmware_bytes(graph: Graph, device: DeviceProfile, measured: int | None) -> int:
    """Return the same with the release of the runtime's kernels that needs least."""
    return reserved_bytes(CostModel(device).least_needed_arena_bytes(graph) + _beyond_computed(graph, measured))


def _beyond_computed(graph: Graph, measured: int | None) -> int:
    host = arena_bytes(graph, pointer_bytes=HOST_POINTER_BYTES).needed_bytes
    return max(0, (measured or 0) - host)


def _estimates(device: DeviceProfile, micro: Micro) -> dict[str, str]:
    """Return why figures of the device are estimates, by their names."""
    reasons = {"latency_ms": f"latency on {device.name} is computed; measuring it needs the board"}
    if not device.runs_tflm and micro.outputs is not None:
        reasons["ram_bytes"] = (
            f"{device.runtime_title} on {device.name} plans memory itself; TFLM's arena is an estimate"
        )
    return reasons


def _lacking(data: Dataset) -> dict[str, str]:
    """Return what a task has no figures of, and why."""
    if data.task.parts:
        reason = "each of several outputs has its own: outputs"
        return dict.fromkeys(("classification", "confusion", "task_metrics"), reason)
    if data.task.classifies:
        return {"task_metrics": f"a {data.task.kind} task is judged class by class: classification"}
    reasons = dict.fromkeys(("classification", "confusion"), f"the task {data.task.kind!r} has no classes")
    if data.task.kind == "regression":
        reasons["agreement"] = "measured values say no more than the outputs, whose largest difference is known"
    if data.task.kind == "reconstruction" and data.y_test.min() == data.y_test.max():
        reasons |= dict.fromkeys(("auc", "partial_auc"), "the test samples are all normal")
    return reasons


def _errors(predicted: Sizes, host_arena_bytes: int, measured: MeasuredSizes) -> dict[str, float]:
    pairs = {
        "flash_bytes": (predicted.flash_bytes, measured.flash_bytes),
        "arena_bytes": (host_arena_bytes, measured.arena_bytes),
    }
    return {name: 100 * (guess / real - 1) for name, (guess, real) in pairs.items() if real}
