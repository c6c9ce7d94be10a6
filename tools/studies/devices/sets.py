"""The data sets of the study as `.npz` files, and what is asked of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.data.sources.npz import read_npz
from kd_edge.sweep import SweepConfig

# From a Cortex-M0+ to a phone.
BOARDS = (
    *("nano-33-iot", "rp2040", "bluepill", "nrf52840"),
    *("esp32-s3", "nucleo-h743zi", "raspberry-pi-zero-2w", "pixel-3a"),
)
LATENCIES = ("5ms", "20ms", "100ms")
TEACHER_WIDTH = 32
FAMILY = DesignConfig().family
SPLITS = ("train", "val", "test")
_NUM_VAL, _NUM_TRAIN = 5_000, 10_000
# Those of the published networks: 49 frames of 10 features.
_BANDS = 10
_TEST_PEOPLE, _VAL_PEOPLE = 6, 6

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """How much of the study is done: all of it, or a small part to try it.

    Attributes:
        boards: Names of devices.
        latencies: Longest times of one inference.
        samples: Most training samples; all by default.
        teacher_epochs: Of the teacher.
        epochs: Of each student and of each other network.
        trials: Candidates for each board and budget.
        family: Where the students come from.
    """

    boards: tuple[str, ...] = BOARDS
    latencies: tuple[str, ...] = LATENCIES
    samples: int | None = None
    teacher_epochs: int = 12
    epochs: int = 20
    trials: int = 4
    family: str = FAMILY

    @property
    def sweep(self) -> SweepConfig:
        """The boards and budgets."""
        return SweepConfig(device=list(self.boards), latency=list(self.latencies))

    def name_of(self, one: "Set") -> str:
        """Return by which name rows of a data set are known."""
        return one.name if self.samples is None else f"{one.name}, {self.samples} samples"

    def config(self, source: Path) -> RunConfig:
        """Return what is asked of a data set, by its file."""
        return RunConfig(
            DataConfig(str(source), normalize=True),
            BudgetConfig(self.boards[0]),
            teacher=TeacherConfig(width=TEACHER_WIDTH, epochs=self.teacher_epochs),
            design=DesignConfig(self.family, trials=self.trials, epochs=min(4, self.epochs), teacher_ratio=2.0),
            distill=DistillConfig("none", epochs=self.epochs),
            convert=ConvertConfig(),
        )


@dataclass(frozen=True)
class Set:
    """A data set of the study.

    Attributes:
        name: In tables.
        title: What it is.
        file: In the folder of the data.
        read: Makes arrays by split of what the file holds.
    """

    name: str
    title: str
    file: str
    read: Callable[[Mapping[str, np.ndarray]], Arrays]

    def write(self, samples: Path, folder: Path, limit: int | None) -> Path:
        """Write the arrays into a file of their own, unless it is there; return its path.

        Args:
            samples: Folder of the data.
            folder: Of the study.
            limit: Most training samples, drawn at random.
        """
        path = folder / f"{self.name}-{limit or 'all'}.npz"
        if not path.is_file():
            arrays = self.read(read_npz(samples / self.file))
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}")
            np.savez(partial, **_at_most(arrays, limit))
            partial.replace(path)
        return path


def _at_most(arrays: Arrays, limit: int | None) -> Arrays:
    count = len(arrays["y_train"])
    if limit is None or limit >= count:
        return arrays
    rows = np.sort(np.random.default_rng(0).permutation(count)[:limit])
    return {name: array[rows] if name.endswith("_train") else array for name, array in arrays.items()}


def _keywords(found: Mapping[str, np.ndarray]) -> Arrays:
    """Return the 40 Arabic words as they are parted: by speaker; each band is the mean of its neighbours."""
    arrays: Arrays = {}
    for split in SPLITS:
        samples, frames, bands = found[f"x_{split}"].shape
        parted = found[f"x_{split}"].reshape(samples, frames, _BANDS, bands // _BANDS, 1)
        arrays[f"x_{split}"] = parted.mean(axis=3, dtype=np.float32)
        arrays[f"group_{split}"] = found[f"speaker_{split}"]
    return arrays | {f"y_{split}": found[f"y_{split}"] for split in SPLITS} | {"class_names": found["class_names"]}


def _people(found: Mapping[str, np.ndarray]) -> Arrays:
    """Return the recordings of 30 people: 18 train, 6 validate, 6 test."""
    x, y, who = (np.concatenate([found[f"{name}_train"], found[f"{name}_test"]]) for name in ("x", "y", "subject"))
    order = np.random.default_rng(0).permutation(np.unique(who))
    parts = np.split(order, [_TEST_PEOPLE, _TEST_PEOPLE + _VAL_PEOPLE])
    arrays: Arrays = {"class_names": found["class_names"]}
    for split, people in zip(("test", "val", "train"), parts, strict=True):
        rows = np.isin(who, people)
        arrays |= {f"x_{split}": x[rows].astype(np.float32), f"y_{split}": y[rows], f"group_{split}": who[rows]}
    return arrays


def _images(found: Mapping[str, np.ndarray]) -> Arrays:
    """Return Fashion-MNIST with 10,000 of its training samples to train and 5,000 to validate."""
    order = np.random.default_rng(0).permutation(len(found["y_train"]))
    rows = {"val": order[:_NUM_VAL], "train": order[_NUM_VAL : _NUM_VAL + _NUM_TRAIN]}
    x, y = found["x_train"][..., None], found["y_train"]
    arrays = {f"x_{split}": x[chosen] for split, chosen in rows.items()}
    arrays |= {f"y_{split}": y[chosen] for split, chosen in rows.items()}
    tested = {"x_test": found["x_test"][..., None], "y_test": found["y_test"]}
    return arrays | tested | {"class_names": found["class_names"]}


# Those that take longest first: they are done side by side.
SETS = {
    one.name: one
    for one in (
        Set("fashion", "Fashion-MNIST, 10,000 training samples", "fashion_mnist.npz", _images),
        Set(
            "keywords",
            "Arabic speech commands, by speaker, 49 frames of 10 bands",
            "arabic_speech_commands_logmel.npz",
            _keywords,
        ),
        Set("har", "UCI HAR, raw signals, by person", "uci_har_raw.npz", _people),
    )
}
