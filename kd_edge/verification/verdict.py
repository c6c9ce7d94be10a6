"""The verdict of a verification: what its checks say together, from the plain data of a result."""

from collections.abc import Mapping
from typing import Any

from kd_edge.cost.gate import Gate
from kd_edge.verification.gates import all_passed

Result = Mapping[str, Any]


def read_gates(verify: Result) -> dict[str, Gate]:
    """Return the checks of a verification's plain data."""
    return {name: Gate(**gate) for name, gate in verify["gates"].items()}


def failed_checks(verify: Result) -> tuple[str, ...]:
    """Return the names of the checks that failed."""
    return tuple(name for name, gate in read_gates(verify).items() if gate.passed is False)


def open_checks(verify: Result) -> tuple[str, ...]:
    """Return the names of the checks that have a limit and could not be made."""
    return tuple(name for name, gate in read_gates(verify).items() if gate.passed is None and gate.limit is not None)


def outcome(verify: Result) -> str:
    """Return "PASSED", "FAILED", or "NOT PROVEN" where no check failed and a limit could not be checked."""
    if failed_checks(verify):
        return "FAILED"
    return "PASSED" if all_passed(read_gates(verify)) else "NOT PROVEN"


def proven(verify: Result) -> str:
    """Return what the checks of a verification without a failed one say, and those with a limit that were not made."""
    gates, unchecked = read_gates(verify), open_checks(verify)
    fits = "the model fits the flash and the RAM" if "latency_ms" in unchecked else "the model fits"
    fits = fits if gates["ram_bytes"].passed else "the file fits the flash"
    agree = " and the runtimes agree" if gates["runtime_disagreement"].passed else ""
    return fits + agree + (f"; not checked: {', '.join(unchecked)}" if unchecked else "")
