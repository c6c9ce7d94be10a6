"""Networks and outputs that answer measured values in their units, brought to the scale of the task."""

import keras
import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.targets import are_raw
from kd_edge.distillation.outputs.names import output_of
from kd_edge.distillation.outputs.predictions import predictions
from kd_edge.errors import ModelError
from kd_edge.silence import say

_NUM_ASKED = 500


def in_units_of_task(model: keras.Model, data: Dataset) -> keras.Model:
    """Return a network that answers measured values as the data has them: less their mean, divided by the deviation.

    One that was trained on the values themselves is nearer to these: its last layer is changed where that is a dense
    one without activation, or a layer is added.

    Args:
        model: The network.
        data: Its training samples are asked about.

    Raises:
        ModelError: One of several outputs answers in the units of its values.
    """
    for name, part in data.by_output.items():
        if _is_raw(output_of(model, name), part):
            raise ModelError(
                f"the output {name!r} of {model.name!r} answers in the units of the values: expected them "
                "standardized, (value - mean) / deviation, as in the data; train it on those, or end it in a Rescaling"
            )
    if not _is_raw(model, data):
        return model
    say(f"{model.name!r} answers in the units of the values, which are standardized here: so are its answers")
    mean, deviation = (np.asarray(values, np.float32) for values in (data.task.mean, data.task.deviation))
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.linear:
        kernel, bias = last.get_weights()
        last.set_weights([kernel / deviation, (bias - mean) / deviation])
        return model
    scaling = keras.layers.Rescaling((1 / deviation).tolist(), (-mean / deviation).tolist())
    return keras.Model(model.inputs, scaling(model.outputs[0]), name=model.name)


def _is_raw(model: keras.Model, data: Dataset) -> bool:
    return bool(data.task.mean) and are_raw(predictions(model, data.x_train[:_NUM_ASKED]), data)
