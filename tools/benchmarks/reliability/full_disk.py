"""Commands on a disk that becomes full: one line, and once there is room the same student."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
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
    name: str, number: int, materials: Path, folder: Path, expected: Mapping[str, str], needed: int
) -> dict[str, Any]:
    """Run a job on a disk that is too small, then once more with room, and return what was found as a record.

    Args:
        name: Of the job.
        number: Draws how small the disk is, and so which write fails.
        materials: What the job reads.
        folder: An empty one, where the disk is mounted.
        expected: Hashes of what the job makes where there is room.
        needed: How many bytes the job leaves there, its materials included.
    """
    with _disk(folder):
        lay_out(materials, folder / "job")
        least = size_of(folder)
        size = random.Random(f"full {name} {number}").randint(least + 4096, max(needed, least + 8192))
        _resize(folder, size)
        ended = run_forked(JOBS[name].words, folder / "job", limit_s=_LIMIT_S, log=folder.parent / "stderr")
        fault = ended.fault()
        faults = [] if fault is None else [f"{fault}: {ended.stderr[-300:]}"]
        faults += [f"left: {path}" for path in left_over(folder)]
        _resize(folder, 512 * 2**20)
        again = run_forked(JOBS[name].words, folder / "job", limit_s=_LIMIT_S, log=folder.parent / "stderr")
        if again.code not in (0, 1):
            faults.append(f"exit code {again.code}: {again.stderr[-300:]}")
        elif hashes(name, folder / "job") != expected:
            faults.append("another student")
    said = ended.stderr.strip().splitlines()[-1:] if ended.code == 2 else []
    record = {"job": name, "number": number, "disk_bytes": size, "code": ended.code, "said": "".join(said)}
    return record | {"faults": faults}


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def _resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
