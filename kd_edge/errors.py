"""The errors that kd_edge raises on purpose."""

import difflib
from collections.abc import Iterable


class KdEdgeError(Exception):
    """Base class of every error that kd_edge raises on purpose.

    Its message is one line: what happened, what was expected, what was received, and the way out.
    The command line prints it and exits with code 2.
    """


class ConfigError(KdEdgeError, ValueError):
    """A setting, a device profile or an argument is wrong."""


class DataError(KdEdgeError, ValueError):
    """Samples or labels cannot be used."""


class ModelError(KdEdgeError, ValueError):
    """A Keras model or a `.tflite` file cannot be read, lowered, converted or run."""


class BudgetError(KdEdgeError, ValueError):
    """No network of the space fits the budget."""


class MissingDependencyError(KdEdgeError, ImportError):
    """An optional dependency is needed for what was asked."""


class CalibrationWarning(UserWarning):
    """The samples that calibrate a quantization look wrong."""


def found_instead(error: OSError) -> str:
    """Return what was found where a file was expected.

    >>> found_instead(FileNotFoundError(2, "No such file or directory"))
    'found nothing there'
    """
    if isinstance(error, FileNotFoundError):
        return "found nothing there"
    return "found a folder" if isinstance(error, IsADirectoryError) else f"could not open it ({error.strerror})"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to `word`, or all known words.

    >>> nearest("flahs", ["flash", "ram"])
    "did you mean 'flash'?"
    >>> nearest("x", ["flash", "ram"])
    'known: flash, ram'
    """
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(choices)}"
