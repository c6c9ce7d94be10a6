"""Publishes what was tried: docs/results/reliability.json, and the tables of docs/reliability.md."""

import datetime
import json
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
_WORDS = {
    "mutated": "Broken files",
    "kills": "SIGKILL at a random moment",
    "full_disk": "disk full at a random size",
}
_PACKAGES = ("tensorflow", "keras", "keras-tuner", "ai-edge-litert", "tflite-micro", "numpy")


def publish(state: Path) -> None:
    """Write the results and the page from a state.

    Args:
        state: The folder of `run.py`. Of parts that were not tried in it, what was published before stays.
    """
    known = json.loads(RESULTS.read_text())
    tried = [part for part in _WORDS if _commits_path(state, part).is_file()]
    if "mutated" in tried:
        known["mutated"] = summary(Records(state / "mutated.jsonl"))
    for part in sorted({*tried} - {"mutated"}):
        counts = [_counts(part, name, Records(state / f"{part}_{name}.jsonl")) for name in JOBS]
        known["broken_off"] = [row for row in known["broken_off"] if row["what"] != part]
        known["broken_off"] += [row for row in counts if row["num"]]
    known["broken_off"].sort(key=lambda row: list(_WORDS).index(row["what"]))
    known["made"] |= {part: _how(_commits_path(state, part).read_text().split()) for part in tried}
    write_json(RESULTS, known)
    fill(PAGE, "mutated", _mutated_table(known["mutated"]))
    fill(PAGE, "broken off", _broken_table(known["broken_off"]))
    fill(PAGE, "made", "\n".join(_made(_WORDS[part], known["made"][part]) for part in _WORDS))


def _how(commits: Sequence[str]) -> dict[str, Any]:
    return {
        "date": datetime.date.today().isoformat(),
        "commits": list(commits),
        "machine": asdict(read_machine()),
        "versions": read_versions({name: name for name in _PACKAGES}),
    }


def _counts(what: str, name: str, records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    known = list(records)
    hit = [record for record in known if record.get("killed") or record.get("code") == 2]
    faults = sum(bool(record["faults"]) for record in known)
    return {"what": what, "job": name, "num": len(known), "num_hit": len(hit), "faults": faults}


def _mutated_table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ("num", "exit_0", "exit_1", "exit_2", "exit_130", "faults")
    lines = ["| command: file | mutations | exit 0 | 1 | 2 | 130 | faults |", "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| `{row['case']}` | " + " | ".join(str(row.get(name, 0)) for name in columns) + " |" for row in rows]
    total = (sum(row.get(name, 0) for row in rows) for name in columns)
    return "\n".join([*lines, "| all | " + " | ".join(map(str, total)) + " |"])


def _broken_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| what | command | times | of them hit before the end | faults |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {_WORDS[row['what']]} | `{row['job']}` | {row['num']} | {row['num_hit']} | {row['faults']} |"
        for row in rows
    ]
    return "\n".join(lines)


def _made(what: str, how: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in how["versions"].items())
    commits = ", ".join(how["commits"])
    return f"* {what}: {how['date']} at commit {commits}, on {how['machine']['cpu']}; {versions}."


def _commits_path(state: Path, part: str) -> Path:
    return state / f"commits_{part}.txt"


def note_commit(state: Path, part: str) -> None:
    """Keep which commit a part is tried with."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    path = _commits_path(state, part)
    known = path.read_text().split() if path.is_file() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*known, *({commit} - {*known})]) + "\n")
