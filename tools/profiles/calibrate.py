"""Fits the built-in device profiles to published latencies, and says how wrong they are on rows they have not seen.

Example: `python -m tools.profiles.calibrate --groundtruth ../shared/groundtruth --write`. With
`OPENBLAS_NUM_THREADS=1` and two workers it takes about five minutes, nearly all of it for the errors; `--skip-errors`
takes the last ones.
"""

import argparse
import datetime
import json
import platform
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.cost.devices import DeviceProfile, to_toml
from kd_edge.cost.profile_scaling import scaled
from kd_edge.files import write_bytes, write_json
from tools.profiles.cost_regression import Calibration, Hyper, System, tune
from tools.profiles.measurements import Measurements, mobilenet_v1, read_measurements
from tools.profiles.scores import (
    macs_baseline,
    measurements_of_kin,
    per_op_baseline,
    predict,
    summary,
    whole_networks,
    without_benchmark,
    without_board,
    without_network,
    without_pair,
    without_submitter,
    without_system,
)

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "kd_edge" / "cost" / "device_profiles"
REPORT = ROOT / "docs" / "results" / "calibration.json"
_DATASHEET_ERROR = 200.0  # a judgement: nothing here was measured
_ORIGINS = {
    "mlperf": "the MLPerf Tiny results, closed division (github.com/mlcommons/tiny_results_v*)",
    "zoo": "github.com/STMicroelectronics/stm32ai-modelzoo",
    "mcufit": "github.com/avionicharshit-byte/mcufit-bench",
    "esp-nn": "the README of github.com/espressif/esp-nn",
}
_RUNTIMES = {"cmsis-nn": "tflm+cmsis-nn", "esp-nn": "tflm+esp-nn", "tflm arduino": "tflm (arduino)"}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groundtruth", type=Path, required=True, help="folder with the tables; ../models beside it")
    parser.add_argument("--write", action="store_true", help="write the profiles and docs/results/calibration.json")
    parser.add_argument("--skip-errors", action="store_true", help="take the errors from docs/results/calibration.json")
    parser.add_argument("--workers", type=int, default=2, help="processes for the errors")
    args = parser.parse_args()
    measurements = read_measurements(args.groundtruth.parent)
    errors = json.loads(REPORT.read_text())["errors"] if args.skip_errors else all_errors(measurements, args.workers)
    _print_errors(errors)
    hyper = fit_hyper(measurements)
    profiles = make_profiles(measurements, hyper, errors)
    if args.write:
        for profile in profiles:
            write_bytes(PROFILES / f"{profile.name}.toml", to_toml(profile).encode())
        write_json(REPORT, _report(measurements, hyper, errors))
        print(f"wrote {len(profiles)} profiles to {PROFILES} and {REPORT}")


def all_errors(measurements: Measurements, workers: int) -> dict[str, Any]:
    """Return the errors of both baselines and of the model, by what was held out."""
    errors = {
        "baseline: k x MACs per board": macs_baseline(measurements),
        "baseline: per-op profile of other submitters": per_op_baseline(measurements),
    }
    protocols = (without_board, without_submitter, without_benchmark, without_system, without_pair)
    for protocol in protocols:
        print(f"{protocol.__name__} ...", file=sys.stderr)
        errors[protocol.__name__] = predict(measurements, protocol(measurements), workers=workers)
    networks = whole_networks(predict(measurements, without_network(measurements), workers=workers))
    linux = ("mlperf", "zoo")
    errors["without_network, microcontrollers"] = [p for p in networks if not p.system.key.startswith(linux)]
    errors["without_network, Linux"] = [p for p in networks if p.system.key.startswith(linux)]
    return {name: summary(predictions) for name, predictions in errors.items()}


