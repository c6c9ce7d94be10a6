"""What a board holds, and what its runtime's kernels cost in clock cycles."""

import math
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields

from kd_edge.cost.devices.spelling import core_name, runtime_name
from kd_edge.errors import ConfigError, nearest
from tflite_bench.model.operators.registry import REGISTERED
from tflite_bench.model.operators.spec import BROADCAST, GROUPED, NO_BLOCKS, Blocks
from tflite_bench.provenance import Given

DTYPES = ("int8", "int16", "float32")
BLOCKS = ("int8_blocks", "float32_blocks")
INFERENCE_CYCLES = ("int8_inference_cycles", "float32_inference_cycles")
OP_COSTS = ("int8_ops", "float32_ops")
NOT_MEASURED = "not measured"
QUALITIES = ("measured", "calibrated", NOT_MEASURED, "datasheet")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
RUNTIMES = ("tflm", "litert", "tflite", "benchmark_model", "hale", "leip", "microtvm", "onnc", "plumerai", "x-cube-ai")
_RUNTIME = re.compile(rf"(?:(?:adb|ssh) )?(?:{'|'.join(RUNTIMES)})(?![a-z_-])")
# The commands take them otherwise: for every device, for what is done with devices, and for the path of a file.
_ALL, _ACTIONS, _ENDING = "all", ("add", "show"), ".toml"
_MAX_CLOCK_MHZ = 1e4


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What one class of ops costs on a device: four figures that are multiplied and summed.

    Attributes:
        cycles_per_mac: Clock cycles per multiply-accumulate.
        cycles_per_byte: Clock cycles per byte moved: inputs gathered and outputs written; see `latency_ms`.
        fixed_cycles: Clock cycles of every call, whatever its size.
        cycles_per_step: Clock cycles per step of the outer loop: a row in depthwise convolutions and pooling, a pixel
            elsewhere; see `operators.work.Work`.
    """

    cycles_per_mac: float = 0.0
    cycles_per_byte: float = 0.0
    fixed_cycles: float = 0.0
    cycles_per_step: float = 0.0


@dataclass(frozen=True, slots=True)
class KernelCosts:
    """What the ops of one dtype cost on a device, by class of op.

    Attributes:
        conv: Convolutions with a window larger than 1x1, and transposed ones.
        pointwise: 1x1 convolutions.
        depthwise: Depthwise convolutions.
        dense: Fully connected layers.
        pool: Average, maximum and global pooling.
        elementwise: Arithmetic of two tensors, and activations that are not fused.
        softmax: Softmax, sigmoid, tanh: everything that needs an exponential.
        copy: Everything that only moves data: padding, concatenation, reshaping, quantizing.
    """

    conv: KernelCost
    pointwise: KernelCost
    depthwise: KernelCost
    dense: KernelCost
    pool: KernelCost
    elementwise: KernelCost
    softmax: KernelCost
    copy: KernelCost


@dataclass(frozen=True, slots=True)
class Power:
    """What a board takes from its supply.

    Attributes:
        active_mw: Power while it runs a network, in mW.
        source: Where that comes from.
        idle_mw: Power between inferences, in mW; 0 where nobody knows.
        active_low_mw: The least that a network took there, in mW. Defaults to `active_mw`.
        active_high_mw: The most that a network took there, in mW. Defaults to `active_mw`.

    Raises:
        ConfigError: `idle_mw` is below 0 or not below the others, `active_mw` not between the least and the most, or
            `source` empty.
    """

    active_mw: Given[float]
    source: str
    idle_mw: Given[float] = 0.0
    active_low_mw: Given[float | None] = None
    active_high_mw: Given[float | None] = None

    def __post_init__(self) -> None:
        if not 0 < self.active_mw < math.inf:
            raise ConfigError(f"bad value for key 'power.active_mw': expected mW > 0, received {self.active_mw!r}")
        if not 0 <= self.idle_mw < self.active_mw:
            raise ConfigError(
                f"bad value for key 'power.idle_mw': expected 0 or more, below active_mw, received {self.idle_mw!r}"
            )
        low, high = self.interval_mw
        if not self.idle_mw < low <= self.active_mw <= high < math.inf:
            raise ConfigError(
                "bad value for keys 'power.active_low_mw' and 'power.active_high_mw': expected active_mw between both, "
                f"and idle_mw below, received {low!r} and {high!r}"
            )
        if not self.source.strip():
            raise ConfigError("bad value for key 'power.source': expected where the power comes from, received nothing")

    @property
    def interval_mw(self) -> tuple[float, float]:
        """The least and the most that a network takes while it runs."""
        low, high = self.active_low_mw, self.active_high_mw
        return self.active_mw if low is None else low, self.active_mw if high is None else high


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A board: what it holds, and what its runtime's kernels cost in clock cycles.

    Profiles are TOML files; the file's name is the device's name. The package brings some (`list_devices()`), a file
    of the user's takes precedence (`load_device`).

    Attributes:
        name: The file's name without `.toml`.
        title: The board's full name.
        core: The processor, e.g. `"cortex-m4"`, however spelled (`core_name`). Profiles of one core are scaled into
            each other.
        runtime: Interpreter or code generator and its kernels, e.g. `"tflm+cmsis-nn"`, however spelled
            (`runtime_name`).
        runtime_version: Its release, e.g. `"8.1.0"`; empty where that is not known.
        board: The board whatever its runtime: profiles of one board share it. Defaults to `name`.
        clock_mhz: Clock of the core, in MHz.
        flash_bytes: Non-volatile memory, in bytes.
        ram_bytes: RAM that one array may use, in bytes.
        reserved_flash_bytes: Flash that runtime, stack and application take, in bytes; the rest is the model's.
        reserved_ram_bytes: The same for RAM; the rest is the tensor arena's.
        quality: `"measured"` on this board with this runtime, `"calibrated"` from one measurement or by scaling another
            board's costs to measured times, `"not measured"`: no time of this board is known, its costs are those of
            relatives, or `"datasheet"`: scaled by clock and instruction set from another core.
        error_percent: Half width of the interval around an estimate, which holds nine of ten held-out measurements:
            the estimate divided and multiplied by `1 + error_percent / 100`.
        source: Where the costs come from.
        memory_source: Where flash, RAM and clock come from.
        date: When the profile was made, `YYYY-MM-DD`.
        int8: Costs of int8 ops.
        int16: Costs of ops with int16 activations and int8 weights; `None`: unknown.
        float32: Costs of float ops; `None`: unknown.
        pointer_bytes: 4 on microcontrollers, 8 on phones and PCs.
        int8_blocks: How many channels the int8 kernels take at once.
        float32_blocks: The same for the float kernels.
        int8_inference_cycles: Clock cycles of one inference of an int8 or int16 network beside those of its ops.
        float32_inference_cycles: The same for a float network.
        int8_ops: Costs of kinds of int8 ops that the runtime works at otherwise than at the rest of their class, by
            the names of `kernel_variant`; the others cost what their class does.
        float32_ops: The same for float ops.
        power: What the board takes from its supply; `None`: unknown.
        path: The file that it was read from where that was named by its path; else its name is enough.

    Raises:
        ConfigError: A value is out of its range, or the name is no device's.
    """

    name: str
    title: str
    core: str
    runtime: str
    clock_mhz: Given[float]
    flash_bytes: Given[int]
    ram_bytes: Given[int]
    reserved_flash_bytes: Given[int]
    reserved_ram_bytes: Given[int]
    quality: str
    error_percent: Given[float]
    source: str
    date: str
    int8: Given[KernelCosts]
    int16: Given[KernelCosts | None] = None
    float32: Given[KernelCosts | None] = None
    pointer_bytes: Given[int] = 4
    int8_blocks: Given[Blocks] = NO_BLOCKS
    float32_blocks: Given[Blocks] = NO_BLOCKS
    int8_inference_cycles: Given[float] = 0.0
    float32_inference_cycles: Given[float] = 0.0
    int8_ops: Given[Mapping[str, KernelCost]] = field(default_factory=dict, hash=False)
    float32_ops: Given[Mapping[str, KernelCost]] = field(default_factory=dict, hash=False)
    runtime_version: str = ""
    board: str = ""
    memory_source: str = ""
    power: Given[Power | None] = None
    path: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"bad device name: expected small letters, digits and '._-', received {self.name!r}")
        if self.name in (_ALL, *_ACTIONS) or self.name.endswith(_ENDING):
            taken = "'add' or 'show'" if self.name in _ACTIONS else "'all' or '*.toml'"
            raise ConfigError(f"bad device name: expected another one than {taken}, received {self.name!r}")
        for name in ("clock_mhz", "flash_bytes", "ram_bytes", "error_percent"):
            self._require(name, 0 < getattr(self, name) < math.inf, "a finite number > 0")
        in_mhz = f"at most {_MAX_CLOCK_MHZ:g} (MHz, not Hz)"
        self._require("clock_mhz", self.clock_mhz <= _MAX_CLOCK_MHZ, in_mhz)
        for name, whole in (("reserved_flash_bytes", self.flash_bytes), ("reserved_ram_bytes", self.ram_bytes)):
            self._require(name, 0 <= getattr(self, name) < whole, f"0 to less than the {whole} B of the board")
        object.__setattr__(self, "board", self.board or self.name)
        object.__setattr__(self, "core", core_name(self.core))
        object.__setattr__(self, "runtime", runtime_name(self.runtime))
        self._require("quality", self.quality in QUALITIES, " or ".join(map(repr, QUALITIES)))
        for name in BLOCKS:
            self._require(
                name, all(1 <= size <= 1024 for size in astuple(getattr(self, name))[:3]), "sizes of 1 to 1024"
            )
            self._require(name, 0 <= getattr(self, name).window <= 1024, "a window of 0 to 1024")
        for name in INFERENCE_CYCLES:
            self._require(name, 0 <= getattr(self, name) < math.inf, "a finite number >= 0")
        self._require("pointer_bytes", self.pointer_bytes in (4, 8), "4 or 8")
        for dtype in DTYPES:
            _check_costs(dtype, named_costs(getattr(self, dtype)))
        for name in OP_COSTS:
            _check_kinds(name, getattr(self, name))
            _check_costs(name, getattr(self, name))

    @property
    def runtime_title(self) -> str:
        """Its runtime with the release, where that is known."""
        return f"{self.runtime} {self.runtime_version}".rstrip()

    @property
    def measured(self) -> bool:
        """Whether a time of this board with this runtime is known."""
        return self.quality not in (NOT_MEASURED, "datasheet")

    @property
    def runs_tflm(self) -> bool:
        """Whether its runtime is TFLM."""
        return self.runtime.startswith("tflm")

    @property
    def unknown_runtime(self) -> str:
        """Why nobody can tell what its runtime refuses; empty where its runtime is one that is known."""
        if _RUNTIME.match(self.runtime):
            return ""
        return (
            f"nobody knows what the runtime {self.runtime!r} of {self.name} refuses: expected one of "
            f"{', '.join(RUNTIMES)} in its profile, such as 'tflm+cmsis-nn'"
        )

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"bad value for key {name!r}: expected {expected}, received {getattr(self, name)!r}")


def named_costs(costs: KernelCosts | None) -> dict[str, KernelCost]:
    """Return the costs of each class of ops by its name; empty without costs."""
    return {f.name: getattr(costs, f.name) for f in fields(costs)} if costs else {}


def _check_kinds(table: str, kinds: Mapping[str, KernelCost]) -> None:
    if not kinds:
        return
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    known = {GROUPED, BROADCAST, *REGISTERED} | {name for name in vars(BuiltinOperator) if name.isupper()}
    for kind in kinds:
        if kind not in known:
            raise ConfigError(f"unknown key {kind!r} in [{table}]: {nearest(kind, known)}")


def _check_costs(table: str, costs: Mapping[str, KernelCost]) -> None:
    for name, cost in costs.items():
        cycles = astuple(cost)
        if not (all(0 <= value < math.inf for value in cycles) and any(cycles)):
            raise ConfigError(
                f"bad value for key '{table}.{name}': expected finite cycles >= 0, one of them > 0, received {cycles}"
            )
