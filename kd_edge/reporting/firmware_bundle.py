"""The files that a firmware team takes from a finished run."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.config import relative_to
from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.conversion.told_task import as_told
from kd_edge.cost.gate import HOLDS
from kd_edge.data.dataset import Dataset, unscaled
from kd_edge.data.front_end import FrontEnd
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.errors import ConfigError, DataError, ModelError, found_instead
from kd_edge.files import write_bytes, write_json
from kd_edge.reporting.c_sources import Settings, render_sources
from kd_edge.reporting.front_end_source import front_end_source
from kd_edge.reporting.run_files import read_run
from kd_edge.reporting.vectors import vector_answers, vector_rows
from kd_edge.toml import to_toml
from kd_edge.verification.tflm_run import MeasuredSizes
from kd_edge.verification.verdict import failed_checks, open_checks, outcome
from tflite_bench.errors import RuntimeMissingError
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import in_steps, is_window
from tflite_bench.provenance import Computed, Measured
from tflite_bench.runners import litert, tflm

# What an output is that no sigmoid or softmax made.
_MEANINGS = {"regression": "value", "reconstruction": "reconstruction"} | dict.fromkeys(
    ("multiclass", "binary", "multilabel"), "logit"
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What `write_bundle` wrote.

    Attributes:
        folder: Where.
        passed: Whether all checks of the run's verification hold.
        failed_checks: Names of the checks that are broken.
        open_checks: Names of the checks that have a limit and are not proven.
        tensor_arena_bytes: Size of the arena in `model_settings.h`: what the verification held against the budget.
        arena_source: How that was found.
        vectors_from: The runtime that answered the test vectors.
        command: Reproduces the bundle.
        files: SHA-256 and size of every file but the manifest, by name.
        inputs: The same of the files of samples and of the teacher that the configuration names; they are not copied.
        front_end: Settings of what computes samples from sound, also in `audio_front_end.h`; `None` without sound.
    """

    folder: Path
    passed: bool
    failed_checks: tuple[str, ...]
    open_checks: tuple[str, ...]
    tensor_arena_bytes: Computed[int]
    arena_source: str
    vectors_from: str
    command: str
    files: Measured[Mapping[str, Mapping[str, Any]]]
    inputs: Measured[Mapping[str, Mapping[str, Any]]]
    front_end: FrontEnd | None = None


def write_bundle(run_folder: str | Path, folder: str | Path | None = None) -> Bundle:
    """Write the model, its C and C++ sources, test vectors and a manifest; the same run gives the same bytes there.

    Args:
        run_folder: The folder of a finished `kd-edge run`.
        folder: Made if missing; `bundle` in the run's folder by default.

    Raises:
        ModelError: The run is not finished, its model is not the one of its results, or cannot be put into C.
        DataError: The run's data set cannot be loaded, or is another one by now.
        ConfigError: The run's device is a file that is gone.
    """
    source = Path(run_folder)
    results, config = read_run(source)
    model = _read_model(source / "model.tflite", results)
    named = config["data"]
    options = SourceOptions(**named.get("options", {}))
    data = load_data(named["source"], normalize=named["normalize"], seed=config["seed"], options=options)
    if results["result"]["data"]["scale"] is None:
        data = unscaled(data)
    data = as_told(model, data)
    _check_data(data, results["result"]["data"])
    verify = results["result"]["verify"]
    arena_bytes, arena_source = _arena(verify)
    probabilities = file_answers_probabilities(read_model(model))
    threshold = (verify.get("task_metrics") or {}).get("threshold")
    settings = Settings(arena_bytes, arena_source, data.task, data.scale, probabilities, threshold)
    sources, vectors_from = _sources(model, data, settings)
    if data.front_end is not None:
        sources["audio_front_end.h"] = front_end_source(data.front_end).encode()
    target = source / "bundle" if folder is None else Path(folder)
    contents = {"model.tflite": model, **_configuration(config, target), **sources}
    bundle = Bundle(
        target,
        passed=outcome(verify) == HOLDS,
        failed_checks=failed_checks(verify),
        open_checks=open_checks(verify),
        tensor_arena_bytes=arena_bytes,
        arena_source=arena_source,
        vectors_from=vectors_from,
        command="kd-edge run config.toml -o RUN && kd-edge bundle RUN",
        files={name: _fingerprint(content) for name, content in contents.items()},
        inputs=_inputs(config),
        front_end=data.front_end,
    )
    for name, content in contents.items():
        write_bytes(target / name, content)
    write_json(target / "manifest.json", _manifest(bundle, results, settings))
    return bundle


