"""What a model answers to all samples, also to those that are not in memory."""

import keras
import numpy as np

from kd_edge.data.storage import chunks, is_mapped


def predictions(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Return a model's outputs; Keras copies what it is given, so samples that are mapped are given in chunks.

    Args:
        model: With one output.
        x: Samples.

    Returns:
        Shape `(samples, ...)`.
    """
    parts = (np.asarray(x[rows]) for rows in chunks(x)) if is_mapped(x) else [x]
    return np.concatenate([model.predict(part, batch_size=256, verbose=0) for part in parts])
