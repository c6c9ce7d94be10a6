#!/usr/bin/env python3
"""Compares the median latency of `tflite_bench`'s own loop with that of `litert-benchmark`, in interleaved runs.

litert-benchmark rounds to 0.01 ms, which is too coarse for small models; its rounding is switched off here. It calls a
model through another interface, by the names of its tensors, which takes some microseconds of its own.

    tools/bench_runner.py ../shared/models/*.tflite
"""

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tflite_bench import LiteRTRunner, run_benchmark
from tflite_bench.errors import TfliteBenchError
from tflite_bench.machine import read_machine, read_versions

_THEIRS = """
import contextlib, json, sys
from ai_edge_litert.tools import benchmark_litert_model as program
program.round = lambda value, digits: value
sys.argv[1:] = [f"--model={sys.argv[1]}", f"--num_runs={sys.argv[2]}", f"--warmup_runs={sys.argv[3]}"]
with contextlib.redirect_stdout(sys.stderr):
    results = program.run_benchmark(program.parse_args())
print(json.dumps(results["latency"]))
"""


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--num-runs", type=int, default=1000)
    args = parser.parse_args()
    rows = [row for path in args.models if (row := compare(path, args.rounds, args.num_runs))]
    ratios = [abs(row["ratio"] - 1) for row in rows]
    document = {
        "tool": "tools/bench_runner.py",
        "date": datetime.date.today().isoformat(),
        "machine": vars(read_machine()),
        "versions": read_versions(),
        "rounds": args.rounds,
        "num_runs": args.num_runs,
        "models": rows,
        "largest_difference": max(ratios, default=None),
    }
    print(json.dumps(document, indent=2))


def compare(path: Path, rounds: int, num_runs: int) -> Mapping[str, float] | None:
    """Return the medians of both programs over all rounds, in ms; None if the runtime refuses the model."""
    ours, theirs = [], []
    for _ in range(rounds):
        try:
            latency = run_benchmark(path, runner=LiteRTRunner(), num_runs=num_runs).result.latency
        except TfliteBenchError as error:
            print(f"{path.name}: left out, {error}", file=sys.stderr)
            return None
        ours.append(latency.median_ms)
        command = [sys.executable, "-c", _THEIRS, path, str(num_runs), "20"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{path.name}: left out, litert-benchmark cannot run it", file=sys.stderr)
            return None
        theirs.append(json.loads(done.stdout)["median_ms"])
    pairs = np.array(ours) / np.array(theirs)
    row = {
        "model": path.name,
        "ours_ms": round(float(np.median(ours)), 5),
        "theirs_ms": round(float(np.median(theirs)), 5),
        "ratio": round(float(np.median(pairs)), 4),
        "ratio_min": round(float(pairs.min()), 4),
        "ratio_max": round(float(pairs.max()), 4),
        "difference_us": round(float(np.median(np.array(theirs) - np.array(ours))) * 1e3, 2),
    }
    print("  ".join(str(value) for value in row.values()), file=sys.stderr)
    return row


if __name__ == "__main__":
    main()
