"""Which networks of `keras.applications` are read at 96 x 96, at what cost, and how long `lower` takes.

    python -m tools.networks.applications [NAME ...] [--convert] --state runs/applications.jsonl
    python -m tools.networks.applications --preprocessing --state runs/applications.jsonl
    python -m tools.networks.applications --state runs/applications.jsonl --write

Nothing is downloaded: the weights are fresh. Each network is read in a process of its own, and what was found is kept
as a line of the state; what is there is not read again. A network that is not read is named with the layer. Of the
others a student space is made, too: what a teacher may be shrunk to. `--convert` compares the graph with what the
converter writes, which takes minutes per network.
"""

import argparse
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kd_edge.files import write_json
from tflite_bench.measurement.environment import read_machine, read_versions
from tools.fill_docs import fill
from tools.networks import preprocessing

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "applications.json"
PAGE = ROOT / "docs" / "teachers.md"
SIZE = 96
CLASSES = 10
_PACKAGES = {"kd_edge": "kd-edge", "keras": "keras", "tensorflow": "tensorflow"}
_LIMIT_S = 1800


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of keras.applications; all by default")
    parser.add_argument("--state", type=Path, required=True, help="file that keeps a line per network")
    parser.add_argument("--convert", action="store_true", help="compare the graphs with the converter's, too")
    parser.add_argument("--preprocessing", action="store_true", help="read every preprocess_input instead")
    parser.add_argument("--one", action="store_true", help="read one network in this process and print the record")
    parser.add_argument("--write", action="store_true", help="publish what was found instead")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(compared(*args.names) if args.convert else read(*args.names)))
    elif args.write:
        publish(records(args.state))
    elif args.preprocessing:
        for record in preprocessing.read_all():
            keep(args.state, record)
    else:
        read_missing(args.names or names(), args.state, convert=args.convert)


def names() -> list[str]:
    """Return the names of all networks, in order."""
    import keras

    functions = {name: made for name, made in vars(keras.applications).items() if inspect.isfunction(made)}
    return sorted(name for name, made in functions.items() if "weights" in inspect.signature(made).parameters)


def build(name: str) -> Any:
    """Return one network of `keras.applications` with fresh weights."""
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES)


def read(name: str) -> dict[str, Any]:
    """Return what `lower` and a student space make of one network, or the layer that either is not had for."""
    from kd_edge.errors import ModelError
    from kd_edge.ir.lowering import lower, read_blueprint
    from kd_edge.search.space.student_space import StudentSpace

    model = build(name)
    found: dict[str, Any] = {"network": name, "params": model.count_params(), "lower_s": None, "macs": None}
    try:
        start = time.perf_counter()
        graph = lower(model)
        found |= {"lower_s": round(time.perf_counter() - start, 2), "macs": graph.known_macs, "ops": len(graph.ops)}
        read_blueprint(model)
        found["not_by_rules"] = None
    except ModelError as error:
        found["not_by_rules"] = _brief(error)
    try:
        space = StudentSpace.from_teacher(model)
        cheapest = space.blueprint({choice: values[0] for choice, values in space.choices.items()})
        found |= {"choices": len(space.choices), "least_params": cheapest.to_keras().count_params(), "not_shrunk": None}
    except ModelError as error:
        found |= {"choices": None, "least_params": None, "not_shrunk": _brief(error)}
    return found


def compared(name: str) -> dict[str, Any]:
    """Return whether the graph of one network is the one of the file that the converter writes."""
    import numpy as np

    from kd_edge.conversion.converter import convert
    from kd_edge.ir.lowering import lower

    model = build(name)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) == 1:  # equal biases would be merged by the converter
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    samples = rng.uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    expected = lower(convert(model, samples))
    return {"compared": name, "as_converted": lower(model).canonical() == expected.canonical()}


def read_missing(wanted: Sequence[str], state: Path, *, convert: bool) -> None:
    """Read the networks that the state has no line of, each in a process of its own."""
    word = "compared" if convert else "network"
    done = {record.get(word) for record in records(state)}
    for name in wanted:
        if name not in done:
            words = [sys.executable, "-m", __spec__.name, name, "--one", "--state", str(state)]
            words += ["--convert"] if convert else []
            ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S, check=False, cwd=ROOT)
            if ended.returncode:
                print(f"{name}: exit code {ended.returncode}; the next start tries it again", file=sys.stderr)
            else:
                keep(state, json.loads(ended.stdout.splitlines()[-1]))


def records(state: Path) -> list[dict[str, Any]]:
    """Return what the state has."""
    return [json.loads(line) for line in state.read_text().splitlines()] if state.exists() else []


def keep(state: Path, record: Mapping[str, Any]) -> None:
    """Print a record and append it to the state."""
    line = json.dumps(record)
    print(line, flush=True)
    state.parent.mkdir(parents=True, exist_ok=True)
    with state.open("a") as lines:
        lines.write(line + "\n")


def publish(found: Sequence[Mapping[str, Any]]) -> None:
    """Write the results and the tables of the page."""
    same = {record["compared"]: record.get("as_converted") for record in found if "compared" in record}
    networks = [record | {"as_converted": same.get(record["network"])} for record in found if "network" in record]
    document = {
        "tool": "tools/networks/applications.py",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": vars(read_machine()),
        "versions": read_versions(_PACKAGES),
        "input_shape": [SIZE, SIZE, 3],
        "classes": CLASSES,
        "networks": sorted(networks, key=lambda record: record["network"]),
        "preprocess_input": [record for record in found if "module" in record],
    }
    write_json(RESULTS, document)
    fill(PAGE, "applications", render(document))
    fill(PAGE, "preprocess_input", preprocessing.render(document["preprocess_input"]))


def render(document: Mapping[str, Any]) -> str:
    """Return the table of the networks."""
    machine, versions = document["machine"], document["versions"]
    return "\n".join(
        [
            f"At {SIZE} x {SIZE} pixels, {CLASSES} classes, fresh weights (keras {versions['keras']}, "
            f"{machine['cpu']}, {machine['num_cores']} cores, load {machine['load_average']}, "
            f"{document['created'][:10]}):",
            "",
            "| network | parameters | M MACs | s | read by rules | as converted | choices | cheapest student |",
            "|---|---:|---:|---:|---|---|---:|---:|",
            *map(_row, document["networks"]),
        ]
    )


_ANSWERS = {None: "", True: "yes", False: "no"}


def _row(found: Mapping[str, Any]) -> str:
    shrunk = f"{found['choices']} | {found['least_params']:,}" if found["choices"] else f"| {found['not_shrunk']}"
    macs = "unknown" if found["macs"] is None else f"{found['macs'] / 1e6:,.0f}"
    seconds = "" if found["lower_s"] is None else f"{found['lower_s']:.2f}"
    read_by_rules = found["not_by_rules"] or "yes"
    return (
        f"| {found['network']} | {found['params']:,} | {macs} | {seconds} | {read_by_rules} "
        f"| {_ANSWERS[found['as_converted']]} | {shrunk} |"
    )


def _brief(error: Exception) -> str:
    """Return an error less the lists of what would be supported."""
    return str(error).split(": supported")[0].split(": shrinkable")[0].split("; choose")[0]


if __name__ == "__main__":
    main()
