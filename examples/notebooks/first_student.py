# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first student in ten minutes
#
# A large network (the teacher) learns shoulder exercises from a smartwatch; a small one (the student) learns from it,
# becomes an int8 file, and is checked against a board with a Cortex-M4. The settings here are tiny, so that the page
# runs in a minute or two; `examples/watch.toml` has those that you would use.

# %%
import tempfile
from pathlib import Path

import kd_edge
from kd_edge.config import BudgetConfig, ConvertConfig, DataConfig, DesignConfig, DistillConfig, TeacherConfig

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## What the board allows
#
# `kd-edge devices` lists the boards. Three limits: bytes of flash, bytes of RAM, and time.

# %%
budget = BudgetConfig("nucleo-l4r5zi", flash="64k", ram="24k", latency="15ms")
budget.budget(kd_edge.load_device("nucleo-l4r5zi"))

# %% [markdown]
# ## The whole job
#
# Data, teacher, design, distillation, conversion, verification: one call. It is the same as `kd-edge run` with a TOML
# file, and goes on where it was broken off.

# %%
config = kd_edge.RunConfig(
    DataConfig("watch"),
    budget,
    teacher=TeacherConfig(width=16, epochs=3),
    design=DesignConfig("ds_cnn", trials=1, epochs=1, teacher_ratio=4.0),
    distill=DistillConfig("none", epochs=4),
    convert=ConvertConfig(qat="never"),
)
result = kd_edge.run(config, folder / "run")

# %% [markdown]
# ## What came out
#
# Every limit *holds*, is *broken* or is *not proven*.

# %%
for name, gate in result.stages["verify"]["gates"].items():
    print(f"{name:24} {gate['verdict']}")

# %%
sorted(path.name for path in result.folder.iterdir() if path.is_file())
