"""What the checks say in words: the verdict, the figures that it stands on, and the way out."""

from dataclasses import asdict

import pytest

from kd_edge.cost.gate import at_least, at_most
from kd_edge.reporting.sentences.verdicts import found_text, limit_text, reason_lines, verdict_text
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


@pytest.mark.parametrize(
    ("name", "gate", "text"),
    [
        ("latency_ms", at_most(20, 15, low=15.003, high=30), "20 (15.003 to 30) ms, at most 15 ms"),
        ("latency_ms", at_most(12, 15, low=10, high=15.0004), "12 (10 to 15.0004) ms, at most 15 ms"),
        ("latency_ms", at_most(12, 15, low=10, high=14.9999), "12 (10 to 15) ms, at most 15 ms"),
        ("latency_ms", at_most(1000.4, 1000), "1,000.4 ms, at most 1,000 ms"),
        ("latency_ms", at_most(1000, 999.9996), "1,000 ms, at most 999.9996 ms"),
        ("teacher_loss", at_most(0.0504, 0.05, low=0.0501, high=0.06), "0.0504 (0.0501 to 0.0600), at most 0.0500"),
        ("teacher_loss.a", at_most(0.0, 0.0, low=-0.0001, high=0.02), "0.000 (0.000 to 0.020), at most 0.000"),
        ("better_than_chance", at_least(0.17, 0.1745, high=0.1744), "0.1700, at least 0.1745"),
        ("better_than_chance", at_least(0.2, 0.1748, low=0.1742, high=0.21), "0.200 (0.174 to 0.210), at least 0.175"),
        (
            "better_than_constant",
            at_least(0.1, 0, low=-0.0001, high=0.2),
            "0.1000 (-0.0001 to 0.2000), at least 0.0000",
        ),
        ("ram_bytes", at_most(None, 100), ", at most 100 B"),
    ],
)
def test_a_check_that_does_not_hold_does_not_look_as_if_it_did(name, gate, text):
    assert f"{found_text(name, gate)}, {limit_text(name, gate)}" == text


def test_checks_of_an_older_version_have_verdicts_too():
    older = {"passed": None, "measured": None, "limit": 15.0}
    gates = {name: {key: gate[key] for key in older} for name, gate in verify()["gates"].items()}
    assert outcome({"gates": gates}) == "holds"
    assert outcome({"gates": gates | {"latency_ms": older}}) == "not_proven"
    assert open_checks({"gates": gates | {"latency_ms": older}}) == ("latency_ms",)
    assert failed_checks({"gates": gates | {"ram_bytes": older | {"passed": False}}}) == ("ram_bytes",)
