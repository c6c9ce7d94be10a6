"""What the checks of a verification say, in words: which figure held, broke, or proved nothing."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, Gate, digits_apart
from kd_edge.reporting.sentences.formatting import figure
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.verification.verdict import outcome, proven, read_gates

UNITS = {"flash_bytes": "B", "ram_bytes": "B", "latency_ms": "ms", "energy_mj": "mJ", "output_steps": "LSB"}
CHECKS = {
    "flash_bytes": "the file fits the flash",
    "ram_bytes": "what the firmware reserves fits the RAM",
    "latency_ms": "the computed latency is short enough",
    "energy_mj": "the computed energy of an inference is small enough",
    "better_than_majority": "share right, better than always naming the largest class",
    "classes_named": "classes that it names at all",
    "better_than_constant": "better than the best constant answer",
    "better_than_chance": "area under the curve, better than chance",
    "distinct_answers": "different answers that it gives at all",
    "accuracy_loss": "share of samples lost against float",
    "teacher_loss": "share of samples lost against the teacher",
    "against_loss": "share of samples lost against the file that it replaces",
    "runtime_disagreement": "share of samples for which LiteRT and TFLM name other classes",
    "output_steps": "largest difference of an output between LiteRT and TFLM",
    "tflm_missing_ops": "operators that TFLM lacks",
    "tflm_refusals": "refusals by the runtime",
}
# What they are called where the answers are no classes, by what is lost and won then.
_OTHERWISE = {
    "label_accuracy": {
        "better_than_constant": "share of labels right, better than each always its more frequent value",
        "accuracy_loss": "share of labels lost against float",
        "teacher_loss": "share of labels lost against the teacher",
        "against_loss": "share of labels lost against the file that it replaces",
        "runtime_disagreement": "share of samples for which LiteRT and TFLM name other labels",
    },
    "skill": {
        "better_than_constant": "skill, better than that of the best constant answer",
        "accuracy_loss": "skill lost against float",
        "teacher_loss": "skill lost against the teacher",
        "against_loss": "skill lost against the file that it replaces",
        "runtime_disagreement": "share of samples that only LiteRT or only TFLM calls an anomaly",
    },
    "score": {
        "accuracy_loss": "lost against float",
        "teacher_loss": "lost against the teacher",
        "against_loss": "lost against the file that it replaces",
        "runtime_disagreement": "share of samples for which LiteRT and TFLM decide otherwise",
    },
}
# Checks whose limit is the smallest figure that is accepted; those of the others are the largest.
_BETTER = ("better_than_majority", "better_than_constant", "better_than_chance")
_FLOORS = (*_BETTER, "classes_named", "distinct_answers")
_SHARES = (*_BETTER, "accuracy_loss", "teacher_loss", "against_loss", "runtime_disagreement")
WORDS = {HOLDS: "holds", BROKEN: "BROKEN", NOT_PROVEN: "not proven", None: "no limit"}


def check_title(name: str, metric: str = "accuracy") -> str:
    """Return what a check is called.

    Args:
        name: Of the check; with the output that it is of, as in `accuracy_loss.speed`, where there are several.
        metric: What the answers are measured by; see `Task.metric`.
    """
    kind, _, output = name.partition(".")
    title = _OTHERWISE.get(metric, {}).get(kind) or CHECKS.get(kind, kind)
    return f"{output}: {title}" if output else title


def _kind(name: str) -> str:
    return name.partition(".")[0]


def found_text(name: str, gate: Gate) -> str:
    """Return the figure of a check with its interval; empty where it could not be had."""
    if gate.measured is None:
        return ""
    more = _more_digits(name, gate)
    found, low, high = (_figure(name, value, more) for value in (gate.measured, gate.low, gate.high))
    interval = f" ({low} to {high})" if low and high else ""
    return f"{found}{interval} {UNITS.get(_kind(name), '')}".rstrip()


def limit_text(name: str, gate: Gate) -> str:
    """Return the limit of a check; empty where there is none."""
    if gate.limit is None:
        return ""
    bound = "least" if _kind(name) in _FLOORS else "most"
    return f"at {bound} {_figure(name, gate.limit, _more_digits(name, gate))} {UNITS.get(_kind(name), '')}".rstrip()


def verdict_text(verify: Mapping[str, Any]) -> str:
    """Return the verdict of a verification and the figures that it stands on."""
    verdict, gates = outcome(verify), read_gates(verify)
    if verdict != HOLDS:
        metric = _measured_by(verify)
        listed = "; ".join(_said(name, gate, metric) for name, gate in gates.items() if gate.verdict == verdict)
        return listed if verdict == BROKEN else f"{proven(verify)}, but not proven: {listed}"
    if outputs := verify.get("outputs"):
        return f"{proven(verify)}; each of {len(outputs)} outputs is better than a constant answer"
    for name in _BETTER:
        if (gate := gates.get(name)) is not None and gate.limit is not None:
            return f"{proven(verify)}; {_good(name, _measured_by(verify))} {found_text(name, gate)}, {_bar(name, gate)}"
    return proven(verify)


def reason_lines(verify: Mapping[str, Any]) -> Iterator[str]:
    """Yield of each check that is not proven why, and the way out."""
    for name, gate in read_gates(verify).items():
        if gate.verdict == NOT_PROVEN and gate.reason:
            yield f"not proven, {check_title(name, _measured_by(verify))}: {gate.reason}"


def _figure(name: str, value: float | None, more: int) -> str:
    if value is None:
        return ""
    return f"{value:z.{3 + more}f}" if _kind(name) in _SHARES else figure(value, more)


def _more_digits(name: str, gate: Gate) -> int:
    """Return how many more digits than usual show that a check does not hold: those of the end that says so."""
    ends = sorted(value for value in (gate.measured, gate.low, gate.high) if value is not None)
    if gate.limit is None or not ends or gate.verdict not in (BROKEN, NOT_PROVEN):
        return 0
    is_least = (gate.verdict == BROKEN) != (_kind(name) in _FLOORS)
    return digits_apart(ends[0 if is_least else -1], gate.limit, partial(_figure, name))


def _measured_by(verify: Mapping[str, Any]) -> str:
    return metric_of(verify.get("accuracy", {}))


def _good(name: str, metric: str) -> str:
    return "area under the curve" if name == "better_than_chance" else metric_word(metric)


def _bar(name: str, gate: Gate) -> str:
    """Return what a figure had to exceed."""
    bars = {"better_than_majority": "of the largest class", "better_than_constant": "of the best constant answer"}
    return f"{bars.get(name, 'by chance')} {gate.limit:z.3f}"


def _said(name: str, gate: Gate, metric: str) -> str:
    return f"{check_title(name, metric)} ({found_text(name, gate) or 'not known'}, {limit_text(name, gate)})"


def untimed_lines(cost: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a latency is unknown, where it is."""
    if cost["latency_ms"] is None:
        yield f"latency unknown: {document['unavailable_reason']['latency_ms']}"
