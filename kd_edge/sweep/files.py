"""The files of a sweep: to whom its folder belongs, and what people read in the end."""

import hashlib
import json
from typing import Any

from kd_edge.errors import ConfigError
from kd_edge.files import read_object, write_bytes, write_json
from kd_edge.reporting.documents import least_known, make_document
from kd_edge.reporting.tables.console import as_text
from kd_edge.reporting.tables.sweep import sweep_tables
from kd_edge.stages.own_code import own_code_in
from kd_edge.stages.shaping import without_paths
from kd_edge.stages.store import SWEEP_OF
from kd_edge.sweep.context import SweepContext
from kd_edge.sweep.results import SweepResult

DOCUMENT, SUMMARY, PAGE = "sweep.json", "summary.txt", "sweep.html"
SWEEP_FILES = (DOCUMENT, SUMMARY, PAGE)
# What makes another sweep of it: boards and budgets may come and go.
_PARTS = ("data", "seed", "teacher", "design", "distill", "convert")
_COLUMNS = 80


def claim_sweep(context: SweepContext) -> None:
    """Make a folder the one of a sweep, or go on with the same one.

    Raises:
        ConfigError: The folder holds another sweep or a run, or a damaged file; the message says what differs.
    """
    folder = context.store.folder
    path, identity = folder / SWEEP_OF, _identity(context)
    if not (folder / "stages").exists():  # nothing was made in it
        write_json(path, identity)
        return
    if not path.is_file():
        raise ConfigError(f"{folder} holds a run: expected an empty folder or that of a sweep; choose another --output")
    known = read_object(path, instead="choose another --output")
    differs = [name for name, value in identity.items() if known.get(name) != value]
    if differs:
        raise ConfigError(
            f"{folder} holds another sweep: expected the same {', '.join(differs)}, received other; choose another "
            "--output (boards and budgets may be added to a sweep)"
        )


def _identity(context: SweepContext) -> dict[str, str]:
    """Return what a sweep is a sweep of, each part as a fingerprint."""
    parts = without_paths(context.config)
    codes = {name: own_code_in(parts[name]) for name in ("design", "distill")}
    parts |= {name: (parts[name], code) for name, code in codes.items() if code}
    parts["teacher"] = parts["teacher"], context.teacher_shape
    found = {name: hashlib.sha256(repr(parts[name]).encode()).hexdigest()[:16] for name in _PARTS}
    return found | {"data": context.data.sha256}


def write_sweep(result: SweepResult, context: SweepContext) -> dict[str, Any]:
    """Write `sweep.json`, `summary.txt` and `sweep.html`.

    Args:
        result: The sweep.
        context: Of it.

    Returns:
        What `sweep.json` holds.
    """
    from kd_edge.reporting.page.sweep_page import write_sweep_page

    folder = context.store.folder
    document = make_document(
        "sweep", result, seed=context.config.seed, device=least_known([cell.device for cell in context.cells])
    )
    write_json(folder / DOCUMENT, document)
    write_bytes(folder / SUMMARY, as_text(sweep_tables(document["result"]), width=_COLUMNS).encode())
    write_sweep_page(document, folder / PAGE)
    return document


def read_sweep(context_folder: Any) -> dict[str, Any]:
    """Return the document of a finished sweep."""
    return dict(json.loads((context_folder / DOCUMENT).read_text(encoding="utf-8")))
