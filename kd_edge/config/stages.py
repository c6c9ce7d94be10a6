"""The tables of what is done: the search, the training, the quantization and the verification."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kd_edge.config.by_task import learning_rate_for
from kd_edge.config.checks import check_choice, check_numbers, check_rate
from kd_edge.config.choices import (
    CALIBRATIONS,
    COMPRESSIONS,
    IMPORTANCES,
    MAX_ACCURACY_LOSS,
    OBJECTIVES,
    QAT_MODES,
    QUANTIZE_MODES,
    STUDENT_EPOCHS,
    STUDENT_LOSS_WEIGHT,
    STUDENTS,
    TEMPERATURE,
    TRAINEES,
)
from kd_edge.errors import ConfigError

if TYPE_CHECKING:
    from kd_edge.data.task import Task


@dataclass(frozen=True, slots=True)
class DesignConfig:
    """The search: `trials` networks of the family, or of those derived from the teacher, are trained for `epochs` each.

    None has more than the teacher's MACs divided by `teacher_ratio`. `search` names the strategy, see
    `register_strategy`; `importance` the teacher's channels that derived networks start from, see `inherit`;
    `objective` what they are ranked by on the validation samples, see `objective_for`.

    Raises:
        ConfigError: A value is out of its range, or a name not known.
    """

    family: str = "ds_cnn"
    trials: int = 8
    epochs: int = 6
    teacher_ratio: float = 20.0
    search: str = "random"
    importance: str = "batch_norm"
    objective: str | None = None

    def __post_init__(self) -> None:
        check_choice("importance", self.importance, IMPORTANCES)
        if self.objective is not None:
            check_choice("objective", self.objective, OBJECTIVES)
        check_numbers(self)


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """The student's training; `trainee` is `"like_teacher"` or `"none"`, `learning_rate` and `augment` may be `"auto"`.

    Without `learning_rate` and `rule` the task decides, see `for_task`.
    `rule` names the rule by which the trainee is halted, see `register_rule`; without `patience` it has its own.
    `start_from_epoch` is how many epochs pass before its first check. `student` says which one is handed on:
    `"distilled"`, the `"baseline"` without guides, or the `"best"` of the two on the validation samples.

    Raises:
        ConfigError: A value is out of its range, or a name not known.
    """

    trainee: str = "like_teacher"
    epochs: int = STUDENT_EPOCHS
    batch_size: int = 64
    learning_rate: float | str | None = None
    temperature: float = TEMPERATURE
    student_loss_weight: float = STUDENT_LOSS_WEIGHT
    trainee_loss_weight: float = 0.5
    rule: str | None = None
    patience: int | None = None
    start_from_epoch: int = 0
    augment: str = "none"
    strength: float = 1.0
    student: str = "best"

    def __post_init__(self) -> None:
        check_choice("student", self.student, STUDENTS)
        check_rate(self.learning_rate)
        check_choice("trainee", self.trainee, TRAINEES)
        check_numbers(self)
        if not 0 <= self.student_loss_weight <= 1:
            raise ConfigError(
                f"bad value for key 'student_loss_weight': expected 0 to 1, received {self.student_loss_weight}"
            )

    def for_task(self, task: "Task") -> "DistillConfig":
        """Return it with what the task decides: the rate by `learning_rate_for`, and the rule.

        That is `"agreement"`, and `"plateau"` where guide and student never decide alike since they answer with values.
        """
        rate = learning_rate_for(task) if self.learning_rate is None else self.learning_rate
        return replace(self, learning_rate=rate, rule=self.rule or ("agreement" if task.decides else "plateau"))


@dataclass(frozen=True, slots=True)
class ConvertConfig:
    """The quantization; see `convert`, for `calibration` see `choose_samples`, for the rest `convert_for`.

    With `stream` the file reads so many frames at a time, not a window.

    Raises:
        ConfigError: A value is out of its range, a name not known, or `qat` is `"always"` where nothing is fine-tuned.
    """

    quantize: str = "int8"
    num_calibration_samples: int = 300
    calibration: str = "random"
    qat: str = "auto"
    qat_epochs: int = 5
    max_int8_loss: float = 0.005
    compress: str = "none"
    stream: int | None = None

    def __post_init__(self) -> None:
        check_choice("quantize", self.quantize, QUANTIZE_MODES)
        check_choice("calibration", self.calibration, CALIBRATIONS)
        check_choice("qat", self.qat, QAT_MODES)
        check_choice("compress", self.compress, COMPRESSIONS)
        check_numbers(self)
        if self.qat == "always" and (self.quantize != "int8" or self.compress != "none"):
            raise ConfigError(
                "bad value for key 'qat': expected 'always' with quantize 'int8' and compress 'none', "
                f"received {self.quantize!r} and {self.compress!r}; leave qat at 'auto'"
            )
        if self.qat == "always" and self.stream is not None:
            raise ConfigError(
                "bad value for key 'qat': expected 'auto' or 'never' with 'stream', received 'always'; a step is not "
                "fine-tuned"
            )


@dataclass(frozen=True, slots=True)
class VerifyConfig:
    """Shares of the test samples: how many int8 may lose against float, and the file against the teacher if given.

    Raises:
        ConfigError: One is no share.
    """

    max_accuracy_loss: float = MAX_ACCURACY_LOSS
    max_teacher_loss: float | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
