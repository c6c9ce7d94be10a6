"""Students for eight boards with three budgets each, beside networks of others; its tables are in docs/devices.md.

Keywords, activities by person and clothes: of each data set one sweep, then the other networks, trained by the same
recipe with the same teacher and held against the same budgets. Each finished network is a row of
docs/results/devices.json at once, and the sweeps resume: a study that was interrupted goes on where it was. A row tells
whether all samples were used. Data sets are done side by side, each by a process of its own on one core: networks as
small as these keep one core busier than several. Needs the extras `train` and `report`, and the data sets' files in the
folder `--data`.

    python -m tools.studies.devices.run
    python -m tools.studies.devices.run --sets har --boards rp2040 nrf52840 --samples 1000 --epochs 4   # to try it
    python -m tools.studies.devices.run --sets fashion --family from_teacher --boards pixel-3a          # one more table
    python -m tools.studies.devices.run --sets                                                          # only the page
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kd_edge.sweep import SweepResult, run_sweep
from kd_edge.sweep.cells import cells_of
from kd_edge.sweep.context import SweepContext
from tools.fill_docs import fill
from tools.studies.devices.others import Others
from tools.studies.devices.pages import FAMILIES, OURS, TEACHER, render
from tools.studies.devices.sets import BOARDS, FAMILY, LATENCIES, SETS, Asked, Set
from tools.studies.halting.rows import Rows

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "results" / "devices.json"
PAGE = ROOT / "docs" / "devices.md"


def study(one: Set, asked: Asked, *, samples: Path, work: Path, rows: Rows) -> None:
    """Do what is missing of a data set.

    Args:
        one: The data set.
        asked: How much of it.
        samples: Folder of the data sets' files.
        work: Folder of sweeps and networks.
        rows: Of the results.
    """
    source = one.write(samples, work, asked.samples)
    network = OURS if asked.family == FAMILY else f"{FAMILIES}{asked.family}"
    config, folder = asked.config(source), work / f"{source.stem}-{asked.family}"
    found = run_sweep(config, asked.sweep, folder, progress=_say)
    assert found is not None  # no worker
    name = asked.name_of(one)
    _keep(found, name, network, rows)
    if network != OURS:
        return
    context = SweepContext(config, cells_of(asked.sweep, config.budget), folder, _say)
    context.results["teacher"] = found.teacher
    Others(name, context, folder / "others", rows).run()


def _keep(found: SweepResult, name: str, network: str, rows: Rows) -> None:
    """Add the cells of a sweep to the rows."""
    teacher = {"accuracy": found.teacher.test_accuracy, "macs": found.teacher.macs, "epochs": _epochs(found)}
    rows.once(lambda: teacher, set=name, network=TEACHER, cell="")
    for cell in found.cells:
        interval = cell.accuracy_ci95
        figures = {
            "fits": cell.student is not None,
            "verdict": cell.verdict,
            "accuracy": cell.accuracy,
            "accuracy_low": None if interval is None else interval.ci95_low,
            "accuracy_high": None if interval is None else interval.ci95_high,
            "latency_ms": cell.latency_ms,
            "ram_bytes": cell.ram_bytes,
            "flash_bytes": cell.flash_bytes,
            "macs": cell.macs,
            "binds": list(cell.binds),
            "teacher": cell.teacher,
        }
        rows.once(lambda figures=figures: figures, set=name, network=network, cell=cell.name)


def _epochs(found: SweepResult) -> int | None:
    return None if found.teacher.recipe is None else found.teacher.recipe.epochs


def _say(stage: str, done: float, message: str = "") -> None:
    print(f"{stage:>9} {done:4.0%} {message}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of .npz files")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "devices", help="folder of sweeps and networks")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS), help="none: only the page")
    parser.add_argument("--boards", nargs="+", default=list(BOARDS))
    parser.add_argument("--latencies", nargs="+", default=list(LATENCIES))
    parser.add_argument("--samples", type=int, help="most training samples; a study of fewer has rows of its own")
    parser.add_argument("--epochs", type=int, default=Asked.epochs, help="of students and other networks")
    parser.add_argument("--teacher-epochs", type=int, default=Asked.teacher_epochs)
    parser.add_argument("--trials", type=int, default=Asked.trials, help="candidates for each board and budget")
    parser.add_argument(
        "--family", default=FAMILY, help="of the students; another one than the first is a table of its own"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="sets at a time; all cores by default")
    args = parser.parse_args()
    # So that the time that was spent is kept.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = Rows(args.results, args.work / "locks", command="study_devices", tool="tools/studies/devices/run.py")
    plan = (args.samples, args.teacher_epochs, args.epochs, args.trials, args.family)
    asked = Asked(tuple(args.boards), tuple(args.latencies), *plan)
    if len(args.sets) > 1 and args.jobs > 1:
        _side_by_side(args.sets, args.jobs)
    else:
        for name in args.sets:
            with rows.timed(asked.name_of(SETS[name])):
                study(SETS[name], asked, samples=args.data, work=args.work, rows=rows)
    fill(args.page, "study", render(rows.document))


def _side_by_side(sets: Sequence[str], jobs: int) -> None:
    """Do each set by this very command in a process of its own.

    Raises:
        SystemExit: Some of them failed; the others were done.
    """
    one_core = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    command = [sys.executable, "-m", "tools.studies.devices.run", *sys.argv[1:], "--jobs", "1", "--sets"]

    def do(name: str) -> int:
        return subprocess.run([*command, name], env={**os.environ, **one_core}, check=False).returncode

    with ThreadPoolExecutor(jobs) as pool:
        failed = [name for name, code in zip(sets, pool.map(do, sets), strict=True) if code]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the same command goes on where they were")


if __name__ == "__main__":
    main()
