"""Measures how many networks the cost model estimates per second on one core, without TensorFlow.

`python -m tools.benchmarks.cost_speed [--write]` prints the figures; `--write` keeps them in
docs/results/bench_cost.json. The measuring is pytest-benchmark's; `pytest tools/benchmarks/cost_speed.py` shows its own
table.
"""

import argparse
import datetime
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from kd_edge.cost.devices import load_device
from kd_edge.cost.model import CostModel
from kd_edge.files import write_json
from kd_edge.ir.blueprint import Sketch
from kd_edge.ir.graph import Graph
from kd_edge.ir.layers import Add, AveragePooling2D, Conv2D, DepthwiseConv2D, Flatten
from kd_edge.ir.layers.core import Dense
from kd_edge.reporting.documents import make_document
from kd_edge.search.space.student_space import StudentSpace

REPORT = Path(__file__).parents[2] / "docs" / "results" / "bench_cost.json"
# Time of this process alone, so that what else runs on the machine does not count.
_TIMER = ("--benchmark-timer=time.process_time",)
NUM_OPS = 20
NUM_GRAPHS, NUM_ROUNDS = 500, 20


def _graph(rng: np.random.Generator) -> Graph:
    """Return a separable network with one residual connection, 20 ops, of random widths."""
    sketch = Sketch((32, 32, 3))
    filters = 0
    sketch.add(Conv2D(int(rng.integers(2, 16)) * 4, (3, 3), (2, 2), "same", activation="relu"))
    for block in range(8):
        sketch.add(DepthwiseConv2D((3, 3), (2, 2) if block in (1, 3) else (1, 1), "same", activation="relu"))
        filters = filters if block == 7 else int(rng.integers(2, 16)) * 4
        last = sketch.add(Conv2D(filters, (1, 1), activation="relu"))
        if block == 6:
            shortcut = last
    sketch.add(Add(), shortcut, last)
    sketch.add(AveragePooling2D((4, 4), (4, 4)))
    sketch.add(Flatten())
    graph = sketch.blueprint(sketch.add(Dense(10))).to_graph()
    assert len(graph.ops) == NUM_OPS
    return graph


@pytest.mark.benchmark(group="networks per second")
def test_estimate_graphs_of_20_ops(benchmark) -> None:
    rng = np.random.default_rng(0)
    model = CostModel(load_device("nucleo-l4r5zi"))

    def draw() -> tuple[tuple[list[Graph]], dict[str, object]]:
        return ([_graph(rng) for _ in range(NUM_GRAPHS)],), {}

    def estimate(graphs: list[Graph]) -> None:
        for graph in graphs:
            model.estimate(graph)

    benchmark.pedantic(estimate, setup=draw, rounds=NUM_ROUNDS, warmup_rounds=3)
    assert not {"tensorflow", "keras"} & sys.modules.keys()


@pytest.mark.benchmark(group="networks per second")
def test_draw_render_and_estimate_candidates(benchmark) -> None:
    space = StudentSpace.family("ds_cnn", (128, 6), 7)
    model = CostModel(load_device("nucleo-l4r5zi"))
    rng = np.random.default_rng(0)

    def search() -> None:
        for values in space.samples(rng, NUM_GRAPHS):
            model.estimate(space.graph(values))

    benchmark(search)
    assert not {"tensorflow", "keras"} & sys.modules.keys()


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {REPORT.name}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.json"
        status = pytest.main([__file__, "-q", "-p", "no:cacheprovider", *_TIMER, f"--benchmark-json={raw}"])
        if status:
            sys.exit(int(status))
        benchmarks = json.loads(raw.read_text())["benchmarks"]
    rates = {b["name"].removeprefix("test_"): round(NUM_GRAPHS / b["stats"]["median"]) for b in benchmarks}
    for name, rate in rates.items():
        print(f"{name}: {rate:,} per second on one core (median, measured)")
    if args.write:
        made = {"tool": "tools/benchmarks/cost_speed.py", "date": datetime.date.today().isoformat()}
        document = make_document("bench_cost")
        write_json(REPORT, made | {name: document[name] for name in ("machine", "versions")} | {"per_second": rates})


if __name__ == "__main__":
    main()
