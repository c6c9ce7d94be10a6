"""Which packages kd_edge asks for, which are installed, and what is missing without them."""

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement

# What each extra is for; the extras of developers are left out.
EXTRAS = {
    "": "cost, devices, tflite-bench",
    "train": "design, distill, convert, verify and run",
    "qat": "fine-tuning for int8, compression, and files of Keras 2",
    "report": "plots and the page of a run",
    "images": "folders of images",
    "audio": "folders of .wav files",
    "qemu": "emulated Cortex-M processors",
    "serial": "boards behind a serial port",
    "ethos-u": "estimates for Ethos-U",
    "demo": "the built-in data set 'watch'",
}


@dataclass(frozen=True, slots=True)
class Package:
    """A package that kd_edge asks for.

    Attributes:
        name: Its name on PyPI.
        extra: The extra that asks for it; empty where kd_edge always does.
        needed_for: What does not work without it.
        expected: The versions that were tried, such as `">=2.21,<2.22"`.
        installed: The version that is there; `None` without one.
        fits: Whether that is one of the expected.
    """

    name: str
    extra: str
    needed_for: str
    expected: str
    installed: str | None
    fits: bool

    @property
    def wrong(self) -> bool:
        """Whether something cannot work: a version that was not tried, or none of what is always needed."""
        return not self.fits and (self.installed is not None or not self.extra)


def packages() -> tuple[Package, ...]:
    """Return all packages that kd_edge asks for on this system, by extra."""
    asked = [Requirement(text) for text in importlib.metadata.requires("kd-edge") or ()]
    return tuple(package for extra in EXTRAS for package in _of(extra, asked))


def _of(extra: str, asked: list[Requirement]) -> Iterator[Package]:
    for requirement in asked:
        always = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if always != (not extra) or (extra and not requirement.marker.evaluate({"extra": extra})):  # type: ignore[union-attr]
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        fits = version is not None and requirement.specifier.contains(version, prereleases=True)
        yield Package(requirement.name, extra, EXTRAS[extra], str(requirement.specifier), version, fits)
