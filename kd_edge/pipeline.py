"""The whole job: data, teacher, design, distillation, conversion, verification. The only file that knows the order."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import keras

from kd_edge.config import DistillConfig, RunConfig, TeacherConfig
from kd_edge.conversion.export import convert_for
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.distillation.augmentation import check_augmentation
from kd_edge.distillation.early_halting import EarlyHalting
from kd_edge.distillation.model_files import load_teacher
from kd_edge.distillation.teacher_models import build_teacher
from kd_edge.distillation.training import Recipe, accuracy, distill, epochs_shown, summary, test_samples_right, train
from kd_edge.errors import ConfigError
from kd_edge.files import write_bytes, write_json, write_model
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.lowering import lower
from kd_edge.search.space.student_space import FROM_TEACHER, StudentSpace
from kd_edge.search.strategies import find_strategy
from kd_edge.search.tuner import design
from kd_edge.search.weight_inheritance import WeightInheritance
from kd_edge.verification.confidence import paired_difference
from kd_edge.verification.verifier import verify
from tflite_bench.benchmark import run_benchmark
from tflite_bench.reporting.documents import benchmark_document

_BENCH_SECONDS = 10.0
# The tables of the configuration that shape each stage, in the order of the stages.
STAGES: Mapping[str, tuple[str, ...]] = {
    "data": ("data", "seed"),
    "teacher": ("teacher",),
    "design": ("budget", "design"),
    "distill": ("distill",),
    "baseline": (),
    "convert": ("convert",),
    "verify": (),
    "bench": (),
}


class Progress(Protocol):
    """Told what a run is doing."""

    def __call__(self, stage: str, done: float, message: str = "") -> None:
        """Report that a share `done`, 0 to 1, of one of `STAGES` is finished."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run found.

    Attributes:
        folder: Where `teacher.keras`, `student.keras` and `model.tflite` are.
        config: What was asked.
        stages: Plain data per stage; `results.json` holds the same under `result`.
    """

    folder: Path
    config: RunConfig
    stages: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether no check of the verification failed."""
        return bool(self.stages["verify"]["passed"])


def run(
    config: RunConfig, folder: str | Path, *, progress: Progress = lambda stage, done, message="": None
) -> RunResult:
    """Do the whole job.

    Every stage leaves its files in the folder. A run that was interrupted goes on after its last finished stage; a
    stage is done again when something that shapes it has changed.

    Args:
        config: What to do; `load_config` reads one from TOML.
        folder: Made if missing.
        progress: Told what is going on.

    Raises:
        KdEdgeError: Something that the user gave is wrong, or no student fits the budget.
    """
    job = _Job(config, Path(folder), progress)
    return RunResult(job.folder, config, {name: job.stage(name) for name in STAGES})


