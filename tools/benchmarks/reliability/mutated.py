"""Mutated models and inputs through every command: no traceback, no hang, one line and exit code 2, 1 or 0."""

import importlib
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.benchmarks.reliability.commands import CASES, Case
from tools.benchmarks.reliability.sandbox import run_forked

_LIMIT_S = {False: 60.0, True: 300.0}
_MAX_WORDS = 400
_LOADED = (
    "keras_tuner",
    "kd_edge.cli",
    "kd_edge.conversion.export",
    "kd_edge.reporting.page.html_report",
    "kd_edge.stages.search",
    "kd_edge.verification.verifier",
    "tflite_bench.cli",
)


def draw(number: int) -> tuple[Case, random.Random]:
    """Return the case of a number, and what its mutation draws from: the same ones on every machine."""
    rng = random.Random(number)
    return rng.choices(CASES, [case.weight for case in CASES])[0], rng


def try_case(number: int, materials: Path) -> dict[str, Any]:
    """Run the command of a number on its mutated file and return how it ended, as a record."""
    case, rng = draw(number)
    with tempfile.TemporaryDirectory(prefix="mutated-") as name:
        folder = Path(name)
        _lay_out(materials, folder, case)
        victim = folder / case.victim
        victim.write_bytes(case.mutate(rng, victim.read_bytes()))
        ended = run_forked(case.words, folder, limit_s=_LIMIT_S[case.heavy])
    fault = ended.fault(may_work_on=case.words.startswith(("kd-edge run", "kd-edge sweep")))
    record = {"number": number, "case": case.name, "code": ended.code, "fault": fault}
    record |= {"seconds": round(ended.seconds, 2), "memory_mb": round(ended.memory_mb)}
    return record | ({} if fault is None else {"stderr": ended.stderr[-_MAX_WORDS:], "words": case.words})


def preload() -> None:
    """Import what the commands import, so that each forked child has it."""
    from kd_edge.silence import load_tensorflow

    load_tensorflow()
    for name in _LOADED:
        importlib.import_module(name)


def missing(numbers: Iterable[int], records: Iterable[dict[str, Any]]) -> Iterator[int]:
    """Return the numbers that have no record yet."""
    done = {record["number"] for record in records}
    return (number for number in numbers if number not in done)


def summary(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per command and kind of file: how many, how they ended, what was wrong."""
    rows: dict[str, Counter[str]] = {}
    for record in records:
        row = rows.setdefault(record["case"], Counter())
        row["num"] += 1
        row[f"exit_{record['code']}" if record["code"] in (0, 1, 2, 130) else "crashed"] += 1
        row["faults"] += record["fault"] is not None
    return [{"case": case, **row} for case, row in sorted(rows.items())]


def _lay_out(materials: Path, folder: Path, case: Case) -> None:
    """Copy what the command names into its folder."""
    words = {*case.words.replace("=", " ").split(), case.victim.split("/")[0]}
    words |= {"waves.npz"} if "run.toml" in words else set()
    for name in words:
        source = materials / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.is_file():
            shutil.copy(source, folder / name)
