"""Writes the images and the teacher for images_from_folder.toml.

    cd examples; python images_from_folder.py; kd-edge run images_from_folder.toml

The digits of scikit-learn become PNG files in `digits/0` to `digits/9`. The base model of the teacher learns to tell
the digits 0 to 4; then a new head on it, and after that the whole, learns all ten.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from kd_edge import load_data
from kd_edge.data.options import SourceOptions

SIDE = 16
L = keras.layers


def write_images(folder: Path, *, count: int | None = None) -> Path:
    """Write the digits into a folder for each class and return the folder."""
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images[:count], digits.target[:count], strict=True)):
        place = folder / "digits" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(image * 255 / 16)).save(place / f"{number}.png")
    return folder / "digits"


def base_model() -> keras.Model:
    """Return an untrained network that gives features of an image between -1 and 1."""
    source = keras.Input((SIDE, SIDE, 1))
    x = L.Conv2D(32, 3, padding="same", activation="relu")(source)
    for width in (48, 64):
        x = L.Conv2D(width, 3, padding="same", use_bias=False)(L.MaxPooling2D()(x))
        x = L.ReLU()(L.BatchNormalization(momentum=0.9)(x))
    return keras.Model(source, x, name="base")


def classifier(base: keras.Model, num_classes: int) -> keras.Model:
    """Return a classifier of raw pixels on a base model."""
    source = keras.Input((SIDE, SIDE, 1))
    x = L.Rescaling(1 / 127.5, offset=-1)(L.RandomTranslation(0.1, 0.1)(source))
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(base(x)))
    return keras.Model(source, L.Dense(num_classes, activation="softmax")(x))


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int, rate: float) -> None:
    """Train a classifier."""
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=2)


def train_teacher(images: Path, path: Path, *, epochs: int = 10) -> None:
    """Train the teacher on the training samples of the images and save it."""
    keras.utils.set_random_seed(0)
    data = load_data(images, normalize=False, options=SourceOptions(image_size=[SIDE, SIDE]))
    base, low = base_model(), data.y_train < 5
    fit(classifier(base, 5), data.x_train[low], data.y_train[low], epochs, 2e-3)
    teacher = classifier(base, data.num_classes)
    base.trainable = False
    fit(teacher, data.x_train, data.y_train, epochs // 2, 1e-2)
    base.trainable = True
    fit(teacher, data.x_train, data.y_train, epochs, 1e-3)
    teacher.save(path)


if __name__ == "__main__":
    here = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    train_teacher(write_images(here), here / "digits_teacher.keras")
