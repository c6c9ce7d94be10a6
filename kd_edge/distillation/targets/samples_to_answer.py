"""The samples that a teacher which lives elsewhere has to answer, and whether its answers are those to them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.errors import DataError
from kd_edge.files import write_file, write_json
from tflite_bench.provenance import Computed

SAMPLES, HASHES = "samples.npy", "samples.json"


def samples_to_answer(data: Dataset) -> np.ndarray:
    """Return the samples that a teacher has to answer, in their order: the training samples, then those without labels.

    Args:
        data: The data set.
    """
    return data.x_train if data.x_unlabeled is None else np.concatenate([data.x_train, data.x_unlabeled])


@dataclass(frozen=True, slots=True)
class WrittenSamples:
    """The samples that a teacher has to answer, written.

    Attributes:
        samples: Path of `samples.npy`: float32 of shape `(samples, ...)`, as the student sees them.
        hashes: Path of `samples.json`: a hash of every sample in their order, the names of the classes, and the mean
            and deviation that scaled the samples.
        num_samples: How many.
    """

    samples: str
    hashes: str
    num_samples: Computed[int]


def write_samples(data: Dataset, folder: str | Path) -> WrittenSamples:
    """Write the samples that a teacher has to answer, and the file that its answers are checked by.

    Args:
        data: The data set.
        folder: Made if missing.
    """
    x = samples_to_answer(data)
    described = {"num_samples": len(x), "shape": list(x.shape[1:]), "classes": list(data.class_names)}
    described |= {"scale": data.scale, "hashes": _hashes(x)}
    path = write_file(Path(folder) / SAMPLES, lambda partial: _save(partial, x))
    hashes = write_json(Path(folder) / HASHES, described)
    return WrittenSamples(str(path), str(hashes), len(x))


def check_samples(x: np.ndarray, path: Path) -> None:
    """Refuse answers to other samples than those of the data, or to these in another order.

    Args:
        x: The samples to answer, from `samples_to_answer`.
        path: Of the answers; `samples.json` is beside them.

    Raises:
        DataError: They are of other samples, or there is no `samples.json`, or it is damaged.
    """
    was, now = _read_hashes(path.parent / HASHES)["hashes"], _hashes(x)
    way_out = "use the same --data, --seed and scaling as for `kd-edge samples`, or ask the teacher anew"
    if len(was) != len(now):
        raise DataError(
            f"teacher outputs in {path} are of other samples: expected {len(now)}, received {len(was)}; {way_out}"
        )
    if was == now:
        return
    if sorted(was) == sorted(now):
        place = next(i for i, (one, other) in enumerate(zip(was, now, strict=True)) if one != other)
        raise DataError(
            f"teacher outputs in {path} are of the same samples in another order: expected sample {place} at row "
            f"{place}, received it at row {was.index(now[place])}; {way_out}"
        )
    same = len(set(was) & set(now))
    raise DataError(
        f"teacher outputs in {path} are of other samples: expected those of the data, received {same} of {len(now)}; "
        f"{way_out}"
    )


def _hashes(x: np.ndarray) -> list[str]:
    rows = np.ascontiguousarray(x, np.float32).reshape(len(x), -1)
    return [hashlib.blake2b(row.tobytes(), digest_size=8).hexdigest() for row in rows]


def _save(path: Path, x: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, x, allow_pickle=False)


def _read_hashes(path: Path) -> Mapping[str, Any]:
    way_out = "`kd-edge samples` writes it together with the samples that the teacher has to answer"
    if not path.is_file():
        raise DataError(f"no {HASHES} beside the teacher outputs: expected it at {path}; {way_out}")
    try:
        described = json.loads(path.read_text())
        return {"num_samples": int(described["num_samples"]), "hashes": [str(text) for text in described["hashes"]]}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is damaged: {error!r}; {way_out}") from error
