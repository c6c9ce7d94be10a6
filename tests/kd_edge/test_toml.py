"""Strict reading of TOML tables."""

import tomllib
from dataclasses import dataclass, field

import pytest

from kd_edge.errors import ConfigError
from kd_edge.toml import from_table, read_toml, to_toml


@dataclass(frozen=True)
class Inner:
    width: int = 3


@dataclass(frozen=True)
class Outer:
    name: str
    speed: float = 1.0
    size: str | int | None = None
    inner: Inner = field(default_factory=Inner)
    words: list[str] | None = None


def test_a_table_fills_a_dataclass_and_its_sub_tables():
    table = {"name": "a", "speed": 2, "size": 5, "inner": {"width": 4}}
    assert from_table(Outer, table, "f.toml") == Outer("a", 2.0, 5, Inner(4))


def test_a_misspelt_key_names_the_nearest_right_one():
    with pytest.raises(ConfigError, match=r"unknown key 'sped' in f.toml: did you mean 'speed'\?"):
        from_table(Outer, {"name": "a", "sped": 2.0}, "f.toml")


def test_a_misspelt_key_in_a_sub_table_names_the_table():
    with pytest.raises(ConfigError, match=r"unknown key 'witdh' in f.toml, key 'inner': did you mean 'width'\?"):
        from_table(Outer, {"name": "a", "inner": {"witdh": 1}}, "f.toml")


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"missing key 'name' in f.toml"):
        from_table(Outer, {}, "f.toml")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"name": 1}, "key 'name': expected str, received 1"),
        ({"name": "a", "speed": True}, "key 'speed': expected float, received True"),
        ({"name": "a", "size": 1.5}, "key 'size': expected str or int, received 1.5"),
        ({"name": "a", "inner": 1}, "key 'inner': expected a table, received 1"),
        ({"name": "a", "speed": 10**400}, "key 'speed': expected float, received 1000"),
        ({"name": "a", "words": ["b", 1]}, "key 'words', item 1: expected str, received 1"),
        ({"name": "a", "words": "b"}, "key 'words': expected list of str, received 'b'"),
    ],
)
def test_a_wrong_type_says_what_was_expected(table, expected):
    with pytest.raises(ConfigError, match=expected):
        from_table(Outer, table, "f.toml")


def test_a_missing_file_and_broken_toml_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*none.toml: expected a TOML file"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"bad.toml: expected TOML, received .*line 1"):
        read_toml(tmp_path / "bad.toml")
    (tmp_path / "long.toml").write_text("a = " + "9" * 5000)
    with pytest.raises(ConfigError, match=r"long.toml: expected TOML, received Exceeds the limit"):
        read_toml(tmp_path / "long.toml")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "t.toml").write_text("a = 1", encoding="utf-8-sig")
    assert read_toml(tmp_path / "t.toml") == {"a": 1}


def test_tables_in_tables_are_written_and_read_back(tmp_path):
    table = {"seed": 1, "data": {"source": "a", "left_out": None, "class_weight": {"N": 1.0, "a b": 5.0}}, "x": {}}
    (tmp_path / "t.toml").write_text(to_toml(table))
    assert '[data.class_weight]\nN = 1.0\n"a b" = 5.0\n' in to_toml(table)
    del table["data"]["left_out"]
    assert read_toml(tmp_path / "t.toml") == table


def test_what_is_written_is_read_again_whatever_characters_it_has():
    table = {"a b": 'caf\u00e9 \U0001f600 \x7f \x1b "quoted" \\ \n', "size": 3}
    assert tomllib.loads(to_toml(table)) == table
