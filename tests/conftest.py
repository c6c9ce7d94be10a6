"""Fixtures for all tests."""

import json
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from kd_edge.silence import say

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True)
def unknown_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as where nobody says how wide they may be, whatever the terminal of the tests."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def nothing_said_before() -> None:
    """What is said once is said in each test, whatever another said of a network of the same name."""
    say.cache_clear()


@pytest.fixture(scope="session")
def shared_path() -> Path:
    """The folder of reference data beside the checkout; skips where it is missing."""
    path = Path(os.environ.get("KD_EDGE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "groundtruth").is_dir():
        pytest.skip(f"reference data not found: {path} has no folder groundtruth (set KD_EDGE_SHARED)")
    return path


def waves(num_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy sine waves of four frequencies, shape (samples, 32, 3), and which frequency each has."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_samples) % 4
    time = np.arange(32)[:, None] / 32 + rng.random((num_samples, 1, 3))
    signals = np.sin(2 * np.pi * (labels + 1)[:, None, None] * time)
    return (signals + 0.3 * rng.normal(size=signals.shape)).astype("float32"), labels


@pytest.fixture(scope="session")
def waves_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set that a small network learns within a few epochs, as an `.npz` file."""
    arrays: dict[str, np.ndarray] = {}
    for seed, (split, count) in enumerate((("train", 320), ("val", 80), ("test", 80))):
        arrays[f"x_{split}"], arrays[f"y_{split}"] = waves(count, seed)
    path = tmp_path_factory.mktemp("data") / "waves.npz"
    np.savez(path, **arrays, class_names=np.array(["one", "two", "three", "four"]))
    return path


@pytest.fixture(scope="session")
def check_document() -> Callable[[dict[str, Any]], None]:
    """Raise unless a document follows the schema that the package ships."""
    text = resources.files("kd_edge.reporting").joinpath("schemas/document.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text)).validate
