"""The tables of pages are those of the results that are kept beside them."""

import json
from pathlib import Path

import pytest

from tools.benchmarks.design import results as design
from tools.studies.devices import pages as devices

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "marker", "results", "render"),
    [
        ("design.md", "bench", "bench_design.json", design.render),
        ("devices.md", "study", "devices.json", devices.render),
    ],
)
def test_the_tables_of_a_page_are_those_of_its_results(page, marker, results, render):
    shown = (DOCS / page).read_text().partition(f"<!-- {marker} -->\n")[2].partition(f"<!-- end of {marker} -->")[0]
    assert shown.strip() == render(json.loads((DOCS / "results" / results).read_text())).strip()
