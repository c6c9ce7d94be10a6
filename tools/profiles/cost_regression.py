"""The statistical model behind the device profiles: costs of one system, learnt from its relatives as well.

A *system* is a board with a runtime. Each kernel class has two terms, its MACs and the rest (bytes and calls); a term
costs its reference cost times exp(eta). The eta of all systems have a joint Gaussian prior: a scale per core and per
system, and per kernel class an effect of the core, the runtime's family, the runtime's version, core and family
together, and the system itself. Systems whose kernels have no relatives get freer effects, per class and per term.

The logarithm of a measured cycle count is the logarithm of the sum over the terms plus noise. The most probable eta
come from a few Gauss-Newton steps, each of them exact Gaussian conditioning; the prior's variances and the shape of the
reference costs maximise the marginal likelihood of the training rows. Costs are positive by construction, and every
missing figure is filled from the relatives: this is least squares with shrinkage, on relative errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kd_edge.cost.devices import KernelCost, KernelCosts
from kd_edge.ir.graph import Graph
from tflite_bench.model.operators.work import op_work

Array = NDArray[np.float64]
KERNELS = tuple(f.name for f in fields(KernelCosts))
# Of TFLM's interpreter: the median of the eight figures in table 1 of arXiv 2010.08678v3 (1,400 to 11,200, on a
# Cortex-M4 and an Xtensa). The networks measured here are too large to show it.
INFERENCE_CYCLES = 3700.0
_TERM = np.array([(1, 0), (0, 1), (0, 1)])  # MACs are one term of a kernel, bytes and calls the other
_SAME_KERNEL = np.kron(np.eye(len(KERNELS)), np.ones((2, 2)))


class System(NamedTuple):
    """A board with a runtime.

    Attributes:
        key: Unique name.
        group: Submitter and board: systems that would give each other away.
        core: Processor core.
        runtime: Runtime with its major version.
        family: Runtimes that share kernels.
        kin: False where the kernels have no relatives here, so that little is learnt from others.
        version: Release of the runtime; empty where it is not known.
        inference_cycles: Clock cycles of an inference beside those of its ops.
    """

    key: str
    group: str
    core: str
    runtime: str
    family: str
    kin: bool = True
    version: str = ""
    inference_cycles: float = INFERENCE_CYCLES

    @property
    def submitter(self) -> str:
        """Who measured it; ST measured its model zoo as well."""
        first = self.group.split()[0]
        return {"zoo": "stmicroelectronics"}.get(first, first)


class Row(NamedTuple):
    """One measurement.

    Attributes:
        system: Key of the system.
        label: What was run.
        work: MACs, bytes and calls by kernel class, shape `(8, 3)`.
        cycles: Measured clock cycles, without those of an inference beside its ops.
    """

    system: str
    label: str
    work: Array
    cycles: float


@dataclass(frozen=True)
class Hyper:
    """Shape of the reference costs (cycles), and variances of the effects on a logarithmic scale."""

    pointwise_mac: float = 2.2
    depthwise_mac: float = 4.0
    dense_mac: float = 2.5
    conv_byte: float = 3.0
    pointwise_byte: float = 3.0
    depthwise_byte: float = 6.0
    dense_byte: float = 3.0
    var_kernel: float = 0.1
    var_core: float = 0.5
    var_system: float = 0.1
    var_core_kernel: float = 0.02
    var_family_kernel: float = 0.02
    var_runtime_kernel: float = 0.02
    var_core_family_kernel: float = 0.01
    var_system_kernel: float = 0.01
    var_stranger_kernel: float = 0.5
    var_stranger_term: float = 0.5
    var_noise: float = 0.0005
    var_stranger_noise: float = 0.02


def graph_work(graph: Graph) -> Array:
    """Return the MACs, bytes moved and calls of a graph, by kernel class, shape `(8, 3)`."""
    work = np.zeros((len(KERNELS), 3))
    for op in graph.ops:
        kernel, macs, moved_bytes, _ = op_work(graph.operands(op))
        work[KERNELS.index(kernel)] += (macs, moved_bytes, 1)
    return work


def reference_costs(hyper: Hyper) -> Array:
    """Return cycles per MAC, per byte and per call by kernel class, shape `(8, 3)`, of a system with eta = 0."""
    return np.array(
        [
            (2.0, hyper.conv_byte, 1500),
            (hyper.pointwise_mac, hyper.pointwise_byte, 1500),
            (hyper.depthwise_mac, hyper.depthwise_byte, 1500),
            (hyper.dense_mac, hyper.dense_byte, 700),
            (0, 3, 1500),
            (0, 12, 1500),
            (0, 200, 1500),
            (0, 1, 500),
        ]
    )


class Calibration:
    """Costs of all systems, given measurements of some.

    Args:
        systems: All systems that costs are wanted for, measured or not.
        rows: The measurements.
        hyper: Shape and variances; see `tune`.
    """

    def __init__(self, systems: Sequence[System], rows: Sequence[Row], hyper: Hyper) -> None:
        self._index = {system.key: i for i, system in enumerate(systems)}
        self._reference = reference_costs(hyper)
        owner = np.array([self._index[row.system] for row in rows])
        parts = self._parts(np.array([row.work for row in rows]))
        target = np.log([row.cycles for row in rows])
        noise = np.array([hyper.var_noise if system.kin else hyper.var_stranger_noise for system in systems])[owner]
        self._eta = np.zeros((len(systems), parts.shape[1]))
        prior = _prior(systems, hyper)
        for _ in range(4):
            self._step(prior, owner, parts, target, np.diag(noise))

    def _parts(self, work: Array) -> Array:
        """Return reference cycles per row and term."""
        return ((work * self._reference) @ _TERM).reshape(len(work), -1)

    def _step(self, prior: tuple[Array, Array, Array], owner: Array, parts: Array, target: Array, noise: Array) -> None:
        """Linearise around the present eta, then condition the prior on the measurements."""
        eta = self._eta[owner]
        cycles = parts * np.exp(eta)
        total = cycles.sum(axis=1)
        share = cycles / total[:, None]
        residual = target - np.log(total) + (share * eta).sum(axis=1)
        level, kernel, term = (part[:, owner] for part in prior)
        grouped = share @ _SAME_KERNEL
        among = level[owner] + kernel[owner] * (share @ grouped.T) + term[owner] * (share @ share.T) + noise
        factor = np.linalg.cholesky(among)
        half = np.linalg.solve(factor, residual)
        weight = np.linalg.solve(factor.T, half)
        self._eta = (level @ weight)[:, None] + (kernel * weight) @ grouped + (term * weight) @ share
        self.log_likelihood = float(-0.5 * half @ half - np.log(np.diag(factor)).sum())

    def cycles(self, system: str, work: Array) -> float:
        """Return the estimated cycles of some work on a system."""
        return float(self._parts(work[None])[0] @ np.exp(self._eta[self._index[system]]))

    def costs(self, system: str) -> KernelCosts:
        """Return the costs of a system as a profile holds them, to four digits."""
        factors = np.exp(self._eta[self._index[system]]).reshape(-1, 2) @ _TERM.T
        scaled = self._reference * factors
        return KernelCosts(*(KernelCost(*(float(f"{value:.4g}") for value in line)) for line in scaled))


def _prior(systems: Sequence[System], hyper: Hyper) -> tuple[Array, Array, Array]:
    """Return what any two systems' eta share at all terms, at the terms of a kernel class, and at one term."""

    def same(*names: str) -> Array:
        keys = [tuple(getattr(system, name) for name in names) for system in systems]
        numbers = np.array([keys.index(key) for key in keys])
        return (numbers[:, None] == numbers).astype(float)

    own = np.eye(len(systems))
    stranger = np.diag([float(not system.kin) for system in systems])
    level = 100 + hyper.var_core * same("core") + hyper.var_system * own
    kernel = (
        hyper.var_kernel
        + hyper.var_core_kernel * same("core")
        + hyper.var_family_kernel * same("family")
        + hyper.var_runtime_kernel * same("runtime")
        + hyper.var_core_family_kernel * same("core", "family")
        + hyper.var_system_kernel * own
        + hyper.var_stranger_kernel * stranger
    )
    return level, kernel, hyper.var_stranger_term * stranger


def tune(systems: Sequence[System], rows: Sequence[Row], start: Hyper, *, sweeps: int = 12) -> Hyper:
    """Return the hyperparameters that maximise the marginal likelihood of some rows.

    A pattern search on their logarithms, with a weak prior (standard deviation 1) around the defaults.

    Args:
        systems: As for `Calibration`.
        rows: The training rows; no other row is looked at.
        start: Where the search starts.
        sweeps: Passes over all hyperparameters; the step is halved when a pass finds nothing better.
    """
    names = [f.name for f in fields(Hyper)]
    default = np.log([getattr(Hyper(), name) for name in names])

    def score(hyper: Hyper) -> float:
        distance = np.log([getattr(hyper, name) for name in names]) - default
        return Calibration(systems, rows, hyper).log_likelihood - 0.5 * float(distance @ distance)

    best, value, step = start, score(start), 0.8
    for _ in range(sweeps):
        before = value
        for name in names:
            for factor in (np.exp(step), np.exp(-step)):
                trial = replace(best, **{name: float(getattr(best, name) * factor)})
                if (found := score(trial)) > value:
                    best, value = trial, found
                    break
        if value - before < 0.1:
            step /= 2
    return best
