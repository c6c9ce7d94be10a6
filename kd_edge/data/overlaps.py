"""Samples and groups that stand in more than one split: what is measured on them is too good."""

import hashlib
import warnings
from dataclasses import replace

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.storage import chunks
from kd_edge.errors import DataWarning

_WORDS = {"train": "training", "val": "validation", "test": "test"}
# What a split should have nothing of: training samples are learnt, validation samples choose what is kept.
_EARLIER = {"val": ("train",), "test": ("train", "val")}


def overlaps(data: Dataset) -> tuple[str, ...]:
    """Return what splits share that should share nothing, a sentence each.

    Args:
        data: The data set. Samples are the same where all their values are.
    """
    keys = {split: _keys(getattr(data, f"x_{split}")) for split in _WORDS}
    said = []
    for split, others in _EARLIER.items():
        for other in others:
            known = set(keys[other])
            if count := sum(key in known for key in keys[split]):
                said.append(f"{count} of {len(keys[split])} {_WORDS[split]} samples are {_WORDS[other]} samples too")
    trained, tested = data.group_train, data.group_test
    if trained is not None and tested is not None and (shared := np.intersect1d(trained, tested)).size:
        said.append(f"{shared.size} of {np.unique(tested).size} groups of the test samples are in training too")
    return tuple(said)


def with_overlaps_told(data: Dataset) -> Dataset:
    """Return a data set whose description says what its splits share, and warn of it.

    Warns:
        DataWarning: Splits share samples or groups.
    """
    said = overlaps(data)
    if not said:
        return data
    warnings.warn(f"{data.name}: {'; '.join(said)}: figures on them are too good", DataWarning, stacklevel=3)
    return replace(data, description="; ".join(filter(None, (data.description, *said))))


def _keys(samples: np.ndarray) -> list[bytes]:
    keys: list[bytes] = []
    for chunk in chunks(samples):
        rows = np.ascontiguousarray(samples[chunk])
        values = rows.reshape(len(rows), -1).view(np.uint8)
        keys += [hashlib.blake2b(row.data, digest_size=16).digest() for row in values]
    return keys
