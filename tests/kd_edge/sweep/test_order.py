"""A whole sweep on a small set: what is shared, what is proved, and what an interruption leaves."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.conversion.metadata import metadata_bytes
from kd_edge.cost.devices import load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.loading import load_data
from kd_edge.distillation.models.model_files import load_model
from kd_edge.errors import BudgetError, ConfigError
from kd_edge.files import sole_use
from kd_edge.pipeline import run
from kd_edge.reporting.page.sweep_page import write_sweep_page
from kd_edge.search.results import Candidate
from kd_edge.search.scores import validation_score
from kd_edge.stages.serialization import from_plain, to_plain
from kd_edge.stages.store import content_of
from kd_edge.sweep.cells import cells_of
from kd_edge.sweep.context import SweepContext
from kd_edge.sweep.files import claim_sweep
from kd_edge.sweep.order import run_sweep
from kd_edge.sweep.screening import Infeasible
from kd_edge.sweep.verdicts import infeasible_result
from kd_edge.sweep.wanted import SweepConfig
from tflite_bench.model.reader import read_model

WANTED = SweepConfig("nrf52840,rp2040", latency="0.01ms,60ms,70ms")


def small_config(source):
    return RunConfig(
        DataConfig(str(source)),
        BudgetConfig("nrf52840"),
        teacher=TeacherConfig(width=8, epochs=1),
        design=DesignConfig("mlp", trials=1, epochs=1, teacher_ratio=2.0),
        distill=DistillConfig("none", epochs=2),
        convert=ConvertConfig(qat="never"),
    )


@pytest.fixture(scope="module")
def flat_npz(waves_npz, tmp_path_factory):
    """The waves as rows of numbers: teacher and students are dense networks, which are soon trained and converted."""
    path = tmp_path_factory.mktemp("flat") / "waves.npz"
    arrays = np.load(waves_npz)
    np.savez(path, **{name: v.reshape(len(v), -1) if name.startswith("x_") else v for name, v in arrays.items()})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps") / "waves"


@pytest.fixture(scope="module")
def finished(flat_npz, folder):
    return run_sweep(small_config(flat_npz), WANTED, folder)


def cells(result):
    return {cell.name: cell for cell in result.cells}


def timeless(value):
    """Return plain data without times."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if "seconds" not in key and key != "created"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def test_every_cell_has_a_student_or_a_proof(finished):
    found = cells(finished)
    assert len(found) == 6
    for name in ("nrf52840-0.01ms", "rp2040-0.01ms"):
        assert (found[name].verdict, found[name].binds) == ("infeasible", ("latency_ms",))
        why = found[name].infeasible
        assert why.proof.startswith("proved:")
        assert why.smallest["latency_high_ms"] > why.limits["latency_high_ms"] == 0.01
        assert found[name].accuracy is None
        assert found[name].unavailable_reason["accuracy"] == "no network of the space fits"
    for cell in found.values():
        assert (cell.student is None) == (cell.verdict == "infeasible")


def test_a_folder_has_one_sweep_at_a_time(flat_npz, tmp_path):
    with sole_use(tmp_path), pytest.raises(ConfigError, match="is in use: expected one process at a time in it"):
        run_sweep(small_config(flat_npz), WANTED, tmp_path)


def test_a_candidate_is_trained_once_and_enters_every_cell_that_it_fits(finished):
    networks = [tuple(c.values.items()) for c in finished.boards[0].candidates]
    assert len(networks) == len(set(networks)) == finished.num_trained
    for cell in finished.cells:
        board = next(board for board in finished.boards if board.name == cell.device)
        fitting = {c.trial for c in board.candidates if not c.cost.excess(cell.budget)}
        assert set(cell.candidates) == fitting if cell.student else not fitting
        assert set(cell.front) <= set(cell.candidates)
    served = [trial for cell in finished.cells for trial in cell.candidates]
    assert max(Counter(served).values()) >= 2


def test_a_cell_has_the_best_student_of_all_that_fit_it_and_its_best_candidate_is_one(finished, folder, flat_npz):
    data = load_data(flat_npz)
    worth = {
        student.name: validation_score(
            load_model(folder / "students" / student.name / "student.keras"), data, finished.objective
        )
        for student in finished.students
    }
    for cell in finished.cells:
        board = next(board for board in finished.boards if board.name == cell.device)
        known = {c.trial: c for c in board.candidates}
        if cell.student:
            best = max(known[trial].accuracy for trial in cell.candidates)
            assert known[cell.candidates[0]].accuracy == best
            fitting = {s.name: s for s in finished.students if s.values in [known[t].values for t in cell.candidates]}
            assert known[cell.candidates[0]].values in [student.values for student in fitting.values()]
            assert worth[cell.student] == max(worth[name] for name in fitting)
            assert cell.name in fitting[cell.student].cells


