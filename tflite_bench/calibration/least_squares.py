"""Fits what the operators of a runtime cost to measured latencies of whole networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflite_bench.calibration.op_work import OWN
from tflite_bench.model.operators.spec import KERNEL_CLASSES
from tflite_bench.model.operators.work import Work

Matrix = np.ndarray[Any, np.dtype[np.float64]]

_TERMS = 4
_KERNELS = {name: column for column, name in enumerate((*KERNEL_CLASSES, *OWN))}
_TINY = 1e-9
_NUM_STEPS = 5
_NUM_PARTS = 10


def work_matrix(networks: Sequence[Sequence[Work]]) -> Matrix:
    """Return the MACs, bytes moved, steps and calls of networks by class or kind of operator, and a one.

    Returns:
        Shape `(networks, 4 x (classes + kinds) + 1)`.
    """
    matrix = np.zeros((len(networks), len(_KERNELS), _TERMS))
    for row, network in zip(matrix, networks, strict=True):
        for work in network:
            row[_KERNELS[work.kernel]] += (work.macs, work.moved_bytes, work.steps, 1)
    return np.hstack([matrix.reshape(len(networks), -1), np.ones((len(networks), 1))])


def done_of(work: Matrix) -> Matrix:
    """Return the MACs and bytes moved of each network in all.

    Args:
        work: See `work_matrix`.
    """
    macs_and_bytes = work[:, :-1].reshape(len(work), -1, _TERMS)[:, :, :2]
    done: Matrix = macs_and_bytes.sum(axis=(1, 2))
    return done


def fit_costs(work: Matrix, measured: Matrix, *, start: Matrix | None = None) -> Matrix:
    """Return the costs per MAC, byte, step and call, and of an inference, that explain measurements best.

    None is below zero. The sum of the squared logarithms of predicted / measured is the least, found by Gauss and
    Newton's method: a network of a microsecond counts as much as a long one, and half of a time is as wrong as twice
    the time.

    Args:
        work: See `work_matrix`.
        measured: The measurements, in the unit of the costs, all above zero.
        start: A good guess of the costs, to be quicker.
    """
    costs = least_squares(work / measured[:, None], np.ones(len(measured)), start=start)
    for _ in range(_NUM_STEPS):
        predicted = np.maximum(work @ costs, _TINY * measured)
        costs = least_squares(work / predicted[:, None], 1 + np.log(measured / predicted), start=costs)
    return costs


def held_out_ratios(work: Matrix, measured: Matrix, costs: Matrix) -> Matrix:
    """Return for every network its prediction, from a fit to nine tenths without it, as a share of its measurement.

    Args:
        work: See `work_matrix`.
        measured: See `fit_costs`.
        costs: Those that explain all measurements best.
    """
    part = np.arange(len(measured)) % _NUM_PARTS
    predicted = np.zeros(len(measured))
    for number in range(_NUM_PARTS):
        held, rest = part == number, part != number
        predicted[held] = work[held] @ fit_costs(work[rest], measured[rest], start=costs)
    return predicted / measured


def least_squares(A: Matrix, b: Matrix, *, start: Matrix | None = None) -> Matrix:
    """Return the x >= 0 for which |A x - b| is the least (Lawson and Hanson, 1974, chapter 23).

    Args:
        A: Shape `(equations, unknowns)`; unknowns that no equation holds are 0.
        b: Shape `(equations,)`.
        start: A good guess of x, to be quicker.
    """
    scale = np.sqrt((A * A).sum(axis=0))
    scale[scale == 0] = 1.0
    A = A / scale
    x = np.zeros(A.shape[1]) if start is None else start * scale
    free = x > 0
    if free.any():
        x = _solve_free(A, b, x, free)
    # Each unknown enters at least once; the limit only guards against rounding.
    for _ in range(10 * len(x)):
        gradient = np.where(free, -np.inf, A.T @ (b - A @ x))
        if gradient.max() <= _TINY * float(np.abs(b).sum()):
            break
        free[gradient.argmax()] = True
        x = _solve_free(A, b, x, free)
    solution: Matrix = x / scale
    return solution


def _solve_free(A: Matrix, b: Matrix, x: Matrix, free: "np.ndarray[Any, np.dtype[np.bool_]]") -> Matrix:
    """Solve for the free unknowns; those that would fall below zero are bound again, in `free`."""
    while True:
        solution = np.zeros(len(x))
        solution[free] = np.linalg.lstsq(A[:, free], b, rcond=None)[0]
        below = free & (solution <= 0)
        if not below.any():
            return solution
        step = (x[below] / (x[below] - solution[below])).min()
        x = x + step * (solution - x)
        free &= x > _TINY
        x[~free] = 0.0
