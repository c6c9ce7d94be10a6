"""Reads what the benchmark programs print: TFLite's `benchmark_model`, LiteRT's `benchmark_litert_model` and its twin.

TFLite's prints whole microseconds, LiteRT's milliseconds with two decimals.
"""

import re

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.numbers import read_number
from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.runners.vendor.printout import Printout, agree, without_samples

_UNCONSUMED = re.compile(r"Unconsumed cmdline flags: (.*)")
_RUNNING = "Running benchmark for at least"
# Nothing but figures up to the end of the line.
_COUNTS = r"(?<!\w)count=[^\s(]+(?: *\(all same\)| +\w+=[^\s(]+)*(?= *\n)"
# Between title and figures may be lines of others: delegates tell what they replace, phones mix their log in.
_RUNS = re.compile(
    rf"{_RUNNING} [^\n]*\n(?:(?![^\n]*{_RUNNING})(?![^\n]*{_COUNTS})[^\n]*\n)*"
    rf"[^\n]*?({_COUNTS})"
)
_TIMINGS = re.compile(
    r"Inference timings in us: Init: (\S+), First inference: (\S+), Warmup \(avg\): (\S+), Inference \(avg\): (\S+)\n"
)
_MEMORY = re.compile(r"Memory footprint delta from the start of the tool \(MB\): init=\S+ overall=(\S+)")
_RESULTS = re.compile(r"BENCHMARK RESULTS[ =]*\n(?:[^\n]*={20,} *\n)?(.*?)\n[^\n]*={20,}", re.DOTALL)
_RESULT = re.compile(r"(Model initialization|Warmup|Inference)(?: \((\w+)\))?:\s+(\S+) ms(?: \((\d+) runs\))?")
_OLD_TIMINGS = "Average inference timings"
_MIB = 1024 * 1024
LITERT_STEP_MS = 0.01
"""What LiteRT's programs round times to."""
_PERCENTILES = ("median", "p5", "p95")


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


def _read_tflite(text: str) -> Printout:
    runs, timings = _RUNS.findall(text), _TIMINGS.search(text)
    if timings is None or len(runs) < 2:
        raise RunnerError(_cut_off(text, "Inference timings in us" if timings is None else "count="))
    if len(runs) > 2:
        raise ValueError(f"expected the figures of one model, received {len(runs)} lines with a count")
    (warmup, measured) = (_counts(line) for line in runs)
    if not measured["count"]:
        raise RunnerError("the benchmark program measured no inference; give it more time")
    init, first, warmup_avg, inference_avg = (read_number(value) for value in timings.groups())
    median, p5, p95 = (measured[name] / 1e3 if name in measured else None for name in _PERCENTILES)
    latency = LatencyStats(
        median_ms=median,
        avg_ms=measured["avg"] / 1e3,
        std_ms=measured["std"] / 1e3,
        min_ms=measured["min"] / 1e3,
        max_ms=measured["max"] / 1e3,
        p5_ms=p5,
        p95_ms=p95,
        init_ms=init / 1e3,
        warmup_first_ms=first / 1e3,
        warmup_avg_ms=warmup_avg / 1e3,
    )
    memory = _MEMORY.search(text)
    memory_bytes = round(read_number(memory[1]) * _MIB) if memory else None
    printout = Printout(latency, int(measured["count"]), int(warmup["count"]), memory_bytes, without_samples(latency))
    if not agree(inference_avg, measured["avg"]):
        raise ValueError(f"its line of runs tells avg={measured['avg']:g}, its timings {inference_avg:g}")
    return printout


def _counts(line: str) -> dict[str, float]:
    """Return the figures of a line such as `count=64 first=3360 curr=3274 ...`; one or equal runs are abbreviated."""
    pairs = re.findall(r"(\w+)=([^\s(]+)", line)
    values = {key: read_number(value) for key, value in pairs}
    if len(values) < len(pairs):
        raise ValueError(f"the line {line[:80]!r} tells a figure twice")
    if values.get("count") == 0:
        return values
    abbreviated = values.get("count") == 1 or "(all same)" in line
    needed = {"count", "curr"} if abbreviated else {"count", "min", "max", "avg", "std"}
    if missing := needed - values.keys():
        raise ValueError(f"the line {line[:80]!r} lacks {', '.join(sorted(missing))}")
    if not values["count"].is_integer():
        raise ValueError(f"expected a whole number of runs, received {values['count']:g}")
    if abbreviated:
        same = dict.fromkeys(("first", "min", "max", "avg", "median", "p5", "p95"), values["curr"])
        return same | {"std": 0.0} | values
    return values


def _read_litert(text: str) -> Printout:
    if (blocks := text.count("BENCHMARK RESULTS")) > 1:
        raise ValueError(f"expected the figures of one model, received {blocks} blocks of results")
    block = _RESULTS.search(text)
    if block is None:
        raise RunnerError(_cut_off(text, "the line that ends BENCHMARK RESULTS"))
    figures, runs = {}, {}
    for kind, part, value, count in _RESULT.findall(block[1]):
        figures[kind, part] = read_number(value)
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
    return Printout(latency, runs["Inference"], runs.get("Warmup", 0), None, reasons, LITERT_STEP_MS)


def _cut_off(text: str, missing: str) -> str:
    if _RUNNING not in text and "STARTING" not in text and "BENCHMARK" not in text:
        return _unknown(f"expected {missing!r} in it")
    return f"the benchmark program's output is cut off: expected {missing!r}, received {len(text)} letters without it"


def _unknown(reason: str) -> str:
    return f"the benchmark program's output is of a form unknown here: {reason}; use a release of 2020 or later"
