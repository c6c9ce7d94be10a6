"""Runs a teacher once over samples, or over changed forms of them, and keeps what it says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.distillation.arguments import as_count, as_temperature
from kd_edge.distillation.outputs.logits import ends_in_sigmoid, ends_in_softmax, sigmoid_to_logits, to_logits
from kd_edge.distillation.targets.file import read_rows
from kd_edge.distillation.targets.fingerprints import batches_of, fingerprint, hash_of
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.targets.views import Views
from kd_edge.errors import ConfigError, DataError
from kd_edge.files import check_writable
from kd_edge.ir.output_names import keys_in_order

_LARGEST_HALF = float(np.finfo(np.float16).max)
# Of the values' standard deviation: by how much half precision may be off. Logits stay below it.
_LARGEST_ERROR = 1e-2
# Of the largest value: the standard deviation of values that differ only as single precision rounds them.
_ALIKE = 1e-6


def soft_targets(
    teacher: keras.Model,
    x: Any,
    *,
    path: str | Path | None = None,
    batch_size: int = 256,
    top_k: int | None = None,
    temperature: float = 4.0,
    views: int | None = None,
    augment: str = "none",
    strength: float = 1.0,
    seed: int = 0,
) -> SoftTargets:
    """Run a teacher once over samples, or once per view, and keep its logits, as float16.

    Values that float16 would round by a hundredth of their standard deviation, or does not hold, are kept as float32.

    Args:
        teacher: A trained network. Where it ends in a softmax, the logits are recovered up to a constant, where in
            sigmoids exactly.
        x: Samples: arrays, or a `tf.data.Dataset` of batches `x`, `(x, y)` or `(x, y, sample_weight)`.
        path: An `.npy` file to read them from if it exists, and to write otherwise. Defaults to `None`: in memory.
        batch_size: Samples per step of the teacher.
        top_k: Keep only the largest logits; the others are replaced by one value that has their total probability at
            `temperature`. Defaults to `None`: all.
        temperature: Only with `top_k`: of the loss in which the targets will be used.
        views: How many changed forms of each sample the teacher sees; beside the logits the seed of each is kept, so
            that training makes exactly that form again and never asks the teacher. Defaults to `None`: the samples
            unchanged.
        augment: With `views`: name of what changes the samples, see `make_augmentation`.
        strength: With `views`: of the changes.
        seed: With `views`: the seeds of all views follow from it.

    Returns:
        The targets. From a file, they are read when needed.

    Raises:
        DataError: The file is stale, the samples are no arrays or none that the teacher takes, there are none, or no
            end of them.
        ConfigError: A number means nothing; the augmentation is unknown, does not fit the samples, or cannot make a
            sample again; or the file cannot be written.

    Example:

    ```python
    targets = kd_edge.soft_targets(teacher, x_train, path="targets.npy")
    distiller = kd_edge.Distiller(targets, student, keras.distillation.LogitsDistillation(4.0))
    ```
    """
    wanted = None if views is None else Views.of(views, augment, strength=strength, seed=seed)
    if top_k is not None:
        top_k = as_count("top_k", top_k, "at least 1")
    temperature = as_temperature(temperature)
    batch_size = as_count("batch_size", batch_size, "at least 1")
    if path is not None and Path(path).exists():
        kept = SoftTargets.load(path, teacher=teacher, x=x, views=wanted)
        _check_largest(kept, top_k, temperature, path)
        return kept
    if path is not None:
        check_writable(path)
    if top_k is not None and any(ends_in_sigmoid(teacher)):
        raise ConfigError(
            "no top_k of labels that hold together: expected a teacher that ends in logits or a softmax, received "
            "sigmoids; leave top_k out"
        )
    rows, header = _ask(teacher, x, batch_size, wanted, lambda output, i: _columns(output, i, top_k, temperature))
    header |= _largest(header["shapes"], top_k, temperature)
    targets = SoftTargets(rows, header, num_passes=views or 1)
    if path is None:
        return targets
    targets.save(path)
    return SoftTargets(read_rows(path), header, num_passes=views or 1)


def _largest(shapes: Sequence[Sequence[int]], top_k: int | None, temperature: float) -> dict[str, Any]:
    """Return what a header says of logits that are not all kept; nothing where they are."""
    if top_k is None or all(top_k >= shape[-1] for shape in shapes):
        return {}
    return {"top_k": top_k, "temperature": temperature}


def _check_largest(kept: SoftTargets, top_k: int | None, temperature: float, path: object) -> None:
    """Check that a file holds as many logits as are asked for; of older files only those with all say how many.

    Raises:
        DataError: It holds more or less, or the rest for another temperature.
    """
    unknown = {} if kept.is_dense else dict.fromkeys(("top_k", "temperature"), "unknown")
    held = unknown | {name: kept.header[name] for name in ("top_k", "temperature") if name in kept.header}
    wanted = _largest(kept.shapes, top_k, temperature)
    if held != wanted:
        expected, received = (
            ", ".join(f"{name}={value}" for name, value in side.items()) or "all" for side in (wanted, held)
        )
        raise DataError(
            f"{path} holds other logits: expected {expected}, received {received}; choose another path, or delete the "
            "file"
        )


def _ask(
    teacher: keras.Model,
    x: Any,
    batch_size: int,
    views: Views | None,
    columns_of: Callable[[np.ndarray, int], dict[str, np.ndarray]],
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the rows and their header."""
    softmax, structure, sigmoid = None, None, ends_in_sigmoid(teacher)
    # Keras' predict would run every replica of a distribution strategy on the whole batch.
    run = tf.function(lambda batch: teacher(batch, training=False), reduce_retracing=True)
    keys, seeds, batches = [], [], []
    for batch, drawn, forms in _shown(x, batch_size, views):
        given = [_answer(run, teacher, form) for form in forms]
        if softmax is None:
            softmax = ends_in_softmax(teacher, batch)
        sigmoid = sigmoid if len(sigmoid) == len(softmax) else [None] * len(softmax)
        answers = [sigmoid_to_logits(to_logits(answer, softmax), sigmoid) for answer in given]
        structure = _structure(answers[0])
        flat = zip(*(keras.tree.flatten(answer) for answer in answers), strict=True)
        keys.append(fingerprint(batch).numpy())
        seeds.append(drawn)
        batches.append([np.stack([np.asarray(view, np.float32) for view in output], axis=1) for output in flat])
    if not keys:
        raise DataError("no samples to run the teacher on: expected at least one, received none")
    outputs = [np.concatenate(column) for column in zip(*batches, strict=True)]
    header = {"version": 1, "teacher": hash_of(teacher), "structure": structure, "sigmoid": sigmoid}
    header["shapes"] = [output.shape[2:] for output in outputs]
    columns = {"key": np.concatenate(keys).view(np.uint64).ravel()}
    if views is None:
        outputs = [output[:, 0] for output in outputs]
    else:
        header |= {"version": 2, "views": views.to_dict()}
        columns["seed"] = np.concatenate(seeds)
    for i, output in enumerate(outputs):
        columns |= columns_of(output, i)
    return _records(columns), header


