"""The tool that gives profiles their power: what it computes, and that profiles and page are what it made."""

import json

from kd_edge.cost.devices import load_device
from tools.profiles import power as tool
from tools.profiles.energy_rows import EnergyRow
from tools.profiles.energy_scores import HeldOut, network_left_out


def row(benchmark, latency_ms, energy_uj):
    return EnergyRow(
        "rx65n-cloud-kit", "mlperf v0.7 renesas RX65N-Cloud-Kit", "renesas", benchmark, latency_ms, energy_uj
    )


def test_the_power_is_the_median_of_energy_over_time_between_the_least_and_the_most():
    power = tool.power_of([row("ad", 10.0, 400.0), row("ic", 10.0, 500.0), row("kws", 10.0, 420.0)])
    assert (power.active_mw, power.active_low_mw, power.active_high_mw) == (42.0, 40.0, 50.0)
    assert "3 rows of v0.7 renesas RX65N-Cloud-Kit in the MLPerf Tiny results" in power.source


def test_the_profiles_have_the_powers_that_the_tool_computes():
    powers = tool.all_powers()
    assert powers["nucleo-l4r5zi-tflm"].active_mw == 41.0
    assert {name: load_device(name).power for name in powers} == powers
    assert load_device("nrf52840").power is None


def test_a_network_is_predicted_from_the_power_of_the_others():
    rows = [row("ad", 10.0, 400.0), row("ic", 10.0, 500.0), row("kws", 10.0, 1e5)]
    evidence = [[r.system, r.benchmark, 1.0] for r in rows]
    systems = {"rx65n-cloud-kit": ("rx65n-cloud-kit", rows[0].system)}
    found = network_left_out(rows, systems, evidence)
    assert (found.rows, found.inside) == (3, 2)
    assert found.median_percent == 9940.0  # ic: 10 ms at the mean of 40 and 10,000 mW for 500 uJ


def test_the_page_shows_the_table_of_the_report():
    found = [HeldOut(**held_out) for held_out in json.loads(tool.REPORT.read_text())["held_out"]]
    page = tool.PAGE.read_text()
    assert tool.rendered(page, tool.coverage_table(found)) == page
