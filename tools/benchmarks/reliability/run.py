"""How the commands bear broken files, SIGKILL and a full disk; goes on where it was broken off.

    python -m tools.benchmarks.reliability.run mutated kills full_disk --state /tmp/reliability
    python -m tools.benchmarks.reliability.run --state /tmp/reliability --write

The state is a folder outside of the checkout: materials, and a line per case that was tried. `--write` publishes what
is there as docs/results/reliability.json and in docs/reliability.md, in the place of what was published of the same
parts. The full setting, the default, takes hours.
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.benchmarks.reliability import full_disk, kills, mutated, publishing
from tools.benchmarks.reliability.materials import make_inputs, make_models, make_run
from tools.benchmarks.reliability.state import Records

PARTS = ("mutated", "kills", "full_disk")
# So often a job is broken off before it may end.
_IN_A_ROW = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"Of {', '.join(PARTS)}.")
    parser.add_argument("--state", type=Path, required=True, help="Folder that keeps what was tried.")
    parser.add_argument("--num-mutations", type=int, default=2000)
    parser.add_argument("--num-kills", type=int, default=50, help="Of each job.")
    parser.add_argument("--num-disks", type=int, default=20, help="Of each job.")
    parser.add_argument("--light", action="store_true", help="Mutations for commands without TensorFlow alone.")
    parser.add_argument("--write", action="store_true", help="Publish what was tried.")
    options = parser.parse_args()
    if options.parts and not options.light:
        for part in options.parts:
            publishing.note_commit(options.state, part)
        mutated.preload()
        _make_materials(options.state / "materials")
    bad = 0
    if "mutated" in options.parts:
        bad += _mutate(options.state, options.num_mutations, options.light)
    for name in kills.JOBS:
        if "kills" in options.parts:
            bad += _kill(options.state, name, options.num_kills)
        if "full_disk" in options.parts:
            bad += _fill(options.state, name, options.num_disks)
    if options.write:
        publishing.publish(options.state)
    sys.exit(1 if bad else 0)


def _make_materials(folder: Path) -> None:
    if (folder / "after.json").is_file():
        return
    # In a child: a process that has used TensorFlow cannot be forked.
    child = multiprocessing.get_context("fork").Process(target=_make, args=(folder,))
    child.start()
    child.join()
    if child.exitcode != 0:
        sys.exit(f"no materials: making them ended with {child.exitcode}")


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    make_inputs(folder)
    make_models(folder)
    make_run(folder)


def _mutate(state: Path, num: int, light: bool) -> int:
    records = Records(state / "mutated.jsonl")
    numbers = [number for number in range(num) if not (light and mutated.draw(number)[0].heavy)]
    for number in list(mutated.missing(numbers, records)):
        _keep(records, [mutated.try_case(number, state / "materials")])
    return sum(record["fault"] is not None for record in records)


def _kill(state: Path, name: str, num: int) -> int:
    records = Records(state / f"kills_{name}.jsonl")
    missing = list(mutated.missing(range(num), records))
    if missing:
        with _fresh() as folder:
            kills.lay_out(state / "materials", folder)
            expected, seconds = kills.whole(name, folder)
    while missing:
        with _fresh() as folder:
            kills.lay_out(state / "materials", folder)
            tried = kills.try_kills(name, missing[:_IN_A_ROW], folder, expected, seconds)
        missing = missing[_keep(records, tried) :]
    return sum(bool(record["faults"]) for record in records)


def _fill(state: Path, name: str, num: int) -> int:
    if (reason := full_disk.why_not()) is not None:
        print(f"no full disk: {reason}")
        return 0
    records = Records(state / f"full_disk_{name}.jsonl")
    missing = list(mutated.missing(range(num), records))
    if missing:
        with _fresh() as folder:
            kills.lay_out(state / "materials", folder)
            expected, _ = kills.whole(name, folder)
            needed = full_disk.size_of(folder)
    while missing:
        with _fresh() as folder:
            folder.mkdir()
            few = missing[:_IN_A_ROW]
            tried = full_disk.try_full(name, few, state / "materials", folder, expected, needed)
        missing = missing[_keep(records, tried) :]
    return sum(bool(record["faults"]) for record in records)


def _keep(records: Records, tried: Sequence[dict[str, Any]]) -> int:
    """Keep records and show those with faults; return how many they are."""
    for record in tried:
        records.add(record)
        if record.get("fault") or record.get("faults"):
            print(record, flush=True)
    return len(tried)


@contextmanager
def _fresh() -> Iterator[Path]:
    """Return a folder that is not there yet and is gone afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="reliability-"))
    try:
        yield parent / "work"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


if __name__ == "__main__":
    main()