def fit_hyper(measurements: Measurements) -> Hyper:
    """Return the hyperparameters fitted to all rows of systems with relatives."""
    kin = [system for system in measurements.systems if system.kin]
    found = tune(kin, measurements_of_kin(measurements), Hyper())
    return Hyper(**{name: float(f"{value:.4g}") for name, value in asdict(found).items()})


def make_profiles(measurements: Measurements, hyper: Hyper, errors: Mapping[str, Any]) -> list[DeviceProfile]:
    """Return the profiles of all boards in `boards.toml`."""
    boards = tomllib.loads((Path(__file__).parent / "boards.toml").read_text())
    new = [
        System(name, name, board["core"], "tflm", board["family"])
        for name, board in boards.items()
        if "family" in board
    ]
    fitted = Calibration([*measurements.systems, *new], measurements.rows, hyper)
    systems = {system.key: system for system in [*measurements.systems, *new]}
    profiles: dict[str, DeviceProfile] = {}
    for name, board in boards.items():
        if "like" in board:
            profiles[name] = _scaled_profile(name, board, profiles[board["like"]])
        else:
            system = systems[board.get("system", name)]
            profiles[name] = _fitted_profile(name, board, system, measurements, fitted, errors)
    return list(profiles.values())


def _fitted_profile(
    name: str,
    board: Mapping[str, Any],
    system: System,
    measurements: Measurements,
    fitted: Calibration,
    errors: Mapping[str, Any],
) -> DeviceProfile:
    own = [row for row in measurements.rows if row.system == system.key]
    origin, _, row_names = system.key.partition(" ")
    source = f"tools/profiles/calibrate.py, fitted to {len(own)} measurements of {row_names} in {_ORIGINS.get(origin)}"
    if not own:
        source = (
            f"tools/profiles/calibrate.py; never measured: inferred from MLPerf Tiny rows of other {system.core} "
            f"boards and of other boards with {system.family} kernels"
        )
    float32 = board.get("float32")
    return DeviceProfile(
        **_memory(name, board),
        core=system.core,
        runtime=_RUNTIMES.get(system.family, system.runtime),
        quality="measured" if len(own) > 1 else "calibrated",
        error_percent=_error_percent(system, measurements, errors),
        source=source + (f"; float32: rows of {float32}" if float32 else ""),
        int8=fitted.costs(system.key),
        float32=fitted.costs(float32) if float32 else None,
    )


def _error_percent(system: System, measurements: Measurements, errors: Mapping[str, Any]) -> float:
    """Return by how much nine of ten held-out rows of comparable systems were off, rounded up to 5 %."""
    if not system.kin:
        name = f"without_network, {'Linux' if 'cortex-a' in system.core else 'microcontrollers'}"
    elif system in measurements.systems:
        name = "without_board"
    else:
        pairs = {(other.core, other.family) for other in measurements.systems}
        name = "without_system" if (system.core, system.family) in pairs else "without_pair"
    return float(np.ceil((errors[name]["all"]["factor_90"] - 1) * 20) * 5)


def _scaled_profile(name: str, board: Mapping[str, Any], like: DeviceProfile) -> DeviceProfile:
    """Return a profile with the costs of another, scaled so that MobileNetV1 in float takes the published time."""
    network = mobilenet_v1(224, 3, width=1.0, classes=1001, dtype="float32")
    facts = replace(like, **_memory(name, board), core=board["core"], runtime=board["runtime"])
    profile = scaled(facts, [(network, board["mobilenet_v1_float_ms"])])
    source = f"costs of {like.name}, {board['source']}"
    return replace(profile, quality="datasheet", error_percent=_DATASHEET_ERROR, source=source)


def _memory(name: str, board: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": board["title"],
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


def _report(measurements: Measurements, hyper: Hyper, errors: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tool": "tools/profiles/calibrate.py",
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "machine": platform.machine(),
        "systems": len(measurements.systems),
        "rows": len(measurements.rows),
        "hyper": asdict(hyper),
        "errors": errors,
    }


if __name__ == "__main__":
    main()