class _Job:
    """The stages of one run, in plain methods that return plain data."""

    def __init__(self, config: RunConfig, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self._config = config
        self._progress = progress
        self._device = load_device(config.budget.device)
        self._budget = config.budget.budget(self._device)
        _check_costs(config.convert.quantize, self._device, self._budget)
        find_strategy(config.design.search)
        EarlyHalting(rule=config.distill.rule)
        self._data = load_data(config.data.source, normalize=config.data.normalize, seed=config.seed)
        for wanted in (config.teacher, config.distill):
            check_augmentation(wanted.augment, self._data.input_shape)
        self._space = self._make_space()
        # Says that nothing fits before a teacher is trained.
        self._space.screen(CostModel(self._device), self._budget, seed=config.seed)
        self._fingerprint = hashlib.sha256(_content(self._data)).hexdigest()

    def _make_space(self) -> StudentSpace:
        if self._config.design.family == FROM_TEACHER:
            # A teacher that is yet to be trained has its architecture already.
            return StudentSpace.from_teacher(self._start_teacher())
        return StudentSpace.family(self._config.design.family, self._data.input_shape, self._data.num_classes)

    def _start_teacher(self) -> keras.Model:
        wanted, data = self._config.teacher, self._data
        if wanted.path is not None:
            return load_teacher(wanted.path, data)
        return build_teacher(data.input_shape, data.num_classes, width=wanted.width)

    def stage(self, name: str) -> dict[str, Any]:
        """Return what a stage gave, from its file where nothing that shapes it has changed since."""
        shaped_by = [getattr(self._config, table) for table in STAGES[name]]
        text = f"{self._fingerprint} {name} {shaped_by!r} {self._named_content(name)}"
        self._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / "stages" / f"{name}.json"
        if path.is_file():
            saved = json.loads(path.read_text())
            if saved["fingerprint"] == self._fingerprint:
                self._progress(name, 1.0, "done before")
                return dict(saved["result"])
        self._progress(name, 0.0)
        keras.utils.set_random_seed(self._config.seed)
        result: dict[str, Any] = getattr(self, f"_stage_{name}")()
        write_json(path, {"fingerprint": self._fingerprint, "result": result})
        self._progress(name, 1.0)
        return result

    def _named_content(self, name: str) -> str:
        """Return what shapes a stage and is only named in the configuration: it may have changed under its name."""
        if name == "design":
            return repr(self._device)
        path = self._config.teacher.path
        if name != "teacher" or path is None or not Path(path).is_file():
            return ""
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def _stage_data(self) -> dict[str, Any]:
        data = self._data
        return {
            "name": data.name,
            "description": data.description,
            "input_shape": data.input_shape,
            "class_names": data.class_names,
            "num_train": len(data.x_train),
            "num_val": len(data.x_val),
            "num_test": len(data.x_test),
            "scale": data.scale,
        }

    def _stage_teacher(self) -> dict[str, Any]:
        wanted, teacher = self._config.teacher, self._start_teacher()
        if wanted.path is None:
            recipe = self._recipe(wanted.epochs, wanted)
            training = train(teacher, self._data, recipe, callbacks=[self._epochs("teacher", wanted.epochs)])
            made = asdict(summary(training))
        else:
            made = {"path": wanted.path}
        write_model(self.folder / "teacher.keras", teacher)
        return made | self._judge(teacher)

    def _stage_design(self) -> dict[str, Any]:
        wanted, data = self._config.design, self._data

        def on_trial(done: int, planned: int) -> None:
            self._progress("design", done / planned, f"{done} of {planned} candidates trained")

        found = design(
            self._load("teacher.keras"),
            data,
            device=self._device,
            budget=self._budget,
            space=self._space,
            recipe=replace(self._recipe(wanted.epochs, self._config.distill), augment="none"),
            search=wanted.search,
            num_trials=wanted.trials,
            teacher_ratio=wanted.teacher_ratio,
            importance=wanted.importance,
            # A stage that is done anew for another reason is another search.
            directory=self.folder / "search" / self._fingerprint[:16],
            on_trial=on_trial,
        )
        assert found is not None  # a run is no worker of another search
        return asdict(found) | {
            "blueprint": found.blueprint.to_dict(),
            "device": self._device.name,
            "budget": asdict(self._budget),
        }

    def _stage_distill(self) -> dict[str, Any]:
        wanted = self._config.distill
        recipe = self._recipe(wanted.epochs, wanted)
        training = distill(
            self._fresh_student(),
            self._data,
            recipe,
            teacher=self._load("teacher.keras"),
            trainee=None if wanted.trainee == "none" else wanted.trainee,
            temperature=wanted.temperature,
            student_loss_weight=wanted.student_loss_weight,
            trainee_loss_weight=wanted.trainee_loss_weight,
            halting=EarlyHalting(rule=wanted.rule, patience=wanted.patience),
            callbacks=[self._epochs("distill", wanted.epochs)],
        )
        write_model(self.folder / "student.keras", training.model)
        return asdict(summary(training)) | self._judge(training.model)

    def _stage_baseline(self) -> dict[str, Any]:
        """Train the same student from the same weights on the same batches, without guides."""
        recipe = self._recipe(self._config.distill.epochs, self._config.distill)
        training = train(self._fresh_student(), self._data, recipe, callbacks=[self._epochs("baseline", recipe.epochs)])
        student = self._load("student.keras")
        gain = paired_difference(
            test_samples_right(student, self._data),
            test_samples_right(training.model, self._data),
            seed=self._config.seed,
        )
        return asdict(summary(training)) | self._judge(training.model) | {"distillation_gain": gain}

    def _stage_convert(self) -> dict[str, Any]:
        made = convert_for(
            self._load("student.keras"),
            self._data,
            self._config.convert,
            teacher=self._load("teacher.keras"),
            distill=self._config.distill,
            seed=self._config.seed,
        )
        write_bytes(self.folder / "model.tflite", made.content)
        return made.summary()

    def _stage_verify(self) -> dict[str, Any]:
        return asdict(
            verify(
                (self.folder / "model.tflite").read_bytes(),
                self._data,
                device=self._device,
                budget=self._budget,
                student=self._load("student.keras"),
            )
        )

    def _stage_bench(self) -> dict[str, Any]:
        """Measure on this computer: a board is reached by `tflite-bench run --on`."""
        benchmark = run_benchmark(self.folder / "model.tflite", time_limit_s=_BENCH_SECONDS, seed=self._config.seed)
        return dict(benchmark_document(benchmark)["result"])

    def _recipe(self, epochs: int, section: TeacherConfig | DistillConfig) -> Recipe:
        return Recipe(epochs, section.batch_size, section.learning_rate, section.augment, self._config.seed)

    def _fresh_student(self) -> keras.Model:
        keras.utils.set_random_seed(self._config.seed)
        designed = json.loads((self.folder / "stages" / "design.json").read_text())["result"]
        if self._space.prunable:
            inheritance = WeightInheritance(self._load("teacher.keras"), importance=self._config.design.importance)
            return inheritance.student(designed["chosen"]["values"], self._data.x_train)
        return Blueprint.from_dict(designed["blueprint"]).to_keras()

    def _load(self, name: str) -> keras.Model:
        return keras.models.load_model(self.folder / name, compile=False)

    def _epochs(self, stage: str, epochs: int) -> keras.callbacks.Callback:
        return epochs_shown(self._progress, stage, epochs)

    def _judge(self, model: keras.Model) -> dict[str, Any]:
        graph = lower(model)
        return {
            "test_accuracy": accuracy(model, self._data),
            "macs": graph.total_macs,
            "params": model.count_params(),
        }


def _check_costs(quantize: str, device: DeviceProfile, budget: Budget) -> None:
    """Say before a teacher is trained that the latency of the file cannot be checked in the end."""
    numbers = {"int8": "int8", "int16x8": "int16"}.get(quantize, "float32")
    if budget.latency_ms is not None and getattr(device, numbers) is None:
        raise ConfigError(
            f"no latency on {device.name}: expected a 'quantize' whose costs its profile has, received {quantize!r}; "
            f"convert to int8, leave out the limit 'latency', or add a table [{numbers}] to a profile of your own"
        )


def _content(data: Dataset) -> bytes:
    arrays = (data.x_train, data.y_train, data.x_val, data.y_val, data.x_test, data.y_test)
    facts = (data.name, data.description, data.class_names, data.scale, [a.shape for a in arrays])
    return b"".join(hashlib.sha256(a.tobytes()).digest() for a in arrays) + repr(facts).encode()
