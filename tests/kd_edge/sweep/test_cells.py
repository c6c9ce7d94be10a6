"""The cells of a sweep: boards and limits combined, equal ones once, and what is refused."""

from dataclasses import replace

import pytest

from kd_edge.config.inputs import BudgetConfig
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.errors import ConfigError
from kd_edge.sweep.cells import cells_of
from kd_edge.sweep.wanted import SweepConfig, load_sweep

COMMON = BudgetConfig("nrf52840")


def names(wanted, common=COMMON):
    return [cell.name for cell in cells_of(wanted, common)]


def test_each_board_is_combined_with_each_limit_in_the_order_of_the_words():
    wanted = SweepConfig("rp2040,nrf52840", latency="2ms,20ms", ram=["16k"])
    assert names(wanted) == [
        "rp2040-2ms-ram16k",
        "rp2040-20ms-ram16k",
        "nrf52840-2ms-ram16k",
        "nrf52840-20ms-ram16k",
    ]
    cell = cells_of(wanted, COMMON)[0]
    assert (cell.budget.latency_ms, cell.budget.ram_bytes, cell.asked) == (2.0, 16384, ("latency 2ms, ram 16k",))


def test_what_the_sweep_does_not_say_is_that_of_the_budget():
    common = BudgetConfig("nrf52840", ram="24k", latency="9ms", latency_at="expected")
    (cell,) = cells_of(SweepConfig(), common)
    assert (cell.device.name, cell.budget.ram_bytes, cell.budget.latency_ms) == ("nrf52840", 24576, 9.0)
    assert cell.budget.latency_at == "expected"
    assert names(SweepConfig(latency="1ms"), common) == ["nrf52840-1ms-ram24k"]


def test_combinations_that_come_to_the_same_are_one_cell():
    board = load_device("bluepill")
    wanted = SweepConfig("bluepill,bluepill", latency=["5ms", "0.005s"], flash=["1M", "2M", "16k"])
    cells = cells_of(wanted, COMMON)
    assert [cell.name for cell in cells] == ["bluepill-5ms", "bluepill-5ms-flash16k"]
    assert cells[0].budget.flash_bytes == board.flash_bytes - board.reserved_flash_bytes
    assert cells[0].asked == ("latency 5ms", "latency 0.005s")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"device": "nrf52480"}, "unknown device 'nrf52480'.*did you mean 'nrf52840'"),
        ({"latency": "5"}, "bad duration: expected a time such as '15ms'.*received '5'"),
        ({"latency": "5ms,fast"}, "bad duration.*received 'fast'"),
        ({"ram": "much"}, "bad size: expected bytes such as 65536.*received 'much'"),
        ({"flash": "64q"}, "bad size.*received '64q'"),
        ({"latency": "5ms,"}, "bad value for 'latency' of a sweep: expected one or more"),
        ({"device": []}, "bad value for 'device' of a sweep: expected one or more"),
    ],
)
def test_what_is_no_board_no_number_or_nothing_is_refused(wanted, says):
    with pytest.raises(ConfigError, match=says):
        cells_of(SweepConfig(**wanted), COMMON)


def test_two_boards_of_one_name_are_refused(tmp_path):
    path = tmp_path / "rp2040.toml"
    path.write_text(to_toml(load_device("rp2040")).replace("error_percent = ", "error_percent = 1"))
    with pytest.raises(ConfigError, match="two devices of a sweep are called 'rp2040': expected different names"):
        cells_of(SweepConfig(f"rp2040,{path}"), COMMON)


def test_a_board_that_is_called_as_another_one_with_a_limit_is_refused(tmp_path):
    for name in ("own", "own-ram8k"):
        (tmp_path / f"{name}.toml").write_text(to_toml(replace(load_device("rp2040"), name=name)))
    boards = [str(tmp_path / "own.toml"), str(tmp_path / "own-ram8k.toml")]
    assert names(SweepConfig(boards, ram="16k")) == ["own-ram16k", "own-ram8k-ram16k"]
    # What the second board has is less than 64 kB: its budget has no limit in its name.
    (tmp_path / "own-ram8k.toml").write_text(
        to_toml(replace(load_device("rp2040"), name="own-ram8k", ram_bytes=8000, reserved_ram_bytes=0))
    )
    with pytest.raises(ConfigError, match=r"two budgets of a sweep are called 'own-ram8k'.*'own' and 'own-ram8k'"):
        cells_of(SweepConfig(boards, ram="8k"), COMMON)


@pytest.mark.parametrize(("latency", "name"), [(1e-5, "0.00001ms"), (2.0, "2ms"), (3, "3ms"), (1e20, f"1{'0' * 20}ms")])
def test_the_name_of_a_cell_has_no_power_of_ten(latency, name):
    assert names(SweepConfig("rp2040", latency=[latency])) == [f"rp2040-{name}"]


