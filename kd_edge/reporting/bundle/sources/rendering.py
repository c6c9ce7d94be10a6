"""C, C++ and the files of projects from templates."""

import functools
import textwrap
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

import jinja2

from kd_edge.reporting.bundle.sources.c_literals import c_double, c_float, c_string

_PER_LINE = 16
_WIDTH = 100


def render(name: str, **values: Any) -> str:
    """Return the text of a template of `templates/bundle`.

    Args:
        name: File of the template.
        **values: What it is filled with; a name that it lacks is an error.
    """
    return _environment().get_template(name).render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "c_double": c_double, "c_float": c_float, "c_string": c_string, "c_number": _number, "c_rows": _rows,
        "c_comment": _comment, "in_comment": _in_comment, "cell": _cell,
    }  # fmt: skip
    return environment


def _read(name: str) -> str:
    return resources.files("kd_edge.reporting").joinpath("templates", "bundle", name).read_text("utf-8")


def _cell(text: str) -> str:
    """Return a name as the cell of a table in Markdown."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def _number(value: float | bool) -> str:
    """Return a number as C; `True` is 1."""
    return c_float(value) if isinstance(value, float) else str(int(value))


def _rows(values: Iterable[float], literal: str = "number") -> str:
    """Return the numbers of an array, some to a line; the literal is one of `_LITERALS`."""
    texts = [_LITERALS[literal](value) for value in values]
    return "\n".join(
        "    " + " ".join(f"{text}," for text in texts[start : start + _PER_LINE])
        for start in range(0, len(texts), _PER_LINE)
    )


def _comment(text: str) -> str:
    """Return a sentence as a comment of C."""
    return textwrap.fill(f"/* {_in_comment(text)} */", _WIDTH, subsequent_indent="   ")


def _in_comment(text: str) -> str:
    """Return a part of a comment of C that nothing in it ends or begins anew, without signs that nobody sees."""
    seen = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return seen.replace("*/", "* /").replace("/*", "/ *")


_LITERALS: dict[str, Callable[[Any], str]] = {"number": _number, "double": c_double, "hexadecimal": hex}
