"""A trainee is made like the teacher, with metrics and an optimizer of its own, or it is said why not."""

import keras
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.errors import ModelError


class Counted(keras.metrics.Metric):
    """A metric of a user's that needs a number, which its configuration does not name."""

    def __init__(self, number):
        super().__init__(name="counted")
        self.number = number

    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return self.number


class Paced(keras.optimizers.SGD):
    """An optimizer of a user's whose configuration does not name what it needs."""

    def __init__(self, pace):
        super().__init__(pace, name="paced")


class Wrapped(keras.Model):
    """A subclassed network that is given a layer."""

    def __init__(self, layer):
        super().__init__(name="wrapped")
        self.layer = layer

    def call(self, x):
        return self.layer(x)


def test_a_network_that_its_configuration_does_not_describe_is_no_model_for_a_trainee(task):
    teacher = Wrapped(keras.layers.Dense(3))
    teacher(task.x)
    with pytest.raises(ModelError, match=r"no Wrapped for the trainee like 'wrapped': .* or pass the trainee itself"):
        Distiller(teacher, task.network(), LogitsDistillation(), trainee="like_teacher")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": [Counted(3)]}, r"no Counted for the trainee like 'counted': .* or pass a function"),
        (
            {"optimizer": Paced(0.1)},
            r"no Paced for the trainee like 'paced': .* or pass compile\(.*trainee_optimizer=\)",
        ),
    ],
)
def test_what_cannot_be_made_for_a_trainee_is_named(task, arguments, message):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(), trainee="like_teacher")
    with pytest.raises(ModelError, match=message):
        distiller.compile(**{"optimizer": "adam", "loss": task.loss(), **arguments})