def _sources(model: bytes, data: Dataset, settings: Settings) -> tuple[dict[str, bytes], str]:
    """Return the C and C++ files by name, and the runtime that answered the test vectors in them."""
    info = read_model(model)
    inputs = quantize(data.x_test[vector_rows(data)], info.input_tensors[0])
    if is_window(info, data.input_shape):
        frames = info.input_tensors[0].shape[1]
        inputs, outputs, vectors_from = _first_steps(model, inputs[:1], frames, most=len(inputs))
    else:
        outputs, vectors_from = _answers(model, inputs)
    real = dequantize(inputs, info.input_tensors[0]), dequantize(outputs, info.output_tensors[0])
    answers = vector_answers(data.task, *real, probabilities=settings.probabilities)
    rendered = render_sources(model, info, settings, inputs, outputs, answers)
    return {name: text.encode() for name, text in rendered.items()}, vectors_from


def _first_steps(model: bytes, window: np.ndarray, frames: int, *, most: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the first steps of a window, what a stream answers to each, one after the other, and who answered."""
    steps = np.concatenate(list(in_steps(window, frames)))[:most]
    answers = [_answers(model, steps[:count].reshape(1, -1, *steps.shape[2:])) for count in range(1, len(steps) + 1)]
    return steps, np.concatenate([outputs for outputs, _ in answers]), answers[0][1]


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
    return {name: _fingerprint(Path(name).read_bytes()) for name in named if name and Path(name).is_file()}


def _manifest(bundle: Bundle, results: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    run = results["result"]
    return {
        "schema_version": 1,
        "tool": "kd-edge",
        "command": bundle.command,
        "seed": results["seed"],
        "versions": results["versions"],
        "data": run["data"]["description"],
        "task": asdict(settings.task),
        "output": "probability" if settings.probabilities else _MEANINGS[settings.task.kind],
        "anomaly_threshold": settings.anomaly_threshold,
        "device": run["design"]["device"],
        "budget": run["design"]["budget"],
        "passed": bundle.passed,
        "failed_checks": bundle.failed_checks,
        "open_checks": bundle.open_checks,
        "accuracy": run["verify"]["accuracy"],
        "measured": run["verify"]["measured"],
        "tensor_arena_bytes": bundle.tensor_arena_bytes,
        "arena_source": bundle.arena_source,
        "vectors_from": bundle.vectors_from,
        "files": bundle.files,
        "inputs": bundle.inputs,
        "front_end": None if bundle.front_end is None else asdict(bundle.front_end),
    }


def _read_model(path: Path, results: Mapping[str, Any]) -> bytes:
    if not path.is_file():
        raise ModelError(f"no finished run: expected {path}, found nothing; `kd-edge run` writes it")
    content, expected = path.read_bytes(), results["result"]["convert"]["sha256"]
    if _fingerprint(content)["sha256"] != expected:
        raise ModelError(f"{path} is not the model of its run's results: expected SHA-256 {expected}; run again")
    return content


def _check_data(data: Dataset, known: Mapping[str, Any]) -> None:
    found = {"input_shape": list(data.input_shape), "class_names": list(data.class_names), "num_test": len(data.x_test)}
    for name, value in found.items():
        if known[name] != value:
            raise DataError(f"the data is not that of the run: expected {name} {known[name]}, received {value}")


def _answers(model: bytes, inputs: np.ndarray) -> tuple[np.ndarray, str]:
    try:
        return tflm.run_outputs(model, inputs), "TFLM, reference kernels"
    except RuntimeMissingError:
        outputs, lack = litert.run_reference(model, inputs)
        return outputs, f"LiteRT, {'optimised' if lack else 'reference'} kernels"


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


def _fingerprint(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
