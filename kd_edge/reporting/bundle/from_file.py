"""The bundle of a single `.tflite` file."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.conversion.file_outputs import reference_outputs
from kd_edge.conversion.metadata import read_metadata, reads_raw_values
from kd_edge.conversion.told_task import (
    as_file_answers,
    as_told,
    check_task_told,
    outputs_told,
    probabilities_told,
)
from kd_edge.cost.devices import DeviceProfile, load_all
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.ir.tflite_reader import read_graph
from kd_edge.reporting.bundle.contents import bundle_contents, read_single
from kd_edge.reporting.bundle.file_task import (
    file_front_end,
    file_scale,
    file_task,
    names_outputs,
    numbers_classes,
)
from kd_edge.reporting.bundle.folder import write_folder
from kd_edge.reporting.bundle.results import Bundle, Origin, fingerprint, manifest_of
from kd_edge.reporting.bundle.settings import Scale, Settings
from kd_edge.reporting.bundle.sources.output_sources import settings_by_output, whole_output
from kd_edge.reporting.bundle.tool_chains import DEFAULT, tool_chain
from kd_edge.reporting.bundle.vectors import random_vectors, sample_vectors
from kd_edge.reporting.documents import KD_EDGE
from tflite_bench.measurement.environment import read_versions
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_file
from tflite_bench.model.streams import is_window

# Sums in another order.
_SAME_SCALE = 1e-5
# Test samples whose answers tell in which scale measured values are.
_NUM_ASKED = 500


def write_file_bundle(
    model: str | Path,
    folder: str | Path,
    *,
    tool: str = DEFAULT,
    data: Dataset | None = None,
    device: DeviceProfile | None = None,
    seed: int = 0,
    command: str = "",
) -> Bundle:
    """Write a project that builds, flashes and checks a `.tflite` file.

    Args:
        model: Path of the file: one input, one output or several that its metadata name, no custom
            operators.
        folder: Made if missing. What an earlier bundle left there goes.
        tool: The tool chain: `"cmake"`, `"arduino"`, `"esp-idf"`, `"zephyr"` or `"platformio"`. Defaults to
            `"cmake"`.
        data: Samples as the file reads them: ten of them are the test vectors, and they say what its outputs mean. By
            default the file's metadata say that, and the vectors are random.
        device: The board that the arena is computed for, which has TFLM. By default the arena is the largest that
            any board of `kd-edge devices` with TFLM needs.
        seed: Of the samples, for the manifest. Defaults to 0.
        command: Reproduces the bundle, for the manifest.

    Raises:
        ModelFileError: The file is no usable model.
        ModelError: The model cannot be put into C, or nothing says from which score on a sample is an anomaly.
        DataError: The samples are not those of the file.
        ConfigError: The tool chain is not known, the board has another runtime than TFLM, a file of an earlier bundle
            that would go was changed, or the model itself would be written over.
        RunnerError: TFLM refuses the file.
    """
    chain, path = tool_chain(tool), Path(model)
    content = read_file(path)
    info = read_single(content, str(path))
    settings = _settings(content, info, data, device)
    vectors = random_vectors(content, settings) if data is None else sample_vectors(content, data, settings)
    command = command or shlex.join(["kd-edge", "bundle", "--for", tool, "--", path.name])
    about = [_about(content, data)]
    contents = bundle_contents(content, settings, vectors, chain, name=path.stem, about=about, command=command)
    bundle = Bundle(
        Path(folder),
        tool_chain=tool,
        passed=None,
        failed_checks=(),
        open_checks=(),
        tensor_arena_bytes=settings.arena_bytes,
        arena_source=settings.arena_source,
        vectors_of=vectors.vectors_of,
        vectors_from=vectors.vectors_from,
        command=command,
        files={name: fingerprint(text) for name, text in contents.items()},
        inputs={str(path): fingerprint(content)},
        front_end=settings.front_end,
    )
    described = None if data is None else data.description
    origin = Origin(seed, read_versions(KD_EDGE.packages), described, None if device is None else device.name)
    write_folder(bundle.folder, contents, manifest_of(bundle, origin, settings), read=[path])
    return bundle


def _settings(content: bytes, info: ModelInfo, data: Dataset | None, device: DeviceProfile | None) -> Settings:
    arena = _arena(info, device)
    probabilities = not outputs_told(content) and probabilities_told(content)
    said: Mapping[str, Any] = read_metadata(content) or {}
    front_end = file_front_end(said)
    if data is None:
        task = file_task(said, info, probabilities=probabilities)
        if task.kind == "reconstruction":
            raise ModelError(
                "cannot bundle: expected to know from which score on a sample is an anomaly, received no samples; "
                "pass --data"
            )
        known = names_outputs(said) or numbers_classes(whole_output(info), probabilities)
        reads = reads_raw_values(content) is not None
        settings = Settings(
            *(*arena, task, file_scale(said, info), probabilities),
            front_end=front_end,
            meaning_known=known,
            input_known=reads,
        )
        return settings_by_output(settings, content)
    _check_data(info, data)
    _check_scale(content, info, data)
    data = _as_answered(content, info, data)
    threshold = None
    if data.task.kind == "reconstruction":
        from kd_edge.conversion.answer_reader import anomaly_threshold

        threshold = anomaly_threshold(content, data)
    settings = Settings(*arena, data.task, data.scale, probabilities, threshold, data.front_end or front_end)
    return settings_by_output(settings, content)


def _as_answered(content: bytes, info: ModelInfo, data: Dataset) -> Dataset:
    """Return the data with the task as the file tells it, or else as its answers for the first test samples do."""
    data = as_told(content, data)
    check_task_told(content, data)
    if data.task.kind != "regression":
        return data
    outputs, _ = reference_outputs(content, quantize(data.x_test[:_NUM_ASKED], info.input_tensors[0]))
    return as_file_answers(content, outputs, data)


def _check_data(info: ModelInfo, data: Dataset) -> None:
    shape, target = info.input_tensors[0].shape[1:], whole_output(info)
    reads = data.input_shape if is_window(info, data.input_shape) else shape
    found: dict[str, tuple[Any, Any]] = {"samples of shape": (reads, data.input_shape)}
    found["numbers of an answer"] = (target.num_elements, data.num_outputs)
    for what, (expected, received) in found.items():
        if expected != received:
            raise DataError(f"the data are not those of the file: expected {what} {expected}, received {received}")


def _check_scale(content: bytes, info: ModelInfo, data: Dataset) -> None:
    """Refuse samples of another scale than the file tells: the firmware would compute with theirs."""
    if reads_raw_values(content) is None:
        return
    told = file_scale(read_metadata(content) or {}, info)
    if not _are_alike(told, data.scale):
        raise DataError(
            f"the data are not those of the file: expected values {_scale_words(told)} as its metadata say, received "
            f"{data.name} with values {_scale_words(data.scale)}; leave --normalize and --no-normalize out, in Python "
            "scale the raw values by those numbers"
        )


def _are_alike(one: Scale | None, other: Scale | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=_SAME_SCALE)


def _scale_words(scale: Scale | None) -> str:
    if scale is None:
        return "as they are"
    mean, deviation = (", ".join(f"{number:.6g}" for number in part) for part in scale)
    return f"less {mean}, divided by {deviation},"


def _arena(info: ModelInfo, device: DeviceProfile | None) -> tuple[int, str]:
    """Return the bytes that a firmware reserves, and how they were found."""
    graph = read_graph(info)
    if device is not None and not device.runs_tflm:
        raise ConfigError(f"bad --device: expected a board with TFLM, received {device.name} with {device.runtime}")
    boards = [device] if device is not None else [board for board in load_all() if board.runs_tflm]
    needs = {board.name: CostModel(board).estimate_known(graph)[0].ram_bytes for board in boards}
    total = max(needs.values())
    whose = f"{device.title}" if device is not None else f"the most that any of {len(needs)} known boards needs"
    return total, f"{total:,} B are computed with a margin for optimised kernels: {whose}."


def _about(content: bytes, data: Dataset | None) -> str:
    if data is not None:
        return f"Data: {data.description or data.name}"
    if names_outputs(read_metadata(content) or {}):
        return "Names are those of the file's metadata."
    return "The file does not name its outputs: they are numbered."
