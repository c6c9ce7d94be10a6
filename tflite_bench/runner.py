"""What every runtime that can be benchmarked looks like, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tflite_bench.stats import LatencyStats
from tflite_bench.timing import Plan

Kind = Literal["wall time", "instructions", "compiler estimate", "bytes"]


@dataclass(frozen=True)
class OpResult:
    """One operator as the runtime was given it.

    Attributes:
        index: Position in the order of execution.
        op: TFLite's name, e.g. `"CONV_2D"`.
        latency_ms: Its share of one inference; None where the runtime does not tell.
    """

    index: int
    op: str
    latency_ms: float | None = None


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
        latency: Statistics of the measured inferences.
        arena_bytes: Working memory that TFLM used, on this machine.
        arena_persistent_bytes: Its part for structures that live as long as the interpreter.
        arena_nonpersistent_bytes: Its part for activations and scratch buffers.
        arena_minimum_bytes: Smallest arena in which the model ran, on this machine.
        ops: The operators in order.
        unavailable_reason: For each figure that is None, why; `"ops.latency_ms"` stands for all operators.
    """

    runner: str
    kind: Kind
    num_runs: int
    latency: LatencyStats | None
    note: str = ""
    num_warmup_runs: int = 0
    num_threads: int = 1
    arena_bytes: int | None = None
    arena_persistent_bytes: int | None = None
    arena_nonpersistent_bytes: int | None = None
    arena_minimum_bytes: int | None = None
    ops: tuple[OpResult, ...] = ()
    unavailable_reason: Mapping[str, str] = field(default_factory=dict, hash=False)


class Runner(Protocol):
    """A runtime, simulator or device that can run a model.

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
