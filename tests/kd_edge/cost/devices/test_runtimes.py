"""A profile belongs to a runtime: what follows where the user's is another."""

import pytest

from kd_edge.cost.devices import load_device
from kd_edge.cost.devices.runtimes import for_runtime, is_runtime
from kd_edge.errors import ConfigError


@pytest.mark.parametrize(
    ("wanted", "same"),
    [
        ("x-cube-ai", True),
        ("X-CUBE-AI 8", True),
        ("x-cube-ai 8.1.0", True),
        ("x-cube-ai 8.10", False),
        ("x-cube-ai 10", False),
        ("tflm+cmsis-nn", False),
    ],
)
def test_a_runtime_is_told_by_its_name_and_the_parts_of_its_release(wanted, same):
    assert is_runtime(load_device("nucleo-h7a3zi-cube-ai"), wanted) is same


def test_another_runtime_widens_the_interval_and_is_said_with_the_boards_profiles():
    device = load_device("nucleo-h7a3zi-cube-ai")
    used, sentence = for_runtime(device, "hale")
    assert used.error_percent > 3 * device.error_percent
    assert used.quality == "not measured"
    assert "those of x-cube-ai 8.1.0, not of hale" in sentence
    assert "nucleo-h7a3zi-hale (hale 1.0)" in sentence


def test_a_runtime_without_a_name_is_refused():
    with pytest.raises(ConfigError, match="expected a name such as 'x-cube-ai 10', received an empty one"):
        for_runtime(load_device("rp2040"), " ")


def test_the_profiles_own_runtime_changes_nothing():
    device = load_device("nucleo-h7a3zi-cube-ai")
    assert for_runtime(device, "x-cube-ai 8") == (device, "")
    assert for_runtime(device, None) == (device, "")


def test_reference_kernels_are_far_from_optimised_ones():
    used, _ = for_runtime(load_device("esp32-s3"), "tflm")
    # Espressif measured 2,300 ms for 54 ms.
    assert 1 + used.error_percent / 100 > 2300 / 54
