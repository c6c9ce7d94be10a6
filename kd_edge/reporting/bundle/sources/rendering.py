"""C, C++ and the files of projects from templates."""

import functools
import textwrap
from collections.abc import Iterable
from importlib import resources
from typing import Any

import jinja2

from kd_edge.reporting.bundle.sources.c_literals import c_float, c_string

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
        "c_float": c_float, "c_string": c_string, "c_comment": _comment, "c_rows": _rows, "c_number": _number,
        "cell": _cell,
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


def _rows(values: Iterable[float], *, hexadecimal: bool = False) -> str:
    """Return the numbers of an array, some to a line."""
    texts = [hex(int(value)) if hexadecimal else _number(value) for value in values]
    return "\n".join(
        "    " + " ".join(f"{text}," for text in texts[start : start + _PER_LINE])
        for start in range(0, len(texts), _PER_LINE)
    )


def _comment(text: str) -> str:
    """Return a sentence as a comment of C that nothing in it ends."""
    return textwrap.fill(f"/* {text.replace('*/', '* /')} */", _WIDTH, subsequent_indent="   ")
