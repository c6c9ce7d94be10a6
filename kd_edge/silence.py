"""Keeps what libraries print out of the user's terminal."""

import contextlib
import functools
import io
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from kd_edge.errors import ConfigError

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

    Keras builds what the costs are of, whatever its `keras.json` says: float32, the channels last.

    For the command line: a script that uses the package decides for itself.

    Raises:
        ConfigError: Keras would run on another backend.
    """
    check_backend(_backend_to_be())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"keras|keras_tuner|tensorflow")
    with quiet():
        import keras
        import tensorflow  # noqa: F401
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def load_for_data(source: str) -> None:
    """Do as `load_tensorflow` before samples are read from a folder, whose images Keras may read.

    Args:
        source: As for `load_data`.
    """
    if os.path.isdir(source):
        load_tensorflow()


def check_backend(backend: str) -> None:
    """Refuse another backend of Keras than TensorFlow.

    Args:
        backend: Its name, as `keras.backend.backend()` tells it.

    Raises:
        ConfigError: It is another one.
    """
    if backend != "tensorflow":
        raise ConfigError(
            f"Keras runs on another backend: expected 'tensorflow', received {backend!r}; set the environment variable "
            "KERAS_BACKEND=tensorflow before Keras is imported"
        )


def _backend_to_be() -> str:
    """Return the backend that Keras will choose: that of `KERAS_BACKEND`, or else of the user's `keras.json`."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    folder = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")
    try:
        return str(json.loads(Path(folder, "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


@functools.cache
def say(sentence: str) -> None:
    """Tell the user something that needs no decision, in one line on stderr, and once."""
    print(f"note: {sentence}", file=sys.stderr)
