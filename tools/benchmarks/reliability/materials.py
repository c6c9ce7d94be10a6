"""Small whole files of every kind that the commands read: what is mutated, and what stands beside it."""

import struct
import wave
import zlib
from pathlib import Path

import numpy as np

from kd_edge.files import write_bytes, write_json, write_model

ROOT = Path(__file__).parents[3]
CLASSES = ("one", "two", "three", "four")
BOARD = "nucleo-l4r5zi"
CONFIG = f"""seed = 0

[data]
source = "waves.npz"

[budget]
device = "{BOARD}"
flash = "64k"
ram = "24k"
latency = "15ms"

[teacher]
width = 8
epochs = 2
batch_size = 32

[design]
family = "ds_cnn"
trials = 1
epochs = 1
teacher_ratio = 2.0

[distill]
trainee = "none"
epochs = 2
batch_size = 32

[convert]
qat = "never"
"""


def waves(num_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy sine waves of four frequencies, shape (samples, 32, 3), and which frequency each has."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_samples) % len(CLASSES)
    time = np.arange(32)[:, None] / 32 + rng.random((num_samples, 1, 3))
    signals = np.sin(2 * np.pi * (labels + 1)[:, None, None] * time)
    return (signals + 0.3 * rng.normal(size=signals.shape)).astype("float32"), labels


def make_inputs(folder: Path) -> None:
    """Write data of every source, a configuration, a device and a series of currents."""
    arrays: dict[str, np.ndarray] = {"class_names": np.array(CLASSES)}
    for seed, (split, count) in enumerate((("train", 160), ("val", 40), ("test", 40))):
        arrays[f"x_{split}"], arrays[f"y_{split}"] = waves(count, seed)
    np.savez(folder / "waves.npz", **arrays)
    _table(folder / "table.csv")
    _sounds(folder / "sounds")
    _images(folder / "images")
    write_bytes(folder / "run.toml", CONFIG.encode())
    profile = ROOT / "kd_edge" / "cost" / "device_profiles" / "nrf52840.toml"
    write_bytes(folder / "board.toml", profile.read_bytes())
    rows = [f"{0.001 * i:.3f},{5 + (i % 10):.1f}" for i in range(200)]
    write_bytes(folder / "series.csv", "\n".join(["time (s),current (mA)", *rows, ""]).encode())
    for name in ("residual_int8", "residual_float", "two_in_two_out", "dense_hybrid"):
        write_bytes(folder / f"{name}.tflite", (ROOT / "tests" / "data" / f"{name}.tflite").read_bytes())


def make_models(folder: Path) -> None:
    """Write a trained teacher and a small student of the waves, and the student as a `.tflite` file."""
    import keras

    from kd_edge.conversion.converter import convert
    from kd_edge.data.loading import load_data

    data = load_data(str(folder / "waves.npz"))
    for name, width in (("teacher", 24), ("student", 6)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((32, 3)),
                keras.layers.Conv1D(width, 5, strides=2, padding="same", activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.Conv1D(width, 5, padding="same", activation="relu"),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(len(CLASSES)),
            ]
        )
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(data.x_train, data.y_train, epochs=60, verbose=0)
        write_model(folder / f"{name}.keras", model)
    write_bytes(folder / "student.tflite", convert(model, data.x_train))


def make_run(folder: Path) -> None:
    """Write a finished run and the results of two measurements."""
    from kd_edge.config.run import load_config
    from kd_edge.pipeline import run
    from tflite_bench import run_benchmark
    from tflite_bench.reporting.documents import benchmark_document

    run(load_config(folder / "run.toml"), folder / "finished")
    for name in ("before", "after"):
        found = run_benchmark(folder / "residual_int8.tflite", num_runs=20)
        write_json(folder / f"{name}.json", benchmark_document(found))


def _table(path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [[*np.round(rng.normal(i % 3, 0.3, 4), 4), "abc"[i % 3]] for i in range(120)]
    write_bytes(path, "\n".join(["a,b,c,d,label", *(",".join(map(str, row)) for row in rows), ""]).encode())


def _sounds(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for label, pitch in (("high", 1200), ("low", 300)):
        for number in range(10):
            tone = np.sin(2 * np.pi * pitch * np.arange(8000) / 16000) + 0.1 * rng.normal(size=8000)
            path = folder / label / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16000)
                file.writeframes((tone * 8000).astype("<i2").tobytes())


def _images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 200)):
        for number in range(10):
            pixels = np.clip(rng.normal(level, 20, (12, 12, 3)), 0, 255).astype("uint8")
            write_bytes(folder / label / f"{number}.png", png(pixels))


def png(pixels: np.ndarray) -> bytes:
    """Return an image of shape (height, width, 3), values 0 to 255, as a PNG file."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
