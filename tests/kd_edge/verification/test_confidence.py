"""Wilson's interval."""

import pytest

from kd_edge.verification.confidence import wilson_interval


@pytest.mark.parametrize(("num_right", "num_samples"), [(9, 10), (250, 300), (1, 2000)])
def test_each_end_lies_1_96_of_its_own_standard_errors_from_the_share(num_right, num_samples):
    found, share = wilson_interval(num_right, num_samples), num_right / num_samples
    for end in (found.ci95_low, found.ci95_high):
        assert abs(share - end) == pytest.approx(1.959964 * (end * (1 - end) / num_samples) ** 0.5, rel=1e-5)
    assert found.ci95_low < share < found.ci95_high


def test_all_right_or_none_leaves_an_interval_within_0_and_1():
    assert wilson_interval(20, 20).ci95_high == 1.0
    assert wilson_interval(20, 20).ci95_low == pytest.approx(20 / (20 + 1.959964**2))
    assert wilson_interval(0, 20).ci95_low == 0.0
    assert wilson_interval(0, 20).ci95_high == pytest.approx(1.959964**2 / (20 + 1.959964**2))
