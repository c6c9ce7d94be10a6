"""Reads what the benchmark programs print: TFLite's `benchmark_model`, LiteRT's `benchmark_litert_model` and its twin.

TFLite's prints whole microseconds, LiteRT's milliseconds with two decimals.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.stats import LatencyStats

_UNCONSUMED = re.compile(r"Unconsumed cmdline flags: (.*)")
_RUNNING = "Running benchmark for at least"
# Between title and figures may be lines of others: delegates tell what they replace, phones mix their log in.
_RUNS = re.compile(rf"{_RUNNING} [^\n]*\n(?:(?![^\n]*(?:{_RUNNING}|count=))[^\n]*\n)*[^\n]*?(count=[^\n]*)\n")
_TIMINGS = re.compile(
    r"Inference timings in us: Init: (\S+), First inference: (\S+), Warmup \(avg\): (\S+), Inference \(avg\): (\S+)\n"
)
_MEMORY = re.compile(r"Memory footprint delta from the start of the tool \(MB\): init=\S+ overall=(\S+)")
_RESULTS = re.compile(r"BENCHMARK RESULTS[ =]*\n(?:[^\n]*={20,} *\n)?(.*?)\n[^\n]*={20,}", re.DOTALL)
_RESULT = re.compile(r"(Model initialization|Warmup|Inference)(?: \((\w+)\))?:\s+(\S+) ms(?: \((\d+) runs\))?")
_OLD_TIMINGS = "Average inference timings"
_MIB = 1024 * 1024
_PERCENTILES = ("median", "p5", "p95")


@dataclass(frozen=True)
class Printout:
    """The figures that a benchmark program told.

    Attributes:
        latency: Its statistics; it tells no single inferences, so there is no interval and no test for drift.
        num_runs: Measured inferences.
        num_warmup_runs: Inferences before these.
        memory_bytes: Growth of its process' memory; None if it does not tell.
        unavailable_reason: Why the figures that are None are.
    """

    latency: LatencyStats
    num_runs: int
    num_warmup_runs: int
    memory_bytes: int | None = None
    unavailable_reason: Mapping[str, str] = field(default_factory=dict, hash=False)


def unconsumed_flags(text: str) -> tuple[str, ...]:
    """Return the flags that the program did not know, such as `"--bogus=1"`; it ignores these and goes on."""
    found = _UNCONSUMED.search(text)
    return tuple(found[1].split()) if found else ()


def read_printout(text: str) -> Printout:
    """Return the figures in the text that a benchmark program printed.

    Args:
        text: Everything that it wrote to stdout.

    Raises:
        RunnerError: The text is cut off, or is of a release with another form.
    """
    text = text.replace("\r\n", "\n")
    try:
        if "BENCHMARK RESULTS" in text:
            return _read_litert(text)
        if _OLD_TIMINGS in text:
            raise RunnerError(_unknown("it prints the form of TensorFlow 1"))
        return _read_tflite(text)
    except ValueError as error:
        raise RunnerError(_unknown(str(error))) from error


def without_samples(latency: LatencyStats) -> dict[str, str]:
    """Return the reasons for the statistics that a program's summary lacks."""
    reasons = {
        f"latency.{name}_ms": "this release of the program does not print it"
        for name in _PERCENTILES
        if getattr(latency, f"{name}_ms") is None
    }
    summary = "the program tells no single inferences, only a summary"
    return reasons | {f"latency.{name}": summary for name in ("ci95_low_ms", "ci95_high_ms", "drift", "bimodal")}


def _read_tflite(text: str) -> Printout:
    runs, timings = _RUNS.findall(text), _TIMINGS.search(text)
    if timings is None or len(runs) < 2:
        raise RunnerError(_cut_off(text, "Inference timings in us" if timings is None else "count="))
    if len(runs) > 2:
        raise ValueError(f"expected the figures of one model, received {len(runs)} lines with a count")
    (warmup, measured) = (_counts(line) for line in runs)
    if not measured["count"]:
        raise RunnerError("the benchmark program measured no inference; give it more time")
    init, first, warmup_avg, _ = (_number(value) / 1e3 for value in timings.groups())
    median, p5, p95 = (measured[name] / 1e3 if name in measured else None for name in _PERCENTILES)
    latency = LatencyStats(
        median_ms=median,
        avg_ms=measured["avg"] / 1e3,
        std_ms=measured["std"] / 1e3,
        min_ms=measured["min"] / 1e3,
        max_ms=measured["max"] / 1e3,
        p5_ms=p5,
        p95_ms=p95,
        init_ms=init,
        warmup_first_ms=first,
        warmup_avg_ms=warmup_avg,
    )
    memory = _MEMORY.search(text)
    memory_bytes = round(float(memory[1]) * _MIB) if memory else None
    return Printout(latency, int(measured["count"]), int(warmup["count"]), memory_bytes, without_samples(latency))


def _counts(line: str) -> dict[str, float]:
    """Return the figures of a line such as `count=64 first=3360 curr=3274 ...`; one or equal runs are abbreviated."""
    values = {key: _number(value) for key, value in re.findall(r"(\w+)=([^\s(]+)", line)}
    if values.get("count") == 0:
        return values
    if values.get("count") == 1 or "(all same)" in line:
        same = dict.fromkeys(("first", "min", "max", "avg", "median", "p5", "p95"), values["curr"])
        return same | {"std": 0.0} | values
    if missing := {"count", "min", "max", "avg", "std"} - values.keys():
        raise ValueError(f"the line {line[:80]!r} lacks {', '.join(sorted(missing))}")
    return values


def _number(text: str) -> float:
    """Return a number; the programs print `nan` for what they divide by nothing."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, received {text!r}")
    return number


def _read_litert(text: str) -> Printout:
    block = _RESULTS.search(text)
    if block is None:
        raise RunnerError(_cut_off(text, "the line that ends BENCHMARK RESULTS"))
    figures, runs = {}, {}
    for kind, part, value, count in _RESULT.findall(block[1]):
        figures[kind, part] = _number(value)
        if count:
            runs[kind] = int(count)
    needed = [("Inference", part) for part in ("avg", "min", "max", "std")]
    if missing := [f"{kind} ({part})" for kind, part in needed if (kind, part) not in figures]:
        raise ValueError(f"its results lack {', '.join(missing)}")
    parts = {f"{part}_ms": figures.get(("Inference", part)) for part in ("median", "avg", "std", "min", "max")}
    latency = LatencyStats(
        **parts,  # type: ignore[arg-type]
        p5_ms=figures.get(("Inference", "p5")),
        p95_ms=figures.get(("Inference", "p95")),
        init_ms=figures.get(("Model initialization", "")),
        warmup_first_ms=figures.get(("Warmup", "first")),
        warmup_avg_ms=figures.get(("Warmup", "avg")),
    )
    if "Inference" not in runs:
        raise ValueError("its results lack the number of runs")
    reasons = without_samples(latency) | {"memory_bytes": "the program does not tell it in a known form"}
    return Printout(latency, runs["Inference"], runs.get("Warmup", 0), None, reasons)


def _cut_off(text: str, missing: str) -> str:
    if _RUNNING not in text and "STARTING" not in text and "BENCHMARK" not in text:
        return _unknown(f"expected {missing!r} in it")
    return f"the benchmark program's output is cut off: expected {missing!r}, received {len(text)} letters without it"


def _unknown(reason: str) -> str:
    return f"the benchmark program's output is of a form unknown here: {reason}; use a release of 2020 or later"
