"""Small real models, made by tests/data/make_models.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def model_path() -> Callable[[str], Path]:
    """Returns the path of a model by its name."""
    return lambda name: DATA / f"{name}.tflite"


@pytest.fixture(scope="session")
def model_bytes() -> Callable[[str], bytes]:
    """Returns the bytes of a model by its name."""
    return lambda name: (DATA / f"{name}.tflite").read_bytes()
