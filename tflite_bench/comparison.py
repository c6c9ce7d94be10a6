"""Compares two results of `tflite-bench run`: is the second one worse, beyond what chance explains?"""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.numbers import finite_number, whole_number
from tflite_bench.measurement.stats import MIN_RUNS
from tflite_bench.provenance import Computed, Given
from tflite_bench.runners.figures import Kind

FIGURES = ("latency", "instructions", "code", "arena", "estimate")
_RULE = re.compile(rf"({'|'.join(FIGURES)})\s*>\s*(\d+(?:\.\d+)?)\s*%", re.ASCII)
_Z95 = 1.959964


@dataclass(frozen=True)
class Rule:
    """A change that is too much.

    Attributes:
        figure: One of `FIGURES`.
        limit: Largest growth that is tolerated, as a share.
    """

    figure: str
    limit: Given[float]


@dataclass(frozen=True)
class Change:
    """How one figure changed from the first result to the second.

    Attributes:
        figure: One of `FIGURES`.
        kind: What it is, e.g. `"wall time"`.
        unit: Its unit.
        before: Its value in the first result.
        after: Its value in the second.
        share: Growth as a share of the first.
        beyond_noise: True if chance does not explain the change; None where too few runs tell nothing of chance.
        failed: True if it grew beyond noise and by more than its rule tolerates.
    """

    figure: str
    kind: str
    unit: str
    before: Given[float]
    after: Given[float]
    share: Computed[float]
    beyond_noise: bool | None
    failed: bool


@dataclass(frozen=True)
class Comparison:
    """Two results of the same model and runner, compared.

    Attributes:
        runner: The runner of both.
        changes: The figures that both have.
        warnings: What makes the comparison less certain than it looks.
    """

    runner: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True if no figure failed."""
        return not any(change.failed for change in self.changes)


@dataclass(frozen=True)
class _Figure:
    kind: str
    unit: str
    value: float
    ends: tuple[float, float] | None

    def __post_init__(self) -> None:
        for number in (self.value, *(self.ends or ())):
            if isinstance(number, bool) or not math.isfinite(number):
                raise ValueError(f"expected a number, received {number}")
        if self.value < 0:
            raise ValueError(f"expected 0 or more, received {self.value}")


def read_rule(text: str) -> Rule:
    """Return the rule that a text such as `"latency>5%"` states.

    Raises:
        ConfigError: It states none.
    """
    found = _RULE.fullmatch(text.strip())
    if found is None or not math.isfinite(float(found[2])):
        raise ConfigError(f"expected a rule such as 'latency>5%' with one of {', '.join(FIGURES)}, received {text!r}")
    return Rule(found[1], float(found[2]) / 100)


def read_document(path: str | Path) -> Mapping[str, Any]:
    """Return a result that `tflite-bench run --json` wrote.

    Raises:
        ConfigError: The file is missing or is no such result, or one that is damaged or of another version.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise ConfigError(f"{_damaged(path)} nothing: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{_damaged(path)} no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("tool") != "tflite-bench" or document.get("command") != "run":
        raise ConfigError(f"cannot read {path}: expected a result of tflite-bench run, received another document")
    if whole_number(document.get("schema_version")) != 1 or "result" not in document:
        raise ConfigError(f"cannot read {path}: expected a result of schema version 1; measure again")
    if "kinds" not in document:
        raise ConfigError(
            f"cannot read {path}: expected a result that says of what kind its figures are, received one of an older "
            "tflite-bench; measure again"
        )
    _check(document, path)
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"it has no number {constant}")


def _check(document: Mapping[str, Any], path: str | Path) -> None:
    """Read everything that a comparison reads."""
    with _refusing(_damaged(path)):
        for uncertain in (False, True):
            _figures(document["result"], uncertain)
        tuple(_warnings(document, document))


