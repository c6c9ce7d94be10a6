"""What each stage of a run found, as frozen values; none holds a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kd_edge.config.run import RunConfig
from kd_edge.conversion.results import ConversionSummary
from kd_edge.cost.budget import Budget
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.classification import Classification
from kd_edge.data.task import Task
from kd_edge.distillation.results import HaltingReport, Recipe
from kd_edge.distillation.targets.information import TeacherInformation
from kd_edge.search.results import SearchResult
from kd_edge.stages.serialization import to_plain
from kd_edge.verification.results import Verification
from tflite_bench.benchmark import BenchmarkSummary
from tflite_bench.provenance import Computed, Given, Measured

History = Mapping[str, list[float | None]]


@dataclass(frozen=True)
class DataSummary:
    """A data set without its samples.

    Attributes:
        name: What it is called.
        description: Where it comes from and how it was split.
        input_shape: Shape of one sample.
        class_names: One name per class.
        num_train: Training samples.
        num_val: Validation samples.
        num_test: Test samples.
        scale: Mean and standard deviation per channel that were applied, `None` where none were.
        task: What a network is asked for.
    """

    name: str
    description: str
    input_shape: Given[tuple[int, ...]]
    class_names: tuple[str, ...]
    num_train: Computed[int]
    num_val: Computed[int]
    num_test: Computed[int]
    scale: Computed[tuple[tuple[float, ...], tuple[float, ...]] | None]
    task: Task

    @classmethod
    def of(cls, data: Dataset) -> "DataSummary":
        """Return the summary of a data set."""
        counts = len(data.x_train), len(data.x_val), len(data.x_test)
        return cls(data.name, data.description, data.input_shape, data.class_names, *counts, data.scale, data.task)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How good a network is, and its size.

    Attributes:
        test_accuracy: Share of the test samples that it classifies right, 0 to 1; of other tasks their metric.
        metric: What `test_accuracy` and `val_accuracy` are: `"accuracy"`, `"label_accuracy"` or `"skill"`.
        classification: How good it is on them class by class; `None` where there are no classes.
        macs: Multiply-accumulates of one inference; `None` where nobody counts those of a layer.
        params: Weights.
    """

    test_accuracy: Measured[float]
    macs: Computed[int | None]
    params: Computed[int]
    metric: str = "accuracy"
    classification: Classification | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingResult(Scores):
    """A training and the network that it gave.

    Attributes:
        history: Metrics per epoch, as in `keras.callbacks.History`.
        seconds: Wall-clock time; `None` without a training.
        halting: One report per guide; empty without guides.
        recipe: How it was trained; `None` without a training.
        val_accuracy: Share of the validation samples that the network, which is that of its best epoch, classifies
            right; of other tasks their metric; `None` without a training.
    """

    history: Measured[History] = field(default_factory=dict)
    seconds: Measured[float | None] = None
    halting: tuple[HaltingReport, ...] = ()
    recipe: Recipe | None = None
    val_accuracy: Measured[float | None] = None


@dataclass(frozen=True, kw_only=True)
class TeacherResult(TrainingResult):
    """The teacher.

    Attributes:
        path: The file that it was read from; `None` where it was trained.
        information: What its outputs for the training samples tell beyond the labels; `None` where there are none.
        unavailable_reason: Why a figure is `None`, by the figure's name.
    """

    test_accuracy: Measured[float | None]  # type: ignore[assignment]
    params: Computed[int | None]  # type: ignore[assignment]
    path: str | None = None
    information: TeacherInformation | None
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RaceResult:
    """A short training with guides beside one without, before the long one.

    Attributes:
        verdict: `"helps"` or `"hurts"` where the interval of the difference leaves out 0, `"no_difference"` where it
            does not, `"not_raced"` where the long training is short itself.
        epochs: Of each of the two; 0 without a race.
        seconds: Wall-clock time of both.
        distilled_accuracy: On the validation samples; `None` without a race, like the next two.
        alone_accuracy: The same without guides.
        difference: The first less the second, with its interval; see `paired_difference`.
        metric: What the two are: `"accuracy"`, `"label_accuracy"` or `"skill"`.
        distilled_recipe: How the student is trained with guides, with what `"auto"` has become; `None` without a race.
        alone_recipe: The same without guides.
    """

    verdict: str
    epochs: Given[int] = 0
    seconds: Measured[float] = 0.0
    distilled_accuracy: Measured[float | None] = None
    alone_accuracy: Measured[float | None] = None
    metric: str = "accuracy"
    difference: Computed[Mapping[str, float] | None] = None
    distilled_recipe: Recipe | None = None
    alone_recipe: Recipe | None = None


