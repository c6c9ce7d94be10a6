"""Texts of others in the comments of C."""

import shutil
import subprocess

import pytest

from kd_edge.reporting.bundle.sources.rendering import render

SETTINGS = """#pragma once
typedef int model_input_t, model_output_t;
enum { MODEL_INPUT_ELEMENTS = 1, MODEL_OUTPUT_ELEMENTS = 1 };
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("name", ["y/*z", "*/ int x;", "/*/", "\u202eab", "a\u2066b", "a\n\x00b", "\\", "*" * 200])
def test_nothing_in_a_name_ends_a_comment_begins_another_one_or_turns_the_text_around(name, tmp_path):
    sources = {
        "test_vectors.h": render("test_vectors.h", inputs=[[0]], answers=(), vectors_of=name),
        "model.h": render("model.h", reads=(), answers_with=(f"the output {name};",)),
        "model_settings.h": SETTINGS,
        "main.c": '#include "model.h"\n#include "test_vectors.h"\n',
    }
    for file, text in sources.items():
        (tmp_path / file).write_text(text)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wbidi-chars=any", "-Werror", "-fsyntax-only", "main.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
