"""Device profiles: what a file may say, and which file wins."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kd_edge.cost.devices import (
    DeviceProfile,
    KernelCost,
    devices_folder,
    list_devices,
    load_all,
    load_device,
    named_costs,
    to_toml,
)
from kd_edge.errors import ConfigError
from tflite_bench.model.operators.spec import KERNEL_CLASSES, NO_BLOCKS, Blocks

COST = "{ cycles_per_mac = 2, cycles_per_byte = 3, fixed_cycles = 100 }"
KERNELS = ("conv", "pointwise", "depthwise", "dense", "pool", "elementwise", "softmax", "copy")
PROFILE = f"""
title = "My board"
core = "cortex-m4"
runtime = "tflm"
clock_mhz = 100
flash_bytes = 1000
ram_bytes = 500
reserved_flash_bytes = 200
reserved_ram_bytes = 0
quality = "measured"
error_percent = 25
source = "a stopwatch"
date = "2026-11-23"
[int8]
{chr(10).join(f"{kernel} = {COST}" for kernel in KERNELS)}
"""


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KD_EDGE_DEVICES", str(tmp_path))
    return tmp_path


def write(folder: Path, text: str, name: str = "board") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_profile_is_read_from_a_path(tmp_path: Path) -> None:
    device = load_device(write(tmp_path, PROFILE))
    assert (device.name, device.clock_mhz, device.flash_bytes, device.pointer_bytes) == ("board", 100.0, 1000, 4)
    assert device.int8.dense.cycles_per_byte == 3.0
    assert device.float32 is None


@pytest.mark.parametrize("name", list_devices())
def test_every_built_in_profile_survives_being_written_and_read(name: str, tmp_path: Path) -> None:
    device = load_device(name)
    assert load_device(write(tmp_path, to_toml(device), name)) == device
    assert device.source
    assert device.reserved_ram_bytes < device.ram_bytes


def test_a_folder_of_own_devices_that_cannot_be_read_is_told_with_its_way_out(own_folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("KD_EDGE_DEVICES", str(own_folder / (300 * "x")))
    with pytest.raises(ConfigError, match=r"x: File name too long; name another folder in \$KD_EDGE_DEVICES"):
        load_device("esp32")


def test_there_are_profiles_for_all_kinds_of_processors() -> None:
    profiles = load_all()
    cores = {profile.core for profile in profiles}
    wanted = {"cortex-m0+", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m85"}
    assert wanted | {"xtensa-lx6", "xtensa-lx7", "rv32imc", "cortex-a72", "cortex-a75"} <= cores
    assert "host" in list_devices()
    assert [profile.name for profile in profiles] == list(list_devices())


def test_at_least_35_boards_say_where_their_flash_ram_and_clock_are_written() -> None:
    boards = {profile.board: profile for profile in load_all() if profile.name != "host"}
    assert len(boards) >= 35
    wanted = {"bluepill", "blackpill-f411", "teensy-4.1", "portenta-h7", "nicla-vision", "esp32-c6", "esp32-p4"}
    wanted |= {"nano-33-iot", "rp2350", "raspberry-pi-5", "pixel-3a", "pixel-2", "pixel"}
    assert wanted <= set(boards)
    assert [name for name, profile in boards.items() if not profile.memory_source] == []


def test_a_board_has_a_profile_for_each_runtime_that_was_measured() -> None:
    runtimes = {p.name: p.runtime_title for p in load_all() if p.board == "nucleo-h7a3zi"}
    assert runtimes == {
        "nucleo-h7a3zi": "tflm+cmsis-nn",
        "nucleo-h7a3zi-cube-ai": "x-cube-ai 8.1.0",
        "nucleo-h7a3zi-cube-ai-7": "x-cube-ai 7.3.0",
        "nucleo-h7a3zi-hale": "hale 1.0",
        "nucleo-h7a3zi-plumerai": "plumerai 2023.05",
    }
    assert {"esp32-reference", "esp32-s3-reference", "nucleo-l4r5zi-tflm"} <= set(list_devices())


def test_an_inference_takes_its_time_on_every_microcontroller() -> None:
    devices = [p for p in load_all() if p.core.startswith(("cortex-m", "xtensa", "rv32"))]
    assert all(device.int8_inference_cycles > 0 for device in devices)


def test_what_was_never_measured_gets_a_wider_interval_than_what_was() -> None:
    devices = [device for device in load_all() if device.core in ("cortex-m4", "cortex-m7", "cortex-m33")]
    measured = {d.core: d.error_percent for d in devices if d.runtime_title.startswith("x-cube-ai 8")}
    inferred = [d for d in devices if d.quality == "not measured"]
    assert all(device.error_percent > measured[device.core] for device in inferred)
    assert load_device("bluepill").error_percent > max(device.error_percent for device in inferred)
    assert load_device("pixel-3a").quality == "datasheet"
    assert load_device("pixel-3a").error_percent > max(device.error_percent for device in inferred)


def test_the_users_file_hides_the_built_in_profile_of_the_same_name(own_folder: Path) -> None:
    built_in = list_devices()
    write(own_folder, PROFILE, "rp2040")
    write(own_folder, PROFILE, "mine")
    (own_folder / ".123-half.toml").write_text("not whole")
    assert set(list_devices()) == {*built_in, "mine"}
    assert load_device("rp2040").title == "My board"
    assert load_device("mine").name == "mine"


def test_the_folder_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KD_EDGE_DEVICES", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "kd_edge" / "devices"
    folder.mkdir(parents=True)
    write(folder, PROFILE, "mine")
    assert load_device("mine").title == "My board"


def test_an_unknown_device_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown device 'nrf5284': .* did you mean 'nrf52840'"):
        load_device("nrf5284")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clock_mhz =", "clok_mhz =", r"unknown key 'clok_mhz' in .*board\.toml: did you mean 'clock_mhz'"),
        ("clock_mhz =", 'path = "x.toml"\nclock_mhz =', r"unknown key 'path' in .*board\.toml"),
        ("core = ", "# core = ", r"missing key 'core' in .*board\.toml"),
        ("ram_bytes = 500", 'ram_bytes = "500"', r"board\.toml, key 'ram_bytes': expected int, received '500'"),
        ("ram_bytes = 500", "ram_bytes = true", r"key 'ram_bytes': expected int, received True"),
        (
            "clock_mhz = 100",
            "clock_mhz = 0",
            r"key 'clock_mhz': expected a finite number > 0, .* in .*board\.toml",
        ),
        ("clock_mhz = 100", "clock_mhz = nan", "key 'clock_mhz': expected a finite number > 0, received nan"),
        ("ram_bytes = 500", "ram_bytes = -5", "key 'ram_bytes': expected a finite number > 0, received -5"),
        ("flash_bytes = 200", "flash_bytes = 1000", "'reserved_flash_bytes': expected 0 to less than the 1000 B"),
        (
            '"measured"',
            '"guessed"',
            "'quality': expected 'measured' or 'calibrated' or 'not measured' or 'datasheet', received 'gue",
        ),
        ('date = "', 'pointer_bytes = 5\ndate = "', "key 'pointer_bytes': expected 4 or 8, received 5"),
        (f"pool = {COST}", "", "missing key 'pool' in .*key 'int8'"),
        (f"pool = {COST}", f"pool = {COST}\npoll = {COST}", "unknown key 'poll' in .*key 'int8': did you mean 'pool'"),
        (f"pool = {COST}", "pool = { cycles_per_mac = -1 }", r"key 'int8\.pool': expected finite cycles >= 0"),
        (f"pool = {COST}", "pool = { fixed_cycles = inf }", r"key 'int8\.pool': expected finite cycles >= 0"),
        (f"pool = {COST}", "pool = {}", r"key 'int8\.pool': expected .* one of them > 0"),
        (f"pool = {COST}", "pool = 3", "key 'pool': expected a table, received 3"),
        ("title = ", 'name = "other"\ntitle = ', "key 'name': expected the file's name 'board', received 'other'"),
        ("title = ", "title = = ", "expected TOML, received"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PROFILE
    with pytest.raises(ConfigError, match=message):
        load_device(write(tmp_path, PROFILE.replace(old, new, 1)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.toml: expected a TOML file, found nothing there"):
        load_device(tmp_path / "nowhere.toml")


def test_a_name_that_cannot_be_a_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bad device name: expected small letters, .*, received 'My B'"):
        load_device(write(tmp_path, PROFILE, "My B"))


@pytest.mark.parametrize("name", ["all", "add", "show", "my.toml"])
def test_a_name_that_the_commands_take_otherwise_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"bad device name: expected another one than .*, received '{name}'"):
        replace(load_device("rp2040"), name=name)


def test_a_clock_in_hz_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'clock_mhz': expected at most 10000 \(MHz, not Hz\), received 125000000"):
        replace(load_device("rp2040"), clock_mhz=125e6)


def test_text_with_quotes_and_line_ends_survives(tmp_path: Path) -> None:
    device = load_device(write(tmp_path, PROFILE))
    odd = DeviceProfile(**{**{n: getattr(device, n) for n in device.__slots__}, "source": 'a "b"\n\\c \u00b5'})
    assert load_device(write(tmp_path, to_toml(odd))) == odd


def test_blocks_of_channels_are_read_and_written(tmp_path: Path) -> None:
    text = "int8_blocks = { inputs = 8, depthwise = 16 }\n" + PROFILE
    device = load_device(write(tmp_path, text))
    assert (device.int8_blocks, device.float32_blocks) == (Blocks(8, 1, 16), NO_BLOCKS)
    assert load_device(write(tmp_path, to_toml(device))) == device
    with pytest.raises(ConfigError, match="bad value for key 'int8_blocks': expected sizes of 1 to 1024"):
        load_device(write(tmp_path, text.replace("= 8", "= 0")))


def test_a_profile_may_have_costs_of_single_kinds(tmp_path: Path) -> None:
    text = PROFILE + "\n[int8_ops]\nMEAN = { cycles_per_step = 2, fixed_cycles = 3 }\n"
    device = load_device(write(tmp_path, text))
    assert device.int8_ops == {"MEAN": KernelCost(0.0, 0.0, 3.0, 2.0)}
    (tmp_path / "again").mkdir()
    assert load_device(write(tmp_path / "again", to_toml(device))) == device
    assert len({device, device}) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("CONV2D_GRUPED = { fixed_cycles = 1 }", "unknown key 'CONV2D_GRUPED' in .int8_ops.: .*CONV_2D_GROUPED"),
        ("MEAN = { fixed_cycles = -1 }", "bad value for key 'int8_ops.MEAN': expected finite cycles >= 0"),
        ("MEAN = { cycles = 1 }", "unknown key 'cycles' in .*int8_ops.*MEAN"),
        ("MEAN = 3", "key 'int8_ops.*MEAN.*: expected a table, received 3"),
    ],
)
def test_wrong_costs_of_a_kind_are_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_device(write(tmp_path, f"{PROFILE}\n[int8_ops]\n{line}\n"))


def test_the_cycles_of_an_inference_are_read_and_written(tmp_path: Path) -> None:
    text = "int8_inference_cycles = 700.5\n" + PROFILE
    device = load_device(write(tmp_path, text))
    assert (device.int8_inference_cycles, device.float32_inference_cycles) == (700.5, 0.0)
    assert load_device(write(tmp_path, to_toml(device))) == device
    with pytest.raises(ConfigError, match="bad value for key 'int8_inference_cycles': expected a finite number >= 0"):
        load_device(write(tmp_path, text.replace("= 700.5", "= -1")))


def test_a_profile_has_costs_for_every_class_of_operators() -> None:
    assert tuple(named_costs(load_device("nucleo-l4r5zi").int8)) == KERNEL_CLASSES


def test_importing_devices_loads_no_numpy_and_no_framework() -> None:
    code = "import sys, kd_edge.cost.devices, kd_edge.cost.latency, kd_edge.cost.profile_scaling; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "tensorflow", "keras", "keras_tuner"} & set(loaded)


def test_a_user_without_a_home_has_the_packages_devices_and_is_asked_for_a_folder_of_its_own(monkeypatch):
    def no_account(_):
        raise KeyError("no such user")

    for name in ("HOME", "XDG_CONFIG_HOME", "KD_EDGE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_account)
    assert "nucleo-l4r5zi" in list_devices()
    with pytest.raises(ConfigError, match=r"no home folder for devices; name a folder in \$KD_EDGE_DEVICES"):
        devices_folder()