@dataclass(frozen=True, kw_only=True)
class DistillResult(TrainingResult):
    """The distilled student.

    Attributes:
        from_search: Whether it is the one that the search trained, by the same recipe.
        guided: Whether there were guides: none where the race has shown that they hurt.
    """

    from_search: bool = False
    guided: bool = True


@dataclass(frozen=True, kw_only=True)
class BaselineResult(TrainingResult):
    """The same student from the same weights on the same batches, without guides.

    Attributes:
        distillation_gain: Accuracy of the distilled student less that of this one on the test samples; see
            `paired_difference`. `None` where none was distilled.
    """

    distillation_gain: Computed[Mapping[str, float] | None]


@dataclass(frozen=True, kw_only=True)
class ChoiceResult:
    """Which student is handed on: what was asked for, or the better one on the validation samples.

    Attributes:
        shipped: `"distilled"` or `"alone"`.
        distilled_accuracy: On the validation samples; where none was distilled (`DistillResult.guided`) that of the
            student without guides, like `distilled_score`.
        alone_accuracy: The same of the student without guides.
        metric: What the two are: `"accuracy"`, `"label_accuracy"` or `"skill"`.
        asked: What was asked for: `"best"`, `"distilled"` or `"baseline"`.
        preferred: Which the validation samples prefer, by the search's objective; of equal ones the distilled one.
        val_difference: Accuracy of the distilled student less that of the other on the validation samples; see
            `paired_difference`. `None` where none was distilled.
        test_difference: The same on the test samples, which do not choose.
        objective: What decided, one of `OBJECTIVES`. It and the scores are `None` in runs of older versions.
        distilled_score: The distilled student's by the objective, on the validation samples.
        alone_score: The same of the other one.
    """

    shipped: str
    distilled_accuracy: Measured[float]
    alone_accuracy: Measured[float]
    metric: str = "accuracy"
    asked: str = "best"
    preferred: str
    val_difference: Computed[Mapping[str, float] | None] = None
    test_difference: Computed[Mapping[str, float] | None] = None
    objective: str | None = None
    distilled_score: Measured[float | None] = None
    alone_score: Measured[float | None] = None


@dataclass(frozen=True, kw_only=True)
class DesignResult(SearchResult):
    """What a search found, and for what.

    Attributes:
        device: Name of the board.
        budget: The limits.
    """

    device: str
    budget: Budget

    @classmethod
    def of(cls, found: SearchResult, device: str, budget: Budget) -> "DesignResult":
        """Return a search's result together with its device and budget."""
        values = {f.name: getattr(found, f.name) for f in fields(found)}
        return cls(**values, device=device, budget=budget)


@dataclass(frozen=True)
class StageResults:
    """What every stage of a run found, in their order; `results.json` holds the same under `result`."""

    data: DataSummary
    teacher: TeacherResult
    design: DesignResult
    race: RaceResult
    distill: DistillResult
    baseline: BaselineResult
    choice: ChoiceResult
    convert: ConversionSummary
    verify: Verification
    bench: BenchmarkSummary


@dataclass(frozen=True)
class RunResult:
    """What a run found.

    Attributes:
        folder: Where `teacher.keras`, `student.keras`, `model.tflite`, `results.json` and `report.html` are.
        config: What was asked.
        results: What each stage found.
    """

    folder: Path
    config: RunConfig
    results: StageResults

    @property
    def stages(self) -> Mapping[str, Any]:
        """Plain data per stage, as in `results.json`."""
        return dict(to_plain(self.results))

    @property
    def passed(self) -> bool:
        """Whether all checks of the verification hold."""
        return self.results.verify.passed
