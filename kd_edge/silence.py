"""Keeps what libraries print out of the user's terminal."""

import contextlib
import functools
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

_LOGGERS = ("absl", "tensorflow")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed inside, also from C++ and by other threads; errors come as exceptions and pass."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with tempfile.TemporaryFile() as log, contextlib.redirect_stdout(io.StringIO()):
        saved = os.dup(1), os.dup(2)
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield
        finally:
            for target, copy in enumerate(saved, start=1):
                os.dup2(copy, target)
                os.close(copy)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def load_tensorflow() -> None:
    """Import TensorFlow and Keras without their greetings, and keep their warnings to themselves from then on.

    For the command line: a script that uses the package decides for itself.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"keras|keras_tuner|tensorflow")
    with quiet():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@functools.cache
def say(sentence: str) -> None:
    """Tell the user something that needs no decision, in one line on stderr, and once."""
    print(f"note: {sentence}", file=sys.stderr)
