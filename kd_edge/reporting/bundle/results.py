"""What a bundle holds, and its manifest."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kd_edge.data.front_end import FrontEnd
from kd_edge.reporting.bundle.settings import Settings
from tflite_bench.provenance import Computed, Measured

# What a manifest names as its maker.
TOOL = "kd-edge"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What `write_bundle` wrote.

    Attributes:
        folder: Where.
        tool_chain: What it is a project of.
        passed: Whether all checks of the run's verification hold; `None` of a file that no run has checked.
        failed_checks: Names of the checks that are broken.
        open_checks: Names of the checks that have a limit and are not proven.
        tensor_arena_bytes: Size of the arena in `model_settings.h`: what the verification held against the budget.
        arena_source: How that was found.
        vectors_of: What the test vectors are.
        vectors_from: The runtime that answered the test vectors.
        command: Reproduces the bundle.
        files: SHA-256 and size of every file but the manifest, by name.
        inputs: The same of the files of samples and of the teacher that the configuration names; they are not copied.
        front_end: Settings of what computes samples from sound, also in `audio_front_end.h`; `None` without sound.
    """

    folder: Path
    tool_chain: str
    passed: bool | None
    failed_checks: tuple[str, ...]
    open_checks: tuple[str, ...]
    tensor_arena_bytes: Computed[int]
    arena_source: str
    vectors_of: str
    vectors_from: str
    command: str
    files: Measured[Mapping[str, Mapping[str, Any]]]
    inputs: Measured[Mapping[str, Mapping[str, Any]]]
    front_end: FrontEnd | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bundle's model comes from, for the manifest; `None` is what nobody knows of a single file.

    Attributes:
        seed: Of the run, or of the samples.
        versions: Of the packages that made it.
        data: The samples, in words.
        device: Name of the board that it was made for.
        budget: Its limits.
        accuracy: From the verification.
        measured: From the verification.
    """

    seed: int
    versions: Mapping[str, str | None]
    data: str | None = None
    device: str | None = None
    budget: Mapping[str, Any] | None = None
    accuracy: Mapping[str, Any] | None = None
    measured: Mapping[str, Any] | None = None


def manifest_of(bundle: Bundle, origin: Origin, settings: Settings) -> dict[str, Any]:
    """Return what `manifest.json` holds."""
    return {
        "schema_version": 1,
        "tool": TOOL,
        "command": bundle.command,
        "tool_chain": bundle.tool_chain,
        "seed": origin.seed,
        "versions": origin.versions,
        "data": origin.data,
        "task": asdict(settings.task),
        "output": settings.output,
        "anomaly_threshold": settings.anomaly_threshold,
        "device": origin.device,
        "budget": origin.budget,
        "passed": bundle.passed,
        "failed_checks": bundle.failed_checks,
        "open_checks": bundle.open_checks,
        "accuracy": origin.accuracy,
        "measured": origin.measured,
        "tensor_arena_bytes": bundle.tensor_arena_bytes,
        "arena_source": bundle.arena_source,
        "vectors_of": bundle.vectors_of,
        "vectors_from": bundle.vectors_from,
        "files": bundle.files,
        "inputs": bundle.inputs,
        "front_end": None if bundle.front_end is None else asdict(bundle.front_end),
    }


def fingerprint(content: bytes) -> dict[str, Any]:
    """Return the SHA-256 and the size of a file's bytes."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
