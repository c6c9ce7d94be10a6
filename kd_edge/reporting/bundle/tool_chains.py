"""The tool chains that a bundle can be a project of: their files, their library of TFLM, their commands."""

from collections.abc import Mapping
from dataclasses import dataclass

from kd_edge.errors import ConfigError
from kd_edge.reporting.bundle.sources.rendering import render

_COMPILED = (".c", ".cc", ".cpp")
_MINITERM = "python -m serial.tools.miniterm /dev/ttyACM0 115200"


@dataclass(frozen=True, slots=True)
class ToolChain:
    """What makes sources a project.

    Attributes:
        name: As `--for` takes it.
        title: As people call it.
        tflm: Where its TFLM comes from, a sentence.
        prepare: Commands that are needed once.
        build: The command that builds.
        flash: The command that flashes.
        monitor: The command that shows what the board prints.
        placeholders: What the reader has to replace in these commands, a sentence.
        files: Template of each file of the project, by the file's name.
        source_folder: Where the sources lie.
        main: File and template of the program.
        tflm_header: The header by which its library of TFLM is found, where it needs one.
        cpp_ending: Ending of C++ files.
    """

    name: str
    title: str
    tflm: str
    prepare: tuple[str, ...]
    build: str
    flash: str
    monitor: str
    placeholders: str
    files: Mapping[str, str]
    source_folder: str = ""
    main: tuple[str, str] = ("main.c", "main.c")
    tflm_header: str | None = None
    cpp_ending: str = ".cc"

    def project(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Return the text of every file of the project by its name.

        Args:
            sources: From `render_sources`.
        """
        named = {name.removesuffix(".cc") + self.cpp_ending if name.endswith(".cc") else name: text
                 for name, text in sources.items()}  # fmt: skip
        file, template = self.main
        compiled = sorted(name for name in named if name.endswith(_COMPILED))
        # CMake's own library leaves the program out.
        listed = compiled if self.name == "cmake" else sorted([*compiled, file])
        named[file] = render(template, tool_chain=self.name, tflm_header=self.tflm_header)
        placed = {f"{self.source_folder}{name}": text for name, text in named.items()}
        return placed | {name: render(template, sources=listed) for name, template in self.files.items()}


_FQBN = "arduino:mbed_nano:nano33ble"
TOOL_CHAINS = {
    chain.name: chain
    for chain in (
        ToolChain(
            name="cmake",
            title="CMake",
            tflm="a checkout of github.com/tensorflow/tflite-micro, and the library that its own Makefile builds",
            prepare=(
                "git clone https://github.com/tensorflow/tflite-micro",
                "make -C tflite-micro -f tensorflow/lite/micro/tools/make/Makefile microlite",
            ),
            build="cmake -S . -B build -DTFLM_DIR=$PWD/tflite-micro -DTFLM_LIBRARY=LIBRARY && cmake --build build",
            flash='openocd -f board/BOARD.cfg -c "program build/model_check verify reset exit"',
            monitor=_MINITERM,
            placeholders="LIBRARY is libtensorflow-microlite.a as make has said, BOARD a board of OpenOCD. For a board "
            "add TARGET and TARGET_ARCH to make, and a tool chain file (-DCMAKE_TOOLCHAIN_FILE) that brings start-up "
            "code and printf. On a PC nothing is flashed: run build/model_check.",
            files={"CMakeLists.txt": "cmake.CMakeLists.txt"},
        ),
        ToolChain(
            name="arduino",
            title="Arduino",
            tflm="the library Chirale_TensorFLowLite of the Library Manager, for boards of mbed and ESP32",
            prepare=("arduino-cli core install arduino:mbed_nano", "arduino-cli lib install Chirale_TensorFLowLite"),
            build=f"arduino-cli compile --fqbn {_FQBN} model_check",
            flash=f"arduino-cli upload --fqbn {_FQBN} -p /dev/ttyACM0 model_check",
            monitor="arduino-cli monitor -p /dev/ttyACM0 --config baudrate=115200",
            placeholders=f"{_FQBN} and the port are those of your board.",
            files={},
            source_folder="model_check/",
            main=("model_check.ino", "sketch.cpp"),
            tflm_header="Chirale_TensorFlowLite.h",
            cpp_ending=".cpp",
        ),
        ToolChain(
            name="esp-idf",
            title="ESP-IDF",
            tflm="the component espressif/esp-tflite-micro of the ESP Component Registry, which the build downloads",
            prepare=("idf.py set-target esp32",),
            build="idf.py build",
            flash="idf.py -p /dev/ttyUSB0 flash",
            monitor="idf.py -p /dev/ttyUSB0 monitor",
            placeholders="esp32 and the port are those of your board.",
            files={
                "CMakeLists.txt": "esp-idf.CMakeLists.txt",
                "sdkconfig.defaults": "esp-idf.sdkconfig.defaults",
                "main/CMakeLists.txt": "esp-idf.main.CMakeLists.txt",
                "main/idf_component.yml": "esp-idf.idf_component.yml",
            },
            source_folder="main/",
        ),
        ToolChain(
            name="zephyr",
            title="Zephyr",
            tflm="Zephyr's module tflite-micro, which west leaves out until it is asked for",
            prepare=("west config manifest.project-filter -- +tflite-micro", "west update"),
            build="west build -b BOARD .",
            flash="west flash",
            monitor=_MINITERM,
            placeholders="BOARD and the port are those of your board.",
            files={"CMakeLists.txt": "zephyr.CMakeLists.txt", "prj.conf": "zephyr.prj.conf"},
            source_folder="src/",
        ),
        ToolChain(
            name="platformio",
            title="PlatformIO",
            tflm="the library spaziochirale/Chirale_TensorFLowLite of its registry, which the build downloads",
            prepare=(),
            build="pio run",
            flash="pio run --target upload",
            monitor="pio device monitor",
            placeholders="platform and board in platformio.ini are those of an ESP32: write yours.",
            files={"platformio.ini": "platformio.ini"},
            source_folder="src/",
            main=("main.cpp", "sketch.cpp"),
            tflm_header="Chirale_TensorFlowLite.h",
            cpp_ending=".cpp",
        ),
    )
}
DEFAULT = "cmake"


def tool_chain(name: str) -> ToolChain:
    """Return a tool chain by its name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in TOOL_CHAINS:
        raise ConfigError(f"unknown tool chain: expected one of {', '.join(TOOL_CHAINS)}, received {name!r}")
    return TOOL_CHAINS[name]
