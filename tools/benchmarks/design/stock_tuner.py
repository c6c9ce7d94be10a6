"""keras-tuner as it comes: RandomSearch whose `build` fails on networks over the budget."""

import contextlib
import tempfile
import time
from typing import Any

import keras
import keras_tuner

from kd_edge.cost.budget import Budget
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.training import train
from kd_edge.search.space.student_space import StudentSpace


class _Stock(keras_tuner.HyperModel):
    def __init__(self, space: StudentSpace, data: Dataset, model: CostModel, budget: Budget, recipe: Recipe) -> None:
        super().__init__()
        self._space = space
        self._data = data
        self._model = model
        self._budget = budget
        self._recipe = recipe
        self.end = 0.0
        self.num_failed = 0
        self.num_trained = 0
        self.best: tuple[float, Any] = (0.0, None)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        values = {name: hp.Choice(name, list(options)) for name, options in self._space.choices.items()}
        blueprint = self._space.blueprint(values)
        if not self._model.estimate(blueprint.to_graph()).fits(self._budget):
            self.num_failed += 1
            raise keras_tuner.errors.FailedTrialError("over the budget")
        return blueprint.to_keras()

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> float:
        keras.utils.set_random_seed(self._recipe.seed)
        history = train(model, self._data, self._recipe).history
        self.num_trained += 1
        self.best = max(self.best, (max(history["val_accuracy"]), model), key=lambda pair: pair[0])
        if time.perf_counter() > self.end:
            raise keras_tuner.errors.FatalRuntimeError("the time is over")
        return 1 - max(history["val_accuracy"])


def search_stock(
    space: StudentSpace, data: Dataset, model: CostModel, budget: Budget, recipe: Recipe, seconds: float
) -> dict[str, Any]:
    """Search for a time and return what the best network that was trained reaches, and how many failed.

    A search that ends with keras-tuner's default of three failures in a row is told apart; here it may go on.

    Args:
        space: The same as for our search.
        data: The samples.
        model: Tells what is over the budget.
        budget: The limits.
        recipe: How each network is trained, on labels.
        seconds: What our search took; the trial that is under way then is finished.
    """
    stock = _Stock(space, data, model, budget, recipe)
    with tempfile.TemporaryDirectory() as folder:
        stock.end = time.perf_counter() + seconds
        tuner = keras_tuner.RandomSearch(
            stock, max_trials=100_000, seed=recipe.seed + 1, directory=folder, max_consecutive_failed_trials=100_000
        )
        tuner.oracle.verbose = 0
        with contextlib.suppress(keras_tuner.errors.FatalError):
            tuner.search(verbose=0)
    value, best = stock.best
    test = None if best is None else accuracy(best, data)
    return {"val": value, "test": test, "num_trained": stock.num_trained, "num_failed": stock.num_failed}
