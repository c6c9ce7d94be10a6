"""Energy of an inference, its limit, and the life of a battery."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.inputs import BudgetConfig
from kd_edge.cost.budget import Budget, parse_mj
from kd_edge.cost.devices import Power, load_device, to_toml
from kd_edge.cost.energy import Battery, energy_of, parse_battery
from kd_edge.cost.fit import energy_gates
from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.errors import ConfigError
from kd_edge.search.results import budget_shares

BOARD = load_device("nrf52840")
POWERED = replace(BOARD, power=Power(50.0, "my profiler", idle_mw=0.1))
MODEL = Path(__file__).parents[2] / "data" / "residual_int8.tflite"


def cost(latency_ms, low_ms, high_ms):
    return Cost(1, 1, 1, 1, 1, 1, 0, latency_ms=latency_ms, latency_low_ms=low_ms, latency_high_ms=high_ms)


def test_energy_is_power_times_time_with_the_intervals_of_both():
    energy = energy_of(cost(20.0, 10.0, 40.0), POWERED)
    assert (energy.energy_mj, energy.energy_low_mj, energy.energy_high_mj) == (1.0, 0.5, 2.0)
    spread = replace(BOARD, power=Power(50.0, "my profiler", active_low_mw=40.0, active_high_mw=80.0))
    energy = energy_of(cost(20.0, 10.0, 40.0), spread)
    assert (energy.energy_mj, energy.energy_low_mj, energy.energy_high_mj) == (1.0, 0.4, 3.2)
    assert energy_of(cost(20.0, 10.0, 40.0), BOARD) is None


def test_a_battery_pays_for_inferences_and_for_what_is_between_them():
    battery = parse_battery("220mAh@3V", 1.0)
    assert battery == Battery(220.0, 3.0, 1.0)
    energy = energy_of(cost(20.0, 10.0, 40.0), POWERED, battery=battery)
    joules = 220e-3 * 3600 * 3
    assert energy.battery_days == pytest.approx(joules / (50e-3 * 0.02 + 0.1e-3 * 0.98) / 86_400)
    assert energy.battery_low_days == pytest.approx(joules / (50e-3 * 0.04 + 0.1e-3 * 0.96) / 86_400)
    assert energy.battery_high_days > energy.battery_days


def test_a_search_holds_a_limit_of_the_energy_as_the_time_in_which_the_board_takes_it():
    limits = BudgetConfig("x", energy="2mJ").budget(POWERED)
    assert (limits.energy_mj, limits.energy_time_ms, limits.latency_ms) == (2.0, 40.0, None)
    both = Budget.of(POWERED, energy_mj=2.0, latency_ms=15.0)
    assert both.times_ms == {"latency_ms": 15.0, "energy_mj": 40.0}
    assert cost(30.0, 20.0, 40.0).fits(replace(limits, flash_bytes=9, ram_bytes=9))
    assert cost(30.0, 20.0, 41.0).excess(replace(limits, flash_bytes=9, ram_bytes=9)) == {"energy_mj": 1.0}
    assert budget_shares(cost(10.0, 5.0, 20.0), limits)["energy_mj"] == 0.5
    spread = replace(POWERED, power=Power(50.0, "my profiler", active_high_mw=80.0))
    assert Budget.of(spread, energy_mj=2.0).energy_time_ms == 25.0
    assert Budget.of(spread, energy_mj=2.0, latency_at="expected").energy_time_ms == 40.0


@pytest.mark.parametrize(("limit_mj", "verdict"), [(2.0, "holds"), (1.9, "not_proven"), (0.4, "broken")])
def test_the_limit_of_the_energy_is_a_check_by_its_interval(limit_mj, verdict):
    gate = energy_gates(cost(20.0, 10.0, 40.0), Budget.of(POWERED, energy_mj=limit_mj), POWERED)["energy_mj"]
    assert (gate.verdict, gate.measured, gate.low, gate.high) == (verdict, 1.0, 0.5, 2.0)
    assert energy_gates(cost(20.0, 10.0, 40.0), Budget.of(POWERED), POWERED) == {}


def test_an_energy_that_nobody_knows_proves_nothing():
    gate = energy_gates(cost(20.0, 10.0, 40.0), Budget(9, 9, energy_mj=1.0), BOARD)["energy_mj"]
    assert (gate.verdict, "the power of nrf52840 is not known" in gate.reason) == ("not_proven", True)
    untimed = UntimedCost(1, 1, 1, 1, 1, 1, 0)
    gate = energy_gates(untimed, Budget.of(POWERED, energy_mj=1.0), POWERED, unknown="no floats")["energy_mj"]
    assert (gate.verdict, gate.reason) == ("not_proven", "no floats")
    assert not untimed.fits(Budget.of(POWERED, energy_mj=1.0))


def test_a_profile_keeps_its_power(tmp_path):
    path = tmp_path / "nrf52840.toml"
    spread = replace(POWERED, power=Power(50.0, "my profiler", active_low_mw=40.0, active_high_mw=80.0))
    for device in (POWERED, spread):
        path.write_text(to_toml(device))
        assert load_device(path) == device


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parse_mj("2"), "bad energy: expected one such as '2mJ'"),
        (lambda: parse_mj("0mJ"), "bad energy"),
        (lambda: parse_battery("220mAh", 1.0), "bad battery: expected one such as 220mAh@3V, received '220mAh'"),
        (lambda: parse_battery("0mAh@3V", 1.0), "bad battery"),
        (lambda: Power(0.0, "x"), r"bad value for key 'power.active_mw': expected mW > 0"),
        (lambda: Power(1.0, "x", idle_mw=2.0), r"bad value for key 'power.idle_mw'"),
        (
            lambda: Power(2.0, "x", active_low_mw=3.0),
            "expected active_mw between both, and idle_mw below, received 3.0",
        ),
        (lambda: Power(2.0, "x", active_high_mw=1.0), r"'power.active_high_mw': expected active_mw between both"),
        (lambda: Power(1.0, " "), r"bad value for key 'power.source'"),
        (lambda: Budget.of(BOARD, energy_mj=1.0), "the power of nrf52840 is not known"),
        (lambda: energy_of(cost(2.0, 1.0, 3.0), BOARD, battery=Battery(1, 1, 1)), "the power of .* is not known"),
        (lambda: energy_of(cost(2e3, 1.0, 3e3), POWERED, battery=Battery(1, 1, 1)), "an inference takes 2000 ms"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_command_shows_energy_and_battery_life(tmp_path, check_document):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(replace(POWERED, name="mine")))
    arguments = ["cost", MODEL, "--device", path, "--every", "1s", "--battery", "220mAh@3V", "--energy", "5mJ"]
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    assert "energy per inference: " in done.stdout
    assert "220 mAh at 3 V last " in " ".join(done.stdout.split())
    document = json.loads(CliRunner().invoke(main, [*map(str, arguments), "--json"]).stdout)
    check_document(document)
    assert document["provenance"]["energy.energy_mj"] == "computed"
    assert document["result"]["budget"]["energy_mj"] == 5.0
    assert document["result"]["gates"]["energy_mj"]["verdict"] == "holds"
    alone = CliRunner().invoke(main, ["cost", str(MODEL), "--device", str(path), "--every", "1s"])
    assert (alone.exit_code, "expected it together with --every" in alone.stderr) == (2, True)


def test_the_command_breaks_a_limit_and_says_what_it_does_not_know(check_document):
    def call(*options):
        return CliRunner().invoke(main, ["cost", str(MODEL), *options])

    broken = call("--device", "nucleo-l4r5zi", "--energy", "0.1uJ")
    assert broken.exit_code == 1
    assert re.search(r"energy .* mJ, computed .* mJ too much", broken.stdout), broken.stdout
    document = json.loads(call("--device", "nrf52840", "--json").stdout)
    check_document(document)
    assert document["result"]["energy"] is None
    assert "the power of nrf52840 is not known" in document["result"]["unavailable_reason"]["energy"]
    refused = call("--device", "nrf52840", "--energy", "2mJ")
    assert (refused.exit_code, "the power of nrf52840 is not known" in refused.stderr) == (2, True)
