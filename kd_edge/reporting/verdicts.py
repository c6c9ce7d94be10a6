"""What the checks of a verification say, in words: which figure held, broke, or proved nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, Gate
from kd_edge.reporting.formatting import figure
from kd_edge.verification.verdict import outcome, proven, read_gates

UNITS = {"flash_bytes": "B", "ram_bytes": "B", "latency_ms": "ms", "output_steps": "LSB"}
CHECKS = {
    "flash_bytes": "the file fits the flash",
    "ram_bytes": "what the firmware reserves fits the RAM",
    "latency_ms": "the computed latency is short enough",
    "better_than_majority": "share right, better than always naming the largest class",
    "classes_named": "classes that it names at all",
    "accuracy_loss": "share of samples lost against float",
    "teacher_loss": "share of samples lost against the teacher",
    "runtime_disagreement": "share of samples for which LiteRT and TFLM name other classes",
    "output_steps": "largest difference of an output between LiteRT and TFLM",
    "tflm_missing_ops": "operators that TFLM lacks",
    "tflm_refusals": "refusals by the runtime",
}
# Checks whose limit is the smallest figure that is accepted; those of the others are the largest.
_FLOORS = ("better_than_majority", "classes_named")
_SHARES = ("better_than_majority", "accuracy_loss", "teacher_loss", "runtime_disagreement")
WORDS = {HOLDS: "holds", BROKEN: "BROKEN", NOT_PROVEN: "not proven", None: "no limit"}


def found_text(name: str, gate: Gate) -> str:
    """Return the figure of a check with its interval; empty where it could not be had."""
    if gate.measured is None:
        return ""
    found, low, high = (_figure(name, value) for value in (gate.measured, gate.low, gate.high))
    interval = f" ({low} to {high})" if low and high else ""
    return f"{found}{interval} {UNITS.get(name, '')}".rstrip()


def limit_text(name: str, gate: Gate) -> str:
    """Return the limit of a check; empty where there is none."""
    if gate.limit is None:
        return ""
    return f"at {'least' if name in _FLOORS else 'most'} {_figure(name, gate.limit)} {UNITS.get(name, '')}".rstrip()


def verdict_text(verify: Mapping[str, Any]) -> str:
    """Return the verdict of a verification and the figures that it stands on."""
    verdict, gates = outcome(verify), read_gates(verify)
    if verdict != HOLDS:
        listed = "; ".join(_said(name, gate) for name, gate in gates.items() if gate.verdict == verdict)
        return listed if verdict == BROKEN else f"{proven(verify)}, but not proven: {listed}"
    accuracy = gates.get("better_than_majority")
    if accuracy is None or accuracy.limit is None:
        return proven(verify)
    named = "better_than_majority"
    return f"{proven(verify)}; accuracy {found_text(named, accuracy)}, of the largest class {accuracy.limit:.3f}"


def reason_lines(verify: Mapping[str, Any]) -> Iterator[str]:
    """Yield of each check that is not proven why, and the way out."""
    for name, gate in read_gates(verify).items():
        if gate.verdict == NOT_PROVEN and gate.reason:
            yield f"not proven, {CHECKS.get(name, name)}: {gate.reason}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if name in _SHARES else figure(value)


def _said(name: str, gate: Gate) -> str:
    return f"{CHECKS.get(name, name)} ({found_text(name, gate) or 'not known'}, {limit_text(name, gate)})"
