"""The bundle of a finished run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.config.paths import relative_to
from kd_edge.conversion.told_task import as_told, probabilities_told
from kd_edge.cost.gate import HOLDS
from kd_edge.data.dataset import Dataset, unscaled
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.errors import ConfigError, DataError, found_instead
from kd_edge.reporting.bundle.contents import bundle_contents, read_single
from kd_edge.reporting.bundle.folder import write_folder
from kd_edge.reporting.bundle.results import Bundle, Origin, fingerprint, manifest_of
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.output_sources import settings_by_output
from kd_edge.reporting.bundle.tool_chains import DEFAULT, tool_chain
from kd_edge.reporting.bundle.vectors import sample_vectors
from kd_edge.reporting.run_files import read_run, read_run_model, understood
from kd_edge.reporting.sentences.verdicts import verdict_text
from kd_edge.toml import to_toml
from kd_edge.verification.tflm_run import MeasuredSizes
from kd_edge.verification.verdict import failed_checks, open_checks, outcome

# Of means and deviations, in deviations: another processor adds in another order.
_SCALE_TOLERANCE = 1e-4


def write_bundle(run_folder: str | Path, folder: str | Path | None = None, *, tool: str = DEFAULT) -> Bundle:
    """Write a project that builds, flashes and checks a run's model; the same run gives the same bytes there.

    Args:
        run_folder: The folder of a finished `kd-edge run`.
        folder: Made if missing; `bundle` in the run's folder by default. What an earlier bundle left there goes.
        tool: The tool chain: `"cmake"`, `"arduino"`, `"esp-idf"`, `"zephyr"` or `"platformio"`. Defaults to
            `"cmake"`.

    Raises:
        ModelError: The run is not finished, its model is not the one of its results, or cannot be put into C.
        DataError: The run's data set cannot be loaded, or is another one by now.
        ConfigError: The run's device is a file that is gone, the tool chain is not known, a file of an earlier bundle
            that would go was changed, or one that the bundle is made from would be written over.
    """
    source = Path(run_folder)
    results, config = read_run(source)
    with understood(source):
        return _write(source, results, config, source / "bundle" if folder is None else Path(folder), tool)


def _write(source: Path, results: Mapping[str, Any], config: Mapping[str, Any], target: Path, tool: str) -> Bundle:
    chain, run = tool_chain(tool), results["result"]
    model = read_run_model(source, results)
    data = _load(model, config, run["data"])
    settings = _settings(model, data, run)
    vectors = sample_vectors(model, data, settings)
    command = f"kd-edge run config.toml -o RUN && kd-edge bundle RUN --for {tool}"
    about = [f"Data: {run['data']['description']}", f"Board: {run['design']['device']}. {_verdict(run['verify'])}"]
    contents = {
        **_configuration(config, target),
        **bundle_contents(model, settings, vectors, chain, name="Student", about=about, command=command),
    }
    bundle = Bundle(
        target,
        tool_chain=tool,
        passed=outcome(run["verify"]) == HOLDS,
        failed_checks=failed_checks(run["verify"]),
        open_checks=open_checks(run["verify"]),
        tensor_arena_bytes=settings.arena_bytes,
        arena_source=settings.arena_source,
        vectors_of=vectors.vectors_of,
        vectors_from=vectors.vectors_from,
        command=command,
        files={name: fingerprint(content) for name, content in contents.items()},
        inputs=_inputs(config),
        front_end=data.front_end,
    )
    read = [source / "model.tflite", config["budget"]["device"], *bundle.inputs]
    write_folder(bundle.folder, contents, manifest_of(bundle, _origin(results), settings), read=read)
    return bundle


def _load(model: bytes, config: Mapping[str, Any], known: Mapping[str, Any]) -> Dataset:
    """Return the samples of the run as its model reads them."""
    named = config["data"]
    options = SourceOptions(**named.get("options", {}))
    data = load_data(named["source"], normalize=named["normalize"], seed=config["seed"], options=options)
    data = unscaled(data) if known["scale"] is None else data
    _check_data(data, known)  # before the names of the file take the place of others
    return as_told(model, data)


def _settings(model: bytes, data: Dataset, run: Mapping[str, Any]) -> Settings:
    read_single(model, "the run's model")
    verify, known = run["verify"], run["data"]["scale"]
    scale = None if known is None else (tuple(known[0]), tuple(known[1]))
    threshold = (verify.get("task_metrics") or {}).get("threshold")
    probabilities = not data.task.parts and probabilities_told(model)
    settings = Settings(*_arena(verify), data.task, scale, probabilities, threshold, data.front_end)
    return settings_by_output(settings, model)


def _origin(results: Mapping[str, Any]) -> Origin:
    run = results["result"]
    return Origin(
        seed=results["seed"],
        versions=results["versions"],
        data=run["data"]["description"],
        device=run["design"]["device"],
        budget=run["design"]["budget"],
        accuracy=run["verify"]["accuracy"],
        measured=run["verify"]["measured"],
    )


def _verdict(verify: Mapping[str, Any]) -> str:
    return f"{outcome(verify).replace('_', ' ').upper()}: {verdict_text(verify)}"


def _configuration(config: Mapping[str, Any], folder: Path) -> dict[str, bytes]:
    """Return the configuration and, where that names a file as the device, a copy that it names instead."""
    device, config = config["budget"]["device"], relative_to(config, folder)
    if not device.endswith(".toml"):
        return {"config.toml": to_toml(config).encode()}
    try:
        profile = Path(device).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {device}: expected the run's device, {found_instead(error)}") from error
    name = f"device/{Path(device).name}"
    budget = {**config["budget"], "device": name}
    return {"config.toml": to_toml({**config, "budget": budget}).encode(), name: profile}


def _inputs(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    named = (config["data"]["source"], config["teacher"]["path"] or config["teacher"].get("outputs"))
    return {name: fingerprint(Path(name).read_bytes()) for name in named if name and Path(name).is_file()}


def _check_data(data: Dataset, known: Mapping[str, Any]) -> None:
    found = {"input_shape": list(data.input_shape), "class_names": list(data.class_names)}
    found |= {f"num_{split}": len(getattr(data, f"x_{split}")) for split in ("train", "val", "test")}
    for name, value in found.items():
        if known[name] != value:
            raise DataError(f"the data is not that of the run: expected {name} {known[name]}, received {value}")
    if not _is_close(known["scale"], data.scale):
        raise DataError(f"the data is not that of the run: expected scale {known['scale']}, received {data.scale}")


def _is_close(scale: Any, other: Any) -> bool:
    """Return whether two scales of as many channels are the same but for rounding."""
    if scale is None or other is None:
        return scale is other
    return bool(np.all(np.abs(np.subtract(scale, other)) <= _SCALE_TOLERANCE * np.asarray(scale[1])))


def _arena(verify: Mapping[str, Any]) -> tuple[int, str]:
    """Return the bytes that the verification held against the budget, and how they were found."""
    total = int(verify["ram_bytes"])
    measured = MeasuredSizes(**verify["measured"])
    needed = measured.needed_arena_bytes
    if needed is None:
        seen = f"TFLM was not run: {verify['unavailable_reason'].get('arena_bytes', '')}"
    else:
        how = "held after the model ran" if measured.arena_minimum_bytes is None else "needed to run the model"
        seen = f"on a 64-bit PC, where structures are larger, TFLM's arena {how} {needed:,} B"
    return total, f"{total:,} B are computed for the board, with a margin for optimised kernels; {seen}."
