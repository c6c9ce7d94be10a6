"""What a measurement on this machine depends on besides the model."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {"tflite_bench": "kd-edge", "ai-edge-litert": "ai-edge-litert", "tflite-micro": "tflite-micro"}


@dataclass(frozen=True)
class Machine:
    """The machine that measures, and its state.

    Attributes:
        cpu: Model of the processor.
        num_cores: Logical cores that this process may use.
        governor: Linux' rule for the clock speed, e.g. `"performance"`; None where the system does not tell.
        load_average: Running processes in the last minute, over all cores, before measuring; None as above.
        system: Operating system and architecture.
        python: Version of Python.
    """

    cpu: str
    num_cores: int
    governor: str | None
    load_average: float | None
    system: str
    python: str


def read_machine() -> Machine:
    """Return the machine this runs on, with its load as of now."""
    return Machine(
        cpu=_cpu(),
        num_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        governor=_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def read_versions(packages: Mapping[str, str] = PACKAGES) -> dict[str, str | None]:
    """Return versions of installed packages.

    Args:
        packages: Under which name to return which distribution's; by default this package and the runtimes.

    Returns:
        The versions; None for one that is not installed.
    """
    versions: dict[str, str | None] = {}
    for name, distribution in packages.items():
        try:
            versions[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def read_clock_mhz() -> float | None:
    """Return the clock of the first core as of now, in whole MHz; None where the system does not tell."""
    try:
        clock_mhz = round(float(_cpuinfo("cpu MHz") or 0))
    except ValueError:
        return None
    return float(clock_mhz) if clock_mhz > 0 else None


def _cpu() -> str:
    return _cpuinfo("model name", "Model", "Hardware") or platform.processor() or platform.machine() or "unknown"


def _cpuinfo(*keys: str) -> str | None:
    """Return the first value that Linux states for one of the keys."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for key in keys:
        for line in lines:
            if line.startswith(key) and ":" in line:
                return line.split(":", 1)[1].strip()
    return None


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
