"""The bundle's own files compile without a warning against TFLM's real headers, for a PC and for Cortex-M."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kd_edge.data.front_end import FrontEnd
from kd_edge.reporting.bundle.sources.front_end_source import front_end_source
from kd_edge.reporting.bundle.sources.model_sources import resolver_method

# XMOS' copy of TFLM lies in a namespace of its own; its library for PCs lacks the interpreter, so nothing is linked.
HEADERS = Path(sys.prefix) / "tflm_headers" / "xmos_ai_tools" / "runtime" / "include"
GEMMLOWP = Path("/usr/include/gemmlowp")
RENAMED = "-Dtflite=tflite_micro"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
CORES = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55")
TARGETS = {"host": ()} | {core: ("arm-none-eabi-", f"-mcpu={core}", "-mthumb") for core in CORES}
PROGRAMS = os.pathsep.join((str(Path(sys.prefix) / "bin"), os.environ["PATH"]))
needs_headers = pytest.mark.skipif(
    not (HEADERS.is_dir() and GEMMLOWP.is_dir() and shutil.which("arm-none-eabi-g++")),
    reason="needs TFLM's headers (tools/install all,test) and what tools/install-system installs",
)
needs_cmake = pytest.mark.skipif(
    not all(shutil.which(name, path=PROGRAMS) for name in ("cmake", "ninja")), reason="cmake or ninja is not installed"
)
# What a sketch calls of Arduino's core, which no package brings.
ARDUINO = """#pragma once
struct Printer { void begin(long) {} void println(const char *) {} };
static Printer Serial;
static inline void delay(unsigned long) {}
"""


def check(target, tool, standard, source, *arguments):
    """Compile a file for a target, where a warning is an error; no code is made."""
    prefix, *flags = TARGETS[target] or ("",)
    command = [f"{prefix}{tool}", *flags, f"-std={standard}", "-fsyntax-only", *WARNINGS, *map(str, arguments), source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_headers
@pytest.mark.parametrize("target", TARGETS)
def test_the_wrapper_compiles_against_tflms_real_headers(bundled, target):
    folder = bundled("cmake").folder
    system = ("-isystem", HEADERS, "-isystem", GEMMLOWP, "-fno-exceptions", "-fno-rtti", RENAMED)
    check(target, "g++", "c++17", folder / "model.cc", *system)


@needs_headers
@pytest.mark.parametrize("target", TARGETS)
def test_the_c_files_compile(bundled, target):
    folder = bundled("cmake").folder
    for name in ("main.c", "run_vectors.c", "check_vectors.c", "test_vectors.c"):
        check(target, "gcc", "c99", folder / name)
    check(target, "g++", "c++11", folder / "model_data.cc")


@needs_headers
def test_the_settings_of_sound_compile_against_tflms_front_end(tmp_path):
    (tmp_path / "audio_front_end.h").write_text(front_end_source(FrontEnd()))
    source = tmp_path / "sound.c"
    source.write_text('#include "audio_front_end.h"\nvoid set(struct FrontendConfig *config);\n'
                      "void set(struct FrontendConfig *config) { audio_front_end_config(config); }\n")  # fmt: skip
    check("cortex-m4", "gcc", "c99", source, "-isystem", HEADERS)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize(("tool", "name"), [("esp-idf", "main/main.c"), ("zephyr", "src/main.c")])
def test_the_program_of_a_tool_chain_compiles(bundled, tool, name):
    check("host", "gcc", "c99", bundled(tool).folder / name)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize(("tool", "name"), [("arduino", "model_check/model_check.ino"), ("platformio", "src/main.cpp")])
def test_a_sketch_compiles_with_what_it_calls_of_arduino(bundled, tool, name, tmp_path):
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    (tmp_path / "Chirale_TensorFlowLite.h").write_text("")
    check("host", "g++", "c++17", bundled(tool).folder / name, "-I", tmp_path, "-x", "c++")


@needs_headers
def test_every_operator_gets_the_method_that_tflms_header_has_for_it():
    header = (HEADERS / "tensorflow" / "lite" / "micro" / "micro_mutable_op_resolver.h").read_text()
    # Each method names its operator in its body.
    pairs = re.findall(r"TfLiteStatus (Add\w+)\((?:(?!TfLiteStatus).)*?BuiltinOperator_(\w+)", header, re.S)
    methods = {op: method for method, op in pairs if op != "CUSTOM"}
    assert len(methods) > 90
    assert {op: resolver_method(op) for op in methods} == methods


@needs_headers
@needs_cmake
def test_cmake_configures_and_lists_what_it_would_compile(bundled, tmp_path):
    folder = bundled("cmake").folder
    cmake, ninja = (shutil.which(name, path=PROGRAMS) for name in ("cmake", "ninja"))
    command = [cmake, "-S", folder, "-B", tmp_path, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    command += [f"-DTFLM_DIR={HEADERS}", f"-DTFLM_INCLUDE_DIRS={GEMMLOWP}", "-DTFLM_STATIC_MEMORY=OFF"]
    done = subprocess.run([*command, f"-DCMAKE_CXX_FLAGS={RENAMED}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([ninja, "-C", tmp_path, "CMakeFiles/model.dir/model_data.cc.o"], capture_output=True)
    assert done.returncode == 0, done.stdout
    listed = subprocess.run([ninja, "-C", tmp_path, "-t", "commands", "model"], capture_output=True, text=True).stdout
    for name in ("model.cc", "model_data.cc", "run_vectors.c", "check_vectors.c", "test_vectors.c"):
        assert str(folder / name) in listed


@needs_cmake
def test_cmake_says_where_tflm_was_expected(bundled, tmp_path):
    cmake = shutil.which("cmake", path=PROGRAMS)
    command = [cmake, "-S", bundled("cmake").folder, "-B", tmp_path, "-G", "Ninja"]
    ninja = shutil.which("ninja", path=PROGRAMS)
    done = subprocess.run([*command, f"-DCMAKE_MAKE_PROGRAM={ninja}"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "TFLM_DIR has no tensorflow/lite/micro/micro_interpreter.h: ''" in done.stderr
