"""What `bench_design` found, as Markdown for docs/design.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kd_edge.search.space.screening import Size, by_size
from tools.studies.paired import paired

Runs = Sequence[Mapping[str, Any]]
_TITLES = {
    "watch": "watch",
    "har": "UCI HAR recordings",
    "arabic": "Arabic speech commands",
    "fashion": "Fashion-MNIST",
}


def render(report: Mapping[str, Any]) -> str:
    """Return the parts that a report has, each with when and where it was measured.

    Args:
        report: The JSON of `bench_design`.
    """
    lines = [
        "`tools/benchmarks/design/run.py`, one thread each for two parts at a time. Of each data set at most 6,000 "
        "training samples."
    ]
    for part, write in _WRITERS.items():
        if part in report["parts"]:
            title, *rest = write(report["parts"][part])
            lines += ["", title, "", _made(report["parts"][part]["made"]), *rest]
    return "\n".join(lines)


def _made(made: Mapping[str, Any]) -> str:
    machine, versions = made["machine"], made["versions"]
    return (
        f"{made['date']}; Keras {versions['keras']}, TensorFlow {versions['tensorflow']}, {machine['cpu']}, "
        f"{machine['num_cores']} CPUs."
    )


def _speed(part: Mapping[str, Any]) -> Iterator[str]:
    yield "### Candidates per second"
    yield ""
    yield (
        f"Drawn, rendered to a graph and costed per second of processor time, {part['num_drawn']:,} candidates from "
        "the first one on, without TensorFlow:"
    )
    yield ""
    yield "| space | candidates per second |"
    yield "|---|---|"
    for name, rate in part["per_second_of_processor_time"].items():
        yield f"| `{name}` | {rate:,} |"


def _size(part: Mapping[str, Any]) -> Iterator[str]:
    yield "### Which of the networks that fit are the better ones?"
    yield ""
    yield (
        f"Of each space {len(part['runs'][0]['networks'])} networks, drawn uniformly from those that fit the "
        "NUCLEO-L4R5ZI and have at most half of the teacher's MACs, trained alike and briefly. The rank correlation of "
        "validation accuracy with MACs, with parameters, and with both: the lower of a network's two places; then "
        "the mean accuracy of all, and the mean, the worst and the seconds of training of the fifth that is largest by "
        "MACs, and by both:"
    )
    yield ""
    largest = "largest by MACs | worst | s | largest by both | worst | s"
    yield f"| data | space | MACs | parameters | both | all | {largest} |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    ranked = [_Ranked(run["networks"]) for run in part["runs"]]
    for run, found in zip(part["runs"], ranked, strict=True):
        cells = [*(f"{value:.2f}" for value in found.correlations), f"{found.accuracy.mean():.3f}"]
        cells += [_fifth(found.fifth(by)) for by in ("macs", "both")]
        yield f"| {_TITLES[run['data']]} | `{run['space']}` | {' | '.join(cells)} |"
    yield ""
    columns = zip(*(found.correlations for found in ranked), strict=True)
    by_macs, by_params, by_both = (f"{np.mean(c):.2f} on average, {min(c):.2f} at worst" for c in columns)
    points = [found.points for found in ranked]
    yield (
        f"By MACs the correlation is {by_macs}; by parameters {by_params}; by both {by_both}. The fifth that is "
        f"largest by both is {np.mean(points):+.1f} points from that by MACs on average, {min(points):+.1f} to "
        f"{max(points):+.1f}. So the search trains the fifth that is largest by both."
    )


class _Ranked:
    """Networks that were trained alike, and their places by what may tell the better ones."""

    def __init__(self, networks: Sequence[Mapping[str, Any]]) -> None:
        self._networks = networks
        self.accuracy = np.array([network["accuracy"] for network in networks])
        sizes = [Size(network["macs"], network["params"]) for network in networks]
        self._places = {
            "macs": _ranks([size.macs for size in sizes]),
            "params": _ranks([size.params for size in sizes]),
            "both": np.argsort(by_size(sizes)),
        }

    @property
    def correlations(self) -> list[float]:
        """Of each kind of place with the place by accuracy."""
        return [float(np.corrcoef(_ranks(self.accuracy), place)[0, 1]) for place in self._places.values()]

    @property
    def points(self) -> float:
        """How much more the fifth that is largest by both gets right than that by MACs."""
        both, macs = (np.mean([network["accuracy"] for network in self.fifth(by)]) for by in ("both", "macs"))
        return float(100 * (both - macs))

    def fifth(self, by: str) -> list[Mapping[str, Any]]:
        """Return the largest fifth by a kind of place."""
        return [
            self._networks[place] for place in np.argsort(-self._places[by], kind="stable")[: len(self._networks) // 5]
        ]


def _ranks(figures: Sequence[float]) -> Any:
    """Return places from 1 on, equal figures at the mean of theirs."""
    _, inverse, counts = np.unique(figures, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _fifth(networks: Sequence[Mapping[str, Any]]) -> str:
    """Return cells: mean and worst accuracy, and seconds."""
    accuracy = [network["accuracy"] for network in networks]
    seconds = np.mean([network["seconds"] for network in networks])
    return f"{np.mean(accuracy):.3f} | {min(accuracy):.3f} | {seconds:.0f}"


def _inherit(part: Mapping[str, Any]) -> Iterator[str]:
    yield "### What inherited weights give"
    yield ""
    yield (
        "The largest student of a draw that fits, from fresh weights and from those of the teacher's most important "
        "channels, trained by the defaults of a candidate and of a student. Test accuracy, mean of the seeds, and the "
        "difference from fresh weights in points:"
    )
    yield ""
    yield "| data | seeds | parameters | epochs | fresh | L1 | batch normalization |"
    yield "|---|---|---|---|---|---|---|"
    for name in dict.fromkeys(run["data"] for run in part["runs"]):
        runs = [run for run in part["runs"] if run["data"] == name]
        sizes = [run["params"] for run in runs]
        for length, epochs in dict.fromkeys((t["length"], t["epochs"]) for t in runs[0]["trainings"]):
            fresh = _tested(runs, "fresh", length)
            cells = [_TITLES[name], len(runs), f"{min(sizes):,} to {max(sizes):,}", epochs, f"{np.mean(fresh):.3f}"]
            cells += [_points(paired(_tested(runs, start, length), fresh)) for start in ("l1", "batch_norm")]
            yield f"| {' | '.join(map(str, cells))} |"


def _tested(runs: Runs, start: str, length: str) -> list[float]:
    """Return the test accuracies from a start, one per seed."""
    return [t["test"] for run in runs for t in run["trainings"] if (t["start"], t["length"]) == (start, length)]


def _points(difference: tuple[float, float | None]) -> str:
    mean, half_width = difference
    return f"{mean:+.1f}" + ("" if half_width is None else f" ± {half_width:.1f}")


def _stock(part: Mapping[str, Any]) -> Iterator[str]:
    yield "### Against stock keras-tuner"
    yield ""
    yield (
        "The same space, from the teacher, and the same seconds; theirs is RandomSearch whose `build` fails on "
        "networks over the budget, trained on labels from fresh weights. Inherited weights and soft targets are part "
        "of the difference. Test accuracy of the network with the best validation accuracy:"
    )
    yield ""
    yield "| data | seed | seconds | ours | trained | theirs | trained | failed |"
    yield "|---|---|---|---|---|---|---|---|"
    for run in part["runs"]:
        ours, theirs = run["ours"], run["stock"]
        yield (
            f"| {_TITLES[run['data']]} | {run['seed']} | {run['seconds']:.0f} | {ours['test']:.3f} "
            f"| {ours['num_trained']} | {theirs['test']:.3f} | {theirs['num_trained']} | {theirs['num_failed']} |"
        )
    yield ""
    yield from _differences(part["runs"], "data", lambda run: (run["ours"]["test"], run["stock"]["test"]))


def _references(part: Mapping[str, Any]) -> Iterator[str]:
    yield "### Against networks made by hand"
    yield ""
    yield (
        "Ours has to fit into the flash, the arena and the milliseconds that the other needs on the NUCLEO-L4R5ZI "
        "(computed); both are trained with the same teacher for as many epochs, ours from the teacher's weights where "
        "it is derived from it. Means over the seeds:"
    )
    yield ""
    yield "| network | data | seeds | test accuracy | MACs | flash B | arena B | ms |"
    yield "|---|---|---|---|---|---|---|---|"
    shown = ("test_accuracy", "macs", "flash_bytes", "arena_bytes", "latency_ms")
    for name in dict.fromkeys(run["reference"] for run in part["runs"]):
        runs = [run for run in part["runs"] if run["reference"] == name]
        for kind, title in (("hand-made", name), ("ours", f"ours in its place ({runs[0]['space']})")):
            means = {key: sum(run[kind][key] for run in runs) / len(runs) for key in shown}
            yield (
                f"| {title} | {_TITLES[runs[0]['data']]} | {len(runs)} | {means['test_accuracy']:.3f} "
                f"| {means['macs']:,.0f} | {means['flash_bytes']:,.0f} | {means['arena_bytes']:,.0f} "
                f"| {means['latency_ms']:.1f} |"
            )
    yield ""
    yield from _differences(
        part["runs"], "reference", lambda run: (run["ours"]["test_accuracy"], run["hand-made"]["test_accuracy"])
    )


def _boards(part: Mapping[str, Any]) -> Iterator[str]:
    yield "### One teacher, five boards"
    yield ""
    different = len({str(run["blueprint"]) for run in part["runs"]})
    passed = sum(run["passed"] for run in part["runs"])
    yield (
        f"The teacher of the watch set, one seed: {different} different students for {len(part['runs'])} boards. "
        f"LiteRT and TFLM verified the file inside the budget on {passed} of the boards."
    )
    yield ""
    yield "| board | latency allowed | computed | MACs | flash, measured | arena, measured on a PC | test accuracy |"
    yield "|---|---|---|---|---|---|---|"
    for run in part["runs"]:
        cost, measured = run["cost"], run["measured"]
        yield (
            f"| `{run['board']}` | {run['budget']['latency_ms']:g} ms | {cost['latency_ms']:.2f} ms | {cost['macs']:,} "
            f"| {measured['flash_bytes']:,} B | {measured['arena_bytes']:,} B | {run['test_accuracy']:.3f} |"
        )


def _differences(runs: Runs, key: str, pair: Callable[[Mapping[str, Any]], tuple[float, float]]) -> Iterator[str]:
    """Yield the mean difference of each group, in points with half the 95 % interval of a paired t-test."""
    for name in dict.fromkeys(run[key] for run in runs):
        ours, theirs = zip(*(pair(run) for run in runs if run[key] == name), strict=True)
        seeds = "one seed" if len(ours) == 1 else f"{len(ours)} seeds"
        yield f"* {_TITLES.get(name, name)}: ours {_points(paired(ours, theirs))} points over {seeds}."


_WRITERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "speed": _speed,
    "size": _size,
    "inherit": _inherit,
    "stock": _stock,
    "references": _references,
    "boards": _boards,
}
