"""The JSON that every command prints: one envelope, and for each figure how it was had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tflite_bench.measurement.environment import read_machine, read_versions
from tflite_bench.reporting import envelope

if TYPE_CHECKING:
    from kd_edge.cost.budget import Budget
    from kd_edge.cost.devices import DeviceProfile

_PACKAGES = ("kd-edge", "tensorflow", "keras", "keras-tuner", "ai-edge-litert", "tflite-micro", "numpy")
KD_EDGE = envelope.Tool("kd-edge", 2, {name: name for name in _PACKAGES})

# What `"result"` of a document holds, as read from JSON.
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """What a result was computed for.

    Attributes:
        device: Name of the board.
        budget: The limits.
    """

    device: str
    budget: "Budget"


def make_document(
    command: str, *parts: Any, seed: int | None = None, device: "DeviceProfile | None" = None
) -> dict[str, Any]:
    """Return a command's result in the envelope that all commands share.

    Args:
        command: Name of the command.
        *parts: Frozen results whose fields say how their figures were had (see `tflite_bench.provenance`), or mappings
            to text; their fields together are the result.
        seed: The seed that the result belongs to.
        device: The device that latencies were computed for.

    Returns:
        The object described by `schemas/document.schema.json`. Its `provenance` names for every figure of the result
        whether it was `measured`, `calibrated` (computed with the profile of a measured device), `computed`,
        `estimated` or `given`; `[]` in a path stands for every item of a list.

    Raises:
        TypeError: A figure does not say how it was had.
    """
    nobody_measured = device is not None and not device.measured
    replaced = {"calibrated": "computed"} if nobody_measured else {}
    return envelope.make_document(KD_EDGE, command, *parts, seed=seed, replaced=replaced)


def measured_by() -> tuple[object, ...]:
    """Return what a document names as `machine` and `versions`, less how busy the machine is: who measures here.

    Returns:
        Values whose `repr` says all of them.
    """
    return replace(read_machine(), governor=None, load_average=None), read_versions(KD_EDGE.packages)


def least_known(devices: "Sequence[DeviceProfile]") -> "DeviceProfile":
    """Return a device that nobody measured, where there is one: it decides how the times of several are said to be
    had."""
    return min(devices, key=lambda device: device.measured)
