"""Adding a board: one factor on a relative's costs."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.cost.devices import KernelCost, load_device, to_toml
from kd_edge.cost.latency import latency_ms
from kd_edge.cost.profile_scaling import add_device, scaled
from kd_edge.errors import ConfigError
from kd_edge.ir.graph import Graph, Op, Tensor


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KD_EDGE_DEVICES", str(tmp_path / "devices"))
    return tmp_path / "devices"


def dense(units: int) -> Graph:
    tensors = (Tensor((1, 64)), Tensor((units, 64), constant=True), Tensor((1, units)))
    return Graph(tensors, (Op("FULLY_CONNECTED", (0, 1), (2,)),), (0,), (2,))


def test_one_measurement_is_met_exactly() -> None:
    known = load_device("nucleo-l4r5zi")
    slower = scaled(known, [(dense(10), 3 * latency_ms(dense(10), known).ms)])
    assert latency_ms(dense(10), slower).ms == pytest.approx(3 * latency_ms(dense(10), known).ms, rel=1e-3)
    assert latency_ms(dense(99), slower).ms == pytest.approx(3 * latency_ms(dense(99), known).ms, rel=1e-3)
    assert (slower.quality, slower.error_percent) == ("calibrated", 35.0)


def test_the_time_of_an_inference_is_scaled_like_all_else() -> None:
    own = {"MEAN": KernelCost(cycles_per_step=2.0)}
    known = replace(load_device("nucleo-l4r5zi"), int8_inference_cycles=1000.0, int8_ops=own)
    slower = scaled(known, [(dense(10), 3 * latency_ms(dense(10), known).ms)])
    assert slower.int8_inference_cycles == pytest.approx(3000, rel=1e-3)
    assert slower.int8_ops["MEAN"].cycles_per_step == pytest.approx(6, rel=1e-3)


def test_several_measurements_are_met_on_geometric_average_and_widen_the_interval() -> None:
    # One takes twice and one eight times as long as on the relative: the factor is 4, either is off by 2, i.e. 100 %.
    known = load_device("nucleo-l4r5zi")
    measured = [(dense(10), 2 * latency_ms(dense(10), known).ms), (dense(99), 8 * latency_ms(dense(99), known).ms)]
    board = scaled(known, measured)
    assert latency_ms(dense(10), board).ms == pytest.approx(4 * latency_ms(dense(10), known).ms, rel=1e-3)
    assert board.error_percent == pytest.approx(100.0)


def test_macs_per_second_set_the_speed_of_convolutions() -> None:
    # 50 million MACs per second at 100 MHz are 2 cycles per MAC.
    known = replace(load_device("nucleo-l4r5zi"), clock_mhz=100.0)
    board = scaled(known, 50e6)
    assert board.int8.conv.cycles_per_mac == pytest.approx(2.0)
    ratio = known.int8.dense.cycles_per_mac / known.int8.conv.cycles_per_mac
    assert board.int8.dense.cycles_per_mac == pytest.approx(2.0 * ratio, rel=1e-3)
    assert (board.quality, board.error_percent) == ("datasheet", 200.0)


def test_an_added_device_is_found_by_name(own_folder: Path) -> None:
    board = add_device("my-board", flash_bytes=1000, ram_bytes=500, clock_mhz=100, speed=50e6, like="cortex-m7")
    assert load_device("my-board") == board
    assert (board.core, board.flash_bytes, board.reserved_flash_bytes) == ("cortex-m7", 1000, 0)
    assert [path.name for path in own_folder.iterdir()] == ["my-board.toml"]


def test_the_power_of_a_known_board_is_not_that_of_an_added_one() -> None:
    assert load_device("nucleo-l4r5zi").power is not None
    board = add_device("mine", flash_bytes=1000, ram_bytes=500, clock_mhz=20, speed=50e6, like="nucleo-l4r5zi")
    assert (board.power, load_device("mine").power) == (None, None)


def test_a_core_has_the_costs_of_the_packages_devices_whatever_the_user_has_added() -> None:
    wanted = {"flash_bytes": 1000, "ram_bytes": 500, "clock_mhz": 100, "speed": [(dense(10), 7.0)]}
    first = add_device("a-board", **wanted)
    assert first.quality == "calibrated"
    second = add_device("b-board", **wanted)
    assert (second.int8, second.source) == (first.int8, first.source)


def test_a_device_may_be_like_a_profile_that_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(to_toml(load_device("rp2040")))
    board = add_device("mine", flash_bytes=1000, ram_bytes=500, clock_mhz=100, speed=[(dense(10), 7.0)], like=str(path))
    assert (board.core, board.path) == (load_device("rp2040").core, "")
    assert load_device("mine") == board
    done = CliRunner().invoke(main, ["devices", "add", "too", "--like", str(path), "--macs-per-second", "1e6"])
    assert (done.exit_code, load_device("too").clock_mhz) == (0, load_device("rp2040").clock_mhz)


def test_convolutions_that_cost_nothing_per_mac_are_not_scaled_to_macs_per_second() -> None:
    known = load_device("nucleo-l4r5zi")
    board = replace(known, int8=replace(known.int8, conv=KernelCost(fixed_cycles=1.0)))
    with pytest.raises(ConfigError, match=r"expected a device like it whose conv has cycles_per_mac .* received one"):
        scaled(board, 50e6)


def test_an_added_device_hides_the_built_in_one() -> None:
    add_device("rp2040", flash_bytes=1000, ram_bytes=500, clock_mhz=100, speed=50e6, like="rp2040")
    assert load_device("rp2040").flash_bytes == 1000


def test_adding_a_device_again_does_not_scale_it_twice() -> None:
    wanted = [(dense(10), 7.0)]
    for _ in range(2):
        board = add_device("mine", flash_bytes=1000, ram_bytes=500, clock_mhz=100, speed=wanted)
        assert latency_ms(dense(10), board).ms == pytest.approx(7.0, rel=1e-3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"speed": []}, "bad speed: expected one measured latency or more, or MACs per second, received none"),
        ({"speed": 0}, "bad speed: expected MACs per second > 0, received 0"),
        ({"speed": [(dense(10), -1.0)]}, "bad speed: expected a latency in milliseconds > 0, received -1.0"),
        ({"speed": [(Graph((), (), (), ()), 1.0)]}, "bad speed: expected networks with at least one op"),
        ({"clock_mhz": 0}, "bad value for key 'clock_mhz': expected a finite number > 0"),
        ({"name": "../up"}, "bad device name"),
        ({"name": "all"}, r"bad device name: expected another one than 'all' or '\*.toml', received 'all'"),
        ({"name": "mine.toml"}, "bad device name: expected another one than .* received 'mine.toml'"),
        ({"like": "cortex-m44"}, "unknown device or core 'cortex-m44': did you mean 'cortex-m4'"),
    ],
)
def test_nothing_is_written_when_an_argument_is_wrong(changed: dict, message: str, own_folder: Path) -> None:
    arguments = {"name": "mine", "flash_bytes": 1000, "ram_bytes": 500, "clock_mhz": 100, "speed": 1e6} | changed
    with pytest.raises(ConfigError, match=message):
        add_device(**arguments)
    assert not own_folder.exists()
