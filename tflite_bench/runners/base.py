"""Runner interface: what every runtime that can be benchmarked looks like, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.measurement.timing import Plan
from tflite_bench.provenance import Computed, Given, Measured
from tflite_bench.runners.figures import Elsewhere, Figure, Kind

_NO_ARENA = Elsewhere("only TFLM has an arena (--on tflm, or a board with it)")
_NO_MEMORY = Elsewhere("only benchmark_model reports the memory of its process")
_NO_EXECUTION = Elsewhere("only an emulated processor counts instructions (--on qemu:m4)")
_NO_ESTIMATE = Elsewhere("only the compiler of an accelerator estimates (--on ethos-u)")


@dataclass(frozen=True)
class OpResult:
    """One operator as the runtime was given it.

    Attributes:
        index: Position in the order of execution.
        op: TFLite's name, e.g. `"CONV_2D"`.
        latency_ms: Its share of one inference; None where the runtime does not tell.
    """

    index: Given[int]
    op: str
    latency_ms: Annotated[Measured[float | None], Figure("wall time")] = None


@dataclass(frozen=True)
class FunctionCount:
    """One function of a firmware.

    Attributes:
        name: Its symbol.
        instructions: Instructions that it executes in one inference, without those of the functions it calls.
    """

    name: str
    instructions: Measured[int]


@dataclass(frozen=True)
class Execution:
    """One inference, executed instruction by instruction on an emulated processor.

    Attributes:
        instructions: Instructions of one inference. A count is no time: it has no cycles, caches or wait states.
        functions: The functions that execute them, the largest first; none where single functions are not counted.
        matches_reference: True if all outputs are those of LiteRT's reference kernels, bit for bit, and none is nan.
        largest_difference: Of an output from theirs, in steps of its quantization; None where an output is of floats.
            LiteRT rounds FULLY_CONNECTED in float, integer kernels cannot: each such layer may be 1 off (LiteRT issue
            8567).
        code_bytes: Machine code of the network and its kernels; None of a firmware that was not built here.
        constant_bytes: Its weights and tables; None as above.
        workspace_bytes: Its working memory: activations and scratch buffers, without input and output; as the code
            generator has planned it, or None where it does not tell.
        processor: E.g. `"cortex-m4"`.
        kernels: Code generator and kernels, with versions.
        compiler: Compiler, version and optimisation.
    """

    instructions: Annotated[Measured[int], Figure("instructions")]
    functions: Annotated[tuple[FunctionCount, ...], Figure("instructions")]
    matches_reference: bool
    largest_difference: Measured[int | None]
    code_bytes: Annotated[Measured[int | None], Figure("bytes", "code")]
    constant_bytes: Annotated[Measured[int | None], Figure("bytes", "constants")]
    workspace_bytes: Annotated[Computed[int | None], Figure("bytes", "working memory")]
    processor: str
    kernels: str
    compiler: str


@dataclass(frozen=True)
class Estimate:
    """What a compiler for an accelerator expects of its own program.

    Attributes:
        latency_ms: Its estimate of one inference; None if nothing runs on the accelerator.
        num_npu_ops: Operators that the accelerator runs.
        cpu_ops: Operators that are left to the CPU, whose time the estimate does not know.
        sram_bytes: Working memory of the accelerator's program, as far as it is in SRAM.
        flash_bytes: Its constants and commands; None where they are in DRAM.
        accelerator: Which one, and in which system.
        compiler: Compiler and version.
        dram_bytes: What it has in DRAM: constants, commands and the working memory that is not in SRAM; None where the
            system has no DRAM for it.
    """

    latency_ms: Annotated[Computed[float | None], Figure("compiler estimate")]
    num_npu_ops: Computed[int]
    cpu_ops: tuple[str, ...]
    sram_bytes: Annotated[Computed[int | None], Figure("bytes", "working memory in SRAM")]
    flash_bytes: Annotated[Computed[int | None], Figure("bytes", "constants and commands")]
    accelerator: str
    compiler: str
    dram_bytes: Annotated[Computed[int | None], Figure("bytes", "constants, commands and working memory in DRAM")] = (
        None
    )


@dataclass(frozen=True)
class RunnerResult:
    """What one runtime measured on one model. Figures of different kinds must not be compared.

    Attributes:
        runner: Name of the runner.
        kind: What the figures are.
        note: What a reader must know to use them; empty if nothing.
        num_runs: Measured inferences.
        num_warmup_runs: Inferences before these, not counted.
        num_threads: Threads the runtime was given.
        cpus: The cores that it was bound to; empty for any.
        latency: Statistics of the measured inferences.
        arena_bytes: Working memory that TFLM used, on this machine.
        arena_persistent_bytes: Its part for structures that live as long as the interpreter.
        arena_nonpersistent_bytes: Its part for activations and scratch buffers.
        arena_minimum_bytes: Smallest arena in which the model ran, on this machine.
        memory_bytes: Growth of the process' memory since its start, as the benchmark program reports it.
        execution: Instructions and sizes on an emulated processor.
        estimate: A compiler's estimate for an accelerator.
        device: What is known of the device if it is not this machine, e.g. its model and serial number.
        ops: The operators in order.
        unavailable_reason: For each figure that is None, why; `"ops.latency_ms"` stands for all operators.
    """

    runner: str
    kind: Kind
    num_runs: Measured[int]
    latency: Annotated[LatencyStats | None, Figure("wall time")]
    note: str = ""
    num_warmup_runs: Measured[int] = 0
    num_threads: Given[int] = 1
    cpus: Given[tuple[int, ...]] = ()
    arena_bytes: Annotated[Measured[int | None], Figure("bytes", "arena"), _NO_ARENA] = None
    arena_persistent_bytes: Annotated[Measured[int | None], Figure("bytes", "arena, persistent"), _NO_ARENA] = None
    arena_nonpersistent_bytes: Annotated[Measured[int | None], Figure("bytes", "arena, non-persistent"), _NO_ARENA] = (
        None
    )
    arena_minimum_bytes: Annotated[Measured[int | None], Figure("bytes", "smallest arena that works"), _NO_ARENA] = None
    memory_bytes: Annotated[Measured[int | None], Figure("bytes", "memory of the process"), _NO_MEMORY] = None
    execution: Annotated[Execution | None, _NO_EXECUTION] = None
    estimate: Annotated[Estimate | None, _NO_ESTIMATE] = None
    device: Mapping[str, str] = field(default_factory=dict, hash=False)
    ops: tuple[OpResult, ...] = ()
    unavailable_reason: Mapping[str, str] = field(default_factory=dict, hash=False)


class Runner(Protocol):
    """A runtime, simulator or device that can run a model.

    One whose figures are no exact times of a device, such as an emulator, also has `calibrates = False`.

    Example:

    ```python
    class Constant:
        name = "constant"
        def benchmark(self, model, plan):
            return RunnerResult("constant", "wall time", 1, LatencyStats.from_samples([1.0]))
    ```
    """

    @property
    def name(self) -> str:
        """Name on the command line and in results."""

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        """Measure one inference of a model.

        Args:
            model: Bytes of a `.tflite` file that `read_model` has accepted.
            plan: How long to measure.

        Raises:
            RunnerError: The runtime is missing, refused the model, crashed or hung.
        """


def calibrates(runner: Runner) -> bool:
    """Return whether a runner's latencies are exact times of a real device, which costs can be fitted to."""
    return bool(getattr(runner, "calibrates", True))
