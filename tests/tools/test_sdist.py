"""The source distribution holds what a maintainer of a distribution needs."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "runs", "*.egg-info", "shared")


def test_docs_examples_tests_tools_and_the_papers_of_the_project_are_in_it(tmp_path):
    source = shutil.copytree(ROOT, tmp_path / "source", ignore=LEFT_OUT)
    build = "import setuptools.build_meta as b; print(b.build_sdist('.'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True)
    (archive,) = source.glob("kd?edge-*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    wanted = [path for folder in ("docs", "examples", "tests", "tools") for path in (ROOT / folder).rglob("*")]
    kept = {str(path.relative_to(ROOT)) for path in wanted if path.is_file() and "__pycache__" not in path.parts}
    papers = {"CHANGELOG.md", "CITATION.cff", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md"}
    assert kept | papers | {"setup.cfg", "pyproject.toml", "README.md"} <= names
