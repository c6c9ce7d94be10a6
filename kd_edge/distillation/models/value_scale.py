"""Networks and outputs that answer measured values in their units, brought to the scale of the task."""

from typing import Any

import keras
import numpy as np

from kd_edge.compat.keras import maker_of, node_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.regression import in_units
from kd_edge.data.targets import are_raw, are_standardized
from kd_edge.distillation.outputs.last_operation import can_answer, is_rectified
from kd_edge.distillation.outputs.names import output_of
from kd_edge.distillation.outputs.predictions import predictions
from kd_edge.errors import ModelError
from kd_edge.silence import say

_NUM_ASKED = 500
_ENDINGS = (keras.layers.Dense, keras.layers.Activation, keras.layers.ReLU)


def in_units_of_task(model: keras.Model, data: Dataset) -> keras.Model:
    """Return a network that answers measured values as the data has them: less their mean, divided by the deviation.

    One that was trained on the values themselves is nearer to these: its last layer is changed where that is a dense
    one without activation, or a layer is added. One that is not trained is meant for the values themselves where its
    last activation, such as a ReLU or a sigmoid, can answer these and not the standardized ones.

    Args:
        model: The network.
        data: Its training samples are asked about.

    Raises:
        ModelError: One of several outputs answers in the units of its values.
    """
    for name, part in data.by_output.items():
        if _raw_by(output_of(model, name), part):
            raise ModelError(
                f"the output {name!r} of {model.name!r} answers in the units of the values: expected them "
                "standardized, (value - mean) / deviation, as in the data; train it on those, or end it in a Rescaling"
            )
    raw_by = _raw_by(model, data)
    if not raw_by:
        if data.task.mean and not can_answer(model, data.y_train):
            say(f"{model.name!r} cannot answer all values, for its last activation has bounds: end it without one")
        return model
    say(f"{model.name!r} answers in the units of the values, which are standardized here: so are its answers")
    mean, deviation = (np.asarray(values, np.float32) for values in (data.task.mean, data.task.deviation))
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.linear:
        kernel, bias = last.get_weights()
        last.set_weights([kernel / deviation, (bias - mean) / deviation])
        return model
    answers = model.outputs[0] if raw_by == "answers" else _bounded_in_units(model, mean, deviation)
    scaling = keras.layers.Rescaling((1 / deviation).tolist(), (-mean / deviation).tolist())
    return keras.Model(model.inputs, scaling(answers), name=model.name)


def _raw_by(model: keras.Model, data: Dataset) -> str:
    """Return what tells that a network answers in units, its `"answers"` or its `"bounds"`; `""` where it does not."""
    if not data.task.mean:
        return ""
    answers = predictions(model, data.x_train[:_NUM_ASKED])
    if are_raw(answers, data):
        return "answers"
    bound = can_answer(model, in_units(data.y_train, data.task)) and not can_answer(model, data.y_train)
    return "bounds" if bound and not are_standardized(answers, data) else ""


def _bounded_in_units(model: keras.Model, mean: np.ndarray, deviation: np.ndarray) -> Any:
    """Return the answers of an untrained network in the units of the values.

    What a ReLU or the like reads comes from a dense layer that answers standardized values: one that had to grow from 0
    to a mean of many deviations first would hardly learn anything. A sigmoid has a scale of its own.
    """
    answers = model.outputs[0]
    operation, number = maker_of(answers)
    if not is_rectified(model) or not isinstance(operation, _ENDINGS):
        return answers
    source = node_of(operation, number).input_tensors[0]
    activation = type(operation).from_config(operation.get_config())
    if isinstance(operation, keras.layers.Dense):
        dense = keras.layers.Dense.from_config(operation.get_config() | {"activation": "linear"})
        source, activation = dense(source), keras.layers.Activation(operation.activation)
        dense.set_weights(operation.get_weights())
    return activation(keras.layers.Rescaling(deviation.tolist(), mean.tolist())(source))
