"""What a model answers to all samples, also to those that are not in memory."""

from typing import Any

import keras
import numpy as np

from kd_edge.data.storage import chunks, is_mapped, shown_rows


def predictions(model: keras.Model, x: np.ndarray) -> Any:
    """Return a model's outputs; Keras copies what it is given, so samples that are mapped are given in chunks.

    Args:
        model: The network.
        x: Samples.

    Returns:
        Shape `(samples, ...)`; of several outputs a structure of these. Those in half precision in single.
    """
    parts = (np.asarray(x[rows]) for rows in chunks(x)) if is_mapped(x) else [x]
    answers = [model.predict(part, batch_size=shown_rows(x), verbose=0) for part in parts]
    return keras.tree.map_structure(lambda *rows: _single(np.concatenate(rows)), *answers)


def _single(answers: np.ndarray) -> np.ndarray:
    return answers.astype(np.float32) if answers.dtype.name in ("float16", "bfloat16") else answers
