"""Commands that are killed at random moments and started again: the same student, nothing half-written."""

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_edge.stages.store import content_of
from tools.benchmarks.reliability.materials import BOARD
from tools.benchmarks.reliability.sandbox import LOG, run_forked, start_forked, wait

_LIMIT_S = 900.0
_POLL_SECONDS = 0.05
# When a kill comes, as parts of the time that the whole job takes: after its start, and after there are workers.
_PART_OF_JOB = (0.02, 0.5)
_PART_OF_WORKER = (0.0, 0.1)
_HALF_WRITTEN = re.compile(r"\.partial-.+|.*\.(?:part|tmp)")


@dataclass(frozen=True)
class Job:
    """A command that goes on where it was broken off.

    Attributes:
        words: The command, in a folder of all materials.
        results: The files that have to be the same in the end, as patterns.
        of_worker: Kill one of its workers alone; whoever waits for that one has to go on without being asked.
    """

    words: str
    results: tuple[str, ...]
    of_worker: bool = False


_SWEEP = f"kd-edge sweep run.toml --device {BOARD},rp2040 --latency 5ms,20ms -o out"
_SWEPT = ("out/teacher.keras", "out/students/*/student.keras", "out/students/*/model.tflite")
JOBS: Mapping[str, Job] = {
    "run": Job("kd-edge run run.toml -o out", ("out/student.keras", "out/model.tflite")),
    "design": Job(
        f"kd-edge design teacher.keras --data waves.npz --device {BOARD} --trials 3 --epochs 1 --teacher-ratio 2 "
        "-o out",
        ("out/student.keras",),
    ),
    "distill": Job(
        "kd-edge distill --teacher teacher.keras --student student.keras --data waves.npz --epochs 3 "
        "-o out/distilled.keras",
        ("out/distilled.keras", "out/distilled-alone.keras"),
    ),
    "sweep": Job(_SWEEP, _SWEPT),
    "sweep with workers": Job(f"{_SWEEP} --workers 2", _SWEPT, of_worker=True),
}


def whole(name: str, folder: Path) -> tuple[dict[str, str], float]:
    """Run a job from its beginning to its end.

    Returns:
        Hashes of its results, and how many seconds it took.
    """
    started = time.monotonic()
    ended = run_forked(JOBS[name].words, folder, limit_s=_LIMIT_S)
    if ended.code not in (0, 1):
        raise RuntimeError(f"{name} ended with {ended.code}: {ended.stderr[-400:]}")
    return hashes(name, folder), time.monotonic() - started


def try_kills(
    name: str, numbers: Iterable[int], folder: Path, expected: Mapping[str, str], seconds: float
) -> list[dict[str, Any]]:
    """Kill a job again and again as it goes on, let it end, and return what was found as a record for each kill.

    Args:
        name: Of the job.
        numbers: Draw the moments, counted from when the job was started the last time. Those behind its end are left.
        folder: Of fresh materials.
        expected: Hashes of what the job makes where nobody kills it.
        seconds: How long it takes then.
    """
    kill = _kill_workers if JOBS[name].of_worker else _kill_job
    records = kill(name, numbers, folder, seconds)
    ended = run_forked(JOBS[name].words, folder, limit_s=_LIMIT_S)
    faults = [f"left: {path}" for path in left_over(folder)]
    if ended.code not in (0, 1):
        faults.append(f"exit code {ended.code}: {ended.stderr[-300:]}")
    elif hashes(name, folder) != expected:
        faults.append("another student")
    records[-1]["faults"] += faults
    return records


def _kill_job(name: str, numbers: Iterable[int], folder: Path, seconds: float) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for number in numbers:
        moment = random.Random(f"{name} {number}").uniform(*_PART_OF_JOB) * seconds
        child = start_forked(JOBS[name].words, folder, folder / LOG)
        killed = wait(child, moment) is None
        if killed:
            os.killpg(child, signal.SIGKILL)
            wait(child, _LIMIT_S)
        records.append(_record(name, number, moment, killed, folder))
        if not killed:
            break
    return records


def _kill_workers(name: str, numbers: Iterable[int], folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Kill workers of a job, which goes on by itself."""
    records: list[dict[str, Any]] = []
    child = start_forked(JOBS[name].words, folder, folder / LOG)
    ended = None
    for number in numbers:
        moment = random.Random(f"{name} {number}").uniform(*_PART_OF_WORKER) * seconds
        while ended is None and not _children(child):
            ended = wait(child, _POLL_SECONDS)
        ended = ended or wait(child, moment)
        workers = _children(child) if ended is None else []
        if workers:
            os.kill(workers[number % len(workers)], signal.SIGKILL)
        records.append(_record(name, number, moment, bool(workers), folder))
        if ended is not None:
            break
    if ended is None:
        wait(child, _LIMIT_S)
    return records


def _record(name: str, number: int, moment: float, killed: bool, folder: Path) -> dict[str, Any]:
    faults = [f"broken after the kill: {path}" for path in _broken_files(folder)]
    return {"job": name, "number": number, "after_s": round(moment, 2), "killed": killed, "faults": faults}


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def hashes(name: str, folder: Path) -> dict[str, str]:
    """Return a hash of what each result of a job says; of a model its layers and weights, not when it was written."""
    found = {}
    for pattern in JOBS[name].results:
        for path in sorted(folder.glob(pattern)) or [folder / pattern]:
            found[str(path.relative_to(folder))] = content_of(path) or "missing"
    return found


def left_over(folder: Path) -> list[str]:
    """Return the files below a folder that are half-written, and the JSON that does not load."""
    left = [str(path) for path in folder.rglob("*") if path.is_file() and _HALF_WRITTEN.fullmatch(path.name)]
    return left + _broken_files(folder)


def lay_out(materials: Path, folder: Path) -> None:
    """Copy what the jobs read."""
    folder.mkdir(parents=True)
    for name in ("run.toml", "waves.npz", "teacher.keras", "student.keras"):
        shutil.copy(materials / name, folder / name)


def _broken_files(folder: Path) -> list[str]:
    broken = []
    for path in folder.rglob("*.json"):
        if _HALF_WRITTEN.fullmatch(path.name):
            continue
        try:
            json.loads(path.read_text())
        except ValueError:
            broken.append(str(path.relative_to(folder)))
    return broken