@pytest.mark.parametrize("latency", ["2 ms", "2\tms", " 2\n ms\n"])
def test_a_limit_is_told_in_one_line_and_named_without_blanks(latency):
    (cell,) = cells_of(SweepConfig("rp2040", latency=[latency]), COMMON)
    assert (cell.name, cell.asked) == ("rp2040-2ms", ("latency 2 ms",))
    (cell,) = cells_of(SweepConfig("rp2040"), BudgetConfig("rp2040", latency=latency))
    assert (cell.name, cell.asked) == ("rp2040-2ms", ("latency 2 ms",))


def test_a_table_and_an_option_that_differ_are_refused_and_equal_ones_are_not(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[data]\nsource = "watch"\n[sweep]\ndevice = ["rp2040"]\nlatency = ["2ms", "5ms"]\n')
    assert load_sweep(path, {"latency": "2ms,5ms", "ram": "8k"})[1].values("ram") == ("8k",)
    with pytest.raises(ConfigError, match=r"--device and the key 'device' in .sweep. differ.*leave one out"):
        load_sweep(path, {"device": "nrf52840"})


@pytest.mark.parametrize(
    ("table", "key", "option", "other"),
    [
        ('latency = "2 ms"', "latency", "2ms", "2us"),
        ("latency = 2", "latency", "2000us", "3ms"),
        ('latency = ["2ms", "5ms"]', "latency", "5ms,2ms,0.005s", "5ms"),
        ('ram = "64k"', "ram", "65536", "64k,65537"),
        ('flash = ["1M", 4096]', "flash", "4k,1024k", "1M"),
        ('device = "own.toml"', "device", "./boards/own.toml", "rp2040"),
    ],
)
def test_a_table_and_an_option_are_compared_by_what_they_mean(table, key, option, other, tmp_path, monkeypatch):
    path = tmp_path / "boards" / "run.toml"
    path.parent.mkdir()
    (tmp_path / "boards" / "own.toml").write_text(to_toml(load_device("rp2040")))
    device = "" if key == "device" else 'device = "rp2040"'
    path.write_text(f'[data]\nsource = "watch"\n[sweep]\n{device}\n{table}\n')
    monkeypatch.chdir(tmp_path)
    wanted = load_sweep(path, {key: option})[1]
    assert wanted.values(key) == SweepConfig(**{key: option}).values(key)
    with pytest.raises(ConfigError, match=f"--{key} and the key '{key}' in .sweep. differ: expected one of them"):
        load_sweep(path, {key: other})


def test_a_sweep_needs_no_budget_where_it_names_boards_and_says_which_key_is_unknown(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[data]\nsource = "watch"\n')
    assert load_sweep(path, {"device": "rp2040"})[0].budget.device == "rp2040"
    with pytest.raises(ConfigError, match="missing key 'budget'"):
        load_sweep(path)
    path.write_text('[data]\nsource = "watch"\n[sweep]\ndevices = ["rp2040"]\n')
    with pytest.raises(ConfigError, match=r"unknown key 'devices' in .*'sweep': did you mean 'device'"):
        load_sweep(path)


@pytest.mark.parametrize(("budget", "received"), [('budget = "rp2040"', "'rp2040'"), ("[[budget]]", r"\[{}\]")])
def test_a_budget_that_is_no_table_is_refused_beside_the_boards_of_a_sweep(budget, received, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(f'{budget}\n[data]\nsource = "watch"\n[sweep]\ndevice = "rp2040"\n')
    with pytest.raises(ConfigError, match=f"key 'budget': expected a table, received {received}"):
        load_sweep(path)


def test_a_board_of_the_budget_that_is_no_text_is_refused_beside_the_boards_of_a_sweep(tmp_path):
    path = tmp_path / "run.toml"
    text = '[budget]\ndevice = {}\n[data]\nsource = "watch"\n[sweep]\ndevice = "rp2040"\n'
    path.write_text(text.format("3"))
    with pytest.raises(ConfigError, match=r"key 'budget', key 'device': expected str, received 3"):
        load_sweep(path)
    path.write_text(text.format('"nrf52840"'))
    assert load_sweep(path)[0].budget.device == "rp2040"


def test_a_search_that_starves_small_budgets_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[data]\nsource = "watch"\n[design]\nsearch = "hyperband"\n[sweep]\ndevice = "rp2040"\n')
    with pytest.raises(ConfigError, match=r"expected 'random', 'bayesian' or 'grid' for a sweep.*received 'hyperband'"):
        load_sweep(path)


def test_the_profile_of_a_board_is_found_from_the_folder_of_the_configuration(tmp_path):
    (tmp_path / "mine.toml").write_text(to_toml(load_device("rp2040")))
    path = tmp_path / "run.toml"
    path.write_text('[data]\nsource = "watch"\n[sweep]\ndevice = ["mine.toml"]\n')
    config, wanted = load_sweep(path)
    assert [cell.device.name for cell in cells_of(wanted, config.budget)] == ["mine"]
