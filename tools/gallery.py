"""Draws the pictures of examples/README.md: what each example hears, sees or compares.

python -m tools.gallery [FOLDER of uci_har_raw.npz]
"""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PICTURES = EXAMPLES / "pictures"
_MAX_BYTES = 60_000
_SECOND, _BAND = "seconds", "band"


def main() -> None:
    sys.path.insert(0, str(EXAMPLES))
    PICTURES.mkdir(exist_ok=True)
    for name, draw in _DRAWN.items():
        _save(name, draw())
    if len(sys.argv) > 1:
        os.chdir(sys.argv[1])
        _save("uci_har", _uci_har())


def _save(name: str, figure: Figure) -> None:
    path = PICTURES / f"{name}.png"
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)
    if path.stat().st_size > _MAX_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size:,} bytes: expected at most {_MAX_BYTES:,}")


def _watch() -> Figure:
    import kd_edge

    data = kd_edge.load_data("watch")
    chosen = {name: data.x_train[data.y_train == number][0] for number, name in enumerate(data.class_names[:4])}
    return _windows(chosen, rate_hz=50.0)


def _uci_har() -> Figure:
    from uci_har import recordings

    arrays = recordings()
    names = [str(name) for name in arrays["class_names"]]
    return _windows({name: arrays["x_train"][arrays["y_train"] == names.index(name)][0] for name in names[:4]}, 50.0)


def _forest() -> Figure:
    from random_forest_teacher import ACTIVITIES, RATE_HZ, windows

    x, labels = windows(200, np.random.default_rng(0))
    chosen = {name: x[labels == number][0] for number, name in enumerate(ACTIVITIES)}
    return _windows(chosen, float(RATE_HZ))


def _distill() -> Figure:
    """Return the work of teacher and student, layer by layer."""
    from kd_edge import CostModel, StudentSpace, load_device, lower
    from kd_edge.distillation import build_teacher

    space = StudentSpace.family("ds_cnn", (128, 6), 7)
    values = {"width": 16, "stem_kernel": 5, "stem_stride": 2, "num_blocks": 3}
    values |= {"num_strided": 2, "kernel": 5, "growth": 1.25}
    graphs = {"teacher": lower(build_teacher((128, 6), 7, width=32)), "student": space.graph(values)}
    model = CostModel(load_device("nucleo-l4r5zi"))
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True, layout="constrained")
    for axis, (name, graph) in zip(axes, graphs.items(), strict=True):
        macs = [cost.macs or 0 for cost in model.per_op(graph)]
        axis.bar(range(len(macs)), macs)
        axis.set(title=f"{name}: {sum(macs) / 1e6:.2f} M MACs", xlabel="operator", yscale="log")
    axes[0].set_ylabel("MACs")
    return figure


def _images() -> Figure:
    from images_from_folder import write_images

    figure, axes = plt.subplots(1, 10, figsize=(8, 1.1), layout="constrained")
    with tempfile.TemporaryDirectory() as name:
        images = write_images(Path(name), count=100)
        for axis, folder in zip(axes, sorted(images.iterdir()), strict=True):
            axis.imshow(np.asarray(Image.open(min(folder.iterdir()))), cmap="gray")
            axis.set_title(folder.name)
            axis.axis("off")
    return figure


def _keywords() -> Figure:
    from keywords import WORDS, recording

    from kd_edge.data.front_end import FrontEnd

    rng, front_end = np.random.default_rng(1), FrontEnd()
    speaker = (140.0, 1.0, 1.0)
    return _spectra({word: front_end.features(recording(word, speaker, rng)) for word in WORDS}, 0.01)


def _wake_word() -> Figure:
    from wake_word import heard

    from kd_edge.data.front_end import FrontEnd

    rng, front_end = np.random.default_rng(3), FrontEnd()
    said = {"the wake word": True, "the wake word, another voice": True, "another word": False, "another": False}
    return _spectra({name: front_end.features(heard(rng, wakes=wakes)) for name, wakes in said.items()}, 0.01)


def _anomaly() -> Figure:
    from anomaly import FAULTS, RATE, WINDOW, features, heard

    rng = np.random.default_rng(0)
    sounds = {"sound": None} | {fault: fault for fault in FAULTS}
    return _spectra({name: features(heard(rng, fault)) for name, fault in sounds.items()}, WINDOW / RATE)


def _windows(samples: Mapping[str, np.ndarray], rate_hz: float) -> Figure:
    figure, axes = plt.subplots(1, len(samples), figsize=(8, 2), sharey=True, layout="constrained")
    for axis, (name, sample) in zip(axes, samples.items(), strict=True):
        axis.plot(np.arange(len(sample)) / rate_hz, sample, linewidth=0.8)
        axis.set_title(name.replace("_", " ").lower(), fontsize=9)
        axis.set_xlabel(_SECOND)
    return figure


def _spectra(samples: Mapping[str, np.ndarray], step_s: float) -> Figure:
    figure, axes = plt.subplots(1, len(samples), figsize=(8, 2), sharey=True, layout="constrained")
    for axis, (name, sample) in zip(axes, samples.items(), strict=True):
        extent = (0, len(sample) * step_s, 0, sample.shape[1])
        axis.imshow(sample.T, origin="lower", aspect="auto", extent=extent)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel(_SECOND)
    axes[0].set_ylabel(_BAND)
    return figure


_DRAWN: dict[str, Callable[[], Figure]] = {
    "watch": _watch,
    "random_forest_teacher": _forest,
    "distill": _distill,
    "images_from_folder": _images,
    "keywords": _keywords,
    "wake_word": _wake_word,
    "anomaly": _anomaly,
}


if __name__ == "__main__":
    main()