def test_costs_of_candidates_are_those_of_their_board_with_what_the_file_says_of_itself(finished, flat_npz):
    described = metadata_bytes(load_data(flat_npz))
    for board in finished.boards:
        model = CostModel(load_device(board.name), beside_bytes=described)
        for candidate in board.candidates:
            student = next((s for s in finished.students if s.values == candidate.values), None)
            if student is not None:
                assert model.estimate(student.blueprint.to_graph()) == candidate.cost


def test_cells_that_choose_the_same_network_share_its_file(finished, folder):
    assert {path.name for path in (folder / "students").iterdir()} == {student.name for student in finished.students}
    found = cells(finished)
    assert found["nrf52840-60ms"].student == found["nrf52840-70ms"].student
    for student in finished.students:
        content = (folder / "students" / student.name / "model.tflite").read_bytes()
        assert read_model(content).size_bytes == student.convert.flash_bytes
        for name in student.cells:
            assert (found[name].student, found[name].flash_bytes) == (student.name, len(content))


def test_a_verdict_is_that_of_the_cells_own_budget(finished):
    for cell in finished.cells:
        if cell.student:
            assert cell.gates["latency_ms"].limit == cell.budget.latency_ms
            assert cell.gates["latency_ms"].high == cell.latency_high_ms <= cell.budget.latency_ms
            assert cell.shares["latency_ms"] == pytest.approx(cell.latency_high_ms / cell.budget.latency_ms)
            assert cell.shares[cell.binds[0]] == max(cell.shares.values())
            assert cell.accuracy_ci95.ci95_low <= cell.accuracy <= cell.accuracy_ci95.ci95_high
            loss = cell.teacher_loss
            assert loss.measured == pytest.approx(finished.teacher.test_accuracy - cell.accuracy)
            expected = "reached" if loss.high <= 0 else "below" if loss.low > 0 else "not_shown"
            assert cell.teacher == expected


def test_the_document_follows_the_schema_and_is_read_back(finished, folder, check_document):
    document = json.loads((folder / "sweep.json").read_text())
    check_document(document)
    assert document["command"] == "sweep"
    assert document["provenance"]["cells[].flash_bytes"] == "measured"
    assert document["provenance"]["cells[].latency_ms"] in ("calibrated", "computed")
    assert document["result"] == json.loads(json.dumps(to_plain(finished)))
    again = from_plain(Candidate, document["result"]["boards"][0]["candidates"][0])
    assert again == finished.boards[0].candidates[0]


def test_a_finished_sweep_is_not_done_again_from_whichever_folder(finished, folder, flat_npz, monkeypatch):
    said, before = [], (folder / "sweep.json").read_bytes()
    monkeypatch.chdir(flat_npz.parent)
    again = run_sweep(small_config(flat_npz.name), WANTED, folder, progress=lambda *told: said.append(told))
    assert said == [("sweep", 1.0, "done before")]
    assert again == finished
    assert (folder / "sweep.json").read_bytes() == before


def test_a_sweep_that_is_interrupted_anywhere_ends_in_the_same_result(finished, flat_npz, tmp_path):
    trained = Counter()

    def stop_at(stage, share):
        def progress(name, done, message=""):
            if name == "search" and done:
                trained[message] += 1
            if name == stage and done >= share:
                raise KeyboardInterrupt

        return progress

    config = small_config(flat_npz)
    for stage, share in (("search", 0.2), ("students", 0.3), ("verify", 0.0)):
        with pytest.raises(KeyboardInterrupt):
            run_sweep(config, WANTED, tmp_path, progress=stop_at(stage, share))
    again = run_sweep(config, WANTED, tmp_path)
    assert max(trained.values()) == 1
    assert timeless(to_plain(again)) == timeless(to_plain(finished))


def test_another_budget_is_added_and_nothing_is_trained_again(finished, folder, flat_npz, tmp_path):
    own = shutil.copytree(folder, tmp_path / "sweep")
    before = {path: path.stat().st_mtime_ns for path in own.glob("students/*/*.keras")}
    found = run_sweep(small_config(flat_npz), replace(WANTED, latency="60ms,65ms"), own)
    assert [cell.name for cell in found.cells] == ["nrf52840-60ms", "nrf52840-65ms", "rp2040-60ms", "rp2040-65ms"]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert cells(found)["nrf52840-60ms"].accuracy == cells(finished)["nrf52840-60ms"].accuracy


