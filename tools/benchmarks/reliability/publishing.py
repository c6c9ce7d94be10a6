"""Publishes what was tried: docs/results/reliability.json, and the tables of docs/reliability.md."""

import datetime
import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
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
# What was published when a state began: its cases come on top of that.
BEFORE = "before.json"
_PACKAGES = ("tensorflow", "keras", "keras-tuner", "ai-edge-litert", "tflite-micro", "numpy")


def take_up(state: Path) -> None:
    """Let a new state go on from what is published; one that has begun stays as it is.

    Args:
        state: The folder of `run.py`.
    """
    state.mkdir(parents=True, exist_ok=True)
    if not (state / BEFORE).is_file():
        shutil.copy(RESULTS, state / BEFORE)


def num_before(state: Path, what: str, name: str) -> int:
    """Return how often a job had been broken off when a state began.

    Args:
        state: The folder of `run.py`.
        what: `"kills"` or `"full_disk"`.
        name: Of the job.
    """
    rows = json.loads((state / BEFORE).read_text())["broken_off"]
    return sum(row["num"] for row in rows if (row["what"], row["job"]) == (what, name))


def publish(state: Path) -> None:
    """Write the results and the page from a state, on top of what was published before it.

    Args:
        state: The folder of `run.py`. Where nothing was mutated in it, the mutations published before stay.
    """
    before = json.loads((state / BEFORE).read_text())
    mutated = summary(Records(state / "mutated.jsonl")) or before["mutated"]
    tried = [
        _counts(what, name, Records(state / f"{what}_{name}.jsonl")) for what in ("kills", "full_disk") for name in JOBS
    ]
    broken = [row for row in (_added(row, before["broken_off"]) for row in tried) if row["num"]]
    document = {
        "date": datetime.date.today().isoformat(),
        "commits": list(dict.fromkeys([*before["commits"], *(state / COMMITS).read_text().split()])),
        "machine": asdict(read_machine()),
        "versions": read_versions({name: name for name in _PACKAGES}),
        "mutated": mutated,
        "broken_off": broken,
    }
    write_json(RESULTS, document)
    fill(PAGE, "mutated", _mutated_table(mutated))
    fill(PAGE, "broken off", _broken_table(broken))
    fill(PAGE, "made", _made(document))


def _counts(what: str, name: str, records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    known = list(records)
    hit = [record for record in known if record.get("killed") or record.get("code") == 2]
    faults = sum(bool(record["faults"]) for record in known)
    return {"what": what, "job": name, "num": len(known), "num_hit": len(hit), "faults": faults}


def _added(row: Mapping[str, Any], before: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts of a job with those of earlier states."""
    same = [row, *(known for known in before if (known["what"], known["job"]) == (row["what"], row["job"]))]
    return {**row, **{name: sum(known[name] for known in same) for name in ("num", "num_hit", "faults")}}


def _mutated_table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ("num", "exit_0", "exit_1", "exit_2", "exit_130", "faults")
    lines = ["| command: file | mutations | exit 0 | 1 | 2 | 130 | faults |", "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| `{row['case']}` | " + " | ".join(str(row.get(name, 0)) for name in columns) + " |" for row in rows]
    total = (sum(row.get(name, 0) for row in rows) for name in columns)
    return "\n".join([*lines, "| all | " + " | ".join(map(str, total)) + " |"])


def _broken_table(rows: Sequence[Mapping[str, Any]]) -> str:
    words = {"kills": "SIGKILL at a random moment", "full_disk": "disk full at a random size"}
    lines = ["| what | command | times | of them hit before the end | faults |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {words[row['what']]} | `{row['job']}` | {row['num']} | {row['num_hit']} | {row['faults']} |" for row in rows
    ]
    return "\n".join(lines)


def _made(document: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    commits = ", ".join(document["commits"])
    return f"Made on {document['date']} at commit {commits}, at last on {document['machine']['cpu']}; {versions}."


def note_commit(state: Path) -> None:
    """Keep which commit something is tried with."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    path = state / COMMITS
    known = path.read_text().split() if path.is_file() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*known, *({commit} - {*known})]) + "\n")
