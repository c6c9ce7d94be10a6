"""The paired difference of two series of accuracies, with its interval."""

import math
from collections.abc import Sequence

# Quantiles 0.975 of Student's t with 1, 2, ... degrees of freedom.
_T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean difference in points and half the width of its 95 % interval, by the paired t-test.

    Args:
        first: Accuracies, 0 to 1, one per seed.
        second: Those to subtract, of the same seeds.

    Returns:
        The half width is `None` with one seed.
    """
    differences = [100 * (a - b) for a, b in zip(first, second, strict=True)]
    count, mean = len(differences), math.fsum(differences) / len(differences)
    if count < 2:
        return mean, None
    deviation = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (count - 1))
    return mean, _T975[min(count - 1, len(_T975)) - 1] * deviation / math.sqrt(count)
