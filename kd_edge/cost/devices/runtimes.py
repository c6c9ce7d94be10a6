"""Whether a profile's runtime is the user's, and what follows where it is not."""

import re
from collections.abc import Iterable
from dataclasses import replace

from kd_edge.cost.devices.profile import NOT_MEASURED, DeviceProfile
from kd_edge.cost.devices.profile_files import load_all
from kd_edge.cost.devices.spelling import runtime_name
from kd_edge.errors import ConfigError

# Of another runtime or release as little is known as of a board of another submitter: nine of ten held-out MLPerf Tiny
# rows are within this (`submitters` in docs/results/calibration.json).
OTHER_RUNTIME_ERROR_PERCENT = 205.0
# TFLM's reference kernels take up to 43 times the time of optimised ones: 2,300 for 54 ms on an ESP32-S3 (the README of
# github.com/espressif/esp-nn).
REFERENCE_ERROR_PERCENT = 4200.0
_REFERENCE = "tflm"


def is_runtime(device: DeviceProfile, wanted: str) -> bool:
    """Return whether a profile is of a runtime.

    Args:
        device: The profile.
        wanted: A runtime such as `"x-cube-ai"`, or one with its release, `"x-cube-ai 8"`, which `8.1.0` belongs to, or
            the profile's own `runtime_title`.
    """
    name, release = _name_and_release(device, wanted)
    if name != device.runtime:
        return False
    return not release or f"{device.runtime_version}.".lower().startswith(f"{release}.".lower())


def for_runtime(device: DeviceProfile, wanted: str | None) -> tuple[DeviceProfile, str]:
    """Return a profile as it holds for the user's runtime, and what to say where it is of another.

    Args:
        device: The profile.
        wanted: The user's runtime; `None` where it is that of the profile.

    Returns:
        The profile, and a sentence or nothing. Where its costs are those of another runtime it has a wide interval, and
        the name and release of the user's, which decide about scratch buffers and refusals.

    Raises:
        ConfigError: The runtime has no name.
    """
    if wanted is None or is_runtime(device, wanted):
        return device, ""
    if not wanted.strip():
        raise ConfigError("bad runtime: expected a name such as 'x-cube-ai 10', received an empty one; leave it out")
    name, release = _name_and_release(device, wanted)
    one_is_reference = _REFERENCE in (name, device.runtime)
    percent = max(device.error_percent, REFERENCE_ERROR_PERCENT if one_is_reference else OTHER_RUNTIME_ERROR_PERCENT)
    others = [f"{other.name} ({other.runtime_title})" for other in _of_board(device.board)]
    used = replace(
        device,
        runtime=name,
        runtime_version=release,
        quality=NOT_MEASURED,
        error_percent=percent,
        source=f"costs of {device.runtime_title}: {device.source}",
    )
    counts = f", and what TFLM refuses {'counts' if used.runs_tflm else 'does not count'}"
    sentence = (
        f"the costs of {device.name} are those of {device.runtime_title}, not of {wanted}: the interval is "
        f"\u00b1{percent:g} %{counts if used.runs_tflm != device.runs_tflm else ''}; profiles of this board: "
        f"{', '.join(others)}"
    )
    return used, sentence


def _name_and_release(device: DeviceProfile, wanted: str) -> tuple[str, str]:
    """Return a runtime's name and, behind the first space or the profile's own name, its release."""
    text, own = runtime_name(wanted), device.runtime
    if re.match(rf"{re.escape(own)}(?=[\s\d]|$)", text, re.IGNORECASE):
        return own, text[len(own) :].strip()
    name, _, release = text.partition(" ")
    return name.lower(), release.strip()


def _of_board(board: str) -> Iterable[DeviceProfile]:
    return (profile for profile in load_all() if profile.board == board)
