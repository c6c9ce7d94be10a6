"""The files of each tool chain have the form that it reads; what was only rendered is said in docs/bundle.md."""

import configparser
import re

import pytest
import yaml

from kd_edge.errors import ConfigError
from kd_edge.reporting.bundle.tool_chains import TOOL_CHAINS, tool_chain

COMPILED = {"check_vectors.c", "model.cc", "model_data.cc", "run_vectors.c", "test_vectors.c"}


def text(bundle, name):
    return (bundle.folder / name).read_text()


def test_esp_idf_gets_its_component_from_the_registry_and_every_source(bundled):
    made = bundled("esp-idf")
    wanted = yaml.safe_load(text(made, "main/idf_component.yml"))["dependencies"]
    assert set(wanted) == {"idf", "espressif/esp-tflite-micro"}
    assert "project(model_check)" in text(made, "CMakeLists.txt")
    listed = re.fullmatch(
        r"idf_component_register\(SRCS(.*)INCLUDE_DIRS \.\)\n", text(made, "main/CMakeLists.txt"), re.S
    )
    assert set(listed[1].split()) == {*COMPILED, "main.c"}
    assert "void app_main(void)" in text(made, "main/main.c")


def test_zephyr_gets_its_module_and_every_source(bundled):
    made = bundled("zephyr")
    settings = dict(line.split("=") for line in text(made, "prj.conf").splitlines())
    assert settings["CONFIG_TENSORFLOW_LITE_MICRO"] == settings["CONFIG_CPP"] == "y"
    listed = re.search(r"target_sources\(app PRIVATE(.*)\)", text(made, "CMakeLists.txt"), re.S)
    assert set(listed[1].split()) == {f"src/{name}" for name in (*COMPILED, "main.c")}
    assert "int main(void)" in text(made, "src/main.c")


def test_platformio_gets_its_library_and_a_board(bundled):
    settings = configparser.ConfigParser()
    settings.read_string(text(bundled("platformio"), "platformio.ini"))
    board = settings["env:board"]
    assert set(board) == {"platform", "board", "framework", "lib_deps", "monitor_speed"}
    assert board["lib_deps"].startswith("spaziochirale/Chirale_TensorFLowLite@")
    assert f"Serial.begin({board['monitor_speed']})" in text(bundled("platformio"), "src/main.cpp")


def test_an_arduino_sketch_is_called_like_its_folder_and_all_its_files_are_beside_it(bundled):
    made = bundled("arduino")
    sketch = made.folder / "model_check"
    assert (sketch / f"{sketch.name}.ino").is_file()
    assert {name.replace(".cc", ".cpp") for name in COMPILED} < {path.name for path in sketch.iterdir()}
    for name in ("model_check.ino", "model.cpp"):
        assert "#include <Chirale_TensorFlowLite.h>" in (sketch / name).read_text()


@pytest.mark.parametrize("tool", TOOL_CHAINS)
def test_every_local_header_that_a_file_includes_is_beside_it(bundled, tool):
    for path in bundled(tool).folder.rglob("*"):
        if path.suffix in (".c", ".cc", ".cpp", ".h", ".ino"):
            for name in re.findall(r'#include "([^"/]+)"', path.read_text()):
                assert (path.parent / name).is_file(), f"{path.name} includes {name}"


@pytest.mark.parametrize("tool", TOOL_CHAINS)
def test_the_readme_has_the_three_commands_and_the_network_as_a_table(bundled, tool):
    readme, chain = text(bundled(tool), "README.md"), TOOL_CHAINS[tool]
    assert f"    {chain.build}\n    {chain.flash}\n    {chain.monitor}\n" in readme
    rows = re.findall(r"^\| \d+ \| (\w+) \| .* \| (\S+) \| ([\d,]+) \| ([\d,]+) \|$", readme, re.M)
    # The network of tests/data/make_models.py; its first convolution has 8 filters of 3x3x3 with a bias each.
    assert [row[0] for row in rows] == [
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "AVERAGE_POOL_2D", "FULLY_CONNECTED",
    ]  # fmt: skip
    filters = int(rows[0][1].split("x")[-1])
    assert int(rows[0][2]) == filters * (3 * 3 * 3 + 1)
    # The converter has left out the last layer's bias, which is zero.
    assert rows[-1][1:] == ("1x5", f"{5 * filters}", f"{5 * filters}")


def test_an_unknown_tool_chain_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"one of cmake, arduino, esp-idf, zephyr, platformio, received 'keil'"):
        tool_chain("keil")
