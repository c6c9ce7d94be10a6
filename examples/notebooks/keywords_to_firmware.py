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
# # Keywords to firmware
#
# Recordings of words become a file that a microcontroller runs, and a project that checks it there.
# `examples/keywords.py` makes the recordings: words are rows of vowels and hisses, each speaker has a pitch and a size.

# %%
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import kd_edge

examples = next(path for path in (Path.cwd(), *Path.cwd().parents) if (path / "keywords.py").is_file())
sys.path.insert(0, str(examples))
from keywords import write_recordings  # noqa: E402

folder = Path(tempfile.mkdtemp())
recordings = write_recordings(folder, speakers=10, repeats=2)

# %% [markdown]
# ## Features and speakers
#
# Sounds become features by TFLM's own audio front end, so that the board computes the very same ones. The pattern in
# the configuration keeps each speaker in one of training, validation and test.

# %%
config = kd_edge.load_config(examples / "keywords.toml")
config = replace(
    config,
    data=replace(config.data, source=str(recordings)),
    teacher=replace(config.teacher, width=8, epochs=2),
    design=replace(config.design, trials=1, epochs=1, teacher_ratio=2.0),
    distill=replace(config.distill, epochs=2, trainee="none"),
    convert=replace(config.convert, qat="never"),
)
result = kd_edge.run(config, folder / "run")
print(result.results.data.input_shape, result.results.data.class_names)

# %% [markdown]
# ## The project
#
# C and C++ sources with the network, the front end's settings, the arena's size and ten test vectors; `tool` may be
# `"arduino"`, `"esp-idf"`, `"zephyr"` or `"platformio"`, too.

# %%
bundle = kd_edge.write_bundle(folder / "run", tool="cmake")
print(f"tensor arena: {bundle.tensor_arena_bytes:,} B")
for name in bundle.files:
    print(name)
