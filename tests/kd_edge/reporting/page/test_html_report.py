"""The HTML report: self-contained, complete, and the figures are those of the results."""

import functools
import hashlib
import json
import operator
import re
import shutil
from dataclasses import asdict, replace
from html import unescape
from html.parser import HTMLParser

import keras
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.inputs import BudgetConfig, DataConfig
from kd_edge.config.run import RunConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.metadata import add_metadata
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.data.loading import load_data
from kd_edge.errors import ConfigError, ModelError
from kd_edge.files import write_json
from kd_edge.reporting.documents import make_document
from kd_edge.reporting.page.charts.runtime import drawing_script
from kd_edge.reporting.page.comparison_page import write_comparison
from kd_edge.reporting.page.html_report import write_page
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.verification.verifier import verify

NAMES = ("one", "<script>alert(1)</script>", '"quoted" & more', "four")
CHARTS = ["cost", "training", "candidates-latency", "candidates-ram", "candidates-flash"]
CHARTS += ["memory", "latency", "answers"]


class Links(HTMLParser):
    """Collects what a page loads or leads to, and its visible text."""

    def __init__(self):
        super().__init__()
        self.links, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def finished(waves_npz, tmp_path_factory):
    """A folder with the results of a run whose training took no time."""
    folder = tmp_path_factory.mktemp("run")
    data = replace(load_data(waves_npz), class_names=NAMES, name="<b>waves</b>")
    keras.utils.set_random_seed(0)
    space = StudentSpace.family("ds_cnn", data.input_shape, 4)
    student = space.blueprint({name: options[1] for name, options in space.choices.items()}).to_keras()
    content, budget = convert(student, data.x_train), Budget(64_000, 1000, 15.0)
    checked = asdict(verify(content, data, device=load_device("nucleo-l4r5zi"), budget=budget, student=student))
    candidate = {"values": {"width": 8}, "cost": checked["predicted"], "accuracy": 0.5}
    history = {"val_accuracy": [0.2, 0.5, 0.6]}
    halted = {"guide": "trainee", "halted": True, "epoch": 2, "step": None, "reason": "no progress", "data_passes": 2.0}
    halted |= {"macs_spent": 10, "macs_saved": 5, "seconds_spent": 1.0, "seconds_saved": 1.0, "megabytes_saved": 0.1}
    scores = {"test_accuracy": 0.5, "macs": 1000, "params": 10, "history": history}
    qat = {"mode": "never", "used": False, "float_accuracy": None}
    result = {
        "data": {"name": data.name, "description": "synthetic", "input_shape": data.input_shape, "class_names": NAMES}
        | {"num_train": 320, "num_val": 80, "num_test": 80},
        "teacher": scores
        | {"information": {"num_samples": 320, "accuracy": 0.9, "entropy_bits": 0.5, "bits_beyond_label": 0.25}},
        "design": {"space": "ds_cnn", "device": "nucleo-l4r5zi", "budget": asdict(budget), "num_costed": 10}
        | {"num_feasible": 5, "candidates": [candidate], "front": [candidate], "chosen": candidate},
        "race": {"verdict": "not_raced"},
        "distill": scores | {"halting": [halted], "guided": True},
        "choice": {"shipped": "distilled", "distilled_accuracy": 0.6, "alone_accuracy": 0.5},
        "baseline": scores | {"distillation_gain": {"difference": 0.01, "ci95_low": -0.02, "ci95_high": 0.03}},
        "convert": {"sha256": hashlib.sha256(content).hexdigest(), "warnings": [], "missing_ops": [], "qat": qat},
        "verify": checked,
        "halting": [halted],
    }
    (folder / "model.tflite").write_bytes(content)
    write_json(folder / "results.json", make_document("run", seed=3) | {"result": result})
    write_json(folder / "config.json", asdict(RunConfig(DataConfig("waves.npz"), BudgetConfig("nucleo-l4r5zi"))))
    return folder


@pytest.fixture(scope="module")
def page(finished):
    return write_page(finished).read_text()


@pytest.fixture(scope="module")
def parsed(page):
    links = Links()
    links.feed(page)
    return links


def test_the_page_loads_nothing(page, parsed):
    assert all(link.startswith("#") for link in parsed.links)
    own = page.replace(drawing_script(), "")
    assert len(own) < 200_000
    assert "@import" not in own
    assert "url(" not in own
    assert len(page.encode()) < 3_000_000


def test_names_from_the_data_are_text_and_no_markup(page, parsed):
    assert "<b>waves</b> on nucleo-l4r5zi" in parsed.text
    assert parsed.tags.count("b") == 0