def test_a_sweep_tells_the_combinations_that_were_asked_for_last(finished, folder, flat_npz, tmp_path):
    own = shutil.copytree(folder, tmp_path / "sweep")
    for latency in ("60ms,0.06s", "60ms"):
        found = run_sweep(small_config(flat_npz), SweepConfig("nrf52840", latency=latency), own)
        assert found.cells[0].asked == tuple(f"latency {text}" for text in latency.split(","))
    assert "0.06s" not in (own / "summary.txt").read_text()


def test_a_search_whose_candidates_have_lost_their_files_trains_them_again_to_the_same_students(
    finished, folder, flat_npz, tmp_path
):
    own = shutil.copytree(folder, tmp_path / "sweep")
    shutil.rmtree(own / "students")
    (own / "stages" / "sweep.json").unlink()
    for weights in own.glob("search/*/trials/trial_*/student.npz"):
        weights.unlink()
    again = run_sweep(small_config(flat_npz), WANTED, own)
    assert timeless(to_plain(again.cells)) == timeless(to_plain(finished.cells))
    assert again.boards == finished.boards


def test_a_network_that_was_searched_with_another_teacher_or_is_damaged_is_taken_from_the_search_again(
    finished, folder, flat_npz, tmp_path
):
    own = shutil.copytree(folder, tmp_path / "sweep")
    (own / "stages" / "sweep.json").unlink()
    name = finished.students[0].name
    searched, record = own / "students" / name / "searched/student.keras", own / "students" / name / "stages"
    before, trained = content_of(searched), (own / "students" / name / "distilled.keras").stat().st_mtime_ns
    other = load_model(searched)
    other.set_weights([2 * weights for weights in other.get_weights()])
    for key in (None, "that of another teacher"):
        other.save(searched)
        kept = json.loads((record / "searched.json").read_text())
        files = {"searched/student.keras": {"sha256": sha256(searched.read_bytes()).hexdigest(), "content": ""}}
        if key is not None:
            (record / "searched.json").write_text(json.dumps(kept | {"key": key, "files": files}))
        again = run_sweep(small_config(flat_npz), WANTED, own)
        assert content_of(searched) == before
        assert (own / "students" / name / "distilled.keras").stat().st_mtime_ns == trained
        assert timeless(to_plain(again)) == timeless(to_plain(finished))
        (own / "stages" / "sweep.json").unlink()


def test_a_sweep_that_was_refused_before_anything_was_made_leaves_its_folder_to_another(flat_npz, tmp_path):
    config, wanted = small_config(flat_npz), SweepConfig("nrf52840", latency="0.01ms")
    for ratio in (1e6, 2.0):
        with pytest.raises(BudgetError, match=r"the budget cannot be kept; nrf52840-0.01ms: no candidate"):
            run_sweep(replace(config, design=replace(config.design, teacher_ratio=ratio)), wanted, tmp_path)


def test_a_sweep_belongs_to_the_teacher_in_a_file_wherever_that_lies(finished, folder, flat_npz, tmp_path):
    paths = [tmp_path / name for name in ("one.keras", "same.keras", "other.keras")]
    for path in paths[:2]:
        shutil.copy(folder / "teacher.keras", path)
    teacher = load_model(paths[0])
    teacher.set_weights([2 * weights for weights in teacher.get_weights()])
    teacher.save(paths[2])
    contexts = []
    for path in paths:
        config = replace(small_config(flat_npz), teacher=TeacherConfig(path=str(path)))
        cells = cells_of(WANTED, config.budget)
        contexts.append(SweepContext(config, cells, tmp_path / "sweep", lambda stage, done, message="": None))
    claim_sweep(contexts[0])
    (tmp_path / "sweep" / "stages").mkdir()
    claim_sweep(contexts[1])
    with pytest.raises(ConfigError, match="holds another sweep: expected the same teacher, received other"):
        claim_sweep(contexts[2])


