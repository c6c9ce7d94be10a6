"""Files in folders that are named like their class, maybe in folders `train`, `val` and `test`."""

import os
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kd_edge.data.options import SourceOptions
from kd_edge.data.splits.drawing import SPLITS, first_few
from kd_edge.errors import ConfigError, DataError, DataWarning, nearest

_NUM_NAMED = 5
# What Speech Commands has beside the folders of its words: long recordings, from which silence is cut.
_NO_CLASSES = ("_background_noise_",)
# What macOS and Python leave beside them.
_LEFT_FOLDERS = ("__MACOSX", "__pycache__")
# What folders of splits are called elsewhere.
_SPLIT_WORDS = ("train", "training", "test", "testing", "val", "valid", "validate", "validation", "eval", "dev")


@dataclass(frozen=True)
class ClassFiles:
    """Files and what their folders and names say of them.

    Attributes:
        folder: The outermost folder.
        paths: The files, sorted.
        labels: Class of each, the name of its folder.
        splits: `train`, `val` or `test` of each; `None` where there are no such folders.
        groups: What each belongs to; `None` where nothing is known.
        left_out: A note on files that are left out.
    """

    folder: Path
    paths: tuple[Path, ...]
    labels: np.ndarray
    splits: np.ndarray | None
    groups: np.ndarray | None
    left_out: str = ""

    def without(self, bad: Collection[Path], why: str, *, skip_bad: bool, way_out: str) -> "ClassFiles":
        """Return the files but some that cannot be used.

        Args:
            bad: Those.
            why: What is wrong with them.
            skip_bad: Whether they may be left out.
            way_out: What else can be done.

        Raises:
            DataError: They may not, or none or none of a class would be left.
        """
        if not bad:
            return self
        names = sorted(str(path.relative_to(self.folder)) for path in bad)
        named = first_few(names)
        if not skip_bad:
            raise DataError(
                f"bad data in {self.folder}: {why}, received {len(names)} of {len(self.paths)} files that are not: "
                f"{named}; {way_out}, or leave them out with the option skip_bad"
            )
        out = set(bad)
        kept = np.array([path not in out for path in self.paths])
        lost = sorted(set(self.labels.tolist()) - set(self.labels[kept].tolist()))
        if lost:
            raise DataError(f"bad data in {self.folder}: {why}, received none of class {lost[0]!r}: {named}")
        return replace(
            self,
            paths=tuple(path for path in self.paths if path not in out),
            labels=self.labels[kept],
            left_out=f"{self.left_out}; left out {named}",
            splits=None if self.splits is None else self.splits[kept],
            groups=None if self.groups is None else self.groups[kept],
        )


def files_by_class(folder: Path, endings: Collection[str], options: SourceOptions) -> ClassFiles:
    """Return the files of some kinds in folders by class.

    Args:
        folder: With a folder for each class, or with folders `train`, `test` and maybe `val` of such.
        endings: Of the files, in lower case, such as `.png`.
        options: `group_pattern`, `skip_bad`, and the task: a reconstruction may have normal samples alone.

    Raises:
        ConfigError: The pattern is none.
        DataError: There is one class or none, a class without files, or a file that is of no class or of another kind.
    """
    rows = []
    others: list[Path] = []
    none: set[str] = set()
    parts, least = _parts(folder), 1 if options.task == "reconstruction" else 2
    for split, part in parts.items():
        none |= {place.name for place in _folders(part) if place.name in _NO_CLASSES}
        classes = [place for place in _folders(part) if place.name not in none]
        if len(classes) < least:
            raise DataError(
                f"bad data in {part}: expected a folder for each of at least {least} classes, received "
                f"{', '.join(place.name for place in classes) or 'none'}"
            )
        for place in classes:
            fit, unfit = _files(place, tuple(endings))
            others += map(Path, unfit)
            if not fit:
                raise DataError(
                    f"bad data in {folder}: expected files in the folder of each class, received none that end in "
                    f"{', '.join(sorted(endings))} in {place.relative_to(folder)}; fill it, or remove the folder"
                )
            rows += [(Path(path), place.name, split) for path in fit]
        loose = [path for path in part.iterdir() if path.is_file() and path.name.lower().endswith(tuple(endings))]
        loose = [path for path in loose if not path.name.startswith(".")]
        if loose:
            raise DataError(
                f"bad data in {part}: expected each file in the folder of its class, received {loose[0].name} beside "
                f"the folders ({len(loose)} such files)"
            )
        if options.group_pattern is None:
            _tell_folders_inside(classes, part)
    paths, labels, splits = zip(*rows, strict=True)
    given = None if parts.keys() == {""} else np.array(splits)
    groups = _groups(paths, options.group_pattern, folder)
    left_out = f"; left out {', '.join(sorted(none))}, which is no class" if none else ""
    listed = ClassFiles(folder, paths, np.array(labels), given, groups, left_out)
    if strange := [_shown(path.relative_to(folder)) for path in paths if _shown(path) != str(path)]:
        raise DataError(
            f"bad data in {folder}: expected names in UTF-8, received {len(strange)} of {len(paths)} that are not: "
            f"{first_few(strange)}; rename them"
        )
    return _without_others(listed, others, endings, skip_bad=options.skip_bad)


