"""Cores and runtimes in many spellings."""

from dataclasses import replace

import pytest

from kd_edge.cost.devices import load_all, load_device
from kd_edge.cost.devices.runtimes import for_runtime
from kd_edge.cost.devices.spelling import core_name, runtime_name
from kd_edge.cost.kernels import kernels_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ESP32-S3", "xtensa-lx7"),
        ("esp32s3", "xtensa-lx7"),
        ("esp32-s3-wroom-1", "xtensa-lx7"),
        ("Xtensa LX7", "xtensa-lx7"),
        ("xtensa-lx7-dual", "xtensa-lx7"),
        ("esp32", "xtensa-lx6"),
        ("ESP32 P4", "rv32imafc"),
        ("Arm Cortex-M4F", "cortex-m4"),
        ("cortex_m0plus", "cortex-m0+"),
        ("Cortex M0+", "cortex-m0+"),
        ("cortex-m33", "cortex-m33"),
        ("host", "host"),
        ("ESP32-S3R8", "xtensa-lx7"),
        ("ESP32-C3FH4", "rv32imc"),
        ("ESP32-P4NRW32", "rv32imafc"),
        ("ESP32-WROOM-32", "xtensa-lx6"),
        ("ESP32-D0WD", "xtensa-lx6"),
        ("ESP32-S2", "esp32-s2"),
        ("ESP32-S31", "esp32-s31"),
        ("ESP32-C61", "esp32-c61"),
        ("esp32-h9", "esp32-h9"),
    ],
)
def test_a_core_is_the_same_however_it_is_spelled(text, expected):
    assert core_name(text) == expected
    assert replace(load_device("nrf52840"), core=text).core == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TFLM+CMSIS-NN", "tflm+cmsis-nn"),
        ("TFLM with CMSIS-NN", "tflm+cmsis-nn"),
        ("tflite-micro + cmsis-nn", "tflm+cmsis-nn"),
        ("TensorFlow Lite for Microcontrollers and CMSIS NN 6.0", "tflm+cmsis-nn 6.0"),
        ("TensorFlow Lite Micro", "tflm"),
        ("LiteRT for Microcontrollers", "tflm"),
        ("tflite_micro (esp_nn)", "tflm+esp-nn"),
        ("tflite+cmsis-nn", "tflm+cmsis-nn"),
        ("tflm+esp-nn esp-nn of ESP-IDF 5.5", "tflm+esp-nn esp-nn of ESP-IDF 5.5"),
        ("LiteRT + XNNPACK", "litert+xnnpack"),
        ("adb benchmark_model", "adb benchmark_model"),
        ("X-CUBE-AI 10", "x-cube-ai 10"),
    ],
)
def test_a_runtime_is_the_same_however_it_is_spelled(text, expected):
    assert runtime_name(text) == expected
    board = load_device("nrf52840")
    assert replace(board, runtime=text).runtime == expected
    assert for_runtime(board, text)[0].runs_tflm == expected.startswith("tflm")


def test_the_packages_profiles_are_spelled_so_and_their_runtimes_are_known():
    for device in load_all():
        assert (core_name(device.core), runtime_name(device.runtime)) == (device.core, device.runtime)
        assert device.unknown_runtime == ""
        assert replace(device, core="some-core").core == "some-core"


def test_esp_nn_on_a_core_that_nobody_knows_may_need_what_any_chip_does():
    board = replace(load_device("esp32-s3"), core="my-chip")
    assert kernels_of(board) == ("reference", "esp-nn-any")
    assert kernels_of(replace(board, core="rv32imc")) == ("reference", "reference")
    cortex = replace(load_device("nrf52840"), core="stm32")
    assert kernels_of(cortex) == ("cmsis-nn-plain", "cmsis-nn")
