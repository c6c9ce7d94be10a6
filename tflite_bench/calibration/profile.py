"""Writes a calibration as the device profile that `kd-edge --device` takes: a TOML file."""

import datetime
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tflite_bench.calibration.calibrate import Calibration, Cost
from tflite_bench.measurement.environment import read_clock_mhz, read_machine
from tflite_bench.model.operators.spec import KERNEL_CLASSES

_MEMORY_BYTES = 4 << 30
_DEFAULT_CLOCK_MHZ = 1000.0


def profile_toml(calibration: Calibration) -> str:
    """Return a calibration as the text of a device profile; the file's name is the device's.

    The costs are stated in clock cycles. The clock is this machine's nominal one, or 1000 MHz for a device, where a
    cycle then is a nanosecond; the predicted times do not depend on it. The sizes of the memories are placeholders. A
    microcontroller states its own clock, and the memories of its firmware.

    Args:
        calibration: See `calibrate`.
    """
    board = calibration.device if "clock_mhz" in calibration.device else {}
    clock_mhz = _DEFAULT_CLOCK_MHZ if calibration.device else read_clock_mhz() or _DEFAULT_CLOCK_MHZ
    machine = read_machine()
    where = ", ".join(calibration.device.values()) or machine.cpu
    core = calibration.device.get("abi") or calibration.device.get("system", "").split(" ")[-1] or platform.machine()
    head: dict[str, Any] = {
        "title": f"{where}, one thread",
        "core": re.sub(r"[^a-z0-9.]+", "-", core.lower()),
        "runtime": "litert+xnnpack" if calibration.runner == "litert" else calibration.runner,
        "clock_mhz": clock_mhz,
        "flash_bytes": _MEMORY_BYTES,
        "ram_bytes": _MEMORY_BYTES,
        "reserved_flash_bytes": _MEMORY_BYTES // 2,
        "reserved_ram_bytes": _MEMORY_BYTES // 2,
        "quality": "measured",
        "error_percent": max(calibration.error_percent, 0.1),
        "source": f"{len(calibration.networks)} generated networks, tflite-bench calibrate --on {calibration.runner}",
        "date": datetime.date.today().isoformat(),
        "pointer_bytes": 8,
    }
    head |= _of_board(board)
    clock_mhz = head["clock_mhz"]
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    for dtype, blocks in calibration.blocks.items():
        sizes = ", ".join(f"{name} = {size}" for name, size in asdict(blocks).items())
        lines.append(f"{dtype}_blocks = {{ {sizes} }}")
    for dtype, inference_ns in calibration.inference_ns.items():
        lines.append(f"{dtype}_inference_cycles = {_cycles(inference_ns, clock_mhz)!r}")
    for dtype, costs in calibration.costs.items():
        of_classes = {name: cost for name, cost in costs.items() if name in KERNEL_CLASSES}
        of_kinds = {name: cost for name, cost in costs.items() if name not in KERNEL_CLASSES}
        for table, part in ((dtype, of_classes), (f"{dtype}_ops", of_kinds)):
            lines += ["", f"[{table}]", *(f"{name} = {_cost(cost, clock_mhz)}" for name, cost in part.items())]
    return "\n".join(lines) + "\n"


def _version(build: str) -> dict[str, str]:
    """Return the runtime's release where a firmware states it: its build is `tflm RELEASE, COMPILER`."""
    stated = re.match(r"tflm (.+?), ", build)
    return {"runtime_version": stated[1]} if stated and stated[1] != "unknown" else {}


def _of_board(board: Mapping[str, str]) -> dict[str, Any]:
    """Return what a microcontroller says of itself; its arena is the memory that it is known to have."""
    if not board:
        return {}
    arena_bytes, model_bytes = int(board["arena_memory_bytes"]), int(board["model_memory_bytes"])
    return {
        "title": f"{board['board']}, measured over a serial port",
        "core": re.sub(r"[^a-z0-9.+]+", "-", board["core"].lower()),
        "runtime": board["runtime"],
        "clock_mhz": float(board["clock_mhz"]),
        "flash_bytes": max(model_bytes, 1),
        "ram_bytes": max(arena_bytes, 1),
        "reserved_flash_bytes": 0,
        "reserved_ram_bytes": 0,
        "pointer_bytes": 8 if board["core"] == "host" else 4,
        "memory_source": "the memories of the measuring firmware for model and arena; replace them by the board's",
    } | _version(board["build"])


def _cost(cost: Cost, clock_mhz: float) -> str:
    values = {
        "cycles_per_mac": cost.ns_per_mac,
        "cycles_per_byte": cost.ns_per_byte,
        "cycles_per_step": cost.ns_per_step,
        "fixed_cycles": cost.fixed_ns,
    }
    cycles = {name: _cycles(value, clock_mhz) for name, value in values.items()}
    # A profile has nothing that costs nothing.
    kept = {name: value for name, value in cycles.items() if value > 0} or {"fixed_cycles": 1.0}
    return f"{{ {', '.join(f'{name} = {value!r}' for name, value in kept.items())} }}"


def _cycles(time_ns: float, clock_mhz: float) -> float:
    return float(f"{time_ns * clock_mhz / 1e3:.5g}")
