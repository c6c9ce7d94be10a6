"""Images in folders by class, read by Keras' own loader; the values stay whole numbers of 8 bits."""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.class_folders import ClassFiles, files_by_class
from kd_edge.data.sources.image_depth import misread
from kd_edge.data.sources.labelled import labelled_dataset
from kd_edge.data.splits.drawing import SPLITS, splits_of
from kd_edge.data.storage import MAPPED_BYTES, num_bytes, release, room_for
from kd_edge.errors import DataError, MissingDependencyError

# What keras.utils.image_dataset_from_directory reads.
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
OPTIONS = ("group_pattern", "image_size", "color", "skip_bad", "test_share", "task")
# Keras makes four bytes of each and holds several batches.
_BATCH_VALUES = 2**20
# By itself TensorFlow would take half of the memory for batches that are read ahead.
_BUFFER_BYTES = 2**24
_EXPECTED = "expected readable images"
_REPAIR = "repair them or make them .png"
# Pillow's modes of one channel.
_GRAY = ("1", "L", "LA", "I", "I;16", "I;16B")
# Height, width and color of the images, and the files.
_Form = tuple[int, int, str, ClassFiles]


def load_images(text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
    """Return the images of a folder as a data set; see `load_data`.

    Raises:
        ConfigError: An option is wrong.
        DataError: An image cannot be read, they differ in size, or the folders are not those of classes.
        MissingDependencyError: Pillow is needed and missing.
    """
    import tensorflow as tf

    files = _of_bytes(files_by_class(Path(text), ENDINGS, options), skip_bad=options.skip_bad)

    def read(form: _Form, unreadable: Set[str] = frozenset()) -> Dataset:
        height, width, color, files = form
        marks = files.labels, files.groups, files.splits
        splits, how = splits_of(*marks, test_share=options.test_share, seed=seed, source=text, task=options.task)
        scaled = f", scaled to {height} x {width}" if options.image_size else ""
        return labelled_dataset(
            files.folder.resolve().name,
            _read(files, splits, (height, width), color, unreadable),
            files.labels,
            splits,
            groups=files.groups,
            description=f"images in folders by class{scaled}, {color}{files.left_out}; {how}",
            source=text,
            normalize=normalize,
            seed=seed,
            options=options,
            by_number=False,
        )

    # Most folders hold images like the first one: they are decoded while the headers of all are looked at.
    guess = _guess(files, options)
    with ThreadPoolExecutor(1) as aside:
        looked_at = aside.submit(_form, files, options)
        try:
            early = None if guess is None else read(guess)
        except (tf.errors.OpError, DataError):
            early = None
        form = looked_at.result()
    if early is not None and guess is not None and form[:3] == guess[:3] and form[3] is files:
        return early
    try:
        return read(form)
    except tf.errors.OpError:
        height, width, color, files = form
        listed = _listed(_dataset(files.folder, (height, width), color, None))
        unreadable = {path for path in listed if not _is_readable(path, color)}
        bad = [path for path in files.paths if str(path) in unreadable]
        gray_bmp = color == "grayscale" and any(path.suffix.lower() == ".bmp" for path in bad)
        way_out = f"{_REPAIR}; TensorFlow reads no .bmp as one channel: color=rgb" if gray_bmp else _REPAIR
        good = files.without(bad, _EXPECTED, skip_bad=options.skip_bad, way_out=way_out)
        return read((height, width, color, good), unreadable)


def _of_bytes(files: ClassFiles, *, skip_bad: bool) -> ClassFiles:
    """Return the images of which TensorFlow reads the pixels as they are."""
    wrong = {path: what for path in files.paths if (what := misread(path)) is not None}
    if not wrong:
        return files
    why = f"expected pixels of 8 bits a channel ({next(iter(wrong.values()))})"
    return files.without(wrong.keys(), why, skip_bad=skip_bad, way_out="convert them to .png of 8 bits")


def _guess(files: ClassFiles, options: SourceOptions) -> _Form | None:
    """Return what `_form` does where all images are like the first one; `None` where that cannot be opened."""
    if options.image_size and options.color:
        return options.image_size[0], options.image_size[1], options.color, files
    header = next(_headers(files.paths[:1]))
    if header is None:
        return None
    (width, height), mode = header
    color = options.color or ("grayscale" if mode in _GRAY else "rgb")
    height, width = options.image_size or (height, width)
    return height, width, color, files


def _form(files: ClassFiles, options: SourceOptions) -> _Form:
    """Return height, width and color of the images, and those that can be opened."""
    if options.image_size and options.color:
        return options.image_size[0], options.image_size[1], options.color, files
    headers = list(zip(files.paths, _headers(files.paths), strict=True))
    bad = [path for path, header in headers if header is None]
    files = files.without(bad, _EXPECTED, skip_bad=options.skip_bad, way_out=_REPAIR)
    known = [header for _, header in headers if header is not None]
    gray = all(mode in _GRAY for _, mode in known)
    color = options.color or ("grayscale" if gray else "rgb")
    if options.image_size:
        return options.image_size[0], options.image_size[1], color, files
    sizes = Counter(size for size, _ in known)
    (width, height), _ = sizes.most_common(1)[0]
    if len(sizes) > 1:
        example = next(path for path, header in headers if header and header[0] != (width, height))
        raise DataError(
            f"bad data in {files.folder}: expected images of one size, received {len(sizes)}, most of {height} x "
            f"{width}, {example.relative_to(files.folder)} of another; scale all with the option image_size, such as "
            f"image_size={height},{width}"
        )
    return height, width, color, files


def _headers(paths: Iterable[Path]) -> Iterator[tuple[tuple[int, int], str] | None]:
    """Yield width and height and the mode of each image; `None` where it is none."""
    if importlib.util.find_spec("PIL") is None:
        raise MissingDependencyError(
            "pillow is not installed, it finds the size of images: pip install 'kd-edge[images]', or give the options "
            "image_size and color"
        )
    from PIL import Image

    for path in map(str, paths):
        try:
            with Image.open(path) as image:
                yield image.size, image.mode
        except (OSError, SyntaxError, ValueError):
            yield None


def _read(
    files: ClassFiles, splits: np.ndarray, size: tuple[int, int], color: str, unreadable: Set[str]
) -> dict[str, np.ndarray]:
    """Return the images of each split, in the order of their files."""
    shape = (*size, 3 if color == "rgb" else 1)
    mapped = num_bytes((len(splits), *shape), np.uint8) > MAPPED_BYTES
    samples = {split: room_for((int((splits == split).sum()), *shape), np.uint8, mapped=mapped) for split in SPLITS}
    places = dict(zip(map(str, files.paths), _places(splits), strict=True))
    num_read = 0
    for paths, batch in _batches(files.folder, size, color, unreadable):
        known = [i for i, path in enumerate(paths) if path in places]
        num_read += len(known)
        for split in SPLITS:
            rows = [i for i in known if places[paths[i]][0] == split]
            samples[split][[places[paths[i]][1] for i in rows]] = batch[rows]
            release(samples[split])
    if num_read != len(places):
        raise DataError(f"bad data in {files.folder}: expected {len(places)} images, received {num_read} from Keras")
    return samples


def _places(splits: np.ndarray) -> list[tuple[str, int]]:
    """Return the split of each sample and its place there."""
    ranks = {split: np.cumsum(splits == split) - 1 for split in SPLITS}
    return [(split, int(ranks[split][i])) for i, split in enumerate(splits.tolist())]


def _batches(
    folder: Path, size: tuple[int, int], color: str, unreadable: Set[str]
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield the paths and the pixels of all readable images below a folder, as Keras lists and reads them."""
    import tensorflow as tf

    batch_size = max(1, min(256, _BATCH_VALUES // (3 * size[0] * size[1])))
    dataset = _dataset(folder, size, color, None if unreadable else batch_size)
    paths = [path for path in _listed(dataset) if path not in unreadable]
    batches = dataset.ignore_errors().batch(batch_size) if unreadable else dataset
    whole = tf.autograph.experimental.do_not_convert(lambda batch: tf.cast(tf.round(batch), tf.uint8))
    limits = tf.data.Options()
    limits.autotune.ram_budget = _BUFFER_BYTES
    rounded = batches.map(whole, num_parallel_calls=tf.data.AUTOTUNE).with_options(limits)
    for i, batch in enumerate(rounded.as_numpy_iterator()):
        yield paths[i * batch_size : (i + 1) * batch_size], batch


def _dataset(folder: Path, size: tuple[int, int], color: str, batch_size: int | None) -> Any:
    import keras

    return keras.utils.image_dataset_from_directory(
        str(folder),
        labels=None,
        color_mode=color,
        batch_size=batch_size,
        image_size=size,
        shuffle=False,
        follow_links=True,
        verbose=False,
    )


def _listed(dataset: Any) -> list[str]:
    """Return the paths that Keras lists, written as a `Path` is: of the folder `.` they begin with `./` there."""
    return [str(Path(path)) for path in dataset.file_paths]


def _is_readable(path: str, color: str) -> bool:
    import tensorflow as tf

    try:
        tf.io.decode_image(tf.io.read_file(path), channels=3 if color == "rgb" else 1, expand_animations=False)
    except tf.errors.OpError:
        return False
    return True
