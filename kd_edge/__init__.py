"""Design, distil, quantize and verify small networks for microcontrollers and phones.

The names below load on first use: `import kd_edge` is instant, and TensorFlow is loaded only by what needs it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kd_edge.blueprint import Blueprint
    from kd_edge.budget import Budget
    from kd_edge.bundle import write_bundle
    from kd_edge.config import RunConfig, load_config
    from kd_edge.conversion import convert
    from kd_edge.cost import Cost, CostModel
    from kd_edge.data import Dataset, load_data
    from kd_edge.devices import DeviceProfile, load_device
    from kd_edge.distiller import Distiller
    from kd_edge.errors import KdEdgeError
    from kd_edge.graph import Graph
    from kd_edge.halting import EarlyHalting
    from kd_edge.heritage import inherit
    from kd_edge.ledger import HaltingReport
    from kd_edge.lowering import lower
    from kd_edge.metadata import read_metadata
    from kd_edge.oracles import BudgetOracle
    from kd_edge.pipeline import run
    from kd_edge.qat import FineTuning, fine_tune
    from kd_edge.space import StudentSpace
    from kd_edge.targets import SoftTargets, soft_targets
    from kd_edge.tuner import SizingTuner, design
    from kd_edge.verification import Verification, verify

_HOMES = {
    "blueprint": ("Blueprint",),
    "budget": ("Budget",),
    "bundle": ("write_bundle",),
    "config": ("RunConfig", "load_config"),
    "conversion": ("convert",),
    "cost": ("Cost", "CostModel"),
    "data": ("Dataset", "load_data"),
    "devices": ("DeviceProfile", "load_device"),
    "distiller": ("Distiller",),
    "errors": ("KdEdgeError",),
    "graph": ("Graph",),
    "halting": ("EarlyHalting",),
    "heritage": ("inherit",),
    "ledger": ("HaltingReport",),
    "lowering": ("lower",),
    "metadata": ("read_metadata",),
    "oracles": ("BudgetOracle",),
    "pipeline": ("run",),
    "qat": ("FineTuning", "fine_tune"),
    "targets": ("SoftTargets", "soft_targets"),
    "space": ("StudentSpace",),
    "tuner": ("SizingTuner", "design"),
    "verification": ("Verification", "verify"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
