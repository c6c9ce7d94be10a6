"""The samples of a command that is given a `.tflite` file, read as the file reads them."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kd_edge.config.choices import MAX_SEED
from kd_edge.errors import DataWarning

if TYPE_CHECKING:
    from kd_edge.data.dataset import Dataset
    from kd_edge.data.options import SourceOptions

# Tasks that labels do not tell.
_NOT_IN_LABELS = ("regression", "reconstruction")


def samples_of(
    model: Path,
    source: str,
    normalize: bool | None,
    seed: int,
    options: "SourceOptions",
    *,
    given: Iterable[Path | None] = (),
    like: Path | None = None,
) -> "Dataset":
    """Return the data as a file says that it reads and answers them, or else as other models do.

    Args:
        model: The `.tflite` file.
        source: As for `load_data`, like the next three.
        normalize: Whether they are scaled by their own mean and deviation; by default as the file says, by its numbers.
        seed: Draws test and validation samples where the source has none; see `seed_of`.
        options: How they are read.
        given: Keras models that read them where the file does not say whether it reads raw values.
        like: Another file that says the task where the first one does not.

    Warns:
        DataWarning: The test samples are drawn by another seed than in the file's training.
    """
    from kd_edge.conversion.metadata import reads_raw_values
    from kd_edge.conversion.told_task import as_told
    from kd_edge.data.loading import load_data
    from tflite_bench.model.reader import read_file

    content = read_file(model)
    raw, task = reads_raw_values(content), _task_in(content)
    if task is None and like is not None:
        task = _task_in(read_file(like))
    models = [path for path in given if path is not None and raw is None]
    wanted = False if normalize is None and raw is not None else normalize
    data = load_data(source, normalize=wanted, seed=seed, options=options, models=models, told_task=task)
    _check_seed(model, seed, data)
    return as_told(content, _scaled_as_told(content, data) if normalize is None else data)


def seed_of(model: Path, seed: int | None) -> int:
    """Return the seed that draws samples for a file: the user's, else that of the file's training, else 0."""
    return (_seed_in(model) or 0) if seed is None else seed


def _seed_in(model: Path) -> int | None:
    from kd_edge.conversion.metadata import read_metadata
    from tflite_bench.model.reader import read_file

    told = (read_metadata(read_file(model)) or {}).get("provenance", {}).get("seed")
    return told if type(told) is int and 0 <= told <= MAX_SEED else None


def _check_seed(model: Path, seed: int, data: "Dataset") -> None:
    from kd_edge.data.splits.drawing import draws_tests

    told = _seed_in(model)
    if told not in (None, seed) and draws_tests(data.description):
        warnings.warn(
            f"{model} was made with seed {told}, and seed {seed} draws other test samples of {data.name}: it may have "
            f"been trained on some of them; take --seed {told}, or data with a test split",
            DataWarning,
            stacklevel=3,
        )


def _scaled_as_told(content: bytes, data: "Dataset") -> "Dataset":
    """Return raw values less the mean that a file tells, divided by its deviation, where it tells them.

    Both are one number for all values or one per channel.
    """
    import numpy as np

    from kd_edge.conversion.metadata import read_metadata
    from kd_edge.data.dataset import scaled
    from kd_edge.reporting.bundle.file_task import file_scale
    from tflite_bench.model.reader import read_model

    told = file_scale(read_metadata(content) or {}, read_model(content))
    if told is None or data.scale is not None or len(told[0]) not in (1, data.input_shape[-1]):
        return data
    return scaled(data, *map(np.asarray, told))


def _task_in(content: bytes) -> str | None:
    """Return what a file says of its task, as in `SourceOptions`; `None` where labels tell it as well."""
    from kd_edge.conversion.told_task import outputs_told, task_told

    if outputs := outputs_told(content):
        return ",".join(f"{name}:{output['task']}" for name, output in outputs.items())
    told = task_told(content)
    return told if told in _NOT_IN_LABELS else None
