"""The files that a run leaves beside its models, written and read back."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.config.paths import absolute, located, relative_to
from kd_edge.config.run import RunConfig, load_config
from kd_edge.cost.devices import load_device
from kd_edge.errors import ConfigError, KdEdgeError, ModelError, found_instead, reason_in
from kd_edge.files import write_bytes, write_json
from kd_edge.reporting.documents import KD_EDGE, make_document
from kd_edge.reporting.tables.console import as_text
from kd_edge.reporting.tables.verification import run_tables
from kd_edge.toml import to_toml

if TYPE_CHECKING:
    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.distillation.results import HaltingReport
    from kd_edge.stages.results import RunResult

_CONFIG = "config.toml"
RUN_FILES = ("results.json", "config.json", _CONFIG, "summary.txt")


def write_run(result: "RunResult", device: "DeviceProfile | None" = None) -> dict[str, Any]:
    """Write `results.json`, `config.json`, `config.toml` and `summary.txt` into a run's folder.

    A `config.toml` of the user's stays as it is; see `check_config_file`.

    Args:
        result: The run.
        device: Its device; loaded by default.

    Returns:
        What `results.json` holds.
    """
    config, folder = result.config, result.folder
    halting = RunHalting(result.results.distill.halting)
    device = device or load_device(config.budget.device)
    run = make_document("run", result.results, halting, seed=config.seed, device=device)
    table = relative_to(asdict(config), folder)
    if not is_users_config(folder):
        write_bytes(folder / _CONFIG, to_toml(table).encode())
    write_json(folder / "config.json", table)
    write_json(folder / "results.json", run)
    write_bytes(folder / "summary.txt", as_text(run_tables(run["result"])).encode())
    return run


def check_config_file(config: RunConfig, folder: Path) -> None:
    """Refuse a folder whose `config.toml` is the user's own, unless it asks for this run: then it stays as it is.

    Args:
        config: Of the run.
        folder: Where it will be written.

    Raises:
        ConfigError: The user's own file is there, and says something else.
    """
    path = folder / _CONFIG
    if is_users_config(folder) and not _says(path, config):
        raise ConfigError(
            f"cannot write {path}: expected none there, or that of a run, received one that says something else than "
            "this run; choose another --output, or move it away"
        )


def is_users_config(folder: Path) -> bool:
    """Return whether a folder has a `config.toml` that is not as a run has written it."""
    path = folder / _CONFIG
    try:
        return path.exists() and path.read_bytes() != to_toml(_read_json(folder / "config.json")).encode()
    except (ModelError, OSError, ValueError):
        return True


def _says(path: Path, config: RunConfig) -> bool:
    try:
        there = load_config(path)
    except ConfigError:
        return False
    return to_toml(absolute(asdict(there))) == to_toml(absolute(asdict(config)))


@dataclass(frozen=True)
class RunHalting:
    """The guides of a run, also under a name of their own."""

    halting: "tuple[HaltingReport, ...]"


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the results and the configuration of a finished run, its paths from the working folder.

    Raises:
        ModelError: The folder does not hold them, or those of another version.
    """
    results, config = (_read_json(folder / name) for name in ("results.json", "config.json"))
    version = results.get("schema_version", KD_EDGE.schema_version)
    if version != KD_EDGE.schema_version:
        raise ModelError(
            f"cannot read {folder / 'results.json'}: expected schema version {KD_EDGE.schema_version}, received "
            f"{version!r}; use the kd-edge that wrote it, or {_anew(folder)}"
        )
    return results, located(config, folder)


def read_run_model(folder: Path, results: Mapping[str, Any]) -> bytes:
    """Return the bytes of a run's `model.tflite`.

    Args:
        folder: The run's.
        results: From `read_run`.

    Raises:
        ModelError: There is none, or not the one that the results are of.
    """
    path = folder / "model.tflite"
    if not path.is_file():
        raise ModelError(f"no finished run: expected {path}, found nothing; `kd-edge run` writes it")
    content, expected = path.read_bytes(), results["result"]["convert"]["sha256"]
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelError(f"{path} is not the model of its run's results: expected SHA-256 {expected}; run again")
    return content


@contextlib.contextmanager
def understood(folder: Path) -> Iterator[None]:
    """Say in one line that the results of a run, read inside, lack something: they are older, or damaged.

    Args:
        folder: The run's.

    Raises:
        ModelError: What was raised inside is no error of this package, of its files or of what is installed.
    """
    try:
        yield
    except (KdEdgeError, OSError, ImportError, MemoryError):
        raise
    except Exception as error:
        what = f"nothing called {error}" if isinstance(error, KeyError) else f"others ({reason_in(error)})"
        raise ModelError(
            f"cannot read the results in {folder}: expected them as this kd-edge writes them, received {what}; "
            f"{_anew(folder)}"
        ) from error


def _anew(folder: Path) -> str:
    return f"`kd-edge run {folder / 'config.toml'} -o {folder}` makes them anew"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"no finished run: expected {path}, {found_instead(error)}; `kd-edge run` writes it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"cannot read {path}: expected JSON of `kd-edge run`, received {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"cannot read {path}: expected an object of `kd-edge run`, received another value")
    return content
