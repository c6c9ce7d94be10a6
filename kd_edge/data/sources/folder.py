"""Data from a folder: images or recordings of sound by class, or arrays in `.npy` files."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.arrays import ARRAY_OPTIONS, dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources import images, sounds
from kd_edge.data.sources.class_folders import walk
from kd_edge.data.sources.registry import DataSource
from kd_edge.errors import DataError


def _load(text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
    folder = Path(text)
    if any(folder.glob("*.npy")):
        options.check_known(ARRAY_OPTIONS, text)
        return dataset_of(folder.resolve().name, _arrays(folder), text, normalize, seed, options)
    endings = {os.path.splitext(name)[1].lower() for _, _, names in walk(folder) for name in names}
    has_images, has_sounds = endings & set(images.ENDINGS), endings & set(sounds.ENDINGS)
    if has_images and has_sounds:
        raise DataError(
            f"bad data in {folder}: expected images or recordings, received both "
            f"({', '.join(sorted(has_images | has_sounds))}); put them into different folders"
        )
    if has_sounds:
        options.check_known(sounds.OPTIONS, text)
        return sounds.load_sounds(text, normalize, seed, options)
    if has_images:
        options.check_known(images.OPTIONS, text)
        return images.load_images(text, normalize, seed, options)
    raise DataError(
        f"bad data in {folder}: expected folders by class with images ({', '.join(images.ENDINGS)}) or .wav files, or "
        f"arrays such as x_train.npy, received {', '.join(sorted(filter(None, endings))[:10]) or 'no files'}"
    )


def _arrays(folder: Path) -> dict[str, Any]:
    """Return the arrays of a folder by their files' names, mapped into memory; nothing is unpickled."""
    arrays = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            arrays[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"bad data in {path}: expected an array of plain numbers, received {error}") from error
    return arrays


SOURCE = DataSource(
    "a folder of images or .wav files by class",
    lambda text: os.path.isdir(text or "."),
    _load,
    options=tuple(dict.fromkeys((*images.OPTIONS, *sounds.OPTIONS, *ARRAY_OPTIONS))),
)
