"""What a verification found."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from kd_edge.conversion.tflm_support import MissingOp
from kd_edge.cost.energy import Energy
from kd_edge.cost.gate import HOLDS, Gate, verdict_of
from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.data.metrics.classification import Classification
from kd_edge.verification.intervals.interval import Interval
from kd_edge.verification.parity import Parity
from kd_edge.verification.quantization_noise import OpNoise
from kd_edge.verification.task_metrics import TaskMetrics
from kd_edge.verification.tflm_run import MeasuredSizes
from tflite_bench.provenance import Computed, Measured, Provenance

GATES = Provenance(
    "measured",
    (
        ("latency_ms", "calibrated"),
        ("ram_bytes", "computed"),
        ("energy_mj", "computed"),
        ("low", "computed"),
        ("high", "computed"),
    ),
)
"""How the figures of checks were had."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good each network is on the test samples, by the task's metric; `None` where it was not run.

    Attributes:
        float_keras: The float student in Keras.
        float_tflite: The float student as a `.tflite` file in LiteRT.
        int8_litert: The file in LiteRT.
        int8_tflm: The file in TFLM.
        teacher: The teacher in Keras.
        metric: `"accuracy"`, the share of the samples that are right, `"label_accuracy"`, that of the labels,
            `"skill"`, or `"score"`, the mean over several outputs; see `Task.credits`. 1 is the best.
    """

    float_keras: Measured[float | None]
    float_tflite: Measured[float | None]
    int8_litert: Measured[float]
    int8_tflm: Measured[float | None]
    teacher: Measured[float | None] = None
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True)
class OutputResult:
    """What one of several outputs of a file is worth; the fields are those of `Verification`.

    Attributes:
        task: What it was asked.
        accuracy: Of each network.
        accuracy_ci95: Their 95 % intervals.
        classification: Class by class; `None` for a task without classes.
        classification_ci95: The 95 % intervals of its scores.
        task_metrics: The task's own metrics; `None` for classes.
        task_metrics_ci95: Their 95 % intervals.
    """

    task: str
    accuracy: Accuracy
    accuracy_ci95: Mapping[str, Interval]
    classification: Classification | None
    classification_ci95: Mapping[str, Interval]
    task_metrics: TaskMetrics | None
    task_metrics_ci95: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the runtimes said about a `.tflite` file.

    Attributes:
        verdict: What all checks say together, one of `kd_edge.cost.gate.VERDICTS`.
        passed: Whether that is that they hold.
        gates: The checks by name.
        accuracy: Of the float and the quantized student, and the teacher.
        accuracy_ci95: The 95 % interval of each accuracy that is known, by the names in `accuracy`; see
            `accuracy_interval`.
        classification: How good the file is class by class, in LiteRT; `None` for a task without classes.
        classification_ci95: The 95 % intervals of its `balanced_accuracy` and its `macro_f1`; see `score_interval`.
        parity: LiteRT against TFLM, `None` without TFLM.
        noise: What quantization adds to the output of each op, and fine-tuning for int8 where there was one, since it
            changes the weights; empty without the float student.
        missing_ops: Operators of the file that TFLM lacks.
        warnings: What a conversion would better have avoided: shapes and operators of a dynamic batch, and an operator
            that LiteRT's reference kernels lack or compute wrongly, so that its optimised ones were run.
        predicted: The cost model's figures for the device; without latencies where its profile has no costs of the
            numbers that the file computes in.
        predicted_from: `"student"`, so from what was known before there was a file, or `"file"`.
        precision: In which numbers the file computes; see `precision_of`.
        ram_bytes: RAM that the firmware reserves, the figure that is held against the limit; computed from the file for
            the device (`firmware_ram`), and raised where TFLM needed more on this PC than was computed for it.
        predicted_host_arena_bytes: The predicted arena for a 64-bit host, comparable with `measured`.
        prediction_error_percent: By how much the prediction exceeds what was measured, for `flash_bytes` and, on the
            host, `arena_bytes`.
        measured: Bytes of the file and of the arena.
        confusion: Test samples per true class (rows) and class named by the file in LiteRT (columns); `None` for a task
            without classes.
        unavailable_reason: Why a figure is `None`, by the figure's name.
        task: What was asked, one of `kd_edge.data.task.TASKS`.
        task_metrics: How good the file is by the task's own metrics, in LiteRT; `None` for classes.
        task_metrics_ci95: The 95 % intervals of those; see `task_intervals`.
        outputs: What each of several outputs is worth, by its name; empty for one output.
        energy: What an inference takes on the device, and how long the battery lasts that was asked about; `None` where
            the power of the device or the time is not known.
    """

    verdict: str
    passed: bool
    gates: Annotated[Mapping[str, Gate], GATES]
    accuracy: Accuracy
    accuracy_ci95: Mapping[str, Interval]
    classification: Classification | None
    classification_ci95: Mapping[str, Interval]
    parity: Parity | None
    noise: tuple[OpNoise, ...]
    missing_ops: tuple[MissingOp, ...]
    warnings: tuple[str, ...]
    predicted: Cost | UntimedCost
    predicted_from: str
    precision: str
    ram_bytes: Computed[int]
    predicted_host_arena_bytes: Computed[int]
    prediction_error_percent: Computed[Mapping[str, float]]
    measured: MeasuredSizes
    confusion: Measured[tuple[tuple[int, ...], ...] | None]
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)
    task: str = "multiclass"
    task_metrics: TaskMetrics | None = None
    task_metrics_ci95: Mapping[str, Interval] = field(default_factory=dict)
    outputs: Mapping[str, OutputResult] = field(default_factory=dict)
    energy: Energy | None = None

    def with_gate(self, name: str, gate: Gate) -> "Verification":
        """Return the same with one more check, which the verdict depends on."""
        gates = {**self.gates, name: gate}
        verdict = verdict_of(gates.values())
        return replace(self, gates=gates, verdict=verdict, passed=verdict == HOLDS)
