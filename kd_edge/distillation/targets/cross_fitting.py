"""Targets for each sample from a teacher that has not seen it."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kd_edge.compat.tensorflow import release_traced_graphs
from kd_edge.data.dataset import check_counts
from kd_edge.data.splits.folds import fold_numbers
from kd_edge.distillation.targets.architecture import architecture_of
from kd_edge.distillation.targets.fingerprints import fingerprint, slices_of
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError, DataError
from kd_edge.files import check_writable

_KEY = "cross_fitting"


def cross_fitted_targets(
    build: Callable[[], keras.Model],
    x: Any,
    y: np.ndarray,
    *,
    train: Callable[[keras.Model, Any, np.ndarray], object],
    folds: "int | np.ndarray" = 5,
    groups: np.ndarray | None = None,
    x_unlabeled: Any = None,
    directory: str | Path | None = None,
    seed: int = 0,
    views: int | None = None,
    augment: str = "none",
    strength: float = 1.0,
) -> SoftTargets:
    """Train a teacher per fold without the samples of that fold, and keep what it says about just those.

    For a teacher that knows its samples by heart, whose outputs for them are little more than the labels
    (`teacher_information`), where teachers are about as good on samples that they have not seen: their errors are
    taught, too (`docs/teaching.md`). It costs as many trainings as there are folds. Identical samples come into one
    fold where the folds are drawn without groups.

    Cross-fitting is the method of T. Dao, G. Kamath, V. Syrgkanis, L. Mackey, "Knowledge Distillation as Semiparametric
    Inference", ICLR 2021, arXiv 2104.09732.

    Args:
        build: Returns an untrained teacher; called once per fold, after Keras' random seed was set to `seed` plus the
            fold's place, so that a training that is done again gives the same teacher.
        x: Training samples: an array, or a structure of arrays.
        y: Their labels, integers, shape `(samples,)`.
        train: Called with a teacher and the samples and labels that it may see; trains it in place.
        folds: How many, at least 2; or the number of each sample's fold.
        groups: An integer per sample, such as its person: a teacher then has seen no sample of the same group. Defaults
            to `None`: each fold has its share of each class.
        x_unlabeled: Samples without labels. No teacher has seen them; their targets are the mean of all teachers'
            logits, which is a better guess than that of any one.
        directory: Folder for a file of targets per fold; a fold whose file is there is not trained again. It belongs to
            one way of training: `train` cannot be compared, so another one needs another folder. Defaults to `None`: in
            memory alone.
        seed: Draws the folds and, where there are any, the views.
        views: As for `soft_targets`, as are the next two.
        augment: Name of what changes the samples; any but `"mixup"`, which mixes a sample with those of other folds.
        strength: Of the changes.

    Returns:
        Targets for all samples, as one teacher's.

    Raises:
        ConfigError: Fewer than 2 folds, or views of mixup; or the folder cannot be written to.
        DataError: The samples cannot be parted in such folds, or a file is of other samples, folds or networks.

    Example:

    ```python
    def train(model, x, y):
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, epochs=9)

    targets = cross_fitted_targets(
        lambda: kd_edge.distillation.build_teacher(data.input_shape, data.num_outputs),
        data.x_train,
        data.y_train,
        groups=data.group_train,
        train=train,
    )
    distiller = kd_edge.Distiller(targets, student, keras.distillation.LogitsDistillation(2.0))
    ```
    """
    if views is not None and augment == "mixup":
        raise ConfigError(
            "no views of 'mixup' by cross-fitting: each would mix a sample with one that its teacher has seen; "
            "expected another augmentation"
        )
    stored = {} if views is None else {"views": views, "augment": augment, "strength": strength, "seed": seed}
    numbers, shaped_by = _folds_of(x, y, folds, groups, seed)
    answers = []
    for place, fold in enumerate(np.unique(numbers).tolist()):
        keras.utils.set_random_seed(seed + place)
        teacher, seen = build(), numbers != fold
        made_by = _hash(shaped_by, stored, architecture_of(teacher), [weight.shape for weight in teacher.weights])
        shown = [_Shown.of(_rows(x, ~seen), directory, f"fold-{fold}", made_by)]
        if x_unlabeled is not None:
            shown.append(_Shown.of(x_unlabeled, directory, f"fold-{fold}-unlabeled", made_by))
        kept = _kept(shown)
        if kept is None:
            for one in shown:
                one.check()
            train(teacher, _rows(x, seen), y[seen])
            kept = [_ask(teacher, samples, stored) for samples in shown]
        answers.append(kept)
    return _joined(*zip(*answers, strict=True))


def _folds_of(
    x: Any, y: np.ndarray, folds: "int | np.ndarray", groups: np.ndarray | None, seed: int
) -> tuple[np.ndarray, str]:
    """Return the number of each sample's fold, and a hash of samples, labels and folds."""
    leaf = keras.tree.flatten(x)[0]
    check_counts(leaf, y, "train", "cross-fitting")
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"bad labels for cross-fitting: expected integers of shape (samples,), received {y.dtype} of shape "
            f"{y.shape}; one-hot labels: pass y.argmax(axis=1); other tasks have no classes to draw folds by: leave "
            "the folds out"
        )
    keys = _fingerprints(x)
    if groups is None and not np.ndim(folds):
        _, first, twin = np.unique(keys, return_index=True, return_inverse=True)
        numbers = fold_numbers(y[first], folds, seed=seed)[twin]
    else:
        numbers = fold_numbers(y, folds, groups=groups, seed=seed)
    return numbers, _hash(keys.tobytes(), y.astype(np.int64).tobytes(), numbers.tobytes(), seed)


