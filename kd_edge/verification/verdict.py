"""What the checks of a verification say together, from the plain data of a result."""

from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]


def failed_checks(gates: Result) -> tuple[str, ...]:
    """Return the names of the checks that failed."""
    return tuple(name for name, gate in gates.items() if gate["passed"] is False)


def open_checks(gates: Result) -> tuple[str, ...]:
    """Return the names of the checks that have a limit and could not be made."""
    return tuple(name for name, gate in gates.items() if gate["passed"] is None and gate["limit"] is not None)


def outcome(verify: Result) -> str:
    """Return "PASSED", "FAILED", or "NOT PROVEN" where no check failed and a limit could not be checked."""
    if failed_checks(verify["gates"]):
        return "FAILED"
    return "PASSED" if verify["passed"] else "NOT PROVEN"


def proven(verify: Result) -> str:
    """Return what the checks of a verification without a failed one say, and those with a limit that were not made."""
    gates, unchecked = verify["gates"], open_checks(verify["gates"])
    fits = "the model fits the flash and the RAM" if "latency_ms" in unchecked else "the model fits"
    fits = fits if gates["ram_bytes"]["passed"] else "the file fits the flash"
    agree = " and the runtimes agree" if gates["runtime_disagreement"]["passed"] else ""
    return fits + agree + (f"; not checked: {', '.join(unchecked)}" if unchecked else "")
