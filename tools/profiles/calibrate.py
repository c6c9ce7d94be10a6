"""Fits the built-in device profiles to published latencies, and says how wrong they are on rows they have not seen.

Example: `python -m tools.profiles.calibrate --groundtruth ../shared/groundtruth --write`. With
`OPENBLAS_NUM_THREADS=1` and two workers it takes about six minutes, nearly all of it for the errors; `--skip-errors`
takes the last ones. `tools.benchmarks.cost_accuracy --only-render` puts its tables into docs/cost_model.md.
"""

import argparse
import datetime
import json
import platform
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kd_edge.cost.devices import NOT_MEASURED, DeviceProfile, to_toml
from kd_edge.cost.profile_scaling import scaled
from kd_edge.files import write_bytes, write_json
from tools.profiles.cost_regression import Calibration, Hyper, System, tune
from tools.profiles.intervals import Evidence, after_one_network, any_submitter, coverage, find_evidence, interval_of
from tools.profiles.measurements import Measurements, mobilenet_v1, read_measurements
from tools.profiles.power import all_powers
from tools.profiles.scores import (
    macs_baseline,
    measurements_of_kin,
    per_op_baseline,
    predict,
    summary,
    without_benchmark,
    without_board,
    without_submitter,
)

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "kd_edge" / "cost" / "device_profiles"
REPORT = ROOT / "docs" / "results" / "calibration.json"
# A judgement: one float network was measured, on phones, and nothing else.
_DATASHEET_ERROR = 200.0
_ORIGINS = {
    "mlperf": "the MLPerf Tiny results, closed division (github.com/mlcommons/tiny_results_v*)",
    "zoo": "github.com/STMicroelectronics/stm32ai-modelzoo",
    "mcufit": "github.com/avionicharshit-byte/mcufit-bench",
    "esp-nn": "the README of github.com/espressif/esp-nn",
}
# The runtime of a profile, by that of its system.
_RUNTIMES = {
    "tflm": "tflm+cmsis-nn",
    "tflm arduino": "tflm+cmsis-nn",
    "onnc": "onnc+cmsis-nn",
    "microtvm_cmsis_nn": "microtvm+cmsis-nn",
    "microtvm_native": "microtvm",
    "esp-nn": "tflm+esp-nn",
    "reference": "tflm",
    "tensorflow lite": "tflm",
}


class Made(NamedTuple):
    """A profile, and what its interval comes from."""

    profile: DeviceProfile
    held_out: str
    rows: int
    inside: int


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groundtruth", type=Path, required=True, help="folder with the tables; ../models beside it")
    parser.add_argument("--write", action="store_true", help="write the profiles and docs/results/calibration.json")
    parser.add_argument("--skip-errors", action="store_true", help="take the errors from docs/results/calibration.json")
    parser.add_argument("--workers", type=int, default=2, help="processes for the errors")
    args = parser.parse_args()
    measurements = read_measurements(args.groundtruth.parent)
    hyper = fit_hyper(measurements)
    if args.skip_errors:
        last = json.loads(REPORT.read_text())
        errors, evidence = last["errors"], Evidence(**last["evidence"])
    else:
        errors = all_errors(measurements, args.workers)
        evidence = find_evidence(measurements, hyper, workers=args.workers)
    _print_errors(errors)
    made = make_profiles(measurements, hyper, evidence)
    if args.write:
        for old in PROFILES.glob("*.toml"):
            if old.stem != "host":
                old.unlink()
        for profile, *_ in made:
            write_bytes(PROFILES / f"{profile.name}.toml", to_toml(profile).encode())
        write_json(REPORT, _report(measurements, hyper, errors, evidence, made))
        print(f"wrote {len(made)} profiles to {PROFILES} and {REPORT}")


def all_errors(measurements: Measurements, workers: int) -> dict[str, Any]:
    """Return the errors of both baselines and of the model, by what was held out."""
    errors = {
        "baseline: k x MACs per board": macs_baseline(measurements),
        "baseline: per-op profile of other submitters": per_op_baseline(measurements),
    }
    for protocol in (without_board, without_submitter, without_benchmark):
        print(f"{protocol.__name__} ...", file=sys.stderr)
        errors[protocol.__name__] = predict(measurements, protocol(measurements), workers=workers)
    return {name: summary(predictions) for name, predictions in errors.items()}


def fit_hyper(measurements: Measurements) -> Hyper:
    """Return the hyperparameters fitted to all rows of systems with relatives."""
    kin = [system for system in measurements.systems if system.kin]
    found = tune(kin, measurements_of_kin(measurements), Hyper())
    return Hyper(**{name: float(f"{value:.4g}") for name, value in asdict(found).items()})


def make_profiles(measurements: Measurements, hyper: Hyper, evidence: Evidence) -> list[Made]:
    """Return the profiles of all boards in `boards.toml`."""
    boards = tomllib.loads((Path(__file__).parent / "boards.toml").read_text())
    new = [
        System(name, f"nobody {name}", board.get("core_like", board["core"]), "tflm", runtime["family"])
        for name, board, runtime in _runtimes(boards)
        if "family" in runtime
    ]
    fitted = Calibration([*measurements.systems, *new], measurements.rows, hyper)
    systems = {system.key: system for system in [*measurements.systems, *new]}
    made: dict[str, Made] = {}
    for name, board, runtime in _runtimes(boards):
        if "like" in runtime:
            made[name] = _relative_profile(name, board, runtime, made[runtime["like"]].profile, evidence)
        else:
            system = systems[runtime.get("system", name)]
            made[name] = _fitted_profile(name, board, runtime, (system, measurements, fitted, evidence))
    powers = all_powers()
    return [one._replace(profile=replace(one.profile, power=powers.get(name))) for name, one in made.items()]


