"""Commands on a disk that becomes full: one line, and once there is room the same student."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.benchmarks.reliability.kills import JOBS, hashes, lay_out, left_over
from tools.benchmarks.reliability.sandbox import run_forked

_LIMIT_S = 900.0


def why_not() -> str | None:
    """Return why no small disk can be had here, `None` where one can."""
    if os.geteuid() != 0:
        return "a small disk is a tmpfs, and only root may mount one"
    return None if shutil.which("mount") else "there is no program `mount`"


def size_of(folder: Path) -> int:
    """Return how many bytes the files below a folder take on a disk, in pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def try_full(
    name: str, numbers: Iterable[int], materials: Path, folder: Path, expected: Mapping[str, str], needed: int
) -> list[dict[str, Any]]:
    """Run a job on a disk that is too small, with a little more room each time and at last with enough.

    Args:
        name: Of the job.
        numbers: Draw how much room there is. Those behind the job's end are left.
        materials: What the job reads.
        folder: An empty one, where the disk is mounted.
        expected: Hashes of what the job makes where there is room.
        needed: How many bytes the job leaves there, its materials included.

    Returns:
        A record for each size that was tried.
    """
    records: list[dict[str, Any]] = []
    with _disk(folder):
        lay_out(materials, folder / "job")
        for number in numbers:
            records.append(_fill(name, number, folder, needed))
            if records[-1]["code"] != 2:
                break
        _resize(folder, 512 * 2**20)
        again = run_forked(JOBS[name].words, folder / "job", limit_s=_LIMIT_S, log=folder.parent / "stderr")
        if again.code not in (0, 1):
            records[-1]["faults"].append(f"exit code {again.code}: {again.stderr[-300:]}")
        elif hashes(name, folder / "job") != expected:
            records[-1]["faults"].append("another student")
    return records


def _fill(name: str, number: int, folder: Path, needed: int) -> dict[str, Any]:
    """Run a job with room that is too little for what it has yet to write; return what was found."""
    least = size_of(folder)
    size = random.Random(f"full {name} {number}").randint(least + 4096, max(needed, least + 8192))
    _resize(folder, size)
    ended = run_forked(JOBS[name].words, folder / "job", limit_s=_LIMIT_S, log=folder.parent / "stderr")
    fault = ended.fault()
    faults = [] if fault is None else [f"{fault}: {ended.stderr[-300:]}"]
    faults += [f"left: {path}" for path in left_over(folder)]
    said = "".join(ended.stderr.strip().splitlines()[-1:]) if ended.code == 2 else ""
    return {"job": name, "number": number, "disk_bytes": size, "code": ended.code, "said": said, "faults": faults}


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def _resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
