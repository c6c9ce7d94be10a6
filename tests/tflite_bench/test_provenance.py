"""How the figures of a result were had."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import pytest

from tflite_bench.provenance import Calibrated, Computed, Given, Measured, Provenance, provenance_of


@dataclass(frozen=True)
class Op:
    name: str
    macs: Computed[int]
    latency_ms: Calibrated[float | None]


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    title: str
    passed: bool
    limit: Given[int]
    size: Measured[int] | None
    interval: Measured[Interval]
    ops: tuple[Op, ...]
    shares: Computed[dict[str, float]]
    checks: Annotated[dict[str, Op], Provenance("measured", (("c", "given"),))]


REPORT = Report(
    "one", True, 3, None, Interval(0.1, 0.2), (Op("a", 1, None), Op("b", 2, 0.5)), {"ram": 0.5}, {"c": Op("c", 1, None)}
)


def test_every_figure_has_the_provenance_of_its_field() -> None:
    assert provenance_of(REPORT) == {
        "limit": "given",
        "interval.low": "measured",
        "interval.high": "measured",
        "ops[].macs": "computed",
        "ops[].latency_ms": "calibrated",
        "shares.ram": "computed",
        "checks.c.macs": "computed",
    }


def test_a_key_of_a_mapping_may_be_had_otherwise_than_the_others() -> None:
    @dataclass(frozen=True)
    class Checks:
        limits: Annotated[dict[str, int], Provenance("measured", (("latency_ms", "calibrated"),))]

    assert provenance_of(Checks({"latency_ms": 1, "flash_bytes": 2})) == {
        "limits.flash_bytes": "measured",
        "limits.latency_ms": "calibrated",
    }


def test_a_kind_may_mean_another_for_a_device_that_nobody_measured() -> None:
    assert provenance_of(REPORT, replaced={"calibrated": "computed"})["ops[].latency_ms"] == "computed"


def test_a_figure_whose_field_does_not_say_is_an_error() -> None:
    @dataclass(frozen=True)
    class Silent:
        size: int

    with pytest.raises(TypeError, match=r"no provenance: expected Silent.size marked as Measured\[...\] or the like"):
        provenance_of(Silent(3))