def _tell_folders_inside(classes: Sequence[Path], part: Path) -> None:
    """Warn where all classes have the same folders, which may be the classes themselves."""
    inside = {tuple(place.name for place in _folders(place)) for place in classes}
    if len(classes) > 1 and len(inside) == 1 and len(names := inside.pop()) > 1:
        warnings.warn(
            f"{part}: {first_few([place.name for place in classes])} are taken for the classes, and each has the "
            f"folders {first_few(names)}; if these are the classes, move them one level up",
            DataWarning,
            stacklevel=2,
        )


def walk(folder: str | Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder below one, links too, with the names of its folders and of its files, as `os.walk` does.

    Args:
        folder: The outermost one.

    Raises:
        DataError: A link leads to a folder that it is in itself.
    """
    for place, inside, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        for path in (Path(place, name) for name in inside):
            if path.is_symlink() and path.resolve() in (real, *real.parents):
                raise DataError(
                    f"bad data in {folder}: expected links to other folders, received {path}, which leads to one that "
                    "it is in; remove it"
                )
        yield place, inside, names


def _parts(folder: Path) -> dict[str, Path]:
    """Return the folders of the splits; by an empty name the folder itself, where it has none."""
    names = [place.name for place in _folders(folder)]
    if not {"train", "test"} & set(names):
        if names and all(name.lower() in _SPLIT_WORDS for name in names):
            raise DataError(
                f"bad data in {folder}: expected folders of classes, or train, test and maybe val in small letters, "
                f"received {', '.join(names)}; rename them"
            )
        _check_no_split(folder, names)
        return {"": folder}
    for name in sorted(set(names) - set(SPLITS)):
        raise DataError(
            f"bad data in {folder}: expected the folders train, test and maybe val, received {name!r} beside them: "
            f"{nearest(name, SPLITS)}"
        )
    for name in ("train", "test"):
        if name not in names:
            raise DataError(f"bad data in {folder}: expected the folders train and test, received no {name}")
    return {name: folder / name for name in SPLITS if name in names}


def _check_no_split(folder: Path, names: list[str]) -> None:
    """Raise where a folder beside those of the classes has folders of the same classes itself."""
    for name in names:
        inside = {place.name for place in _folders(folder / name)} if name.lower() in _SPLIT_WORDS else set()
        if shared := sorted(inside & set(names)):
            raise DataError(
                f"bad data in {folder}: expected folders of classes, or train, test and maybe val, received {name!r} "
                f"with a folder {shared[0]!r} in it beside the class {shared[0]!r}; move the classes into train and "
                "test"
            )


def _shown(path: Path) -> str:
    """Return a path with what of it is no UTF-8 as escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _folders(folder: Path) -> list[Path]:
    inside = (place for place in folder.iterdir() if place.is_dir())
    return sorted(place for place in inside if not place.name.startswith(".") and place.name not in _LEFT_FOLDERS)


def _files(place: Path, endings: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the paths of all files below a folder that end so, and those of others, both sorted; none is hidden."""
    fit: list[str] = []
    unfit: list[str] = []
    for folder, inside, names in walk(place):
        inside[:] = [name for name in inside if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name != "Thumbs.db":
                (fit if name.lower().endswith(endings) else unfit).append(os.path.join(folder, name))
    return sorted(fit), sorted(unfit)


def _without_others(listed: ClassFiles, others: list[Path], endings: Collection[str], *, skip_bad: bool) -> ClassFiles:
    whole = replace(listed, paths=(*listed.paths, *others))
    kinds = f"expected files that end in {', '.join(sorted(endings))}"
    if others and not skip_bad:
        whole.without(others, kinds, skip_bad=False, way_out="convert them")
    names = ", ".join(_shown(path.relative_to(listed.folder)) for path in others[:_NUM_NAMED])
    note = f"; left out {len(others)} other files: {names}" if others else ""
    return replace(listed, left_out=f"{listed.left_out}{note}")


def _groups(paths: tuple[Path, ...], pattern: str | None, folder: Path) -> np.ndarray | None:
    """Return the part of each file's name that a pattern has in brackets."""
    if pattern is None:
        return None
    try:
        find: Callable[[str], re.Match[str] | None] = re.compile(pattern).search
    except re.error as error:
        raise ConfigError(f"bad option 'group_pattern': expected a regular expression, received {error}") from error
    if re.compile(pattern).groups != 1:
        raise ConfigError(
            f"bad option 'group_pattern': expected one pair of brackets around what names the group, received {pattern}"
        )
    groups = []
    for path in paths:
        match = find(path.name)
        if match is None or match[1] is None:
            raise DataError(
                f"bad data in {folder}: expected names of files with the group_pattern {pattern}, received "
                f"{path.relative_to(folder)}"
            )
        groups.append(match[1])
    return np.array(groups)
