"""The answers of a teacher that lives elsewhere, checked against the samples."""

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.sources.npz import read_npz
from kd_edge.data.targets import are_raw
from kd_edge.distillation.targets.samples_to_answer import SAMPLES, check_samples, samples_to_answer
from kd_edge.errors import DataError
from kd_edge.files import content_digest

if TYPE_CHECKING:
    from kd_edge.distillation.targets.stored import SoftTargets

# Probabilities may have been rounded, to half precision, to digits or to 8 bits: then a class is off by up to 1/512.
_SUM_TOLERANCE, _OFF_PER_CLASS = 5e-2, 1 / 512
_ROUNDED = 1e-3
_TINY = 1e-37
_LEAST_SHARE = 1e-7
# By how many deviations, and by which part of all that is possible, answers have to be better than chance.
_DEVIATIONS, _SHARE = 3.0, 0.25


def read_outputs(path: str | Path, data: Dataset) -> "SoftTargets":
    """Return a teacher's outputs for the samples of a data set, from a file beside the `samples.json` of these.

    Args:
        path: Of an `.npy` file of shape `(samples, classes)`: logits, or probabilities, which are told apart by their
            sums. Of data with several outputs an `.npz` file with such an array for each, by its name.
        data: The data set whose samples the teacher has answered.

    Raises:
        DataError: A file is missing or no such array; or the answers are of other samples, of another order or number.
    """
    from kd_edge.distillation.targets.fingerprints import fingerprint, slices_of
    from kd_edge.distillation.targets.soft_targets import rows_of_outputs
    from kd_edge.distillation.targets.stored import SoftTargets

    path, x = Path(path), samples_to_answer(data)
    answers = _read_each(path, data) if data.task.parts else [(_read(path), data, str(path))]
    checked = [(_checked(array, part, source), part, source) for array, part, source in answers]
    check_samples(x, path)
    logits = [_answers_to(x, array, part, source) for array, part, source in checked]
    keys = np.concatenate([fingerprint(batch).numpy() for batch in slices_of(x, 1024)]).view(np.uint64).ravel()
    header: dict[str, Any] = {"version": 1, "teacher": content_digest(path), "sigmoid": [False] * len(logits)}
    header["structure"] = sorted(data.task.names) if data.task.parts else None
    header["shapes"] = [output.shape[1:] for output in logits]
    return SoftTargets(rows_of_outputs(keys, logits), header, num_passes=0)


def _read(path: Path) -> np.ndarray:
    if not os.path.isfile(path):
        raise DataError(f"no teacher outputs: expected an .npy file, found nothing at {path}")
    try:
        outputs: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"bad teacher outputs in {path}: expected an .npy file: {error}") from error
    if not isinstance(outputs, np.ndarray):
        raise DataError(f"bad teacher outputs in {path}: expected one array, an .npy file, received several")
    return outputs


def _read_each(path: Path, data: Dataset) -> list[tuple[np.ndarray, Dataset, str]]:
    """Return the array of each output, in the order of their names, the data that it answers, and where it is from."""
    arrays = read_npz(path)
    if set(arrays) != set(data.task.names):
        raise DataError(
            f"bad teacher outputs in {path}: expected an array for each output of the data, "
            f"{', '.join(sorted(data.task.names))}, received {', '.join(sorted(arrays)) or 'none'}"
        )
    return [(arrays[name], part, f"{path}, output {name!r}") for name, part in sorted(data.by_output.items())]


def _checked(outputs: np.ndarray, data: Dataset, source: str) -> np.ndarray:
    """Return a row of numbers for each sample, float32."""
    expected, count = f"(samples, {data.num_outputs})", data.num_outputs
    if outputs.ndim and len(outputs) and (count == 1 or data.task.kind == "reconstruction"):
        outputs = outputs.reshape(len(outputs), -1)
    if outputs.dtype.kind not in "fiu" or outputs.ndim != 2:
        found = f"{outputs.dtype} of shape {outputs.shape}"
        raise DataError(f"bad teacher outputs in {source}: expected numbers of shape {expected}, received {found}")
    if outputs.shape[1] != count:
        what = "classes" if data.task.kind == "multiclass" else f"outputs ({data.task.kind})"
        raise DataError(
            f"bad teacher outputs in {source}: expected {count} {what}, received {outputs.shape[1]}; the "
            "columns are the classes in the order of their numbers"
        )
    answers_logits = data.task.classifies or data.task.kind == "multilabel"
    if answers_logits and outputs.dtype.kind in "iu" and not np.isin(outputs, (0, 1)).all():
        raise DataError(
            f"bad teacher outputs in {source}: expected logits or probabilities, received whole numbers, "
            f"{outputs.dtype} from {outputs.min()} to {outputs.max()}; scale them as the network that made them does"
        )
    with np.errstate(over="ignore"):  # what is too large is infinite then
        values = outputs.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError(
            f"bad teacher outputs in {source}: expected finite numbers, received NaN, infinity or numbers that float32 "
            "does not hold"
        )
    return values


