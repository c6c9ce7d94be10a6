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
# # Your own teacher and images
#
# A folder of images by class and a Keras model that you have trained: `examples/images_from_folder.py` writes both,
# from the digits of scikit-learn. Its teacher has a nested base model with a new head, as transfer learning leaves it.

# %%
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import kd_edge
from kd_edge.data.options import SourceOptions

examples = next(path for path in (Path.cwd(), *Path.cwd().parents) if (path / "images_from_folder.py").is_file())
sys.path.insert(0, str(examples))
from images_from_folder import train_teacher, write_images  # noqa: E402

folder = Path(tempfile.mkdtemp())
images = write_images(folder, count=500)
train_teacher(images, folder / "digits_teacher.keras", epochs=4)

# %% [markdown]
# ## What kd-edge reads of them
#
# Pixels stay as they are, because a `Rescaling` is inside of the teacher.

# %%
options = SourceOptions(image_size=[16, 16])
data = kd_edge.load_data(images, models=[folder / "digits_teacher.keras"], options=options)
print(data.input_shape, data.num_classes, "classes,", len(data.x_train), "training images")

# %% [markdown]
# ## A student of this teacher
#
# The configuration of the example, with less of everything.

# %%
config = kd_edge.load_config(examples / "images_from_folder.toml")
config = replace(
    config,
    data=replace(config.data, source=str(images)),
    teacher=replace(config.teacher, path=str(folder / "digits_teacher.keras")),
    design=replace(config.design, trials=1, epochs=1),
    distill=replace(config.distill, epochs=3),
    convert=replace(config.convert, qat="never"),
)
result = kd_edge.run(config, folder / "run")

# %%
found = result.results
print(f"teacher {found.teacher.macs:,} MACs, student {found.design.chosen.cost.macs:,} MACs")
print(result.stages["verify"]["accuracy"])