def _damaged(path: str | Path) -> str:
    return f"cannot read {path}: expected a result of tflite-bench run, received"


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn what reading a damaged document raises into a line that begins with `what`."""
    try:
        yield
    except ConfigError:
        raise
    except KeyError as error:
        raise ConfigError(f"{what} one without {error}; measure again") from error
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ConfigError(f"{what} a damaged one ({error}); measure again") from error


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], rules: Sequence[Rule] = (), *, other_model: bool = False
) -> Comparison:
    """Compare two results.

    A latency grew beyond noise if the intervals of the two do not overlap: the 95 % interval of the median, or where a
    program tells no single inferences that of the mean, 1.96 std / sqrt(n), each widened by the precision that was
    asked for, since two runs differ by more than the inferences of one; and from p5 to p95 where one of the two drifted
    or has two groups. With fewer than `MIN_RUNS` runs on a side it is neither better nor worse. Counts and sizes repeat
    exactly, so any growth of one is beyond noise.

    Args:
        before: Document of the first result; see `read_document`.
        after: Document of the second.
        rules: The changes that fail; without any, every growth beyond noise fails.
        other_model: Accept results of two models, such as those before and after a change of the model.

    Raises:
        ConfigError: The results are of different models, runners or kinds, have no figure in common or lack that of a
            rule; or two rules are for one figure.
    """
    limits = _limits(rules)
    with _refusing("cannot compare: expected results of tflite-bench run, received"):
        one, two = before["result"], after["result"]
        _require_same(before, after, other_model)
        uncertain = any(
            latency and (latency["drift"] or latency["bimodal"]) for latency in (one["latency"], two["latency"])
        )
        first, second = _figures(one, uncertain), _figures(two, uncertain)
        warnings = tuple(_warnings(before, after))
    shared = [name for name in FIGURES if name in first and name in second]
    if missing := sorted(limits.keys() - set(shared)):
        raise ConfigError(f"cannot compare {', '.join(missing)}: expected it in both results, which have {shared}")
    if not shared:
        raise ConfigError(f"cannot compare: expected a figure in both results of {one['runner']}, received none")
    changes = tuple(_change(name, first[name], second[name], limits) for name in shared)
    alone = [(name, "first" if name in first else "second") for name in FIGURES if (name in first) != (name in second)]
    lost = tuple(f"only the {when} has a figure of {name}: it is not compared" for name, when in alone)
    return Comparison(one["runner"], changes, (*lost, *warnings))


def _limits(rules: Sequence[Rule]) -> dict[str, float]:
    for rule in rules:
        if not isinstance(rule, Rule):
            raise ConfigError(f"expected rules that read_rule returns, received {rule!r}")
    limits = {rule.figure: rule.limit for rule in rules}
    if len(limits) < len(rules):
        raise ConfigError(f"expected one rule per figure, received {', '.join(rule.figure for rule in rules)}")
    return limits


def _require_same(before: Mapping[str, Any], after: Mapping[str, Any], other_model: bool) -> None:
    one, two = before["result"], after["result"]
    facts = {
        "kinds": (one["kind"], two["kind"]),
        "runners": (one["runner"], two["runner"]),
    }
    if not other_model:
        facts["models"] = (one["model"]["sha256"][:12], two["model"]["sha256"][:12])
    for name, (first, second) in facts.items():
        if first != second:
            raise ConfigError(f"cannot compare results of different {name}: received {first} and {second}")


def _figures(result: Mapping[str, Any], uncertain: bool) -> dict[str, _Figure]:
    """Return the figures of a result that can be compared; what cannot be true raises a `ValueError`."""
    _check_facts(result)
    figures = {}
    if result["latency"]:
        figures["latency"] = _latency(result, uncertain)
        _check_order(result["latency"])
    if execution := result["execution"]:
        figures["instructions"] = _counted("instructions", "instructions", execution["instructions"])
        if execution["code_bytes"] is not None:
            figures["code"] = _counted("bytes", "B", execution["code_bytes"])
    if result["arena_bytes"] is not None:
        figures["arena"] = _counted("bytes", "B", result["arena_bytes"])
    if result["estimate"] and result["estimate"]["latency_ms"] is not None:
        figures["estimate"] = _exact("compiler estimate", "ms", result["estimate"]["latency_ms"])
    return figures


def _check_facts(result: Mapping[str, Any]) -> None:
    if result["kind"] not in get_args(Kind):
        raise ValueError(f"expected one of the kinds {', '.join(get_args(Kind))}, received {result['kind']!r}")
    if not isinstance(result["runner"], str):
        raise TypeError("its runner is no text")
    if not re.fullmatch("[0-9a-f]{64}", result["model"]["sha256"]):
        raise ValueError(f"expected a sha256 of 64 digits, received {result['model']['sha256']!r}")
    runs, precision = whole_number(result["num_runs"]), finite_number(result["plan"]["precision"])
    if runs is None or finite_number(runs) is None or runs < (1 if result["latency"] else 0):
        raise ValueError(f"expected a number of runs, received {result['num_runs']!r}")
    if precision is None or not 0 < precision < 1:
        raise ValueError(f"expected a precision between 0 and 1, received {result['plan']['precision']!r}")


def _latency(result: Mapping[str, Any], uncertain: bool) -> _Figure:
    latency = result["latency"]
    value = latency["avg_ms"] if latency["median_ms"] is None else latency["median_ms"]
    if result["num_runs"] < MIN_RUNS:
        return _Figure("wall time", "ms", value, None)
    if uncertain and latency["p5_ms"] is not None:
        low, high = latency["p5_ms"], latency["p95_ms"]
    elif latency["ci95_low_ms"] is not None:
        low, high = latency["ci95_low_ms"], latency["ci95_high_ms"]
    else:
        reach = _Z95 * latency["std_ms"] / math.sqrt(result["num_runs"])
        low, high = value - reach, value + reach
    if not low <= high:  # also of a negative deviation
        raise ValueError(f"expected an interval of latencies, received one from {low} to {high} ms")
    precision = result["plan"]["precision"]
    return _Figure("wall time", "ms", value, (low * (1 - precision), high * (1 + precision)))


def _check_order(latency: Mapping[str, Any]) -> None:
    for middle in (("ci95_low_ms", "median_ms", "ci95_high_ms"), ("p5_ms", "median_ms", "p95_ms")):
        known = [latency[name] for name in ("min_ms", *middle, "max_ms") if latency[name] is not None]
        if known != sorted(known):
            raise ValueError(f"expected latencies in order from min_ms to max_ms, received {known} ms")


def _exact(kind: str, unit: str, value: float) -> _Figure:
    return _Figure(kind, unit, value, (value, value))


def _counted(kind: str, unit: str, value: Any) -> _Figure:
    if whole_number(value) is None:
        raise TypeError(f"expected a whole number of {unit}, received {value!r}")
    return _exact(kind, unit, value)


def _change(name: str, before: _Figure, after: _Figure, limits: Mapping[str, float]) -> Change:
    share = after.value / before.value - 1 if before.value else math.inf if after.value else 0.0
    beyond_noise = failed = None
    if before.ends is not None and after.ends is not None:
        grew, shrank = after.ends[0] > before.ends[1], after.ends[1] < before.ends[0]
        beyond_noise, failed = grew or shrank, grew and share > limits.get(name, math.inf if limits else 0.0)
    return Change(name, before.kind, before.unit, before.value, after.value, share, beyond_noise, bool(failed))


def _warnings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    one, two = before["result"], after["result"]
    for name, first, second in (
        ("machine", before["machine"]["cpu"], after["machine"]["cpu"]),
        ("governor", before["machine"]["governor"], after["machine"]["governor"]),
        ("device", one["device"], two["device"]),
        ("threads", one["num_threads"], two["num_threads"]),
        ("cores", one["cpus"], two["cpus"]),
        ("note", one["note"], two["note"]),
    ):
        if first != second:
            yield f"the two differ in {name}: {first or 'none'} and {second or 'none'}"
    for when, result in (("first", one), ("second", two)):
        latency = result["latency"]
        if latency and result["num_runs"] < MIN_RUNS:
            yield (
                f"the {when} has too few runs: expected {MIN_RUNS} or more, received {result['num_runs']}; its latency "
                "is neither better nor worse; measure again with more (--num-runs)"
            )
        if latency and (latency["drift"] or latency["bimodal"]):
            yield f"the {when} was not steady (drift, or two groups of latencies): only changes beyond p5 to p95 count"
