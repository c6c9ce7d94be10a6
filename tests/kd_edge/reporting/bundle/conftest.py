"""Bundles of a small residual network, each made once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kd_edge.reporting.bundle.from_file import write_file_bundle
from kd_edge.reporting.bundle.results import Bundle

MODEL = Path(__file__).parents[3] / "data" / "residual_int8.tflite"


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """Returns the bundle of the network for a tool chain."""
    made: dict[str, Bundle] = {}

    def make(tool: str) -> Bundle:
        if tool not in made:
            made[tool] = write_file_bundle(MODEL, tmp_path_factory.mktemp(tool), tool=tool)
        return made[tool]

    return make
