"""Recordings of sound in folders by class, as features of TFLM's audio front end."""

import wave
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.front_end import FrontEnd
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.class_folders import ClassFiles, files_by_class
from kd_edge.data.sources.labelled import labelled_dataset
from kd_edge.data.splits.drawing import SPLITS, splits_of
from kd_edge.data.storage import room_for
from kd_edge.errors import DataError

ENDINGS = (".wav",)
# Rate in Hz, bytes per number, channels and numbers per channel.
_Kind = tuple[int, int, int, int]
OPTIONS = ("group_pattern", "seconds", "skip_bad", "test_share", "task")


def load_sounds(text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
    """Return the recordings of a folder as a data set of features; see `load_data`.

    Raises:
        ConfigError: An option is wrong.
        DataError: A file is no 16-bit recording of one channel at 16 kHz, they differ in length, or the folders are not
            those of classes.
        MissingDependencyError: The front end is not installed.
    """
    front_end = FrontEnd()
    files = files_by_class(Path(text), ENDINGS, options)
    kinds = {path: _kind(path) for path in files.paths}
    files = _fitting(files, kinds, front_end, skip_bad=options.skip_bad)
    num_samples = _length(files, kinds, front_end, options.seconds)
    splits, how = splits_of(
        files.labels,
        files.groups,
        files.splits,
        test_share=options.test_share,
        seed=seed,
        source=text,
        task=options.task,
    )
    shape = (front_end.num_frames(num_samples), front_end.num_channels)
    samples = {split: room_for((int((splits == split).sum()), *shape), np.float32) for split in SPLITS}
    for split in SPLITS:
        paths = (path for path, part in zip(files.paths, splits, strict=True) if part == split)
        for i, path in enumerate(paths):
            samples[split][i] = front_end.features(_cut(_sound(path), num_samples))
    data = labelled_dataset(
        files.folder.resolve().name,
        samples,
        files.labels,
        splits,
        groups=files.groups,
        description=f"recordings of {num_samples / front_end.sample_rate_hz:g} s in folders by class, features of the "
        f"{front_end.name}{files.left_out}; {how}",
        source=text,
        normalize=normalize,
        seed=seed,
        options=options,
        by_number=False,
    )
    return replace(data, front_end=front_end)


def _kind(path: Path) -> _Kind | str:
    """Return rate, bytes per number, channels and length of a recording; what is wrong where it is none."""
    try:
        with wave.open(str(path)) as file:
            known = file.getframerate(), file.getsampwidth(), file.getnchannels(), file.getnframes()
            if not known[3]:
                return "there is no sound in the file"
            if known[1:3] == (2, 1) and len(file.readframes(known[3])) != 2 * known[3]:
                return "the file is cut off"
            return known
    except (wave.Error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: a length beyond the file
        return str(error) or "the file ends early"


def _fitting(files: ClassFiles, kinds: dict[Path, _Kind | str], front_end: FrontEnd, *, skip_bad: bool) -> ClassFiles:
    """Return the recordings that the front end takes."""
    converted = f"such as with sox IN -r {front_end.sample_rate_hz} -b 16 -c 1 OUT"
    bad = {path: kind for path, kind in kinds.items() if isinstance(kind, str)}
    if bad:
        wrong = next(iter(bad.values()))
        why = f"expected .wav files of 16-bit numbers ({wrong})"
        files = files.without(bad.keys(), why, skip_bad=skip_bad, way_out=f"repair or convert them, {converted}")
    wanted = (front_end.sample_rate_hz, 2, 1)
    known = {path: kind[:3] for path, kind in kinds.items() if not isinstance(kind, str)}
    others = {path: kind for path, kind in known.items() if kind != wanted}
    if others:
        seen = Counter(others.values()).most_common(3)
        listed = "; ".join(f"{rate} Hz, {8 * size} bits, {num} channels" for (rate, size, num), _ in seen)
        why = f"expected recordings at {wanted[0]} Hz of 16 bits and 1 channel, as the front end takes them ({listed})"
        files = files.without(others.keys(), why, skip_bad=skip_bad, way_out=f"convert them, {converted}")
    return files


def _length(
    files: ClassFiles,
    kinds: dict[Path, _Kind | str],
    front_end: FrontEnd,
    seconds: float | None,
) -> int:
    """Return the length that all recordings get."""
    rate = front_end.sample_rate_hz
    counts = Counter(int(kinds[path][3]) for path in files.paths)
    lengths, usual = sorted(counts), max(counts, key=lambda length: (counts[length], length))
    num_samples = usual if seconds is None else round(seconds * rate)
    if seconds is None and len(lengths) > 1:
        raise DataError(
            f"bad data in {files.folder}: expected recordings of one length, received {lengths[0] / rate:.6g} to "
            f"{lengths[-1] / rate:.6g} s; cut and fill all with the option seconds, such as "
            f"seconds={usual / rate:.3g}"
        )
    if front_end.num_frames(num_samples) < 1:
        raise DataError(
            f"bad data in {files.folder}: expected recordings of {front_end.window_size_ms} ms at least, received "
            f"{1000 * num_samples / rate:g} ms"
        )
    return num_samples


def _sound(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def _cut(sound: np.ndarray, num_samples: int) -> np.ndarray:
    """Return the middle of a recording, or the recording and silence behind it."""
    start = max(0, (len(sound) - num_samples) // 2)
    middle = sound[start : start + num_samples]
    return np.pad(middle, (0, num_samples - len(middle)))
