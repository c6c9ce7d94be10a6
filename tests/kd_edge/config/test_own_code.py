"""The user's own code counts by what is in its file; kd_edge's does not count."""

import functools
import importlib
import subprocess
import sys

import pytest

from kd_edge.config.own_code import own_code
from kd_edge.distillation.halting.rules import find_rule


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Return what imports a module of this text, anew each time."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def imported(text):
        (tmp_path / "own_rules.py").write_text(text)
        sys.modules.pop("own_rules", None)
        importlib.invalidate_caches()
        return importlib.import_module("own_rules")

    yield imported
    sys.modules.pop("own_rules", None)


def test_code_counts_by_the_file_that_defines_it(imported):
    text = "LIMIT = {limit}\nclass Certain:\n    def reason(self): return LIMIT\nmake = lambda: Certain()\n"
    hashes = []
    for limit in (0.9, 0.8, 0.9):
        module = imported(text.format(limit=limit))
        hashes.append(own_code(module.Certain, module.make, module.Certain()))
        assert len(set(hashes[-1])) == 1
    assert hashes[0] == hashes[2] != hashes[1]


def test_code_of_the_package_does_not_count_but_what_it_is_called_with_does():
    rule = find_rule("agreement")
    assert own_code(rule) == ()
    found = [own_code(functools.partial(rule, patience=patience)) for patience in (1, 2, 1)]
    assert found[0] == found[2] != found[1]


def test_what_a_rule_is_called_with_is_the_same_in_another_process():
    program = (
        "import functools\nfrom kd_edge.config.own_code import own_code\ndef score(x): return x\n"
        "class Rule:\n    steps = (score, {'a', 'bb', 'ccc'})\n"
        "print(own_code(functools.partial(Rule, of=score, names={'a', 'bb', 'ccc'}, kinds=[Rule]), Rule))"
    )
    said = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(3)}
    assert len(said) == 1


def test_code_that_was_typed_in_counts_by_what_it_does():
    hashes = []
    for limit in (0.9, 0.8, 0.9):
        typed = {"__name__": "__typed__"}
        exec(f"class Certain:\n    LIMIT = {limit}\ndef make(): return [{limit}, lambda: {limit}]", typed)
        hashes.append((own_code(typed["Certain"]), own_code(typed["make"])))
    assert hashes[0] == hashes[2]
    assert all(first != other for first, other in zip(*hashes[:2], strict=True))
