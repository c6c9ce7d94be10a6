"""Publishes what was tried: docs/results/reliability.json, and the tables of docs/reliability.md."""

import datetime
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kd_edge.files import write_json
from tflite_bench.measurement.environment import read_machine, read_versions
from tools.benchmarks.reliability.kills import JOBS
from tools.benchmarks.reliability.materials import ROOT
from tools.benchmarks.reliability.mutated import summary
from tools.benchmarks.reliability.state import Records
from tools.fill_docs import fill

RESULTS = ROOT / "docs" / "results" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
COMMITS = "commits.txt"
_BROKEN = {"kills": "SIGKILL at a random moment", "full_disk": "disk full at a random size"}
_PACKAGES = ("tensorflow", "keras", "keras-tuner", "ai-edge-litert", "tflite-micro", "numpy")


def take_up(state: Path) -> None:
    """Begin a state with the cases that were broken off before, as they were published.

    Args:
        state: The folder of `run.py`; one that has begun stays as it is.
    """
    if (state / COMMITS).is_file():
        return
    published = json.loads(RESULTS.read_text())
    state.mkdir(parents=True, exist_ok=True)
    (state / COMMITS).write_text("\n".join([*published["commits"], ""]))
    for what, jobs in published["broken_off"].items():
        for name, cases in jobs.items():
            records = Records(state / f"{what}_{name}.jsonl")
            for case in cases:
                records.add(case)


def publish(state: Path) -> None:
    """Write the results and the page from a state.

    Args:
        state: The folder of `run.py`. Where nothing was mutated in it, what was published of mutations stays.
    """
    mutated = summary(Records(state / "mutated.jsonl")) or json.loads(RESULTS.read_text())["mutated"]
    broken = {what: {name: list(Records(state / f"{what}_{name}.jsonl")) for name in JOBS} for what in _BROKEN}
    document = {
        "date": datetime.date.today().isoformat(),
        "commits": (state / COMMITS).read_text().split(),
        "machine": asdict(read_machine()),
        "versions": read_versions({name: name for name in _PACKAGES}),
        "mutated": mutated,
        "broken_off": broken,
    }
    write_json(RESULTS, document)
    fill(PAGE, "mutated", _mutated_table(mutated))
    fill(PAGE, "broken off", _broken_table(broken))
    fill(PAGE, "made", _made(document))


def _mutated_table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ("num", "exit_0", "exit_1", "exit_2", "exit_130", "faults")
    lines = ["| command: file | mutations | exit 0 | 1 | 2 | 130 | faults |", "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| `{row['case']}` | " + " | ".join(str(row.get(name, 0)) for name in columns) + " |" for row in rows]
    total = (sum(row.get(name, 0) for row in rows) for name in columns)
    return "\n".join([*lines, "| all | " + " | ".join(map(str, total)) + " |"])


def _broken_table(cases: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    lines = ["| what | command | times | of them hit before the end | faults |", "|---|---|---:|---:|---:|"]
    for what, words in _BROKEN.items():
        for name, tried in cases[what].items():
            num_hit = sum(bool(case.get("killed") or case.get("code") == 2) for case in tried)
            faults = sum(bool(case["faults"]) for case in tried)
            lines += [f"| {words} | `{name}` | {len(tried)} | {num_hit} | {faults} |"] if tried else []
    return "\n".join(lines)


def _made(document: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    commits = ", ".join(document["commits"])
    return f"Made on {document['date']} at commit {commits} on {document['machine']['cpu']}; {versions}."


def note_commit(state: Path) -> None:
    """Keep which commit something is tried with."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    path = state / COMMITS
    known = path.read_text().split() if path.is_file() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*known, *({commit} - {*known})]) + "\n")
