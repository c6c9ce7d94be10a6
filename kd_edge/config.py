"""What a run is asked to do: the TOML file of `kd-edge run` as frozen values."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.cost.budget import LATENCY_AT, Budget, parse_bytes, parse_mj, parse_ms
from kd_edge.cost.devices import DeviceProfile
from kd_edge.data.options import SourceOptions
from kd_edge.errors import ConfigError, nearest
from kd_edge.toml import from_table, read_toml

if TYPE_CHECKING:
    from kd_edge.data.task import Task

QUANTIZE_MODES = ("int8", "int16x8", "float16", "dynamic", "none")
AUGMENTATIONS = ("none", "image", "image-flip", "spectrogram", "sensor", "imu", "mixup")
IMPORTANCES = ("l1", "batch_norm")
CALIBRATIONS = ("random", "balanced", "first")
QAT_MODES = ("auto", "always", "never")
# The family of students that run step by step.
STREAMING = "streaming"
TRAINEES = ("like_teacher", "none")
# Weight of the labels' loss beside (1 - weight) times the guides'; `Distiller` keeps the default of Keras' Distiller.
STUDENT_LOSS_WEIGHT = 0.1
# Of the softmax of guides and student.
TEMPERATURE = 2.0
# For students of 1 k to 100 k parameters; see `Recipe`.
LEARNING_RATE = 8e-2
# Where networks answer with values; tools/studies/learning_rates.py.
VALUES_LEARNING_RATE = 2e-2
STUDENT_EPOCHS = 40
_TEACHER_EPOCHS, _TEACHER_RATE = 16, 2e-3
# Share of the test samples that int8 may lose.
MAX_ACCURACY_LOSS = 0.02
# NumPy, Keras and TensorFlow all take 32 bits.
MAX_SEED = 2**32 - 1
COMPRESSIONS = ("none", "prune", "cluster")
# What a search ranks by, see `score_of`; and which student is handed on.
OBJECTIVES = ("accuracy", "balanced_accuracy", "macro_f1", "label_accuracy", "skill", "score")
STUDENTS = ("best", "distilled", "baseline")
# Keys that may hold a path, by their table.
_PATHS = {"data": ("source",), "teacher": ("path", "outputs"), "budget": ("device",)}


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which samples, see `load_data`; how much those of each class count in a training, see `with_class_weight`.

    `options` say how the source is read.
    """

    source: str
    normalize: bool | None = None
    class_weight: str | Mapping[str, float] | None = None
    options: SourceOptions = field(default_factory=SourceOptions)

    def __post_init__(self) -> None:
        if isinstance(self.class_weight, str):
            _check_choice("class_weight", self.class_weight, ("balanced",))
        for name, weight in self.class_weight.items() if isinstance(self.class_weight, Mapping) else ():
            if not 0 < weight < math.inf:
                raise ConfigError(
                    f"bad value for key 'class_weight', class {name!r}: expected more than 0, a finite number, "
                    f"received {weight!r}"
                )


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What the student has to keep on `device`; a missing size is what the device leaves, a missing time no limit.

    `latency_at` says which end of a latency's interval the search holds against the limit; see `Budget`.
    """

    device: str
    flash: str | int | None = None
    ram: str | int | None = None
    latency: str | int | float | None = None
    latency_at: str = "upper"
    energy: str | int | float | None = None

    def __post_init__(self) -> None:
        _check_choice("latency_at", self.latency_at, LATENCY_AT)

    def budget(self, device: DeviceProfile) -> Budget:
        """Return the limits in bytes and milliseconds."""
        return Budget.of(
            device,
            flash_bytes=_optional(parse_bytes, self.flash),
            ram_bytes=_optional(parse_bytes, self.ram),
            latency_ms=_optional(parse_ms, self.latency),
            latency_at=self.latency_at,
            energy_mj=_optional(parse_mj, self.energy),
        )

    def budget_within(self, device: DeviceProfile) -> Budget:
        """Return the limits, of sizes that the device does not have what it leaves: boards are compared."""
        if self.energy is not None:
            raise ConfigError("bad --energy: expected one --device, and its power; leave it out to compare boards")
        flash, ram = _optional(parse_bytes, self.flash), _optional(parse_bytes, self.ram)
        return Budget.of(
            device,
            flash_bytes=None if flash is None or flash > device.flash_bytes else flash,
            ram_bytes=None if ram is None or ram > device.ram_bytes else ram,
            latency_ms=_optional(parse_ms, self.latency),
        )


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """A trained model at `path`, see `load_model`, or how a teacher is trained here when `path` is missing.

    `outputs` instead names an `.npy` file of the outputs of a teacher that lives elsewhere, see `read_outputs`.
    With `folds`, each sample's targets come from a teacher that has not seen it; see `cross_fitted_targets`. Those
    teachers are trained here, for which a file's network needs `epochs` and `learning_rate`.
    """

    path: str | None = None
    width: int = 48
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float | str | None = None
    augment: str = "none"
    strength: float = 1.0
    folds: int = 0
    outputs: str | None = None

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_numbers(self)
        if self.folds == 1:
            raise ConfigError("bad value for key 'folds': expected 0 for none, or 2 and more, received 1")
        if self.outputs is not None and (self.path is not None or self.folds):
            raise ConfigError(
                "bad value for key 'outputs': expected a teacher's outputs without 'path' and 'folds', received "
                f"{'both' if self.path is not None else 'folds'}; leave one out"
            )
        if self.path is None:
            object.__setattr__(self, "epochs", self.epochs or _TEACHER_EPOCHS)
            object.__setattr__(self, "learning_rate", self.learning_rate or _TEACHER_RATE)
        elif self.folds and (self.epochs is None or self.learning_rate is None):
            raise ConfigError(
                "bad value for key 'folds': expected the recipe of a teacher that is a file, 'epochs' and "
                f"'learning_rate', since its network is trained anew on {self.folds} folds; received the path alone"
            )


@dataclass(frozen=True, slots=True)
class DesignConfig:
    """The search: `trials` networks of the family, or of those derived from the teacher, are trained for `epochs` each.

    None has more than the teacher's MACs divided by `teacher_ratio`. `search` names the strategy, see
    `register_strategy`; `importance` the teacher's channels that derived networks start from, see `inherit`;
    `objective` what they are ranked by on the validation samples, see `objective_for`.
    """

    family: str = "ds_cnn"
    trials: int = 8
    epochs: int = 6
    teacher_ratio: float = 20.0
    search: str = "random"
    importance: str = "l1"
    objective: str | None = None

    def __post_init__(self) -> None:
        _check_choice("importance", self.importance, IMPORTANCES)
        if self.objective is not None:
            _check_choice("objective", self.objective, OBJECTIVES)
        _check_numbers(self)


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """The student's training; `trainee` is `"like_teacher"` or `"none"`, `learning_rate` and `augment` may be `"auto"`.

    Without `learning_rate` and `rule` the task decides, see `for_task`.
    `rule` names the rule by which the trainee is halted, see `register_rule`; without `patience` it has its own.
    `start_from_epoch` is how many epochs pass before its first check. `student` says which one is handed on:
    `"distilled"`, the `"baseline"` without guides, or the `"best"` of the two on the validation samples.
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
        _check_choice("student", self.student, STUDENTS)
        _check_rate(self.learning_rate)
        _check_choice("trainee", self.trainee, TRAINEES)
        _check_numbers(self)
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
        _check_choice("quantize", self.quantize, QUANTIZE_MODES)
        _check_choice("calibration", self.calibration, CALIBRATIONS)
        _check_choice("qat", self.qat, QAT_MODES)
        _check_choice("compress", self.compress, COMPRESSIONS)
        _check_numbers(self)
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
    """Shares of the test samples: how many int8 may lose against float, and the file against the teacher if given."""

    max_accuracy_loss: float = MAX_ACCURACY_LOSS
    max_teacher_loss: float | None = None

    def __post_init__(self) -> None:
        _check_numbers(self)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that `kd-edge run` needs; one table of the file per attribute."""

    data: DataConfig
    budget: BudgetConfig
    seed: int = 0
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    design: DesignConfig = field(default_factory=DesignConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    convert: ConvertConfig = field(default_factory=ConvertConfig)
    verify: VerifyConfig = field(default_factory=VerifyConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"bad value for key 'seed': expected 0 to {MAX_SEED}, received {self.seed}")
        if ":" not in self.data.source:  # a Python file may register others
            _check_choice("augment", self.teacher.augment, AUGMENTATIONS)
            _check_choice("augment", self.distill.augment, (*AUGMENTATIONS, "auto"))
        if self.teacher.outputs is not None:
            _check_outputs(self)
        if self.design.family == "streaming" and self.convert.stream is None:
            raise ConfigError(
                "bad value for key 'family' in [design]: expected 'stream' in [convert] with 'streaming', the frames "
                "of a step, by which its networks are costed; received none"
            )
        if self.teacher.folds and self.distill.augment in ("auto", "mixup"):
            raise ConfigError(
                "bad value for key 'augment' in [distill]: expected an augmentation by name other than 'mixup' with "
                f"'folds' in [teacher], received {self.distill.augment!r}; name another, or leave out the folds"
            )


def _check_outputs(config: RunConfig) -> None:
    """Refuse what needs a teacher's network where there are its outputs alone."""
    needs = {
        "'family' in [design] other than 'from_teacher'": config.design.family == "from_teacher",
        "'augment' in [distill] 'none'": config.distill.augment not in ("none", "auto"),
        "no 'max_teacher_loss' in [verify]": config.verify.max_teacher_loss is not None,
    }
    for expected in (name for name, is_broken in needs.items() if is_broken):
        raise ConfigError(
            f"bad value for key 'outputs' in [teacher]: expected {expected}, since the outputs are no network; change "
            "that, or give the teacher itself by 'path'"
        )


