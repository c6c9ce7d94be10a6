"""Tests of what `kd-edge doctor` says is there and missing."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.compat.installed import EXTRAS, Package, packages
from kd_edge.reporting.tables.console import show
from kd_edge.reporting.tables.installation import installation_tables


def test_the_document_names_every_package_that_is_asked_for_with_its_version(check_document):
    done = CliRunner().invoke(main, ["doctor", "--json"])
    document = json.loads(done.stdout)
    check_document(document)
    found = {package["name"]: package["installed"] for package in document["result"]["packages"]}
    assert found["numpy"] == importlib.metadata.version("numpy")
    assert found["tensorflow"] == importlib.metadata.version("tensorflow")
    assert done.exit_code == 0


def test_each_package_is_listed_under_one_extra_that_says_what_it_is_for():
    found = packages()
    assert len({(package.name, package.extra) for package in found}) == len(found)
    assert {package.extra for package in found} <= set(EXTRAS)
    assert "pytest" not in {package.name for package in found}


@pytest.mark.parametrize(
    ("extra", "installed", "fits", "wrong"),
    [
        ("", None, False, True),
        ("train", None, False, False),
        ("train", "9.0", False, True),
        ("train", "2.21", True, False),
    ],
)
def test_a_package_is_wrong_where_it_was_never_tried_or_is_always_needed(extra, installed, fits, wrong):
    assert Package("tensorflow", extra, "run", ">=2.21", installed, fits).wrong is wrong


def test_what_is_missing_is_marked_with_the_command_that_installs_it(capsys):
    package = {"name": "pillow", "extra": "images", "needed_for": "folders of images", "expected": ">=10"}
    package |= {"installed": None, "fits": False}
    show(installation_tables({"packages": [package], "runners": [], "own_devices": []}))
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("!") and line.split()[1:] == ["pillow", "missing", ">=10"] for line in lines)
    assert any("pip install 'kd-edge[images]'" in line for line in lines)


def test_a_shell_completes_commands():
    command = [sys.executable, "-c", "from kd_edge.cli import main; main(prog_name='kd-edge')"]
    asked = {"_KD_EDGE_COMPLETE": "bash_complete", "COMP_WORDS": "kd-edge doc", "COMP_CWORD": "1"}
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "plain,doctor"


def test_every_command_shows_tracebacks_on_request():
    for name, command in {**main.commands, **main.commands["devices"].commands}.items():
        assert "--debug" in [option for parameter in command.params for option in parameter.opts], name


def test_what_fine_tuning_needs_is_said_in_one_line_where_it_is_missing(tmp_path, waves_npz):
    hidden = "import sys; sys.modules['tf_keras'] = None\nimport importlib.util as u; find = u.find_spec\n"
    hidden += "u.find_spec = lambda name, *more: None if name == 'tf_keras' else find(name, *more)\n"
    config = tmp_path / "waves.toml"
    config.write_text(
        f'[data]\nsource = "{waves_npz}"\n[budget]\ndevice = "nucleo-l4r5zi"\n[convert]\ncompress = "prune"\n'
    )
    program = hidden + "from kd_edge.cli import main; main()"
    command = [sys.executable, "-c", program, "run", str(config), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    expected = "tf-keras is not installed, fine-tuning for int8 and compression need it: pip install 'kd-edge[qat]'"
    assert done.stderr == f"Error: {expected}\n"
