"""The samples of a command that is given a `.tflite` file, read as the file reads them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

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
        normalize: Whether they are scaled; by default as the file says.
        seed: Draws validation samples.
        options: How they are read.
        given: Keras models that read them where the file does not say whether it reads raw values.
        like: Another file that says the task where the first one does not.
    """
    from kd_edge.conversion.metadata import reads_raw_values
    from kd_edge.conversion.told_task import as_told
    from kd_edge.data.dataset import unscaled
    from kd_edge.data.loading import load_data
    from tflite_bench.model.reader import read_file

    content = read_file(model)
    raw, task = reads_raw_values(content), _task_in(content)
    if task is None and like is not None:
        task = _task_in(read_file(like))
    models = [path for path in given if path is not None and raw is None]
    data = load_data(source, normalize=normalize, seed=seed, options=options, models=models, told_task=task)
    return as_told(content, unscaled(data) if raw and normalize is None else data)


def _task_in(content: bytes) -> str | None:
    """Return what a file says of its task, as in `SourceOptions`; `None` where labels tell it as well."""
    from kd_edge.conversion.told_task import outputs_told, task_told

    if outputs := outputs_told(content):
        return ",".join(f"{name}:{output['task']}" for name, output in outputs.items())
    told = task_told(content)
    return told if told in _NOT_IN_LABELS else None