def test_a_browser_draws_every_chart_and_no_width_makes_the_page_scroll_sideways(page, browse):
    for width in (360, 800, 1600):
        seen = browse(page, width)
        assert seen["drawn"] == CHARTS
        assert seen["content_width"] <= width


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious_on_the_page_and_on_a_comparison(page, finished, tmp_path, browse, dark):
    compared = write_comparison([finished, shutil.copytree(finished, tmp_path / "other")], tmp_path / "c.html")
    assert browse(page, 800, dark=dark)["serious"] == []
    assert browse(compared.read_text(), 800, dark=dark)["serious"] == []


def test_the_links_inside_the_page_lead_somewhere(page, parsed):
    for link in parsed.links:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in page


def test_what_failed_is_said_first_and_the_figures_are_those_of_the_results(finished, parsed):
    run = json.loads((finished / "results.json").read_text())["result"]
    verify = run["verify"]
    text = " ".join(unescape(parsed.text).split())
    needed = verify["gates"]["ram_bytes"]["measured"]
    assert f"What the firmware reserves fits the RAM ({needed:,} B, at most 1,000 B)" in text
    for figure in (verify["measured"]["flash_bytes"], verify["measured"]["arena_minimum_bytes"]):
        assert f"{figure:,} B" in text
    classified = verify["classification"]
    assert f"balanced accuracy{classified['balanced_accuracy']:.3f}" in text
    assert f"1: {NAMES[1]}20{classified['classes'][1]['recall']:.3f}" in text
    interval = verify["accuracy_ci95"]["int8_tflm"]
    assert f"{interval['ci95_low']:.3f} to {interval['ci95_high']:.3f}" in text
    assert "The trainee was halted after epoch 2" in text
    assert f"{verify['noise'][0]['signal_to_noise_db']:.1f} dB" in text
    assert "kd-edge verify RUN/model.tflite --student RUN/student.keras --data waves.npz" in text
    assert f"Seed 3. Model {run['convert']['sha256']}" in text


