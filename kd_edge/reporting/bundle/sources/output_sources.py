"""What firmware has to know of each of several outputs, whose raw numbers follow each other in one array."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kd_edge.conversion.told_task import check_outputs_told, outputs_told, probabilities_told
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.task_source import task_values
from tflite_bench.model.info import ModelInfo, TensorInfo
from tflite_bench.model.reader import read_model

# What follows `model_` and `MODEL_` in the sources of several outputs themselves.
TAKEN = (
    *("arena_bytes", "arena_used_bytes", "init", "invoke", "reset", "run_t", "status_text", "tolerance"),
    *("input_elements", "input_scale", "input_t", "input_zero_point", "output_elements", "output_t"),
    *("deviation", "mean", "num_channels"),
    *("arena_too_small", "invoke_failed", "missing_op", "not_ready", "ok", "unlike_settings", "wrong_schema"),
)


@dataclass(frozen=True, slots=True)
class OutputSource:
    """One of several outputs in C.

    Attributes:
        name: What it is called.
        word: The same as a part of an identifier.
        settings: What its numbers mean.
        tensor: The file's output.
        place: Of its first number in the array of all.
        values: What the templates need beside the settings; see `task_values`.
    """

    name: str
    word: str
    settings: Settings
    tensor: TensorInfo
    place: int
    values: Mapping[str, Any]


def settings_by_output(settings: Settings, model: bytes) -> Settings:
    """Return settings with those of each of several outputs, in the file's order; as they are for one output.

    Args:
        settings: Of the whole file.
        model: Bytes of the file.

    Raises:
        ModelError: The file does not name the outputs of the task, or one has another size than its task needs.
    """
    tasks: Mapping[str, Task] = settings.task.by_output
    if not tasks:
        return settings
    names = list(outputs_told(model))
    if sorted(names) != sorted(tasks):
        raise ModelError(
            f"cannot bundle: expected a file that names the outputs {', '.join(tasks)}, as `kd-edge convert --data` "
            f"writes it, received {', '.join(names) or 'no names'}"
        )
    check_outputs_told(names, tasks, read_model(model))
    parts = {
        name: replace(settings, task=tasks[name], probabilities=probabilities_told(model, place))
        for place, name in enumerate(names)
    }
    return replace(settings, parts=parts)


def output_sources(settings: Settings, info: ModelInfo) -> list[OutputSource]:
    """Return each of several outputs as the templates take it; nothing for one output."""
    found, place = [], 0
    words = _words(list(settings.parts))
    for word, (name, own), tensor in zip(words, settings.parts.items(), info.output_tensors, strict=False):
        found.append(OutputSource(name, word, own, tensor, place, task_values(own, tensor)))
        place += tensor.num_elements
    return found


def whole_output(info: ModelInfo) -> TensorInfo:
    """Return the one output, or all numbers of several in a row, which then have no scale in common.

    Raises:
        ModelError: Several outputs are not of one type.
    """
    first, *others = info.output_tensors
    if not others:
        return first
    types = {tensor.dtype for tensor in info.output_tensors}
    if len(types) > 1:
        raise ModelError(f"cannot bundle: expected outputs of one type, received {', '.join(sorted(types))}")
    count = sum(tensor.num_elements for tensor in info.output_tensors)
    return replace(first, shape=(1, count), shape_signature=(1, count), scales=(), zero_points=())


def _words(names: Sequence[str]) -> list[str]:
    """Return names as parts of identifiers, numbered where one is another word or the beginning of it."""
    words = [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "output" for name in names]
    for place, word in enumerate(words):
        others = [*words[:place], *words[place + 1 :], *TAKEN]
        numbered = (f"{word}_{number}" for number in itertools.count(place))
        words[place] = next(
            wanted
            for wanted in itertools.chain([word], numbered)
            if not any(f"{other}_".startswith(f"{wanted}_") for other in others)
        )
    return words
