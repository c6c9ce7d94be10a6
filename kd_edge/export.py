"""Makes the `.tflite` file of a student for a data set: calibrated, described, looked through for TFLM."""

import hashlib
import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import tensorflow as tf

from kd_edge.config import ConvertConfig
from kd_edge.conversion import convert
from kd_edge.data import Dataset
from kd_edge.errors import CalibrationWarning
from kd_edge.metadata import add_metadata, describe
from kd_edge.micro import MissingOp, find_missing_ops
from kd_edge.origins import names_of
from kd_edge.samples import choose_samples
from tflite_bench.errors import RunnerError
from tflite_bench.model import read_model


@dataclass(frozen=True, slots=True)
class Export:
    """A converted student.

    Attributes:
        content: Bytes of the `.tflite` file.
        quantize: How it was quantized.
        metadata_bytes: By how much the description of classes, input and provenance has made the file larger.
        warnings: What looked wrong on the way.
        missing_ops: Operators of the file that TFLM lacks; empty where TFLM cannot be asked.
    """

    content: bytes = field(repr=False)
    quantize: str
    metadata_bytes: int = 0
    warnings: tuple[str, ...] = ()
    missing_ops: tuple[MissingOp, ...] = ()

    def summary(self) -> dict[str, Any]:
        """Return everything but the bytes, as plain data."""
        return {
            "quantize": self.quantize,
            "flash_bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "metadata_bytes": self.metadata_bytes,
            "warnings": list(self.warnings),
            "missing_ops": [asdict(op) for op in self.missing_ops],
        }


def convert_for(
    student: keras.Model, data: Dataset | None, wanted: ConvertConfig, *, seed: int = 0, metadata: bool = True
) -> Export:
    """Convert a student, with calibration samples and class names from its data set.

    Args:
        student: See `convert`.
        data: Its training samples calibrate; without it there is no metadata.
        wanted: The quantization, and which training samples calibrate it.
        seed: Draws them.
        metadata: Whether class names, the meaning of the input and provenance are written into the file.

    Raises:
        ConfigError: A mode or a choice of samples is unknown.
        DataError: Samples are needed and missing, or do not have the model's input shape.
        ModelError: TensorFlow cannot convert the model.
    """
    samples = None
    if data is not None:
        count, choice = wanted.num_calibration_samples, wanted.calibration
        samples = data.x_train[choose_samples(data.y_train, num_samples=count, choice=choice, seed=seed)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CalibrationWarning)
        plain = convert(
            student,
            samples,
            quantize=wanted.quantize,
            num_calibration_samples=wanted.num_calibration_samples,
            seed=seed,
        )
    content = plain
    if data is not None and metadata:
        content = add_metadata(plain, describe(plain, data, provenance=_provenance(student, wanted, seed)))
    return Export(
        content,
        wanted.quantize,
        metadata_bytes=len(content) - len(plain),
        warnings=tuple(str(w.message) for w in caught if issubclass(w.category, CalibrationWarning)),
        missing_ops=_missing_ops(content, student),
    )


def _provenance(student: keras.Model, wanted: ConvertConfig, seed: int) -> dict[str, Any]:
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in student.get_weights())).hexdigest()
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    return {"tool": "kd-edge", **asdict(wanted), "seed": seed, "weights_sha256": weights, "versions": versions}


def _missing_ops(content: bytes, student: keras.Model) -> tuple[MissingOp, ...]:
    try:
        return find_missing_ops(read_model(content), names_of(student))
    except RunnerError:
        return ()
