"""A teacher that lives elsewhere: the samples that it has to answer, and its answers, checked against them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.targets import are_raw
from kd_edge.errors import DataError
from kd_edge.files import write_file, write_json
from tflite_bench.provenance import Computed

if TYPE_CHECKING:
    from kd_edge.distillation.targets.stored import SoftTargets

SAMPLES, HASHES = "samples.npy", "samples.json"
# Probabilities may have been rounded, to half precision or to digits.
_SUM_TOLERANCE = 5e-2
_TINY = 1e-37
_LEAST_SHARE = 1e-7
# By how many deviations, and by which part of all that is possible, answers have to be better than chance.
_DEVIATIONS, _SHARE = 3.0, 0.25


def asked_samples(data: Dataset) -> np.ndarray:
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
    x = asked_samples(data)
    described = {"num_samples": len(x), "shape": list(x.shape[1:]), "classes": list(data.class_names)}
    described |= {"scale": data.scale, "hashes": _hashes(x)}
    path = write_file(Path(folder) / SAMPLES, lambda partial: _save(partial, x))
    hashes = write_json(Path(folder) / HASHES, described)
    return WrittenSamples(str(path), str(hashes), len(x))


def read_outputs(path: str | Path, data: Dataset) -> "SoftTargets":
    """Return a teacher's outputs for the samples of a data set, from an `.npy` file beside the `samples.json` of these.

    Args:
        path: Of an array of shape `(samples, classes)`: logits, or probabilities, which are told apart by their sums.
        data: The data set whose samples the teacher has answered.

    Raises:
        DataError: A file is missing or no such array; or the answers are of other samples, of another order or number.
    """
    from kd_edge.distillation.targets.fingerprints import fingerprint, slices_of
    from kd_edge.distillation.targets.soft_targets import rows_of_outputs
    from kd_edge.distillation.targets.stored import SoftTargets

    path = Path(path)
    outputs = _read_array(path, data)
    x = asked_samples(data)
    _check_samples(_read_hashes(path.parent / HASHES), x, path)
    if len(outputs) != len(x):
        raise DataError(
            f"bad teacher outputs in {path}: expected a row for each of {len(x)} samples in {SAMPLES}, received "
            f"{len(outputs)}; let the teacher answer all of them"
        )
    logits = _as_logits(outputs, data)
    _check_order(logits[: len(data.y_train)], data, path)
    keys = np.concatenate([fingerprint(batch).numpy() for batch in slices_of(x, 1024)]).view(np.uint64).ravel()
    header: dict[str, Any] = {"version": 1, "teacher": hash_of_outputs(path), "structure": None, "sigmoid": [False]}
    return SoftTargets(rows_of_outputs(keys, [logits]), header | {"shapes": [logits.shape[1:]]}, num_passes=0)


def hash_of_outputs(path: str | Path) -> str:
    """Return the SHA-256 of a file of outputs; empty where there is none."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else ""


def _hashes(x: np.ndarray) -> list[str]:
    rows = np.ascontiguousarray(x, np.float32).reshape(len(x), -1)
    return [hashlib.blake2b(row.tobytes(), digest_size=8).hexdigest() for row in rows]


def _save(path: Path, x: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, x, allow_pickle=False)


def _read_array(path: Path, data: Dataset) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"no teacher outputs: expected an .npy file, found nothing at {path}")
    try:
        outputs: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"bad teacher outputs in {path}: expected an .npy file: {error}") from error
    expected, count = f"(samples, {data.num_outputs})", data.num_outputs
    if isinstance(outputs, np.ndarray) and outputs.ndim and (count == 1 or data.task.kind == "reconstruction"):
        outputs = outputs.reshape(len(outputs), -1)
    if not isinstance(outputs, np.ndarray) or outputs.dtype.kind not in "fiu" or outputs.ndim != 2:
        found = f"{outputs.dtype} of shape {outputs.shape}" if isinstance(outputs, np.ndarray) else "several arrays"
        raise DataError(f"bad teacher outputs in {path}: expected numbers of shape {expected}, received {found}")
    if outputs.shape[1] != count:
        what = "classes" if data.task.kind == "multiclass" else f"outputs ({data.task.kind})"
        raise DataError(
            f"bad teacher outputs in {path}: expected {count} {what}, received {outputs.shape[1]}; the "
            "columns are the classes in the order of their numbers"
        )
    if not np.isfinite(outputs).all():
        raise DataError(f"bad teacher outputs in {path}: expected finite numbers, received NaN or infinity")
    return outputs


def _read_hashes(path: Path) -> Mapping[str, Any]:
    way_out = "`kd-edge samples` writes it together with the samples that the teacher has to answer"
    if not path.is_file():
        raise DataError(f"no {HASHES} beside the teacher outputs: expected it at {path}; {way_out}")
    try:
        described = json.loads(path.read_text())
        return {"num_samples": int(described["num_samples"]), "hashes": [str(text) for text in described["hashes"]]}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is damaged: {error!r}; {way_out}") from error


def _check_samples(asked: Mapping[str, Any], x: np.ndarray, path: Path) -> None:
    """Refuse answers to other samples than those of the data, or to these in another order."""
    was, now = asked["hashes"], _hashes(x)
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


def _as_logits(outputs: np.ndarray, data: Dataset) -> np.ndarray:
    """Return outputs as logits where they are probabilities, and measured values as the data have them."""
    values = outputs.astype(np.float32)
    if data.task.kind in ("binary", "multilabel"):
        return _logits(values) if values.min() >= 0 and values.max() <= 1 else values
    if data.task.kind == "reconstruction" or not data.task.classifies:
        raw = bool(data.task.mean) and are_raw(values[: len(data.y_train)], data)
        return np.asarray((values - data.task.mean) / data.task.deviation, np.float32) if raw else values
    if values.min() < 0 or np.abs(values.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        return values
    return np.asarray(np.log(np.maximum(values, _TINY)))


def _logits(shares: np.ndarray) -> np.ndarray:
    inside = np.clip(shares, _LEAST_SHARE, 1 - _LEAST_SHARE)
    return np.asarray(np.log(inside / (1 - inside)))


def _check_order(logits: np.ndarray, data: Dataset, path: Path) -> None:
    """Refuse answers that are no better than answers in a random order would be."""
    if not data.task.classifies:
        _check_better_than_shuffled(logits, data, path)
        return
    named, labels = data.task.decisions(logits), data.y_train
    shares = [np.bincount(values, minlength=data.num_classes) / len(labels) for values in (named, labels)]
    chance = float((shares[0] * shares[1]).sum())
    right = float((named == labels).mean())
    noise = _DEVIATIONS * float(np.sqrt(chance * (1 - chance) / len(labels)))
    if right > chance + min(noise, _SHARE * (1 - chance)) or chance > 0.999:
        return
    raise DataError(
        f"teacher outputs in {path} are right for {right:.3f} of the training samples, no more than by chance "
        f"({chance:.3f}): expected row i to answer sample i of {SAMPLES}; keep the order of the rows and classes"
    )


def _check_better_than_shuffled(logits: np.ndarray, data: Dataset, path: Path) -> None:
    decisions, targets = data.task.decisions(logits), data.targets("train")
    shuffled = np.random.default_rng(0).permutation(len(decisions))
    gains = data.task.credits(decisions, targets) - data.task.credits(decisions[shuffled], targets)
    if gains.mean() > _DEVIATIONS * gains.std() / np.sqrt(len(gains)):
        return
    raise DataError(
        f"teacher outputs in {path} are no better for the training samples than in a random order: expected row i to "
        f"answer sample i of {SAMPLES}; keep the order of the rows and columns"
    )
