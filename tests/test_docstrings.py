"""Whoever calls a public name finds in its docstring that it raises."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
STUBS = sorted(path for package in ("kd_edge", "tflite_bench") for path in (ROOT / package).rglob("__init__.pyi"))
WHEN_MADE = ("__init__", "__post_init__")


def own_raises(source: ast.AST) -> bool:
    """Return whether a function or class raises by itself, not in a function that it defines."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return any(
        isinstance(node, ast.Raise) or (not isinstance(node, inner) and own_raises(node))
        for node in ast.iter_child_nodes(source)
    )


def silent(name: str, value: Any) -> Iterator[str]:
    """Yield what of a function or class raises, and does not say so."""
    if not (inspect.isfunction(value) or inspect.isclass(value)):
        return
    source = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    says = "Raises:" in (inspect.getdoc(value) or "")
    if isinstance(source, ast.ClassDef):
        for part in source.body:
            if not isinstance(part, ast.FunctionDef):
                continue
            if part.name in WHEN_MADE and own_raises(part) and not says:
                yield name
            if not part.name.startswith("_") and own_raises(part) and "Raises:" not in (ast.get_docstring(part) or ""):
                yield f"{name}.{part.name}"
    elif own_raises(source) and not says:
        yield name


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: ".".join(path.parent.relative_to(ROOT).parts))
def test_a_public_name_that_raises_says_so(stub):
    package = importlib.import_module(".".join(stub.parent.relative_to(ROOT).parts))
    names = re.findall(r"^from .* import \w+ as ([A-Za-z]\w*)$", stub.read_text(), re.M)
    assert names
    assert [found for name in names for found in silent(name, getattr(package, name))] == []
