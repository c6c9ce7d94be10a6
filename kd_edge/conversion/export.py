"""Makes the `.tflite` file of a student for a data set: calibrated, described, looked through for TFLM."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge import __version__
from kd_edge.clone.layer_names import names_of
from kd_edge.config.stages import ConvertConfig, DistillConfig
from kd_edge.conversion.calibration_samples import choose_samples, kinds_of
from kd_edge.conversion.converter import arrays_or_drawn, convert
from kd_edge.conversion.fidelity import LARGE_NRMSE, output_nrmse
from kd_edge.conversion.fine_tuning.attempt import check_demand, may_pay, tuned_if_better
from kd_edge.conversion.fine_tuning.compression import compress
from kd_edge.conversion.fine_tuning.student_task import as_student_answers, reconstructs
from kd_edge.conversion.fine_tuning.tf_keras_copy import FineTuning
from kd_edge.conversion.metadata import add_metadata, describe, unlike, weights_sha256
from kd_edge.conversion.quality import file_metric
from kd_edge.conversion.results import Compression, Export, Tuning, zipped_bytes
from kd_edge.conversion.tflm_support import MissingOp, find_missing_ops
from kd_edge.cost.refusals import find_refusals
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.regression import differing
from kd_edge.distillation.outputs.decisions import answers_probabilities
from kd_edge.errors import ConversionWarning, DataError
from kd_edge.ir.output_names import output_names
from tflite_bench.errors import RunnerError
from tflite_bench.model.reader import read_model

# Samples, and which of them calibrate.
_Calibration = tuple[np.ndarray | Mapping[str, np.ndarray] | None, str]


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
    with simulated int8 and the distillation loss (`fine_tune`); the better of the two files is taken. The file is run
    on calibration samples, without `data` on random ones, and compared with the student.

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
        ModelError: TensorFlow cannot convert the model, or the file fails on calibration samples; or fine-tuning was
            demanded and is not possible.
    """
    distill = distill or DistillConfig()
    weight = distill.student_loss_weight
    recipe = FineTuning(wanted.qat_epochs, temperature=distill.temperature, student_loss_weight=weight, seed=seed)
    samples, data = (data, None) if isinstance(data, Mapping) else (data, data)
    if data is not None:
        data, teacher = as_student_answers(student, data, teacher)
    if wanted.qat == "always":
        check_demand(student, data)
    calibration = _calibrating(samples, wanted, seed)
    made = _Made(student, *_converted(student, calibration, wanted, seed), Tuning(wanted.qat))
    if wanted.compress != "none":
        made = _compressed(made, data, wanted, recipe, teacher, calibration)
    elif data is not None and may_pay(student, data, wanted):
        content, tuning = tuned_if_better(student, data, made.content, wanted, recipe, teacher, made.said)
        made = replace(made, content=content, tuning=tuning)
    return _export(made, data, wanted, calibration, seed=seed, metadata=metadata)


@dataclass(frozen=True)
class _Made:
    """A file with the student that it was made of, and what was warned of on the way."""

    student: keras.Model
    content: bytes
    said: list[str]
    tuning: Tuning
    compression: Compression | None = None


def _calibrating(samples: Dataset | Mapping[str, np.ndarray] | None, wanted: ConvertConfig, seed: int) -> _Calibration:
    """Return the samples that calibrate, and which of them: of a data set they are chosen here, by their labels."""
    if not isinstance(samples, Dataset):
        return samples, wanted.calibration
    count = wanted.num_calibration_samples
    chosen = choose_samples(kinds_of(samples), num_samples=count, choice=wanted.calibration, seed=seed)
    return samples.x_train[chosen], "first"


def _converted(
    student: keras.Model, calibration: _Calibration, wanted: ConvertConfig, seed: int
) -> tuple[bytes, list[str]]:
    """Return the file of a student, and what was warned of."""
    arrays, choice = calibration
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        content = convert(
            student,
            arrays,
            quantize=wanted.quantize,
            num_calibration_samples=wanted.num_calibration_samples,
            calibration=choice,
            stream=wanted.stream,
            seed=seed,
        )
    return content, [str(said.message) for said in caught if issubclass(said.category, ConversionWarning)]