def test_a_limit_that_could_not_be_checked_is_neither_passed_nor_failed(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    gates = results["result"]["verify"]["gates"]
    gates["ram_bytes"] |= {"passed": True, "limit": 64_000}
    gates["latency_ms"] |= {"passed": None, "measured": None, "low": None, "high": None}
    for name in ("better_than_majority", "classes_named", "accuracy_loss"):
        gates[name] |= {"passed": True}
    write_json(folder / "results.json", results)
    text = write_page(folder).read_text()
    assert '<span class="badge none">not proven</span>' in text
    assert (
        "<p>The model fits the flash and the RAM and the runtimes agree, but not proven: the computed latency is short "
        "enough (not known, at most 15 ms).</p>"
    ) in text


def test_the_command_writes_the_page_again(finished, page, check_document):
    (finished / "report.html").unlink()
    done = CliRunner().invoke(main, ["report", str(finished), "--json"])
    assert done.exit_code == 0, done.output
    check_document(json.loads(done.stdout))
    assert (finished / "report.html").is_file()


def test_several_runs_are_compared_on_one_page(finished, tmp_path, check_document):
    other, page = shutil.copytree(finished, tmp_path / "other"), tmp_path / "c.html"
    done = CliRunner().invoke(main, ["report", str(finished), str(other), "-o", str(page), "--json"])
    assert done.exit_code == 0, done.output
    check_document(json.loads(done.stdout))
    links = Links()
    links.feed(page.read_text())
    words = " ".join(unescape(links.text).split())
    assert f"2 runs compared {finished.name}, other." in words
    assert "devicenucleo-l4r5zinucleo-l4r5zi" in words
    assert f"{finished.name}: student, distilled" in words


def test_runs_of_different_metrics_have_charts_of_their_own_and_the_teacher_of_each_is_told(finished, tmp_path):
    other = shutil.copytree(finished, tmp_path / "other")
    results = json.loads((other / "results.json").read_text())
    run = results["result"]
    for part in (run["verify"]["accuracy"], run["teacher"], run["distill"], run["baseline"]):
        part["metric"] = "skill"
    run["teacher"]["test_accuracy"] = 0.8125
    for part in (run["distill"], run["baseline"]):
        part["history"] = {"val_skill": [0.5, 0.6]}
    write_json(other / "results.json", results)
    text = write_comparison([finished, other], tmp_path / "c.html").read_text()
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', text)[1])
    kinds = ("cost-latency", "cost-ram", "cost-flash", "training")
    assert sorted(charts) == sorted(f"{kind}-{number}" for kind in kinds for number in (0, 1))
    for name in charts:
        assert ("skill" in json.dumps(charts[name])) == name.endswith("1")
    assert "0.812" in text


def test_a_run_that_cannot_be_compared_is_named_in_one_line(finished, tmp_path):
    other = shutil.copytree(finished, tmp_path / "other")
    results = json.loads((other / "results.json").read_text())
    del results["result"]["verify"]["accuracy_ci95"]
    write_json(other / "results.json", results)
    with pytest.raises(ModelError, match=r"cannot read the results in .*other: .*nothing called 'accuracy_ci95'"):
        write_comparison([finished, other], tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()


def test_the_same_run_twice_is_refused(finished, tmp_path):
    with pytest.raises(ConfigError, match=r"the same run twice: expected different ones, received .* more than once"):
        write_comparison([finished, finished / "."], tmp_path / "c.html")


def test_all_limits_of_a_run_are_beside_those_of_another(finished, tmp_path):
    other = shutil.copytree(finished, tmp_path / "other")
    results = json.loads((other / "results.json").read_text())
    results["result"]["design"]["budget"] |= {"latency_ms": 7.0, "latency_at": "expected", "energy_mj": 0.25}
    write_json(other / "results.json", results)
    text = write_comparison([finished, other], tmp_path / "c.html").read_text()
    assert "7 ms expected, 0.25 mJ" in text.replace("\xa0", " ")


def test_where_the_page_of_one_run_goes_is_not_asked(finished, tmp_path):
    done = CliRunner().invoke(main, ["report", str(finished), "-o", str(tmp_path / "page.html")])
    assert (done.exit_code, "bad --output: expected it with several runs" in done.stderr) == (2, True)


def test_a_device_from_a_file_is_read_from_it_again_and_the_commands_name_the_file(finished, tmp_path):
    path, folder = tmp_path / "my boards" / "own.toml", tmp_path / "run"
    path.parent.mkdir()
    path.write_text(to_toml(replace(load_device("nucleo-l4r5zi"), name="own", title="A board of my own")))
    shutil.copytree(finished, folder)
    for name, *keys in (("config.json", "budget"), ("results.json", "result", "design")):
        document = json.loads((folder / name).read_text())
        functools.reduce(operator.getitem, keys, document)["device"] = str(path) if name == "config.json" else "own"
        write_json(folder / name, document)
    text = unescape(write_page(folder).read_text())
    assert "A board of my own: cortex-m4, 120\u00a0MHz" in text
    assert f"--data waves.npz --device '{path}' --flash 64000 --ram 1000 --latency 15ms --seed 0\n" in text
    assert "kd-edge run RUN/config.toml -o AGAIN\n" in text


@pytest.mark.parametrize(("normalize", "option"), [(True, " --normalize"), (False, " --no-normalize"), (None, "")])
def test_the_command_that_verifies_scales_the_samples_as_the_run_did(finished, tmp_path, normalize, option):
    folder = shutil.copytree(finished, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"data": config["data"] | {"normalize": normalize}})
    assert f"--seed 0{option}\n" in unescape(write_page(folder).read_text())


def test_a_run_of_an_older_version_has_a_page_of_what_it_asked(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    run = results["result"]
    del run["race"], run["choice"], run["teacher"]["information"], run["distill"]["guided"]
    write_json(folder / "results.json", results)
    text = write_page(folder).read_text()
    assert "Distillation gave +1.0 points" in text
    assert "student distilled, int8, LiteRT" in text


def test_a_model_that_is_not_the_one_of_the_results_has_no_page(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("report.html"))
    content = (folder / "model.tflite").read_bytes()
    (folder / "model.tflite").write_bytes(add_metadata(content, {"provenance": {"name": "another"}}))
    with pytest.raises(ModelError, match=r"run/model\.tflite is not the model of its run's results: expected SHA-256"):
        write_page(folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("name", ["other/model.tflite", "other/plots/a.png", "notes.txt"])
def test_several_runs_are_not_compared_over_a_file_that_is_no_page(finished, tmp_path, name):
    other, place = shutil.copytree(finished, tmp_path / "other"), tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"mine")
    done = CliRunner().invoke(main, ["report", str(finished), str(other), "-o", str(place)])
    assert (done.exit_code, "expected a page or nothing there, found another file" in done.stderr) == (2, True)
    assert place.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["page.html", "page"])
def test_an_earlier_page_is_written_anew(finished, tmp_path, name):
    other = shutil.copytree(finished, tmp_path / "other")
    for _ in range(2):
        assert write_comparison([finished, other], tmp_path / name).is_file()


def test_a_run_that_is_not_finished_is_named(tmp_path):
    with pytest.raises(ModelError, match="no finished run: expected"):
        write_page(tmp_path)
    assert list(tmp_path.iterdir()) == []
