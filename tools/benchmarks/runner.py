"""Compares the median latency of `tflite_bench`'s own loop with that of `litert-benchmark`, in interleaved runs.

The two differ in what they call and in how they time it. litert-benchmark calls a model through another interface, by
the names of its tensors, so the third part of each round times this very call with tflite_bench's loop: it shows how
far the loops differ, and beside the runner `litert`, which calls `invoke()`, what the other interface takes.

litert-benchmark rounds to 0.01 ms, which is too coarse for small models; its rounding is switched off here.

    python -m tools.benchmarks.runner ../shared/models/*.tflite --write
"""

import argparse
import datetime
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.files import write_json
from tflite_bench import LiteRTRunner, run_benchmark
from tflite_bench.errors import TfliteBenchError
from tflite_bench.measurement.environment import read_machine, read_versions
from tools.fill_docs import fill

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "runner.json"
PAGE = ROOT / "docs" / "benchmark.md"

_THEIRS = """
import contextlib, sys
from ai_edge_litert.tools import benchmark_litert_model as program
program.round = lambda value, digits: value
sys.argv[1:] = [f"--model={sys.argv[1]}", f"--num_runs={sys.argv[2]}", "--warmup_runs=20"]
with contextlib.redirect_stdout(sys.stderr):
    results = program.run_benchmark(program.parse_args())
print(results["latency"]["median_ms"])
"""
# What run_benchmark of litert-benchmark does before it measures, with its own functions; then our loop.
_SAME_CALL = """
import sys
import numpy as np
from ai_edge_litert.tools import benchmark_litert_model as program
from tflite_bench.measurement.timing import Plan, measure
num_runs = int(sys.argv[2])
sys.argv[1:] = [f"--model={sys.argv[1]}"]
args = program.parse_args()
CompiledModel, Accelerator, Environment, EnvironmentOptions, Options, CpuOptions = program._import_litert()
environment = program.create_environment(args, Environment, EnvironmentOptions)
accelerators = program.build_hardware_accelerators(args, Accelerator)
options = program.create_model_options(args, Options, CpuOptions, accelerators)
model = CompiledModel.from_file(args.model, environment=environment, options=options)
key = list(model.get_signature_list())[0]
details = model.get_input_tensor_details(key)
inputs = {name: model.create_input_buffer_by_name(key, name) for name in details}
outputs = {name: model.create_output_buffer_by_name(key, name) for name in model.get_output_tensor_details(key)}
for name, buffer in inputs.items():
    program.fill_random_input(buffer, details[name])
timing = measure(lambda: model.run_by_name(key, inputs, outputs), Plan(num_runs=num_runs))
print(float(np.median(timing.samples_ms)))
"""


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--num-runs", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="replace docs/results/runner.json and the page's table")
    args = parser.parse_args()
    rows = [row for path in args.models if (row := compare(path, args.rounds, args.num_runs))]
    measured = {row["model"] for row in rows}
    document = {
        "tool": "tools/benchmarks/runner.py",
        "date": datetime.date.today().isoformat(),
        "machine": vars(read_machine()),
        "versions": read_versions(),
        "rounds": args.rounds,
        "num_runs": args.num_runs,
        "models": rows,
        "left_out": [path.name for path in args.models if path.name not in measured],
    }
    print(render(document))
    if args.write:
        write_json(RESULTS, document)
        fill(PAGE, "runner", render(document))


def compare(path: Path, rounds: int, num_runs: int) -> Mapping[str, Any] | None:
    """Return the medians of the three over all rounds, in ms; None if a runtime refuses the model."""
    found = []
    for _ in range(rounds):
        try:
            latency = run_benchmark(path, runner=LiteRTRunner(), num_runs=num_runs).result.latency
            found.append((latency.median_ms, _in_child(_SAME_CALL, path, num_runs), _in_child(_THEIRS, path, num_runs)))
        except TfliteBenchError as error:
            print(f"{path.name}: left out, {error}", file=sys.stderr)
            return None
        except subprocess.CalledProcessError:
            print(f"{path.name}: left out, litert-benchmark cannot run it", file=sys.stderr)
            return None
    row = {"model": path.name} | summarize(found)
    print("  ".join(str(value) for value in row.values()), file=sys.stderr)
    return row


def summarize(rounds: list[tuple[float, float, float]]) -> dict[str, float]:
    """Return what the rounds say together.

    Args:
        rounds: Medians in ms of `invoke()`, of litert-benchmark's call in our loop, and of litert-benchmark.
    """
    invoke, same_call, theirs = np.array(rounds).T
    ratios = same_call / theirs
    return {
        "invoke_ms": round(float(np.median(invoke)), 5),
        "same_call_ms": round(float(np.median(same_call)), 5),
        "theirs_ms": round(float(np.median(theirs)), 5),
        "loop_ratio": round(float(np.median(ratios)), 4),
        "loop_ratio_min": round(float(ratios.min()), 4),
        "loop_ratio_max": round(float(ratios.max()), 4),
        "call_us": round(float(np.median(same_call - invoke)) * 1e3, 2),
    }


def render(document: Mapping[str, Any]) -> str:
    """Return the part of the page that follows from the results."""
    machine, rows = document["machine"], document["models"]
    worst = max(rows, key=lambda row: abs(row["loop_ratio"] - 1))
    left_out = [name.removesuffix(".tflite") for name in document["left_out"]]
    calls = [row["call_us"] for row in rows]
    table = [
        f"| {row['model'].removesuffix('.tflite')} | {row['invoke_ms']} | {row['same_call_ms']} | {row['theirs_ms']} "
        f"| {row['loop_ratio']} | {row['call_us']} |"
        for row in rows
    ]
    return "\n".join(
        [
            f"In turns, {document['rounds']} rounds of {document['num_runs']:,} inferences each "
            f"({machine['cpu']}, {machine['num_cores']} cores, load {machine['load_average']} at the start, "
            f"ai-edge-litert {document['versions']['ai-edge-litert']}, {document['date']}):",
            "",
            "| model | `litert` ms | same call ms | `litert-benchmark` ms | ratio of the two loops | interface us |",
            "|---|---|---|---|---|---|",
            *table,
            "",
            f"Around the same call the two loops differ by at most {abs(worst['loop_ratio'] - 1):.1%} "
            f"({worst['model'].removesuffix('.tflite')}).",
            f"litert-benchmark's interface takes {min(calls):.1f} to {max(calls):.1f} us per inference more than "
            "`invoke()`.",
            *([f"Not among them, since one of the two refuses them: {', '.join(left_out)}."] if left_out else []),
        ]
    )


def _in_child(program: str, path: Path, num_runs: int) -> float:
    command = [sys.executable, "-c", program, str(path), str(num_runs)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