def _compressed(
    plain: _Made,
    data: Dataset | None,
    wanted: ConvertConfig,
    recipe: FineTuning,
    teacher: keras.Model | None,
    calibration: _Calibration,
) -> _Made:
    if data is None:
        raise DataError(f"no training samples: expected some, to {wanted.compress} with; give them with --data")
    student = compress(plain.student, data, recipe, how=wanted.compress, teacher=teacher)
    content, said = _converted(student, calibration, wanted, recipe.seed)
    probabilities = answers_probabilities(plain.student, data)
    accuracies = (file_metric(file, data, probabilities=probabilities) for file in (content, plain.content))
    gain = Compression(wanted.compress, zipped_bytes(content), zipped_bytes(plain.content), *accuracies)
    return replace(plain, student=student, content=content, said=said, compression=gain)


def _export(
    made: _Made,
    data: Dataset | None,
    wanted: ConvertConfig,
    calibration: _Calibration,
    *,
    seed: int,
    metadata: bool,
) -> Export:
    """Return the file with its metadata, and what is known of it."""
    content, said = made.content, made.said
    nrmse, unavailable = _nrmse(made, data, calibration)
    if metadata:
        provenance = _provenance(made.student, wanted, seed) | {"fine_tuned": made.tuning.used}
        content = _described(content, made.student, data, provenance, said)
    missing, unknown_ops = _missing_ops(content, made.student)
    return Export(
        content,
        wanted.quantize,
        made.tuning,
        made.compression,
        metadata_bytes=len(content) - len(made.content),
        warnings=tuple(said),
        missing_ops=missing,
        refusals=find_refusals(content),
        unavailable_reason=unavailable | unknown_ops,
        metric="accuracy" if data is None else data.task.metric,
        output_nrmse=nrmse,
    )


def _nrmse(made: _Made, data: Dataset | None, calibration: _Calibration) -> tuple[float | None, dict[str, str]]:
    """Return how far the file is from its student, `None` with the reason; of a large difference something is said."""
    if made.tuning.used:
        return None, {"output_nrmse": "the weights of the file were fine-tuned: it computes something else"}
    try:
        samples, values = arrays_or_drawn(made.student, calibration[0]), _measured_values(made.student, data)
        found = output_nrmse(made.content, made.student, samples, values=values)
    except RunnerError as error:
        return None, {"output_nrmse": f"LiteRT does not run the file: {error}"}
    if found is None:
        return None, {"output_nrmse": "the student gives the same number for all samples, or none that is finite"}
    if found > LARGE_NRMSE:
        made.said.insert(
            0,
            "the file's outputs are far from the student's; `kd-edge verify` tells what that costs, and which op adds "
            "the noise",
        )
    return found, {}


def _measured_values(student: keras.Model, data: Dataset | None) -> dict[int, np.ndarray]:
    """Return which numbers of the student's outputs are measured values that differ, by the output's place."""
    if data is None:
        return {}
    parts = [data.by_output.get(name) for name in output_names(student)] if data.task.parts else [data]
    wanted = [(i, part) for i, part in enumerate(parts) if part is not None and part.task.kind == "regression"]
    return {i: differing(part.y_train) for i, part in wanted if student.outputs[i].shape[-1] == part.num_outputs}


def _described(
    content: bytes, student: keras.Model, data: Dataset | None, provenance: dict[str, Any], said: list[str]
) -> bytes:
    """Return a file with its metadata; what looks wrong is added to what is said."""
    if data is None:
        return add_metadata(content, describe(content, None, provenance=provenance))
    named = output_names(student) if data.task.parts else []
    left_out, gives_back = unlike(content, data, outputs=named), reconstructs(student, data)
    said += left_out
    if gives_back:
        said.append(f"class names are left out of the metadata: the outputs of {student.name!r} are like its inputs")
    description = describe(
        content,
        data,
        provenance=provenance,
        classifies=not gives_back,
        outputs=named,
        probabilities=None if left_out or gives_back else answers_probabilities(student, data),
    )
    return add_metadata(content, description)


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
