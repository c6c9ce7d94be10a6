"""Private names of other libraries are used behind one module per library."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import kd_edge

PACKAGE = Path(kd_edge.__file__).parent
COMPAT = PACKAGE / "compat"
# Documented, for all their underscore: fields and methods of named tuples.
DOCUMENTED = {"_asdict", "_fields", "_replace"}
PRIVATE = re.compile(r"_[a-z]\w*")
# Modules that the libraries do not promise to keep.
INNER = re.compile(r"(keras|keras_tuner|tf_keras)\.src\.|(tensorflow|tensorflow_model_optimization)\.python\.")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def own_names() -> set[str]:
    """Return the private names that kd_edge defines itself: functions, classes, fields, attributes."""
    names: set[str] = set()
    for path in (path for path in modules() if path.parent != COMPAT):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return names


def private_uses(path: Path) -> Iterator[str]:
    """Yield the private names that a module reads of an object, also by `getattr` and the like."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            yield node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and PRIVATE.fullmatch(str(name.value)):
                yield str(name.value)
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(("kd_edge", "tflite_bench")):
            yield from (alias.name for alias in node.names if PRIVATE.fullmatch(alias.name))
            if INNER.match(f"{node.module}."):
                yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if INNER.match(f"{alias.name}."))


def test_no_private_name_of_a_library_is_used_elsewhere():
    own = own_names() | DOCUMENTED
    found = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in modules()
        if path.parent != COMPAT
        for name in private_uses(path)
        if name not in own
    }
    assert found == set()