class _Shown(NamedTuple):
    """Samples that a teacher is asked about.

    Attributes:
        samples: An array, or a structure of arrays.
        path: File of the targets, if any.
        key: Hash of all that shaped them, but for the training.
    """

    samples: Any
    path: Path | None
    key: str

    @classmethod
    def of(cls, samples: Any, directory: str | Path | None, name: str, made_by: str) -> "_Shown":
        path = None if directory is None else Path(directory) / f"{name}.npy"
        return cls(samples, path, _hash(made_by, _fingerprints(samples).tobytes()))

    def check(self) -> None:
        """Check that the file can be written."""
        if self.path is not None:
            check_writable(self.path)


def _kept(shown: list[_Shown]) -> list[SoftTargets] | None:
    """Return the targets of a fold where all its files are there."""
    if any(path is None or not path.exists() for _, path, _ in shown):
        return None
    kept = []
    for _, path, key in shown:
        targets = SoftTargets.load(path or "")
        if targets.header.get(_KEY) != key:
            raise DataError(
                f"{path} is of other samples, labels, folds, views or networks; choose another directory, or delete "
                "the file"
            )
        kept.append(targets)
    return kept


def _ask(teacher: keras.Model, shown: _Shown, stored: Mapping[str, Any]) -> SoftTargets:
    targets = soft_targets(teacher, shown.samples, **stored)
    release_traced_graphs()  # or every teacher would stay in memory
    if shown.path is not None:
        targets.header[_KEY] = shown.key
        targets.save(shown.path)
    return targets


def _joined(left_out: tuple[SoftTargets, ...], *unlabeled: tuple[SoftTargets, ...]) -> SoftTargets:
    """Return the folds' targets, followed by the mean of all teachers' for the samples without labels."""
    header = {**left_out[0].header, "teacher": _hash(*(part.header["teacher"] for part in left_out))}
    header.pop(_KEY, None)
    rows = [part.rows for part in left_out] + [_mean([part.rows for part in parts]) for parts in unlabeled]
    return SoftTargets(np.concatenate(rows), header, num_passes=max(part.num_passes for part in left_out))


def _mean(rows: list[np.ndarray]) -> np.ndarray:
    """Return the same samples' rows with the mean of all teachers' logits."""
    mean = rows[0].astype(np.result_type(*(part.dtype for part in rows)))
    for name in mean.dtype.names or ():
        if name.startswith("output_"):
            mean[name] = np.mean([part[name] for part in rows], axis=0, dtype=np.float32)
    return mean


def _fingerprints(x: Any) -> np.ndarray:
    """Return a number per sample by which it is known."""
    return np.concatenate([fingerprint(batch).numpy() for batch in slices_of(x, 1024)]).view(np.uint64).ravel()


def _rows(x: Any, rows: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda leaf: leaf[rows], x)


def _hash(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()
