"""A teacher that is no neural network: scikit-learn's random forest teaches a student for a microcontroller.

    python examples/random_forest_teacher.py [FOLDER]

It makes windows of a synthetic accelerometer, computes features by hand as classical activity recognition does, lets
a forest answer the training samples, and hands its answers to `kd-edge design` by `--teacher-outputs`. The student
reads the raw windows: it learns from a teacher that has seen something else. Needs scikit-learn, as kd-edge[demo]
brings it.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from kd_edge.cli import main as kd_edge

RATE_HZ, STEPS = 25, 50
# Of each activity the steps per second, the swing in g, and how much it shakes.
ACTIVITIES = {"still": (0.2, 0.02, 0.05), "walk": (1.8, 0.35, 0.15), "run": (2.7, 0.9, 0.3), "ride": (1.8, 0.15, 0.3)}


def windows(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of three axes in g, shape `(count, 50, 3)`, and their activities."""
    labels = rng.integers(len(ACTIVITIES), size=count)
    rate, swing, shake = np.array(list(ACTIVITIES.values()))[labels].T[..., None, None]
    time = np.arange(STEPS)[None, :, None] / RATE_HZ
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 3))
    pace, force = rng.normal(1, 0.15, (2, count, 1, 1))
    tilt = rng.normal(0, 1, (count, 1, 3))
    gravity = tilt / np.linalg.norm(tilt, axis=2, keepdims=True)
    x = gravity + swing * force * np.sin(2 * np.pi * rate * pace * time + phase)
    return (x + shake * rng.normal(size=x.shape)).astype("float32"), labels


def features(x: np.ndarray) -> np.ndarray:
    """Return what classical activity recognition computes of a window: moments and the spectrum of the length."""
    length = np.linalg.norm(x, axis=2)
    spectrum = np.abs(np.fft.rfft(length - length.mean(axis=1, keepdims=True)))[:, 1:13]
    moments = [f(x, axis=1) for f in (np.mean, np.std, np.min, np.max)]
    return np.concatenate([*moments, length.std(axis=1, keepdims=True), spectrum], axis=1)


def write_data(folder: Path) -> Path:
    """Write the data set as the `.npz` that kd-edge reads."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 1200), ("val", 300), ("test", 400)):
        arrays[f"x_{split}"], arrays[f"y_{split}"] = windows(count, rng)
    path = folder / "activities.npz"
    np.savez(path, **arrays, class_names=list(ACTIVITIES))
    return path


def main() -> None:
    """Make the data, teach a forest, let it answer, and search a student with its answers."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "forest")
    folder.mkdir(parents=True, exist_ok=True)
    data = str(write_data(folder))
    kd_edge(["samples", "--data", data, "-o", str(folder)], standalone_mode=False)
    asked, known = np.load(folder / "samples.npy"), np.load(data)
    forest = RandomForestClassifier(300, min_samples_leaf=3, oob_score=True, random_state=0)
    forest.fit(features(asked), known["y_train"])
    # Out-of-bag answers: those of trees that have not seen the sample, so that none is learnt by heart.
    np.save(folder / "answers.npy", forest.oob_decision_function_.astype("float32"))
    right = forest.score(features(known["x_test"]), known["y_test"])
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    print(f"the forest: {right:.3f} of the test samples right, {nodes:,} nodes")
    arguments = ["--teacher-outputs", str(folder / "answers.npy"), "--data", data, "--device", "nucleo-l4r5zi"]
    limits = ["--flash", "24k", "--ram", "24k", "--latency", "20ms"]
    options = ["--family", "ds_cnn", "--trials", "2", "--epochs", "6", "-o", str(folder / "design")]
    kd_edge(["design", *arguments, *limits, *options], standalone_mode=False)


if __name__ == "__main__":
    main()
