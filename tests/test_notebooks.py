"""The notebooks of examples/ do what they tell, and each is kept as text beside its .ipynb form."""

from pathlib import Path

import jupytext
import nbclient
import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
NAMES = ("first_student", "own_teacher_and_images", "keywords_to_firmware", "reading_a_report")


def test_each_notebook_has_its_pair_without_outputs():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(NAMES)
    for name in NAMES:
        text, stored = (jupytext.read(FOLDER / f"{name}.{ending}") for ending in ("py", "ipynb"))
        assert [cell.source for cell in text.cells] == [cell.source for cell in stored.cells]
        assert all(cell.outputs == [] for cell in stored.cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name):
    notebook = jupytext.read(FOLDER / f"{name}.py")
    resources = {"metadata": {"path": str(FOLDER)}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    assert any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")
