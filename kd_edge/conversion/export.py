"""Makes the `.tflite` file of a student for a data set: calibrated, described, looked through for TFLM."""

import gzip
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge import __version__
from kd_edge.clone.layer_names import names_of
from kd_edge.config.stages import ConvertConfig, DistillConfig
from kd_edge.conversion.calibration_samples import choose_samples, kinds_of
from kd_edge.conversion.converter import convert
from kd_edge.conversion.fine_tuning.attempt import check_demand, may_pay, tuned_if_better
from kd_edge.conversion.fine_tuning.compression import compress
from kd_edge.conversion.fine_tuning.student_task import as_student_answers, reconstructs
from kd_edge.conversion.fine_tuning.tf_keras_copy import FineTuning
from kd_edge.conversion.metadata import add_metadata, describe, unlike, weights_sha256
from kd_edge.conversion.quality import file_metric
from kd_edge.conversion.results import Compression, ConversionSummary, Tuning
from kd_edge.conversion.tflm_support import MissingOp, find_missing_ops
from kd_edge.cost.refusals import find_refusals
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.outputs.names import output_names
from kd_edge.errors import ConversionWarning, DataError
from tflite_bench.errors import RunnerError
from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import Refusal


@dataclass(frozen=True, slots=True)
class Export:
    """A converted student.

    Attributes:
        content: Bytes of the `.tflite` file.
        quantize: How it was quantized.
        qat: Whether and why quantization-aware training was done.
        compression: What a compression gave, `None` without one.
        metadata_bytes: By how much the description of classes, input and provenance has made the file larger.
        warnings: What looked wrong on the way.
        missing_ops: Operators of the file that TFLM lacks; `None` where TFLM could not be asked.
        refusals: What TFLM refuses of the file, by rules where it is not installed.
        unavailable_reason: Why a figure is `None`, by the figure's name.
        metric: What the accuracies of `qat` and `compression` are; see `Task.metric`.
    """

    content: bytes = field(repr=False)
    quantize: str
    qat: Tuning
    compression: Compression | None = None
    metadata_bytes: int = 0
    warnings: tuple[str, ...] = ()
    missing_ops: tuple[MissingOp, ...] | None = ()
    refusals: tuple[Refusal, ...] = ()
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)
    metric: str = "accuracy"

    def summary(self) -> ConversionSummary:
        """Return everything but the bytes."""
        return ConversionSummary(
            quantize=self.quantize,
            flash_bytes=len(self.content),
            gzip_bytes=_gzip_bytes(self.content),
            sha256=hashlib.sha256(self.content).hexdigest(),
            metadata_bytes=self.metadata_bytes,
            warnings=self.warnings,
            missing_ops=self.missing_ops,
            refusals=self.refusals,
            unavailable_reason=self.unavailable_reason,
            qat=self.qat,
            compression=self.compression,
            metric=self.metric,
        )


