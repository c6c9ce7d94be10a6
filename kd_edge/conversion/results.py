"""What a conversion found, with and without the file."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from kd_edge.conversion.tflm_support import MissingOp
from tflite_bench.model.runtime_support import Refusal
from tflite_bench.provenance import Measured


@dataclass(frozen=True, slots=True)
class Tuning:
    """Whether int8 needed quantization-aware training; accuracies are the task's metric on the validation samples.

    Attributes:
        mode: `"auto"`, `"always"` or `"never"`.
        used: Whether the file is that of the fine-tuned student.
        float_accuracy: Of the float student; `None` where it was not asked.
        int8_accuracy: Of the file without fine-tuning.
        tuned_accuracy: Of the file after fine-tuning, `None` without one.
        seconds: Time of the fine-tuning.
    """

    mode: str
    used: bool = False
    float_accuracy: Measured[float | None] = None
    int8_accuracy: Measured[float | None] = None
    tuned_accuracy: Measured[float | None] = None
    seconds: Measured[float | None] = None


@dataclass(frozen=True, slots=True)
class Compression:
    """What a compression gave; sizes without metadata, the task's metric of the files on the validation samples.

    Attributes:
        how: `"prune"` or `"cluster"`.
        gzip_bytes: Size of the zipped file.
        uncompressed_gzip_bytes: Size of the zipped file of the student as it was.
        accuracy: Of the file.
        uncompressed_accuracy: Of the file of the student as it was.
    """

    how: str
    gzip_bytes: Measured[int]
    uncompressed_gzip_bytes: Measured[int]
    accuracy: Measured[float]
    uncompressed_accuracy: Measured[float]


@dataclass(frozen=True, slots=True)
class ConversionSummary:
    """A conversion without its file.

    Attributes:
        quantize: How the file was quantized.
        flash_bytes: Its size.
        gzip_bytes: Its size zipped.
        sha256: Its hash.
        metadata_bytes: By how much the description of classes, input and provenance has made it larger.
        warnings: What looked wrong on the way.
        missing_ops: Its operators that TFLM lacks; `None` where TFLM could not be asked.
        refusals: What TFLM refuses of the file, by rules where it is not installed.
        qat: Whether and why quantization-aware training was done.
        compression: What a compression gave, `None` without one.
        unavailable_reason: Why a figure is `None`, by the figure's name.
        metric: What the accuracies of `qat` and `compression` are; see `Task.metric`.
        output_nrmse: By how much its outputs differ from the student's on calibration samples: root mean square over
            the standard deviation; `None` where it was fine-tuned or not run.
    """

    quantize: str
    flash_bytes: Measured[int]
    gzip_bytes: Measured[int]
    sha256: str
    metadata_bytes: Measured[int]
    warnings: tuple[str, ...]
    missing_ops: tuple[MissingOp, ...] | None
    refusals: tuple[Refusal, ...]
    qat: Tuning
    compression: Compression | None
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)
    metric: str = "accuracy"
    output_nrmse: Measured[float | None] = None


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
        output_nrmse: By how much the file's outputs differ from the student's, see `output_nrmse`.
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
    output_nrmse: float | None = None

    def summary(self) -> ConversionSummary:
        """Return everything but the bytes."""
        return ConversionSummary(
            quantize=self.quantize,
            flash_bytes=len(self.content),
            gzip_bytes=zipped_bytes(self.content),
            sha256=hashlib.sha256(self.content).hexdigest(),
            metadata_bytes=self.metadata_bytes,
            warnings=self.warnings,
            missing_ops=self.missing_ops,
            refusals=self.refusals,
            unavailable_reason=self.unavailable_reason,
            qat=self.qat,
            compression=self.compression,
            metric=self.metric,
            output_nrmse=self.output_nrmse,
        )


def zipped_bytes(content: bytes) -> int:
    """Return the size of a file zipped by gzip.

    Args:
        content: Bytes of the file.
    """
    return len(gzip.compress(content, 9, mtime=0))