def test_a_run_does_not_go_on_in_the_folder_of_a_sweep(finished, folder, flat_npz):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="holds a sweep: expected an empty folder or that of a run; choose another"):
        run(small_config(flat_npz), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_of_something_else_is_refused(finished, folder, flat_npz, tmp_path):
    other = replace(small_config(flat_npz), distill=DistillConfig("none", epochs=3))
    with pytest.raises(ConfigError, match="holds another sweep: expected the same distill"):
        run_sweep(other, WANTED, folder)
    (tmp_path / "stages").mkdir()
    with pytest.raises(ConfigError, match="holds a run: expected an empty folder or that of a sweep"):
        run_sweep(other, WANTED, tmp_path)


def test_where_no_cell_can_be_kept_nothing_is_trained(flat_npz, tmp_path):
    wanted = SweepConfig("nrf52840", latency="0.01ms,0.02ms")
    with pytest.raises(BudgetError, match=r"none of 2 boards and budgets can be kept; nrf52840-0.01ms: no candidate"):
        run_sweep(small_config(flat_npz), wanted, tmp_path)
    assert not (tmp_path / "teacher.keras").exists()


def test_the_tables_keep_to_80_columns_and_the_page_is_whole(finished, folder):
    summary = (folder / "summary.txt").read_text()
    assert max(map(len, summary.splitlines())) <= 80
    page = (folder / "sweep.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)', page.split("<script", 1)[0])
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", page.split("<script", 1)[0])
    for cell in finished.cells:
        assert cell.name.partition("-")[2] in summary
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])
    panels = [f"board-{number}-{name}" for number in (1, 2) for name in ("latency", "ram", "flash")]
    assert list(charts) == panels
    for name in panels:
        assert page.count(f'id="plot-{name}"') == 1


@pytest.mark.parametrize(("count", "title"), [(1, "1 board and its budgets"), (2, "2 boards and their budgets")])
def test_the_title_of_a_page_counts_the_boards(count, title, finished, folder, tmp_path):
    document = json.loads((folder / "sweep.json").read_text())
    result = document["result"]
    result["boards"] = result["boards"][:count]
    result["cells"] = [c for c in result["cells"] if c["device"] in [board["name"] for board in result["boards"]]]
    page = write_sweep_page(document, tmp_path / "sweep.html").read_text()
    assert f"<h1>waves: {title}</h1>" in page


def test_boards_whose_names_are_much_alike_or_words_of_the_page_have_places_of_their_own(finished, folder, tmp_path):
    document = json.loads((folder / "sweep.json").read_text())
    names = {"nrf52840": "my.networks", "rp2040": "my-networks"}
    for board in document["result"]["boards"]:
        board["name"] = names[board["name"]]
    for cell in document["result"]["cells"]:
        cell |= {"device": names[cell["device"]], "name": cell["name"].replace(cell["device"], names[cell["device"]])}
    for student in document["result"]["students"]:
        student["convert"]["quantize"] = "float16"
    page = write_sweep_page(document, tmp_path / "sweep.html").read_text()
    described = re.findall(
        r'<div class="plot" id="plot-board-(\d)-\w+" role="img" aria-label=".* on (\S+) against', page
    )
    assert described == [("1", "my.networks")] * 3 + [("2", "my-networks")] * 3
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert "that of the float16 file in LiteRT" in page
    assert "int8" not in page.split("<script", 1)[0]


@pytest.mark.parametrize("content", ["5", "null", "[1]", '"a"', "{", "[" * 100_000])
def test_what_a_sweep_is_of_is_an_object_or_refused_in_one_line(content, flat_npz, tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "sweep_of.json").write_text(content)
    with pytest.raises(ConfigError, match=r"cannot read .*sweep_of.json: expected a JSON object, received .*--output"):
        run_sweep(small_config(flat_npz), WANTED, tmp_path)


def test_a_cell_that_no_network_fits_is_measured_as_its_task_is():
    (cell,) = cells_of(SweepConfig("rp2040", ram="1k"), BudgetConfig("rp2040"))
    result = infeasible_result(cell, Infeasible("no candidate fits", ("ram_bytes",)), "skill")
    assert (result.metric, result.accuracy, result.binds) == ("skill", None, ("ram_bytes",))


def test_the_command_prints_the_document_and_says_in_one_line_what_is_wrong(finished, folder, flat_npz, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(f'[data]\nsource = "{flat_npz}"\n[sweep]\ndevice = "rp2040"\n')
    done = CliRunner().invoke(main, ["sweep", str(path), "--latency", "5", "-o", str(tmp_path / "out")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "bad duration" in done.stderr
    done = CliRunner().invoke(main, ["sweep", str(path), "--device", "nrf52840", "-o", str(tmp_path / "out")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
