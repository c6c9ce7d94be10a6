"""Compares the rules of what TFLM refuses with its interpreter, on models of one op each in all types.

`python -m tools.benchmarks.runtime_refusals` prints the counts, and every model that the rules let pass and the
interpreter refuses. Takes a minute or two: each model runs in a copy of the process.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator

from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import refusals_of
from tflite_bench.runners.tflm_check import interpreter_refusals
from tools.networks.single_ops import CASES, single_op, variants


def outcomes(kinds: Iterable[str] = CASES) -> Iterator[tuple[str, tuple[str, ...], bool, bool]]:
    """Yield kind of op, types, whether the rules refuse it, and whether the interpreter does.

    Args:
        kinds: The ops to try.
    """
    for kind in kinds:
        for types in variants(CASES[kind]):
            content = single_op(CASES[kind], types)
            yield kind, types, bool(refusals_of(read_model(content))), bool(interpreter_refusals(content))


def main() -> None:
    """Run the tool."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    counts: Counter[tuple[bool, bool]] = Counter()
    for kind, types, ruled, refused in outcomes():
        counts[ruled, refused] += 1
        if refused and not ruled:
            print(f"false 'holds': {kind} {types}")
    print(summary(counts))


def summary(counts: Counter[tuple[bool, bool]]) -> str:
    """Return how often rules and interpreter agree, as a table."""
    return "\n".join(
        (
            "| by the rules | the interpreter runs it | the interpreter refuses it |",
            "|---|---:|---:|",
            f"| runs | {counts[False, False]:,} | {counts[False, True]:,} |",
            f"| refused | {counts[True, False]:,} | {counts[True, True]:,} |",
        )
    )


if __name__ == "__main__":
    main()
