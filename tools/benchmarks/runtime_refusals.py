"""Compares what is computed of a file for TFLM with its interpreter: the arena, and what it refuses.

`python -m tools.benchmarks.runtime_refusals --models FOLDER ... [--write]` compares the files of folders, and the rules
on models of one op each in all types. It prints every model that the rules let pass and the interpreter refuses;
`--write` puts the tables into docs/cost_model.md. Takes some minutes: each model runs in a copy of the process.
"""

import argparse
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.ir.lowering import lower
from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import refusals_of
from tflite_bench.runners.tflm import measure_arena
from tflite_bench.runners.tflm_check import interpreter_refusals
from tools.fill_docs import fill
from tools.networks.single_ops import CASES, single_op, variants

PAGE = Path(__file__).parents[2] / "docs" / "cost_model.md"


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="folders of .tflite files")
    parser.add_argument("--passed", action="store_true", help="try only those models of one op that the rules let pass")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    args = parser.parse_args()
    if args.passed and args.write:
        parser.error("--write needs all models: leave out --passed")
    # The copies of this process have it then, and need not load it each.
    importlib.import_module("tflite_micro")
    files = files_table(path for folder in args.models for path in sorted(folder.glob("*.tflite")))
    rules = rules_table(only_passed=args.passed)
    print(f"{files}\n\n{rules}")
    if args.write:
        fill(PAGE, "shared files", files)
        fill(PAGE, "refusals", rules)


def files_table(paths: Iterable[Path]) -> str:
    """Return for each file what TFLM's arena is, measured less computed, or what refuses it."""
    lines = ["| file | arena, 64-bit, measured | computed less measured | refused by the rules | by the interpreter |"]
    lines.append("|---|---:|---:|---|---|")
    for path in paths:
        content = path.read_bytes()
        ruled = [refusal.op for refusal in refusals_of(read_model(content))]
        refused = [refusal.op for refusal in interpreter_refusals(content)]
        figures = ("", "") if refused else _compared(content)
        cells = (path.stem, *figures, *[", ".join(dict.fromkeys(ops)) or "no" for ops in (ruled, refused)])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _compared(content: bytes) -> tuple[str, str]:
    measured = measure_arena(content).arena_bytes
    return f"{measured:,}", f"{arena_bytes(lower(content), pointer_bytes=8).arena_bytes - measured:+d}"


def rules_table(*, only_passed: bool = False) -> str:
    """Return how often rules and interpreter agree on models of one op, or on those that the rules let pass."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for kind, types, ruled, refused in outcomes(only_passed=only_passed):
        counts[ruled, refused] += 1
        if refused and not ruled:
            print(f"false 'holds': {kind} {types}")
    lines = ["| models of one op | the interpreter runs it | the interpreter refuses it |", "|---|---:|---:|"]
    lines.append(f"| the rules let it pass | {counts[False, False]:,} | {counts[False, True]:,} |")
    if not only_passed:
        lines.append(f"| the rules refuse it | {counts[True, False]:,} | {counts[True, True]:,} |")
    return "\n".join(lines)


def outcomes(
    kinds: Iterable[str] = CASES, *, only_passed: bool = False
) -> Iterator[tuple[str, tuple[str, ...], bool, bool]]:
    """Yield kind of op, types, whether the rules refuse it, and whether the interpreter does.

    Args:
        kinds: The ops to try.
        only_passed: Whether to leave out what the rules refuse.
    """
    for kind in kinds:
        for types in variants(CASES[kind]):
            content = single_op(CASES[kind], types)
            ruled = bool(refusals_of(read_model(content)))
            if not (ruled and only_passed):
                yield kind, types, ruled, bool(interpreter_refusals(content))


if __name__ == "__main__":
    main()
