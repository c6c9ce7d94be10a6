"""What the checks say in words: the verdict, the figures that it stands on, and the way out."""

from dataclasses import asdict

import pytest

from kd_edge.cost.gate import at_least, at_most
from kd_edge.reporting.sentences.verdicts import reason_lines, verdict_text
from kd_edge.verification.verdict import failed_checks, open_checks, outcome


def verify(**changes):
    gates = {
        "flash_bytes": at_most(20_000, 65_536),
        "ram_bytes": at_most(6_000, 24_576),
        "latency_ms": at_most(4.0, 15.0, low=3.0, high=5.0),
        "runtime_disagreement": at_most(0.0, 0.01),
        "better_than_majority": at_least(0.91, 0.2, low=0.89, high=0.93),
        "accuracy_loss": at_most(None, None),
    }
    return {"gates": {name: asdict(gate) for name, gate in (gates | changes).items()}}


@pytest.mark.parametrize(
    ("changes", "verdict", "text"),
    [
        (
            {},
            "holds",
            "the model fits and the runtimes agree; accuracy 0.910 (0.890 to 0.930), of the largest class 0.200",
        ),
        (
            {"ram_bytes": at_most(30_000, 24_576), "latency_ms": at_most(4.0, 4.5, low=3.0, high=5.0)},
            "broken",
            "what the firmware reserves fits the RAM (30,000 B, at most 24,576 B)",
        ),
        (
            {"latency_ms": at_most(4.0, 4.5, low=3.0, high=5.0, reason="measure one model")},
            "not_proven",
            "the model fits the flash and the RAM and the runtimes agree, but not proven: the computed latency is "
            "short enough (4 (3 to 5) ms, at most 4.5 ms)",
        ),
        (
            {"accuracy_loss": at_most(0.01, 0.02, low=-0.01, high=0.03)},
            "not_proven",
            "the model fits and the runtimes agree, but not proven: share of samples lost against float "
            "(0.010 (-0.010 to 0.030), at most 0.020)",
        ),
    ],
)
def test_the_verdict_names_the_figures_that_it_stands_on(changes, verdict, text):
    assert outcome(verify(**changes)) == verdict
    assert verdict_text(verify(**changes)) == text


def test_the_way_out_is_in_the_line_of_what_is_not_proven():
    found = verify(latency_ms=at_most(4.0, 4.5, low=3.0, high=5.0, reason="measure one model"))
    assert list(reason_lines(found)) == ["not proven, the computed latency is short enough: measure one model"]
    assert list(reason_lines(verify())) == []


def test_checks_of_an_older_version_have_verdicts_too():
    older = {"passed": None, "measured": None, "limit": 15.0}
    gates = {name: {key: gate[key] for key in older} for name, gate in verify()["gates"].items()}
    assert outcome({"gates": gates}) == "holds"
    assert outcome({"gates": gates | {"latency_ms": older}}) == "not_proven"
    assert open_checks({"gates": gates | {"latency_ms": older}}) == ("latency_ms",)
    assert failed_checks({"gates": gates | {"ram_bytes": older | {"passed": False}}}) == ("ram_bytes",)
