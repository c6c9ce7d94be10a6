"""The commands that repeat a run and its verification, for its page."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from kd_edge.config.choices import MAX_ACCURACY_LOSS
from kd_edge.data.options import SourceOptions
from kd_edge.reporting.sentences.formatting import decimal_text


def repeating_commands(config: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """Return what makes a run, its verification, its bundle and its page again; `RUN` stands for its folder.

    Args:
        config: The run's configuration.
        run: Its results.
    """
    return ["kd-edge run RUN/config.toml -o AGAIN", _verify(config, run), "kd-edge bundle RUN", "kd-edge report RUN"]


def _verify(config: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    budget = run["design"]["budget"]
    words = ["kd-edge", "verify", "RUN/model.tflite", "--student", "RUN/student.keras"]
    words += ["--data", config["data"]["source"], "--device", config["budget"]["device"]]
    words += ["--flash", str(budget["flash_bytes"]), "--ram", str(budget["ram_bytes"])]
    words += [] if budget["latency_ms"] is None else ["--latency", f"{decimal_text(budget['latency_ms'])}ms"]
    words += ["--energy", f"{decimal_text(budget['energy_mj'])}mJ"] if budget.get("energy_mj") else []
    words += ["--seed", str(config["seed"])]
    words += {None: [], True: ["--normalize"], False: ["--no-normalize"]}[config["data"]["normalize"]]
    words += [*_data_options(config["data"].get("options", {})), *_losses(config.get("verify", {}))]
    return shlex.join(words)


def _data_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what says how the samples are read, where it differs from what is usual."""
    usual = SourceOptions()
    for f in fields(usual):
        value = options.get(f.name, getattr(usual, f.name))
        if value != getattr(usual, f.name):
            yield from ("--data-option", f"{f.name}={_option_text(value)}")


def _option_text(value: Any) -> str:
    """Return a value as `--data-option` takes it: as in TOML, but words that look like no list and no string bare."""
    is_bare = isinstance(value, str) and value[:1].isalnum()
    return str(value) if is_bare else json.dumps(value, ensure_ascii=False)


def _losses(verify: Mapping[str, Any]) -> Iterator[str]:
    """Yield the limits of what may be lost, where they differ from what is usual."""
    if (most := verify.get("max_accuracy_loss", MAX_ACCURACY_LOSS)) != MAX_ACCURACY_LOSS:
        yield from ("--max-accuracy-loss", str(most))
    if (most := verify.get("max_teacher_loss")) is not None:
        yield from ("--teacher", "RUN/teacher.keras", "--max-teacher-loss", str(most))