def _answer(run: Callable[[Any], Any], teacher: keras.Model, samples: Any) -> Any:
    """Return what the teacher says of samples.

    Raises:
        DataError: It does not take such.
    """
    try:
        return run(samples)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        taken = ", ".join(str(tuple(each.shape)) for each in getattr(teacher, "inputs", None) or ())
        shown = ", ".join(f"{leaf.dtype} of shape {tuple(leaf.shape)}" for leaf in keras.tree.flatten(samples))
        raise DataError(
            f"the teacher cannot run on the samples: expected batches of shape {taken or 'that it takes'}, received "
            f"{shown}; pass samples as the teacher takes them"
        ) from error


def _shown(x: Any, batch_size: int, views: Views | None) -> Iterator[tuple[Any, np.ndarray, Iterator[Any]]]:
    """Yield batches, the seeds of their views, shape `(batch, views)`, and what the teacher is shown of each."""
    if views is None:
        for batch in batches_of(x, batch_size):
            yield batch, np.empty(0, np.uint32), iter([batch])
        return
    if isinstance(x, tf.data.Dataset) and views.augment == "mixup":
        raise DataError("views of mixup need all samples at once: expected arrays, received a tf.data.Dataset")
    numbers, augmentation = np.random.default_rng(views.seed), views.augmentation
    everything: Any = None
    change = tf.function(lambda batch, seeds: views.changed(batch, seeds, everything), reduce_retracing=True)
    for batch in batches_of(x, batch_size):
        if keras.tree.is_nested(batch):
            raise ConfigError("an augmentation changes one array of samples: expected one input, received several")
        if everything is None and views.augment == "mixup":
            everything = tf.convert_to_tensor(x)  # or all samples would become part of the graph
        batch = tf.cast(batch, tf.float32)
        augmentation.check(tuple(batch.shape[1:]))
        seeds = numbers.integers(0, 2**32, (len(batch), views.num_views), np.uint32)
        yield batch, seeds, (change(batch, tf.constant(column, tf.int64)) for column in seeds.T)


def _columns(output: np.ndarray, i: int, top_k: int | None, temperature: float) -> dict[str, np.ndarray]:
    num_classes = output.shape[-1]
    if top_k is None or top_k >= num_classes:
        return {f"output_{i}": _halved(output)}
    order = np.argsort(-output, axis=-1)
    classes, others = order[..., :top_k], order[..., top_k:]
    rest = np.take_along_axis(output, others, -1).astype(np.float64) / temperature
    peak = rest.max(axis=-1)
    mean = np.log(np.exp(rest - peak[..., None]).mean(axis=-1)) + peak
    return {
        f"values_{i}": _halved(np.take_along_axis(output, classes, -1)),
        f"classes_{i}": classes.astype(np.uint16 if num_classes <= 65536 else np.uint32),
        f"rest_{i}": _halved(mean * temperature),
    }


def rows_of_outputs(keys: np.ndarray, outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the rows of `SoftTargets` for outputs that were computed elsewhere.

    Args:
        keys: Fingerprints of the samples, uint64.
        outputs: Of every output the logits, shape `(samples, classes)`.
    """
    return _records({"key": keys, **{f"output_{i}": _halved(output) for i, output in enumerate(outputs)}})


def _halved(output: np.ndarray) -> np.ndarray:
    """Return outputs in half precision; in single precision those that are too large for it, or too close together."""
    if not np.abs(output).max() < _LARGEST_HALF:
        return output.astype(np.float32)
    halves = output.astype(np.float16)
    spread, error = output.std(axis=0, dtype=np.float64), np.abs(halves - output).max(axis=0)
    differ = spread > _ALIKE * np.abs(output).max(axis=0)
    return output.astype(np.float32) if (differ & (error > _LARGEST_ERROR * spread)).any() else halves


def _records(columns: dict[str, np.ndarray]) -> np.ndarray:
    rows = np.empty(len(columns["key"]), [(name, c.dtype, c.shape[1:]) for name, c in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def _structure(outputs: Any) -> Any:
    if isinstance(outputs, Mapping):
        return keys_in_order(outputs)
    return len(outputs) if isinstance(outputs, list | tuple) else None
