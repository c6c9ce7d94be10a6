"""Whether a student is fine-tuned for int8, and which of the two files is taken."""

from dataclasses import replace

import keras

from kd_edge.clone.inference_clone import has_state
from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.fine_tuning.qat import fine_tune
from kd_edge.conversion.fine_tuning.student_task import reconstructs
from kd_edge.conversion.fine_tuning.tf_keras_copy import FineTuning, answers_task, asked_outputs, output_shapes
from kd_edge.conversion.quality import file_metric, keras_metric
from kd_edge.conversion.results import Tuning
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.outputs.decisions import answers_probabilities
from kd_edge.errors import DataError, KdEdgeError, ModelError

# Of a loss: 0.71 - 0.705 is 0.005, and no more.
_DECIMALS = 12


def may_pay(student: keras.Model, data: Dataset, wanted: ConvertConfig) -> bool:
    """Return whether a fine-tuning is asked for, and the student can have one for the task of the data."""
    asked = wanted.quantize == "int8" and wanted.qat != "never" and not reconstructs(student, data)
    return asked and answers_task(student, data) and not has_state(student)


def check_demand(student: keras.Model, data: Dataset | None) -> None:
    """Refuse a fine-tuning that was demanded and would be left out."""
    if data is None:
        raise DataError("no training samples: expected some, to fine-tune with (qat 'always'); give them with --data")
    if not answers_task(student, data):
        raise ModelError(
            f"no quantization-aware training of {student.name!r}: expected {asked_outputs(data)}, "
            f"received {output_shapes(student)}; convert without it (--qat never)"
        )
    if has_state(student):
        raise ModelError(
            f"no quantization-aware training of {student.name!r}: expected samples that do not depend on each other, "
            "received a stateful layer; convert without it (--qat never)"
        )
    if reconstructs(student, data):
        raise ModelError(
            f"no quantization-aware training of {student.name!r}: expected outputs for {data.num_classes} classes, "
            "received some that are like its inputs; say the task (--data-option task=reconstruction), or convert "
            "without it (--qat never)"
        )


def tuned_if_better(
    student: keras.Model,
    data: Dataset,
    content: bytes,
    wanted: ConvertConfig,
    recipe: FineTuning,
    teacher: keras.Model | None,
    said: list[str],
) -> tuple[bytes, Tuning]:
    """Return the better file, and why it is; whatever fails on the way, the plain one is there.

    Args:
        student: The float student.
        data: Samples in its task.
        content: The plain file.
        wanted: When to fine-tune.
        recipe: How.
        teacher: Guides it; `None` for the float student.
        said: Warnings, to which those on the way are added.

    Raises:
        KdEdgeError: The fine-tuning was demanded and failed.
    """
    before = Tuning(wanted.qat)
    try:
        probabilities = answers_probabilities(student, data)
        float_accuracy = keras_metric(student, data)
        int8_accuracy = file_metric(content, data, probabilities=probabilities)
        before = replace(before, float_accuracy=float_accuracy, int8_accuracy=int8_accuracy)
        if wanted.stream is not None:
            cost = f"{float_accuracy - int8_accuracy:.1%} of the validation samples"
            said.append(f"the step of a stream is never fine-tuned for int8; int8 costs {cost}")
            return content, before
        if wanted.qat == "auto" and round(float_accuracy - int8_accuracy, _DECIMALS) <= wanted.max_int8_loss:
            return content, before
        tuned = fine_tune(student, data, recipe, teacher=teacher)
        tuned_accuracy = file_metric(tuned.content, data, probabilities=probabilities)
    except Exception as error:
        known = error if isinstance(error, KdEdgeError) else _unexpected(student, error)
        if wanted.qat == "always":
            raise known from error
        said.append(str(known))
        return content, before
    used = wanted.qat == "always" or tuned_accuracy > int8_accuracy
    after = replace(before, used=used, tuned_accuracy=tuned_accuracy, seconds=tuned.seconds)
    return (tuned.content if used else content), after


def _unexpected(student: keras.Model, error: Exception) -> ModelError:
    reason = next(iter(str(error).strip().splitlines()), "")
    return ModelError(
        f"no quantization-aware training of {student.name!r}: its copy in tf_keras or tensorflow-model-optimization "
        f"failed with {type(error).__name__}: {reason}; convert without it (--qat never)"
    )
