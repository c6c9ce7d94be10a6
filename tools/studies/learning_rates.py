"""Which learning rate small networks want whose answers are no classes.

    python -m tools.studies.learning_rates

Measured values: the progress of diabetes in 442 patients, which scikit-learn ships, and Friedman's first function with
noise (scikit-learn's `make_friedman1`). Reconstructions: the fans of `examples/anomaly.py`. Each rate trains the same
networks, from three seeds, with the recipe of students: dense layers as in the families "mlp" and "autoencoder", and
the same with batch normalization. Printed is the skill on the test samples. Takes 10 minutes on a busy core.
"""

import argparse
import itertools
from collections.abc import Iterable

import keras
import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1

from examples.anomaly import fans
from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.training import train

RATES = (5e-3, 1e-2, 2e-2, 4e-2, 8e-2, "auto")


def main() -> None:
    """Print a row per rate and data set: the skill of each seed, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30, help="Of each training.  [default: 30]")
    parser.add_argument("--seeds", type=int, default=3, help="How many.  [default: 3]")
    args = parser.parse_args()
    for normalizes, data in itertools.product((False, True), (diabetes(), friedman(), fan_sounds())):
        for rate in RATES:
            recipes = [Recipe(args.epochs, 64, rate, seed=seed) for seed in range(args.seeds)]
            found = [skill(data, recipe, normalizes=normalizes) for recipe in recipes]
            name = f"{data.name}, normalized" if normalizes else data.name
            each = ", ".join(f"{value:.3f}" for value in found)
            print(f"{name}, {rate}: {each}; mean {np.mean(found):.3f}", flush=True)


def skill(data: Dataset, recipe: Recipe, *, normalizes: bool) -> float:
    """Return the skill on the test samples of a network that a recipe trains.

    Args:
        data: The samples.
        recipe: How it is trained.
        normalizes: Whether batch normalization follows each layer but the last.
    """
    keras.utils.set_random_seed(recipe.seed)
    units = (32, 32, 8, 32, 32) if data.task.kind == "reconstruction" else (32, 32)
    network = dense(data, units, normalizes=normalizes)
    train(network, data, recipe)
    return accuracy(network, data)


def dense(data: Dataset, units: Iterable[int], *, normalizes: bool) -> keras.Model:
    """Return dense layers of so many units, and one that answers."""
    inputs = keras.Input(data.input_shape)
    x = keras.layers.Flatten()(inputs)
    for width in units:
        x = keras.layers.Dense(width, use_bias=not normalizes)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x) if normalizes else x)
    return keras.Model(inputs, keras.layers.Dense(data.num_outputs)(x))


def diabetes() -> Dataset:
    """Return the progress of diabetes after a year: 10 measurements of 442 patients."""
    x, y = load_diabetes(return_X_y=True)
    return of_values("diabetes", x / x.std(axis=0), y)


def friedman() -> Dataset:
    """Return Friedman's first function of ten numbers, five of which say nothing, with noise of deviation 1."""
    x, y = make_friedman1(n_samples=2000, noise=1.0, random_state=0)
    return of_values("friedman", (x - x.mean(axis=0)) / x.std(axis=0), y)


def of_values(name: str, x: np.ndarray, y: np.ndarray) -> Dataset:
    """Return a data set of which a quarter, drawn with a fixed seed, tests."""
    order = np.random.default_rng(0).permutation(len(x))
    test, rest = np.split(order, [len(x) // 4])
    arrays = {"x_train": x[rest], "y_train": y[rest], "x_test": x[test], "y_test": y[test]}
    return dataset_of(name, arrays, name, False, 0, SourceOptions(task="regression"))


def fan_sounds() -> Dataset:
    """Return the sounds of the example, scaled as its configuration says."""
    return dataset_of("fans", fans(), "fans", True, 0, SourceOptions(task="reconstruction"))


if __name__ == "__main__":
    main()