def _runtimes(boards: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield a name for every runtime of every board, with both tables."""
    for board_name, board in boards.items():
        for suffix, runtime in board["runtimes"].items():
            name = board_name if suffix == "default" else f"{board_name}-{suffix}"
            yield name, {"name": board_name, **board}, runtime


def _fitted_profile(
    name: str,
    board: Mapping[str, Any],
    runtime: Mapping[str, Any],
    known: tuple[System, Measurements, Calibration, Evidence],
) -> Made:
    system, measurements, fitted, evidence = known
    own = [row for row in measurements.rows if row.system == system.key]
    origin, _, row_names = system.key.partition(" ")
    source = f"tools/profiles/calibrate.py, fitted to {len(own)} measurements of {row_names} in {_ORIGINS.get(origin)}"
    if not own:
        source = (
            f"tools/profiles/calibrate.py; never measured: inferred from MLPerf Tiny rows of other {system.core} "
            f"boards and of other boards with {system.family} kernels"
        )
    float32 = runtime.get("float32")
    # Of a core that only resembles the one that the costs are of, as little is known as of a core that is alone.
    asked = system if system.core == board["core"] or own else system._replace(core=board["core"])
    interval = interval_of(asked, measurements, evidence)
    profile = DeviceProfile(
        **_memory(name, board),
        core=board["core"],
        runtime=_runtime(system),
        runtime_version=system.version,
        quality="measured" if len(own) > 1 else "calibrated" if own else NOT_MEASURED,
        error_percent=interval.error_percent,
        source=source + (f"; float32: rows of {float32}" if float32 else ""),
        int8=fitted.costs(system.key),
        float32=fitted.costs(float32) if float32 else None,
        int8_inference_cycles=system.inference_cycles,
    )
    return Made(profile, interval.held_out, interval.rows, interval.inside)


def _runtime(system: System) -> str:
    """Return the runtime as profiles name it: without its version."""
    name = system.runtime.removesuffix(" float32")
    return _RUNTIMES.get(name, name.split()[0])


def _relative_profile(
    name: str, board: Mapping[str, Any], runtime: Mapping[str, Any], like: DeviceProfile, evidence: Evidence
) -> Made:
    """Return a profile with the costs of another; scaled where one published time of MobileNetV1 is known."""
    facts = replace(like, **_memory(name, board), core=board["core"], runtime=runtime["runtime"], runtime_version="")
    if "mobilenet_v1_float_ms" in runtime:
        network = mobilenet_v1(224, 3, width=1.0, classes=1001, dtype="float32")
        profile = scaled(facts, [(network, runtime["mobilenet_v1_float_ms"])])
        source = f"costs of {like.name}, {runtime['source']}"
        return Made(replace(profile, quality="datasheet", error_percent=_DATASHEET_ERROR, source=source), "", 0, 0)
    interval = any_submitter(evidence)
    linux = like.pointer_bytes == 8
    source = f"costs of {like.name} in clock cycles; never measured"
    percent = _DATASHEET_ERROR if linux else interval.error_percent
    profile = replace(facts, quality=NOT_MEASURED, error_percent=percent, source=source)
    return Made(profile, "", 0, 0) if linux else Made(profile, interval.held_out, interval.rows, interval.inside)


def _memory(name: str, board: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "board": board["name"],
        "title": board["title"],
        "memory_source": board["memory_source"],
        "clock_mhz": float(board["clock_mhz"]),
        "flash_bytes": board["flash"] * 1024,
        "ram_bytes": board["ram"] * 1024,
        "reserved_flash_bytes": board["reserved_flash"] * 1024,
        "reserved_ram_bytes": board["reserved_ram"] * 1024,
        "pointer_bytes": board.get("pointer_bytes", 4),
        "date": datetime.date.today().isoformat(),
    }


def _print_errors(errors: Mapping[str, Any]) -> None:
    print(f"{'held out, or baseline':48} {'rows':>5} {'mean':>7} {'median':>7} {'9 of 10 within':>15}")
    for name, parts in errors.items():
        for part in ("all", "cortex_m"):
            row = parts.get(part, parts["all"])
            if part == "all" or row["rows"] < parts["all"]["rows"]:
                label = name if part == "all" else "    Cortex-M only"
                percents = f"{row['mean_percent']:>5.1f} % {row['median_percent']:>5.1f} %"
                print(f"{label:48} {row['rows']:>5} {percents} {'x ' + format(row['factor_90'], '.2f'):>15}")


def _report(
    measurements: Measurements, hyper: Hyper, errors: Mapping[str, Any], evidence: Evidence, made: list[Made]
) -> dict[str, Any]:
    return {
        "tool": "tools/profiles/calibrate.py",
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "machine": platform.machine(),
        "systems": len(measurements.systems),
        "rows": len(measurements.rows),
        "hyper": asdict(hyper),
        "errors": errors,
        "coverage": {
            name: coverage(measurements, getattr(evidence, name)) for name in ("networks", "submitters", "pairs")
        },
        "one_network": after_one_network(evidence.submitters),
        "intervals": [
            {
                "profile": profile.name,
                "board": profile.board,
                "runtime": profile.runtime_title,
                "quality": profile.quality,
                "error_percent": profile.error_percent,
                "held_out": held_out,
                "rows": rows,
                "inside": inside,
            }
            for profile, held_out, rows, inside in made
        ],
        "evidence": asdict(evidence),
    }


if __name__ == "__main__":
    main()
