"""Sounds of fans that this module makes: sound ones, and ones with a worn bearing, a loose part or an unbalanced wheel.

    kd-edge run anomaly.toml

No real machine: a fan hums at its speed and the harmonics of its blades, over noise of the air. A worn bearing clicks,
a loose part rattles with the turns, an unbalanced wheel shakes at its speed. A sample is 0.3 s of sound as the
logarithm of the power in 32 bands, five times.
"""

import numpy as np

RATE = 16000
WINDOW, BANDS, FRAMES = 1024, 32, 5
NUM_BLADES = 7
FAULTS = ("bearing", "loose", "unbalanced")


def heard(rng: np.random.Generator, fault: str | None = None) -> np.ndarray:
    """Return the sound of a fan."""
    time = np.arange(WINDOW * FRAMES) / RATE
    speed = rng.uniform(18, 30)
    strengths = 1 / np.arange(1, 13) * rng.uniform(0.7, 1.3, 12)
    orders = NUM_BLADES * np.arange(1, 13)
    turns = 2 * np.pi * (speed * time + rng.uniform())
    hum = (strengths[:, None] * np.sin(orders[:, None] * turns)).sum(axis=0)
    air = np.convolve(rng.normal(size=len(time) + 31), np.hanning(32) / 16, mode="valid")[: len(time)]
    depth = rng.uniform(0.02, 0.3)
    if fault == "bearing":
        clicks = (np.sin(4.3 * turns) > 0.995) * rng.normal(size=len(time))
        hum = hum + 3 * depth * np.convolve(clicks, np.exp(-np.arange(64) / 12), mode="same")
    elif fault == "loose":
        hum = hum * (1 + depth * np.sign(np.sin(turns))) + 0.4 * depth * rng.normal(size=len(time))
    elif fault == "unbalanced":
        hum = hum + 2 * depth * (np.sin(turns) + 0.7 * np.sin(2 * turns) + 0.5 * np.sin(3 * turns))
    return (hum + rng.uniform(0.5, 1.0) * air) * rng.uniform(0.8, 1.25)


def features(sound: np.ndarray) -> np.ndarray:
    """Return the decibels in each band of each window: float32, shape `(FRAMES, BANDS)`."""
    windows = sound.reshape(FRAMES, WINDOW) * np.hanning(WINDOW)
    power = np.square(np.abs(np.fft.rfft(windows, axis=1)))
    edges = np.unique(np.geomspace(1, power.shape[1], BANDS + 16).astype(int))[: BANDS + 1]
    return (10 * np.log10(np.add.reduceat(power, edges[:-1], axis=1) + 1e-3)).astype(np.float32)


def fans() -> dict[str, np.ndarray]:
    """Return the arrays by the names that kd-edge reads: only sound fans train."""
    rng = np.random.default_rng(0)
    faults = [None, *FAULTS, None, None] * 100
    return {
        "x_train": np.stack([features(heard(rng)) for _ in range(3000)]),
        "x_test": np.stack([features(heard(rng, fault)) for fault in faults]),
        "y_test": np.array([fault is not None for fault in faults], np.int64),
    }
