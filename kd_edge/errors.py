"""The errors that kd_edge raises on purpose; their base is shared with tflite_bench, which it works with."""

import difflib
import re
import zipfile
import zlib
from collections.abc import Iterable

from tflite_bench.errors import ConfigError, KdEdgeError

__all__ = [
    "UNREADABLE",
    "BudgetError",
    "CalibrationWarning",
    "ConfigError",
    "ConversionWarning",
    "DataError",
    "DataWarning",
    "KdEdgeError",
    "MissingDependencyError",
    "ModelError",
    "RefusedError",
    "TrainingWarning",
    "found_instead",
    "nearest",
    "reason_in",
]

# What reading of a zip or HDF5 file, and of JSON in it, raises where it is damaged, encrypted, or another file.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_COLORS = re.compile(r"\x1b\[\d*m")


class DataError(KdEdgeError, ValueError):
    """Samples or labels cannot be used."""


class ModelError(KdEdgeError, ValueError):
    """A Keras model or a `.tflite` file cannot be read, lowered, converted or run."""


class RefusedError(ModelError):
    """A `.tflite` file of the right form that no runtime runs, or that answers no numbers: the verdict is "broken"."""


class BudgetError(KdEdgeError, ValueError):
    """No network of the space fits the budget."""


class MissingDependencyError(KdEdgeError, ImportError):
    """An optional dependency is needed for what was asked."""


class ConversionWarning(UserWarning):
    """Something about a conversion looks wrong."""


class CalibrationWarning(ConversionWarning):
    """The samples that calibrate a quantization look wrong."""


class DataWarning(UserWarning):
    """Something about samples looks wrong."""


class TrainingWarning(UserWarning):
    """Something about a training looks wrong."""


def found_instead(error: OSError) -> str:
    """Return what was found where a file was expected.

    >>> found_instead(FileNotFoundError(2, "No such file or directory"))
    'found nothing there'
    """
    if isinstance(error, FileNotFoundError):
        return "found nothing there"
    return "found a folder" if isinstance(error, IsADirectoryError) else f"could not open it ({error.strerror})"


def reason_in(error: BaseException) -> str:
    """Return why something failed in one line; Keras' errors begin with where it did, and end with all arguments.

    >>> reason_in(ValueError("Exception encountered when calling Dense.call().\\n\\n\\x1b[1mbad shape\\x1b[0m"))
    'bad shape'
    """
    lines = [line for line in _COLORS.sub("", str(error)).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        lines = lines[1:]
    return lines[0].strip() if lines else type(error).__name__


def nearest(word: object, known: Iterable[str], *, listed: str | None = None) -> str:
    """Return a hint that names the known word nearest to `word` in whatever case, or all known words.

    Args:
        word: What was received.
        known: What might have been meant.
        listed: Said in place of all known words where these are too many for a line.

    >>> nearest("flahs", ["flash", "ram"])
    "did you mean 'flash'?"
    >>> nearest("x", ["flash", "ram"])
    'known: flash, ram'
    """
    choices = sorted(known)
    lower = {choice.lower(): choice for choice in choices}
    if close := difflib.get_close_matches(str(word).lower(), lower, n=1):
        return f"did you mean {lower[close[0]]!r}?"
    return listed or f"known: {', '.join(choices)}"
