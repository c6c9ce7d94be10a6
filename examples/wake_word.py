"""A wake word that this module makes: three vowels in one order, among other orders, other sounds and noise.

    kd-edge run wake_word.toml

Run it from this folder. A vowel is a sum of the harmonics of a voice, louder near its two formants. What is heard
becomes features of 10 ms by TFLM's own audio front end (extra `audio`: pip install '.[audio]' in the checkout).
"""

import numpy as np

from kd_edge.data.front_end import FrontEnd

RATE = 16000
FRAMES = 75
# First and second formant in Hz, as of a, i, u and e.
VOWELS = ((800, 1200), (300, 2300), (320, 800), (500, 1900))
WAKE_WORD = (1, 0, 2)


def spoken(rng: np.random.Generator, vowels: tuple[int, ...]) -> np.ndarray:
    """Return vowels that one voice says, one after the other."""
    pitch, size = rng.uniform(90, 260), rng.uniform(0.9, 1.15)
    parts = []
    for vowel in vowels:
        time = np.arange(int(rng.uniform(0.09, 0.17) * RATE)) / RATE
        harmonics = pitch * np.arange(1, int(5000 / pitch))
        loudness = sum(np.exp(-((harmonics - size * formant) ** 2) / (2 * 120**2)) for formant in VOWELS[vowel])
        phases = rng.uniform(0, 2 * np.pi, len(harmonics))
        sound = (loudness[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time + phases[:, None])).sum(axis=0)
        parts.append(sound * np.hanning(len(time)) ** 0.5)
    return np.concatenate(parts)


def heard(rng: np.random.Generator, *, wakes: bool) -> np.ndarray:
    """Return 0.8 s of 16-bit sound; a word ends shortly before its end."""
    length = (FRAMES + 2) * RATE // 100
    sound = rng.normal(size=length) * rng.uniform(0.05, 0.6)
    word = WAKE_WORD if wakes else tuple(rng.integers(len(VOWELS), size=rng.integers(1, 4)).tolist())
    if wakes or (word != WAKE_WORD and rng.random() < 0.85):
        said = spoken(rng, word)[-length + 800 :]
        end = length - int(rng.integers(0, 800))
        sound[end - len(said) : end] += said * rng.uniform(0.3, 1.0)
    return np.clip(4000 * sound, -32768, 32767).astype(np.int16)


def examples() -> dict[str, object]:
    """Return the arrays by the names that kd-edge reads."""
    rng, front_end, arrays = np.random.default_rng(0), FrontEnd(), {}
    for split, count in (("train", 1600), ("test", 500)):
        labels = (np.arange(count) % 2).astype(np.int64)
        arrays[f"x_{split}"] = np.stack([front_end.features(heard(rng, wakes=bool(label))) for label in labels])
        arrays[f"y_{split}"] = labels
    return {**arrays, "class_names": ["other", "wake"]}
