"""The code of `docs/augmentation.md` runs."""

import re
from pathlib import Path

import pytest

from kd_edge.distillation.augmentation import registry  # noqa: F401 - registers
from kd_edge.distillation.augmentation.base import registered_augmentations

CODE = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[4] / "docs" / "augmentation.md").read_text(), re.S)


@pytest.mark.parametrize("code", CODE)
def test_the_code_of_the_page_runs(code, monkeypatch):
    monkeypatch.setattr("kd_edge.distillation.augmentation.base._REGISTERED", registered_augmentations())
    exec(compile(code, "augmentation.md", "exec"), {"__name__": "page"})


def test_the_page_names_every_augmentation():
    page = (Path(__file__).parents[4] / "docs" / "augmentation.md").read_text()
    assert [name for name in registered_augmentations() if f'| `"{name}"` |' not in page] == []
