"""Writes the recordings for keywords.toml.

    cd examples; python keywords.py; kd-edge run keywords.toml

A word is a row of sounds: a vowel is a buzz at the speaker's pitch through two resonances (formants), a hiss is noise.
Each speaker has a pitch, a size (which moves all formants) and a pace of their own. Words share their sounds, somebody
else murmurs behind them, and the noise may be as loud as the word.
"""

import sys
import wave
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
# The first two formants of vowels in Hz; 0 is a hiss.
EE, EH, OH, AH, S = (280, 2300), (550, 1800), (450, 850), (750, 1200), (0, 0)
WORDS = {
    "yes": (EE, EH, S),
    "no": (EE, OH),
    "stop": (S, OH),
    "go": (OH, AH),
    "left": (EH, S),
    "see": (S, EE),
    "other": (),
}
OTHERS = ((AH, S), (S, AH), (EH, AH), (OH, EE), (EE, S), (S, EH, OH), (EH, OH, S), (AH, EE))
Speaker = tuple[float, float, float]


def sound(formants: tuple[int, int], speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Return a vowel or a hiss of a speaker."""
    pitch_hz, size, pace = speaker
    count = int(RATE_HZ * 0.18 * pace * rng.uniform(0.8, 1.2))
    spectrum = np.fft.rfft(rng.normal(size=count))
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    if formants == S:
        shape = np.exp(-(((hertz - 5500 * size) / 1500) ** 2)) * 0.5
    else:
        buzz = np.cumsum(pitch_hz * rng.normal(1, 0.02, count)) / RATE_HZ % 1 < 0.1
        spectrum = np.fft.rfft(buzz - buzz.mean())
        moved = size * np.asarray(formants) * rng.normal(1, 0.06, 2)
        first, second = (1 / (1 + ((hertz - formant) / 90) ** 2) for formant in moved)
        shape = first + 0.6 * second
    values = np.fft.irfft(spectrum * shape, count) * np.hanning(count) ** 0.3
    return values / np.abs(values).max()


def speaker_of(rng: np.random.Generator) -> Speaker:
    """Return the pitch in Hz, the size and the pace of somebody."""
    return rng.uniform(90, 250), rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.3)


def said(word: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Return one second with a word somewhere in it; what is spoken has a power of 1."""
    parts = WORDS[word] or OTHERS[rng.integers(len(OTHERS))]
    spoken = np.concatenate([sound(part, speaker, rng) for part in parts])[:RATE_HZ]
    values = np.zeros(RATE_HZ)
    start = rng.integers(RATE_HZ - len(spoken) + 1)
    values[start : start + len(spoken)] = spoken / np.sqrt(np.square(spoken).mean())
    return values


def recording(word: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Return one second with a word, a murmur of somebody else and noise, as 16-bit integers of any level."""
    power = np.fft.rfft(rng.normal(size=RATE_HZ)) / np.fft.rfftfreq(RATE_HZ, 1 / 2000).clip(0.02) ** rng.uniform(0, 0.5)
    noise = np.fft.irfft(power, RATE_HZ)
    values = said(word, speaker, rng) + 10 ** rng.uniform(-1, 0) * noise / noise.std()
    values += 10 ** rng.uniform(-1.5, -0.5) * said("other", speaker_of(rng), rng)
    return np.int16(values / np.abs(values).max() * 10 ** rng.uniform(-1.3, 0) * 32767)


def write_recordings(folder: Path, *, speakers: int = 40, repeats: int = 4) -> Path:
    """Write recordings into a folder for each word and return the folder."""
    rng = np.random.default_rng(0)
    for number in range(speakers):
        speaker = speaker_of(rng)
        for word in WORDS:
            place = folder / "keywords" / word
            place.mkdir(parents=True, exist_ok=True)
            for repeat in range(repeats):
                with wave.open(str(place / f"speaker{number}_{repeat}.wav"), "wb") as file:
                    file.setparams((1, 2, RATE_HZ, RATE_HZ, "NONE", ""))
                    file.writeframes(recording(word, speaker, rng).astype("<i2").tobytes())
    return folder / "keywords"


if __name__ == "__main__":
    write_recordings(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
