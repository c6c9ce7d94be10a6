"""Reads images from folders: how fast beside Keras' own loader, and in how much memory more than fits.

    python -m tools.benchmarks.sources speed
    python -m tools.benchmarks.sources memory

`speed` makes 10,000 images of 32 x 32 and reads them with `keras.utils.image_dataset_from_directory` and with
`load_data`, in turn, in one process. `memory` makes images of 2 GB, reads them, trains a small network for an epoch and
judges it, in one process of which it prints the most memory: `VmHWM` of `/proc/self/status`. Both need Linux; files are
made in the folder that `TMPDIR` names, twice the images for `memory`.
"""

import argparse
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np

from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions

NUM_CLASSES = 10
SIDE = 96
ROUNDS = 5


def main() -> None:
    """Do the measurement that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "memory"))
    parser.add_argument("--images", type=int, help="How many.  [default: 10,000, or as many as 2 GB]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.what == "speed":
            measure_speed(Path(folder), args.images or 10_000)
        else:
            measure_memory(Path(folder), args.images or 2**31 // SIDE**2 // 3 + 1)


def measure_speed(folder: Path, num_images: int) -> None:
    """Print the seconds of both loaders and how the fastest of each compare."""
    import keras

    make_images(folder, num_images, side=32, ending="png")
    seconds: dict[str, list[float]] = {"Keras' loader": [], "load_data": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        batches = keras.utils.image_dataset_from_directory(folder, image_size=(32, 32), batch_size=256, verbose=False)
        seen = sum(len(x) for x, _ in batches)
        seconds["Keras' loader"].append(time.perf_counter() - start)
        start = time.perf_counter()
        data = load_data(folder, normalize=False)
        seconds["load_data"].append(time.perf_counter() - start)
        assert seen == len(data.x_train) + len(data.x_val) + len(data.x_test) == num_images
    for name, values in seconds.items():
        print(f"{name}: {', '.join(f'{value:.2f}' for value in values)} s")
    ratio = min(seconds["Keras' loader"]) / min(seconds["load_data"])
    print(f"load_data reads {num_images:,} images at {ratio:.2f} times the speed of Keras' loader")


def measure_memory(folder: Path, num_images: int) -> None:
    """Print the most memory that reading, training and judging took."""
    making = Process(target=make_images, args=(folder, num_images), kwargs={"side": SIDE, "ending": "jpg"})
    making.start()
    making.join()
    reset_peak()
    import keras

    from kd_edge.distillation.outputs.decisions import accuracy
    from kd_edge.distillation.results import Recipe
    from kd_edge.distillation.training import train

    print(f"TensorFlow alone: {peak_bytes() / 1e6:,.0f} MB")
    options = SourceOptions(image_size=[SIDE, SIDE], color="rgb")
    start = time.perf_counter()
    data = load_data(folder, normalize=False, options=options)
    size = data.x_train.nbytes + data.x_val.nbytes + data.x_test.nbytes
    print(f"{size / 1e9:.2f} GB of images read in {time.perf_counter() - start:.0f} s, {peak_bytes() / 1e6:,.0f} MB")
    start = time.perf_counter()
    print(f"hashed to {data.sha256[:12]} in {time.perf_counter() - start:.0f} s, {peak_bytes() / 1e6:,.0f} MB")
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(data.input_shape),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(data.num_classes),
        ]
    )
    start = time.perf_counter()
    train(network, data, Recipe(epochs=1, batch_size=64, learning_rate=1e-2))
    share = accuracy(network, data)
    print(f"trained an epoch, {share:.3f} right, in {time.perf_counter() - start:.0f} s")
    print(f"peak of the process: {peak_bytes() / 1e6:,.0f} MB for {size / 1e6:,.0f} MB of images")


def make_images(folder: Path, num_images: int, *, side: int, ending: str) -> None:
    """Write smooth images of `side` x `side` pixels, whose mean color is that of their class."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(num_images):
        label = number % NUM_CLASSES
        place = folder / f"class_{label}"
        place.mkdir(exist_ok=True)
        small = np.clip(rng.normal(25 * label, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(small).resize((side, side)).save(place / f"{number}.{ending}")


def reset_peak() -> None:
    """Let the peak start from what the process holds now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Return the most memory that the process has held, mapped files among it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
