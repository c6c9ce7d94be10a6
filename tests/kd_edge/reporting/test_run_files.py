"""The configuration in a run's folder: written by the run, unless the user's own says the same."""

from dataclasses import asdict

import pytest

from kd_edge.config.paths import relative_to
from kd_edge.config.run import load_config
from kd_edge.errors import ConfigError
from kd_edge.files import write_json
from kd_edge.reporting.run_files import check_config_file, is_users_config
from kd_edge.toml import to_toml

OWN = '# Mine.\nseed = {seed}\n[data]\nsource = "waves.npz"\n[budget]\ndevice = "rp2040"\n[sweep]\nlatency = "5ms"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waves.npz").write_bytes(b"")
    return tmp_path


def written(folder, config):
    """Write the configuration as a run does."""
    table = relative_to(asdict(config), folder)
    write_json(folder / "config.json", table)
    (folder / "config.toml").write_text(to_toml(table))


@pytest.mark.parametrize("name", ["config.toml", "./config.toml", "{folder}/config.toml"])
def test_the_users_own_configuration_stays_where_it_says_the_same(folder, name):
    (folder / "config.toml").write_text(OWN.format(seed=1))
    check_config_file(load_config(name.format(folder=folder)), folder)
    assert is_users_config(folder)


@pytest.mark.parametrize("text", [OWN.format(seed=2), "seed ="])
def test_the_users_own_configuration_that_says_something_else_is_refused(folder, text):
    (folder / "other.toml").write_text(OWN.format(seed=1))
    config = load_config("other.toml")
    check_config_file(config, folder)
    (folder / "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"expected none there, or that of a run, received one that says something"):
        check_config_file(config, folder)


def test_the_configuration_that_a_run_has_written_is_written_anew(folder):
    (folder / "other.toml").write_text(OWN.format(seed=1))
    written(folder, load_config("other.toml"))
    (folder / "other.toml").write_text(OWN.format(seed=2))
    for name in ("other.toml", "config.toml"):
        check_config_file(load_config(name), folder)
    assert not is_users_config(folder)
