"""A profile belongs to a runtime: what follows where the user's is another."""

import pytest

from kd_edge.cost.devices import load_all, load_device
from kd_edge.cost.devices.runtimes import for_runtime, is_runtime
from kd_edge.cost.kernels import kernels_of
from kd_edge.errors import ConfigError


@pytest.mark.parametrize(
    ("wanted", "same"),
    [
        ("x-cube-ai", True),
        ("X-CUBE-AI 8", True),
        ("x-cube-ai 8.1.0", True),
        ("x-cube-ai 8.10", False),
        ("x-cube-ai8", True),
        ("x-cube-ai9", False),
        ("x-cube-ai 10", False),
        ("tflm+cmsis-nn", False),
    ],
)
def test_a_runtime_is_told_by_its_name_and_the_parts_of_its_release(wanted, same):
    assert is_runtime(load_device("nucleo-h7a3zi-cube-ai"), wanted) is same


def test_a_profile_is_of_the_runtime_that_it_names_itself():
    assert [device.name for device in load_all() if not is_runtime(device, device.runtime_title.upper())] == []
    assert is_runtime(load_device("esp32"), "tflm+esp-nn esp-nn of ESP-IDF 5.5")
    assert not is_runtime(load_device("esp32"), "tflm+esp-nn esp-nn of ESP-IDF 5.4")


def test_another_runtime_widens_the_interval_and_is_said_with_the_boards_profiles():
    device = load_device("nucleo-h7a3zi-cube-ai")
    used, sentence = for_runtime(device, "hale")
    assert used.error_percent > 3 * device.error_percent
    assert used.quality == "not measured"
    assert "those of x-cube-ai 8.1.0, not of hale" in sentence
    assert "nucleo-h7a3zi-hale (hale 1.0)" in sentence
    assert (used.runtime_title, used.source) == ("hale", f"costs of x-cube-ai 8.1.0: {device.source}")


@pytest.mark.parametrize(
    ("device", "wanted", "like"),
    [
        ("esp32-s3-reference", "tflm+esp-nn", ("esp-nn-s3-least", "esp-nn-s3")),
        ("esp32-s3-reference", "tflm+esp-nn 1.1.2", ("esp-nn-s3-1.1",) * 2),
        ("nucleo-l4r5zi-cube-ai", "TFLM+CMSIS-NN", ("cmsis-nn-least", "cmsis-nn")),
        ("nrf52840", "tflm+cmsis-nn 9.9", ("cmsis-nn-least", "cmsis-nn")),
        ("nucleo-l4r5zi", "x-cube-ai 10", ("reference",) * 2),
    ],
)
def test_scratch_buffers_and_refusals_are_those_of_the_users_runtime(device, wanted, like):
    used, sentence = for_runtime(load_device(device), wanted)
    assert kernels_of(used) == like
    assert used.runs_tflm == wanted.lower().startswith("tflm")
    changes = used.runs_tflm != load_device(device).runs_tflm
    assert (f"what TFLM refuses {'counts' if used.runs_tflm else 'does not count'}" in sentence) == changes


def test_a_runtime_without_a_name_is_refused():
    with pytest.raises(ConfigError, match="expected a name such as 'x-cube-ai 10', received an empty one"):
        for_runtime(load_device("rp2040"), " ")


def test_the_profiles_own_runtime_changes_nothing():
    device = load_device("nucleo-h7a3zi-cube-ai")
    assert for_runtime(device, "x-cube-ai 8") == (device, "")
    assert for_runtime(device, None) == (device, "")


@pytest.mark.parametrize("wanted", ["tflm", "tflm 2.3.1", "TFLM 2.19"])
def test_reference_kernels_are_far_from_optimised_ones(wanted):
    used, _ = for_runtime(load_device("esp32-s3"), wanted)
    # Espressif measured 2,300 ms for 54 ms.
    assert 1 + used.error_percent / 100 > 2300 / 54
