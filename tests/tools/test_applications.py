"""What is read of keras.applications: networks are read once, and the page says what the results say."""

import json

from tools.networks import preprocessing
from tools.networks.applications import PAGE, RESULTS, keep, names, read_missing, records, render


def test_a_network_of_the_state_is_not_read_again(tmp_path, capsys):
    keep(tmp_path / "state.jsonl", {"network": "VGG16"})
    keep(tmp_path / "state.jsonl", {"compared": "VGG19"})
    before = records(tmp_path / "state.jsonl")
    read_missing(["VGG16"], tmp_path / "state.jsonl", convert=False)
    read_missing(["VGG19"], tmp_path / "state.jsonl", convert=True)
    assert records(tmp_path / "state.jsonl") == before
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_page_says_what_the_results_say():
    found, page = json.loads(RESULTS.read_text()), PAGE.read_text()
    parts = {"applications": render(found), "preprocess_input": preprocessing.render(found["preprocess_input"])}
    assert all(f"<!-- {name} -->\n{text}\n<!-- end of {name} -->" in page for name, text in parts.items())


def test_the_results_are_those_of_all_networks_and_each_is_read():
    networks = json.loads(RESULTS.read_text())["networks"]
    assert [network["network"] for network in networks] == names()
    assert all(network["lower_s"] is not None for network in networks)
