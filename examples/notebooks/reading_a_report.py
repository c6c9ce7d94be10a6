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
# # Reading a report
#
# What a run says about its student, and how sure it is of it. The data are noisy waves of four frequencies.

# %%
import json
import tempfile
from pathlib import Path

import numpy as np

import kd_edge
from kd_edge.config import BudgetConfig, ConvertConfig, DataConfig, DesignConfig, DistillConfig, TeacherConfig


def waves(count, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    time = np.arange(32)[:, None] / 32 + rng.random((count, 1, 3))
    signals = np.sin(2 * np.pi * (labels + 1)[:, None, None] * time)
    return (signals + 0.3 * rng.normal(size=signals.shape)).astype("float32"), labels


folder = Path(tempfile.mkdtemp())
(x_train, y_train), (x_test, y_test) = waves(320, 0), waves(80, 1)
np.savez(folder / "waves.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
config = kd_edge.RunConfig(
    DataConfig(str(folder / "waves.npz")),
    BudgetConfig("nucleo-l4r5zi", flash="64k", ram="24k", latency="15ms"),
    teacher=TeacherConfig(width=16, epochs=4, batch_size=32),
    design=DesignConfig(trials=2, epochs=2, teacher_ratio=5.0),
    distill=DistillConfig("none", epochs=6, batch_size=32),
    convert=ConvertConfig(qat="never"),
)
result = kd_edge.run(config, folder / "run")

# %% [markdown]
# ## The summary
#
# `summary.txt` is what the command prints; `report.html` is the same with charts, in one file.

# %%
print("\n".join((folder / "run" / "summary.txt").read_text().splitlines()[:30]))

# %% [markdown]
# ## How a figure was had
#
# Every figure of `results.json` was *measured*, *computed*, *calibrated*, *estimated* or *given*, and one that could
# not be had says why.

# %%
document = json.loads((folder / "run" / "results.json").read_text())
kinds = {name: kind for name, kind in document["provenance"].items() if name.startswith("verify.measured")}
kinds, document["result"]["verify"]["unavailable_reason"]

# %% [markdown]
# ## How sure a verdict is
#
# A limit holds where the whole interval of its figure keeps it; 80 test samples leave a wide interval of an accuracy.

# %%
for name, gate in document["result"]["verify"]["gates"].items():
    print(f"{name:24} {gate['verdict']!s:12} measured {gate['measured']} limit {gate['limit']}")

# %% [markdown]
# ## With a teacher and without
#
# The same student is trained alone as well: a gain that lies within its interval is none.

# %%
document["result"]["baseline"]["distillation_gain"]
