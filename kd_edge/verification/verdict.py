"""The verdict of a verification: what its checks say together, from the plain data of a result."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, Gate, verdict_of

Result = Mapping[str, Any]
_VERDICTS = {True: HOLDS, False: BROKEN, None: NOT_PROVEN}


def read_gates(verify: Result) -> dict[str, Gate]:
    """Return the checks of a verification's plain data; an older version wrote no verdicts."""
    gates = {name: Gate(**gate) for name, gate in verify["gates"].items()}
    return {
        name: replace(gate, verdict=None if gate.limit is None else _VERDICTS[gate.passed])
        for name, gate in gates.items()
    }


def failed_checks(verify: Result) -> tuple[str, ...]:
    """Return the names of the checks that are broken."""
    return tuple(name for name, gate in read_gates(verify).items() if gate.verdict == BROKEN)


def open_checks(verify: Result) -> tuple[str, ...]:
    """Return the names of the checks that have a limit and are not proven."""
    return tuple(name for name, gate in read_gates(verify).items() if gate.verdict == NOT_PROVEN)


def outcome(verify: Result) -> str:
    """Return what all checks say together, one of `kd_edge.cost.gate.VERDICTS`."""
    return verdict_of(read_gates(verify).values())


def proven(verify: Result) -> str:
    """Return what the checks of a verification without a broken one have proven."""
    gates = read_gates(verify)
    late = any(gate.verdict == NOT_PROVEN for name, gate in gates.items() if name in ("latency_ms", "energy_mj"))
    fits = "the model fits the flash and the RAM" if late else "the model fits"
    fits = fits if gates["ram_bytes"].passed else "the file fits the flash"
    same = gates["runtime_disagreement"]
    same = gates["output_steps"] if same.verdict is None else same  # measured values say no more than the outputs
    return fits + (" and the runtimes agree" if same.passed else "")