_MAY_BE_ZERO = (
    *("start_from_epoch", "strength", "folds", "student_loss_weight", "trainee_loss_weight"),
    *("max_int8_loss", "max_accuracy_loss", "max_teacher_loss"),
)


def learning_rate_for(task: "Task") -> float:
    """Return the learning rate of students where none is given: a lower one where they answer with values."""
    return VALUES_LEARNING_RATE if task.answers_values else LEARNING_RATE


def objective_for(objective: str | None, task: "Task") -> str:
    """Return what networks are ranked by on validation samples: as asked for, or the task's metric.

    Args:
        objective: One of `OBJECTIVES`; of one class each, the accuracy or what `score_of` makes of a confusion matrix;
            of other tasks their metric. `None` is the metric.
        task: What is asked of the networks.

    Raises:
        ConfigError: It is unknown, or of another task.
    """
    if objective is None:
        return task.metric
    known = OBJECTIVES[:3] if task.classifies else (task.metric,)
    if objective not in OBJECTIVES:
        raise ConfigError(f"unknown objective {objective!r}: {nearest(objective, known)}")
    if objective not in known:
        raise ConfigError(
            f"bad objective {objective!r}: expected {' or '.join(known)} of the task {task.kind!r}, received "
            f"{objective!r}; leave it out"
        )
    return objective


