"""The code that the documentation shows runs as it is shown; test_extending.py and test_readme.py run the rest."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "extending.md")
# What a reader has before the lines of a page: small networks and samples, everything real.
BEFORE = """
import keras, kd_edge, numpy as np, kd_edge.distillation
from kd_edge.data import Dataset
from kd_edge.search.oracles import BudgetOracle as MyOracle

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(48, 12, 12, 1)).astype("float32"), np.arange(48) % 3
x_val, y_val, more, person = x[:24], y[:24], x[:12], np.arange(48) % 8
splits = {f"{name}_{split}": part for split in ("train", "val", "test") for name, part in (("x", x), ("y", y))}
data = Dataset("small", **splits, class_names=("a", "b", "c"), group_train=person)
def network(width):
    layers = [keras.layers.Conv2D(width, 3, strides=2, activation="relu"), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((12, 12, 1)), *layers, keras.layers.Dense(3)])
teacher, student = network(32), network(4)
losses = keras.distillation.LogitsDistillation(2.0)
distiller = kd_edge.Distiller(teacher, student, losses, trainee="like_teacher")
distiller.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
measure_somehow = lambda port, model, count: [1.0] * count
"""
# Each block starts from what the reader has and what the blocks before it on the page made.
RUN = """
import pathlib, sys
before = compile(pathlib.Path("before.py").read_text(), "before.py", "exec")
for page in sys.argv[1:]:
    names = {}
    for block in sorted(pathlib.Path(page).iterdir()):
        exec(before, names)
        exec(compile(block.read_text(), str(block), "exec"), names)
    print(page)
"""


def write_blocks(page: Path, folder: Path) -> bool:
    """Write the code of a page as files into a folder of its name; tell whether there is any."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    for number, code in enumerate(blocks):
        (folder / page.stem).mkdir(exist_ok=True)
        (folder / page.stem / f"block_{number:02}.py").write_text(code)
    return bool(blocks)


@pytest.mark.slow
def test_the_code_of_every_page_runs(tmp_path: Path) -> None:
    pages = [page.stem for page in PAGES if write_blocks(page, tmp_path)]
    shutil.copy(ROOT / "tests" / "data" / "residual_int8.tflite", tmp_path / "model.tflite")
    (tmp_path / "before.py").write_text(BEFORE)
    done = subprocess.run(
        [sys.executable, "-c", RUN, *pages], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stdout.splitlines() if line in pages] == pages