def convert_for(
    student: keras.Model,
    data: Dataset | Mapping[str, np.ndarray] | None,
    wanted: ConvertConfig,
    *,
    teacher: keras.Model | None = None,
    distill: DistillConfig | None = None,
    seed: int = 0,
    metadata: bool = True,
) -> Export:
    """Convert a student, with calibration samples and class names from its data set.

    Where int8 costs more than `wanted.max_int8_loss` on the validation samples, a copy of the student is fine-tuned
    with simulated int8 and the distillation loss (`fine_tune`); the better of the two files is taken.

    Args:
        student: See `convert`.
        data: Its training samples calibrate. With arrays by the names of the student's inputs, which only calibrate, or
            without data there is no fine-tuning.
        wanted: The quantization, which training samples calibrate it, and when to fine-tune.
        teacher: Guides the fine-tuning; by default the float student.
        distill: Temperature and weight of the labels there; `DistillConfig`'s defaults without it.
        seed: Draws the samples.
        metadata: Whether provenance is written into the file, and with `data` class names and the input's meaning.

    Raises:
        ConfigError: A mode or a choice of samples is unknown.
        DataError: Samples are needed and missing, as for a fine-tuning that was demanded, or do not have the model's
            input shape.
        ModelError: TensorFlow cannot convert the model, or fine-tuning was demanded and is not possible.
    """
    distill = distill or DistillConfig()
    weight = distill.student_loss_weight
    recipe = FineTuning(wanted.qat_epochs, temperature=distill.temperature, student_loss_weight=weight, seed=seed)
    samples, data = (data, None) if isinstance(data, Mapping) else (data, data)
    if data is not None:
        data, teacher = as_student_answers(student, data, teacher)
    if wanted.qat == "always":
        check_demand(student, data)
    content, said = _converted(student, samples, wanted, seed)
    tuning, compression = Tuning(wanted.qat), None
    if wanted.compress != "none":
        if data is None:
            raise DataError(f"no training samples: expected some, to {wanted.compress} with; give them with --data")
        student = compress(student, data, recipe, how=wanted.compress, teacher=teacher)
        plain, (content, said) = content, _converted(student, samples, wanted, seed)
        compression = _compare(plain, content, data, wanted.compress)
    elif data is not None and may_pay(student, data, wanted):
        content, tuning = tuned_if_better(student, data, content, wanted, recipe, teacher, said)
    num_bytes = len(content)
    if metadata:
        provenance = _provenance(student, wanted, seed) | {"fine_tuned": tuning.used}
        content = _described(content, student, data, provenance, said)
    missing, unavailable = _missing_ops(content, student)
    return Export(
        content,
        wanted.quantize,
        tuning,
        compression,
        metadata_bytes=len(content) - num_bytes,
        warnings=tuple(said),
        missing_ops=missing,
        refusals=find_refusals(content),
        unavailable_reason=unavailable,
        metric="accuracy" if data is None else data.task.metric,
    )


def _converted(
    student: keras.Model, samples: Dataset | Mapping[str, np.ndarray] | None, wanted: ConvertConfig, seed: int
) -> tuple[bytes, list[str]]:
    """Return the file of a student, and what was warned of."""
    count, choice = wanted.num_calibration_samples, wanted.calibration
    arrays: Mapping[str, np.ndarray] | np.ndarray | None
    if isinstance(samples, Dataset):
        chosen = choose_samples(kinds_of(samples), num_samples=count, choice=choice, seed=seed)
        arrays, choice = samples.x_train[chosen], "first"
    else:
        arrays = samples
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        content = convert(
            student,
            arrays,
            quantize=wanted.quantize,
            num_calibration_samples=count,
            calibration=choice,
            stream=wanted.stream,
            seed=seed,
        )
    return content, [str(said.message) for said in caught if issubclass(said.category, ConversionWarning)]


def _described(
    content: bytes, student: keras.Model, data: Dataset | None, provenance: dict[str, Any], said: list[str]
) -> bytes:
    """Return a file with its metadata; what looks wrong is added to what is said."""
    if data is None:
        return add_metadata(content, describe(content, None, provenance=provenance))
    named = output_names(student) if data.task.parts else []
    said += unlike(content, data, outputs=named)
    gives_back = reconstructs(student, data)
    if gives_back:
        said.append(f"class names are left out of the metadata: the outputs of {student.name!r} are like its inputs")
    description = describe(content, data, provenance=provenance, classifies=not gives_back, outputs=named)
    return add_metadata(content, description)


def _compare(plain: bytes, content: bytes, data: Dataset, how: str) -> Compression:
    accuracies = file_metric(content, data), file_metric(plain, data)
    return Compression(how, _gzip_bytes(content), _gzip_bytes(plain), *accuracies)


def _gzip_bytes(content: bytes) -> int:
    return len(gzip.compress(content, 9, mtime=0))


def _provenance(student: keras.Model, wanted: ConvertConfig, seed: int) -> dict[str, Any]:
    versions = {"kd-edge": __version__, "tensorflow": tf.__version__, "keras": keras.__version__}
    return {
        "tool": "kd-edge",
        **asdict(wanted),
        "seed": seed,
        "weights_sha256": weights_sha256(student),
        "versions": versions,
    }


def _missing_ops(content: bytes, student: keras.Model) -> tuple[tuple[MissingOp, ...] | None, dict[str, str]]:
    """Return the operators that TFLM lacks, `None` where it could not be asked, and then the reason."""
    try:
        return find_missing_ops(read_model(content), names_of(student)), {}
    except RunnerError as error:
        return None, {"missing_ops": str(error)}