def _answers_to(x: np.ndarray, outputs: np.ndarray, data: Dataset, source: str) -> np.ndarray:
    """Return the logits, or values, that a teacher has answered the samples with."""
    if len(outputs) != len(x):
        raise DataError(
            f"bad teacher outputs in {source}: expected a row for each of {len(x)} samples in {SAMPLES}, received "
            f"{len(outputs)}; let the teacher answer all of them"
        )
    logits = _as_logits(outputs, data, source)
    _check_order(logits[: len(data.y_train)], data, source)
    return logits


def _as_logits(values: np.ndarray, data: Dataset, source: str) -> np.ndarray:
    """Return outputs as logits where they are probabilities, and measured values as the data have them."""
    if data.task.kind in ("binary", "multilabel"):
        return _logits_of_each(values, source)
    if data.task.kind == "reconstruction" or not data.task.classifies:
        raw = bool(data.task.mean) and are_raw(values[: len(data.y_train)], data)
        return np.asarray((values - data.task.mean) / data.task.deviation, np.float32) if raw else values
    return _logits_of_one(values, source)


def _logits_of_one(values: np.ndarray, source: str) -> np.ndarray:
    """Return logits of classes of which one is right; refuse what is neither that nor probabilities."""
    sums, tolerance = values.sum(axis=1), max(_SUM_TOLERANCE, _OFF_PER_CLASS * values.shape[1])
    are_shares = values.min() >= -_ROUNDED and values.max() <= 1 + _ROUNDED
    if are_shares and np.abs(sums - 1).max() <= tolerance:
        return np.asarray(np.log(np.maximum(values, _TINY)))
    all_alike = len(sums) > 1 and np.abs(sums).min() > 1 and np.ptp(sums) <= tolerance * np.abs(sums).min()
    are_scaled = values.min() >= -_ROUNDED or bool((values == np.rint(values)).all())
    if are_shares or (all_alike and are_scaled):
        raise DataError(
            f"bad teacher outputs in {source}: expected logits, or probabilities that sum to 1, received numbers from "
            f"{values.min():g} to {values.max():g} whose rows sum to {sums.min():g} to {sums.max():g}; give what the "
            "softmax answers, or what goes into it"
        )
    return values


def _logits_of_each(values: np.ndarray, source: str) -> np.ndarray:
    """Return logits of labels that may hold together; refuse what is neither that nor probabilities."""
    if values.min() < -_ROUNDED:
        return values
    if values.max() > 1 + _ROUNDED:
        raise DataError(
            f"bad teacher outputs in {source}: expected logits, negative where a label does not hold, or probabilities "
            f"from 0 to 1, received numbers from {values.min():g} to {values.max():g}; give what the sigmoid answers, "
            "or what goes into it"
        )
    inside = np.clip(values, _LEAST_SHARE, 1 - _LEAST_SHARE)
    return np.asarray(np.log(inside / (1 - inside)))


def _check_order(logits: np.ndarray, data: Dataset, source: str) -> None:
    """Refuse answers that are no better than answers in a random order would be."""
    if not data.task.classifies:
        _check_better_than_shuffled(logits, data, source)
        return
    named, labels = data.task.decisions(logits), data.y_train
    shares = [np.bincount(values, minlength=data.num_classes) / len(labels) for values in (named, labels)]
    chance = float((shares[0] * shares[1]).sum())
    right = float((named == labels).mean())
    noise = _DEVIATIONS * float(np.sqrt(chance * (1 - chance) / len(labels)))
    if right > chance + min(noise, _SHARE * (1 - chance)) or chance > 0.999:
        return
    raise DataError(
        f"teacher outputs in {source} are right for {right:.3f} of the training samples, no more than by chance "
        f"({chance:.3f}): expected row i to answer sample i of {SAMPLES}; keep the order of the rows and classes"
    )


def _check_better_than_shuffled(logits: np.ndarray, data: Dataset, source: str) -> None:
    decisions, targets = data.task.decisions(logits), data.targets("train")
    shuffled = np.random.default_rng(0).permutation(len(decisions))
    gains = data.task.credits(decisions, targets) - data.task.credits(decisions[shuffled], targets)
    if gains.mean() > _DEVIATIONS * gains.std() / np.sqrt(len(gains)):
        return
    raise DataError(
        f"teacher outputs in {source} are no better for the training samples than in a random order: expected row i to "
        f"answer sample i of {SAMPLES}; keep the order of the rows and columns"
    )
