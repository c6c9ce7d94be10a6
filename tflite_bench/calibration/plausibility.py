"""Refuses measured times that no costs of operators explain."""

import numpy as np

from tflite_bench.calibration.least_squares import Matrix, done_of
from tflite_bench.errors import RunnerError

FEWEST = 20
"""Fewer networks tell nothing of what operators cost."""

# Of LiteRT's times, even of the smallest or the fastest twenty networks alone, 69 % or more of the pairs are in order;
# of times by chance a half.
_LEAST_SHARE = 0.6
# Where the time beside the operators dominates one time for all is a good guess, too: then costs that predict networks
# left out within this factor, for half of them, contradict nothing.
_GOOD_FACTOR = 2.0
_WAY_OUT = "measure a device that does nothing else, with a program that times single inferences"


def check_times(dtype: str, work: Matrix, measured: Matrix, ratios: Matrix) -> None:
    """Refuse times that do not follow the networks' work; of fewer than `FEWEST` networks nothing can be said.

    How well networks left out are predicted says something where there are more networks than costs to find.

    Args:
        dtype: Type of the networks.
        work: See `work_matrix`.
        measured: Their times.
        ratios: See `held_out_ratios`.

    Raises:
        RunnerError: More work does not take longer, or one time for all networks predicts them as well as the costs.
    """
    if len(measured) < FEWEST:
        return
    share = _share_in_order(done_of(work), measured)
    if share < _LEAST_SHARE:
        raise RunnerError(
            f"cannot calibrate: the {dtype} times do not depend on the networks' work: expected the larger of two "
            f"networks to take longer in {_LEAST_SHARE:.0%} of the pairs or more, received {share:.0%}; {_WAY_OUT}"
        )
    if len(measured) <= work.any(axis=0).sum():
        return
    logs = np.log(measured)
    of_costs = _typical_factor(np.log(np.maximum(ratios, 1e-9)))
    of_one_time = _typical_factor(logs - np.median(logs))
    if of_costs >= max(of_one_time, _GOOD_FACTOR):
        raise RunnerError(
            f"cannot calibrate: the {dtype} times contradict each other: expected networks left out to be predicted "
            f"better than by one time for all, which is off by a factor of {of_one_time:.3g}, received one of "
            f"{of_costs:.3g}; {_WAY_OUT}"
        )


def _share_in_order(done: Matrix, measured: Matrix) -> float:
    """Return in how many pairs of networks, of those that differ in work, the one with more of it takes longer."""
    more, longer = (np.subtract.outer(values, values) > 0 for values in (done, measured))
    return float((more & longer).sum() / max(more.sum(), 1))


def _typical_factor(errors: Matrix) -> float:
    return float(np.exp(np.median(np.abs(errors))))