def load_config(path: str | Path) -> RunConfig:
    """Return the run that a TOML file asks for.

    Its paths begin in the file's folder, as far as there is such a file; else in the working folder. A table `[sweep]`
    is that of `kd-edge sweep`, and says nothing of a run.

    Raises:
        ConfigError: The file is missing or no TOML, or a key is unknown, missing or has a bad value.
    """
    table = located(read_toml(path), Path(path).parent)
    return from_table(RunConfig, {key: value for key, value in table.items() if key != "sweep"}, str(path))


def located(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables of a configuration with paths from the working folder, where a folder has what they name.

    Args:
        table: With paths that begin in the folder, or in the working folder.
        folder: That of the configuration.
    """

    def change(text: str) -> str:
        return os.path.normpath(folder / text) if _is_file(folder / text) else text

    return _with_paths(table, change)


def relative_to(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables of a configuration with the paths of what there is from a folder, as `located` reads them.

    Paths from the root of the file system stay as they are.

    Args:
        table: With paths from the working folder.
        folder: Where the configuration will lie.
    """

    def change(text: str) -> str:
        there = not Path(text).is_absolute() and _is_file(Path(text))
        return os.path.relpath(text, folder) if there else text

    return _with_paths(table, change)


def _with_paths(table: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(table)
    for section, keys in _PATHS.items():
        own = changed.get(section)
        if isinstance(own, Mapping):
            known = {key: change(own[key]) for key in keys if isinstance(own.get(key), str)}
            changed[section] = {**own, **known}
    return changed


def _is_file(path: Path) -> bool:
    """Return whether a path is one of a file or folder; of `module:function` whether the module is there."""
    module, colon, _ = path.name.rpartition(":")
    return path.with_name(module.replace(".", "/") + ".py").is_file() if colon and module else path.exists()


def _check_numbers(section: Any) -> None:
    for f in fields(section):
        value = getattr(section, f.name)
        if not isinstance(value, int | float):
            continue
        may_be_zero = f.name in _MAY_BE_ZERO
        if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
            expected = "0 or more" if may_be_zero else "more than 0"
            raise ConfigError(f"bad value for key {f.name!r}: expected {expected}, a finite number, received {value!r}")


def _check_rate(value: object) -> None:
    if isinstance(value, str) and value != "auto":
        raise ConfigError(f"bad value for key 'learning_rate': expected a number or 'auto', received {value!r}")


def _check_choice(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"bad value for key {key!r}: expected one of {', '.join(known)}, received {value!r}")


def _optional(parse: Callable[[Any], Any], value: object) -> Any:
    return None if value is None else parse(value)
