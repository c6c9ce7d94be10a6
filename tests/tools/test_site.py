"""The site of the documentation: every link leads somewhere, every public name and command is in the reference."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kd_edge.cli import main as kd_edge_command
from tflite_bench.cli import main as tflite_bench_command

ROOT = Path(__file__).parents[2]
PAGES = ("kd_edge", "tflite_bench", "extension")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; `strict` in mkdocs.yml makes an error of every warning."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("package", ["kd_edge", "tflite_bench"])
def test_every_public_name_has_its_signature_and_docstring_in_the_reference(site, package):
    public = re.findall(r"^from .* import \w+ as ([A-Za-z]\w*)$", (ROOT / package / "__init__.pyi").read_text(), re.M)
    page = (site / "reference" / package / "index.html").read_text()
    assert public
    for name in public:
        assert f'id="{package}.{name}"' in page, name


def test_every_name_for_extensions_is_in_the_reference(site):
    listed = "".join((site / "reference" / page / "index.html").read_text() for page in PAGES)
    for package in ("kd_edge.distillation", "kd_edge.search", "kd_edge.data", "kd_edge.ir", "tflite_bench.model"):
        stub = (ROOT / package.replace(".", "/") / "__init__.pyi").read_text()
        public = re.findall(r"^from .* import \w+ as ([A-Za-z]\w*)$", stub, re.M)
        assert public
        for name in public:
            places = (package, package.partition(".")[0])  # a name of the package itself counts
            assert any(f'id="{place}.{name}"' in listed for place in places), f"{package}.{name}"


def test_every_command_is_in_the_reference(site):
    page = (site / "reference" / "commands" / "index.html").read_text()
    for program, command in (("kd-edge", kd_edge_command), ("tflite-bench", tflite_bench_command)):
        for name in command.commands:
            assert f"{program} {name} " in re.sub(r"<[^>]+>", "", page), name
    assert "UNSET" not in page
