"""All of a configuration, and the file that it is read from."""

from dataclasses import dataclass, field
from pathlib import Path

from kd_edge.config.checks import check_choice, check_words
from kd_edge.config.choices import AUGMENTATIONS, MAX_SEED, STREAMING
from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.paths import located
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig, VerifyConfig
from kd_edge.errors import ConfigError
from kd_edge.toml import from_table, read_toml


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that `kd-edge run` needs; one table of the file per attribute.

    Raises:
        ConfigError: `seed` is out of its range, an augmentation is not known, or the tables do not fit together.
    """

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
        check_words(self.data, ("source",))
        check_words(self.teacher, ("path", "outputs"))
        if ":" not in self.data.source:  # a Python file may register others
            check_choice("augment", self.teacher.augment, AUGMENTATIONS)
            check_choice("augment", self.distill.augment, (*AUGMENTATIONS, "auto"))
        if self.teacher.outputs is not None:
            _check_outputs(self)
        if self.design.family == STREAMING and self.convert.stream is None:
            raise ConfigError(
                "bad value for key 'family' in [design]: expected 'stream' in [convert] with 'streaming', the frames "
                "of a step, by which its networks are costed; received none"
            )
        if self.design.family != STREAMING and self.convert.stream is not None:
            raise ConfigError(
                f"bad value for key 'stream' in [convert]: expected 'family' in [design] {STREAMING!r}, whose networks "
                f"look at no frame ahead, received {self.design.family!r}; name it, or leave out 'stream'"
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


def load_config(path: str | Path) -> RunConfig:
    """Return the run that a TOML file asks for.

    Its paths begin in the file's folder, as far as there is such a file; else in the working folder. A table `[sweep]`
    is that of `kd-edge sweep`, and says nothing of a run.

    Raises:
        ConfigError: The file is missing or no TOML, or a key is unknown, missing or has a bad value.
    """
    table = located(read_toml(path), Path(path).parent)
    return from_table(RunConfig, {key: value for key, value in table.items() if key != "sweep"}, str(path))
