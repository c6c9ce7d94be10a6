"""Energy of an inference, its limit, and the life of a battery."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config import BudgetConfig
from kd_edge.cost.budget import Budget, parse_mj
from kd_edge.cost.devices import Power, load_device, to_toml
from kd_edge.cost.energy import Battery, energy_of, parse_battery
from kd_edge.cost.model import Cost
from kd_edge.errors import ConfigError

BOARD = load_device("nucleo-l4r5zi")
POWERED = replace(BOARD, power=Power(50.0, "my profiler", idle_mw=0.1))
MODEL = Path(__file__).parents[2] / "data" / "residual_int8.tflite"


def cost(latency_ms, low_ms, high_ms):
    return Cost(1, 1, 1, 1, 1, 1, 0, latency_ms=latency_ms, latency_low_ms=low_ms, latency_high_ms=high_ms)


def test_energy_is_power_times_time_with_the_interval_of_the_time():
    energy = energy_of(cost(20.0, 10.0, 40.0), POWERED)
    assert (energy.energy_mj, energy.energy_low_mj, energy.energy_high_mj) == (1.0, 0.5, 2.0)
    assert energy_of(cost(20.0, 10.0, 40.0), BOARD) is None


def test_a_battery_pays_for_inferences_and_for_what_is_between_them():
    battery = parse_battery("220mAh@3V", 1.0)
    assert battery == Battery(220.0, 3.0, 1.0)
    energy = energy_of(cost(20.0, 10.0, 40.0), POWERED, battery=battery)
    joules = 220e-3 * 3600 * 3
    assert energy.battery_days == pytest.approx(joules / (50e-3 * 0.02 + 0.1e-3 * 0.98) / 86_400)
    assert energy.battery_low_days == pytest.approx(joules / (50e-3 * 0.04 + 0.1e-3 * 0.96) / 86_400)
    assert energy.battery_high_days > energy.battery_days


def test_a_limit_of_the_energy_is_the_time_in_which_the_board_takes_it():
    limits = BudgetConfig("x", energy="2mJ").budget(POWERED)
    assert (limits.energy_mj, limits.latency_ms) == (2.0, 40.0)
    assert Budget.of(POWERED, energy_mj=2.0, latency_ms=15.0).latency_ms == 15.0
    assert cost(30.0, 20.0, 40.0).fits(replace(limits, flash_bytes=9, ram_bytes=9))
    assert not cost(30.0, 20.0, 41.0).fits(replace(limits, flash_bytes=9, ram_bytes=9))


def test_a_profile_keeps_its_power(tmp_path):
    path = tmp_path / "nucleo-l4r5zi.toml"
    path.write_text(to_toml(POWERED))
    assert load_device(path) == POWERED


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parse_mj("2"), "bad energy: expected one such as '2mJ'"),
        (lambda: parse_mj("0mJ"), "bad energy"),
        (lambda: parse_battery("220mAh", 1.0), "bad battery: expected one such as 220mAh@3V, received '220mAh'"),
        (lambda: parse_battery("0mAh@3V", 1.0), "bad battery"),
        (lambda: Power(0.0, "x"), r"bad value for key 'power.active_mw': expected mW > 0"),
        (lambda: Power(1.0, "x", idle_mw=2.0), r"bad value for key 'power.idle_mw'"),
        (lambda: Power(1.0, " "), r"bad value for key 'power.source'"),
        (lambda: Budget.of(BOARD, energy_mj=1.0), "the power of nucleo-l4r5zi is not known"),
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
    alone = CliRunner().invoke(main, ["cost", str(MODEL), "--device", str(path), "--every", "1s"])
    assert (alone.exit_code, "expected it together with --every" in alone.stderr) == (2, True)
