"""The whole job on a small set: every stage real, every file there, interrupted runs resumed."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig, load_config
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.cost.devices import load_device, to_toml
from kd_edge.cost.model import Cost
from kd_edge.data import dataset
from kd_edge.data.loading import load_data
from kd_edge.distillation.models import teacher_models
from kd_edge.errors import BudgetError, ConfigError, ModelError
from kd_edge.pipeline import STAGES, do_stages, run
from kd_edge.reporting import documents, run_files
from kd_edge.reporting.bundle.from_run import write_bundle
from kd_edge.reporting.documents import make_document
from kd_edge.reporting.page import html_report
from kd_edge.reporting.run_files import write_run
from kd_edge.search import weight_inheritance
from kd_edge.search.space import student_space
from kd_edge.search.weight_inheritance import inherit
from kd_edge.stages import context
from kd_edge.stages.context import RunContext
from kd_edge.stages.student import distill_student
from tflite_bench.measurement.environment import read_machine


def small_config(source):
    return RunConfig(
        DataConfig(str(source)),
        BudgetConfig("nucleo-l4r5zi", flash="12k", ram="24k", latency="15ms"),
        teacher=TeacherConfig(width=16, epochs=4, batch_size=32),
        design=DesignConfig(trials=2, epochs=2, teacher_ratio=5.0),
        distill=DistillConfig(epochs=6, batch_size=32, patience=1),
        convert=ConvertConfig(qat="never"),
    )


@pytest.fixture(scope="module")
def finished(waves_npz, tmp_path_factory):
    config = small_config(waves_npz)
    return run(config, tmp_path_factory.mktemp("runs") / "waves")


@pytest.fixture(scope="module")
def derived(waves_npz, tmp_path_factory):
    """A run whose student is derived from the teacher and all but untrained, and how often it did what is dear."""
    config = replace(
        small_config(waves_npz),
        budget=BudgetConfig("nucleo-l4r5zi", flash="64k", ram="24k"),
        teacher=TeacherConfig(width=8, epochs=1),
        design=DesignConfig("from_teacher", trials=1, epochs=1, teacher_ratio=2.0),
        distill=DistillConfig("none", epochs=1, learning_rate=1e-12),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("runs"))
        counts = count_calls(
            patch,
            (context, "load_data", "data"),
            (context, "load_device", "device"),
            (run_files, "load_device", "device"),
            (html_report, "load_device", "device"),
            (dataset, "_digest", "hashed arrays"),
            (keras.models, "load_model", "models read"),
            (teacher_models, "build_teacher", "teacher built"),
            (student_space, "find_prunable", "teacher prepared"),
            (weight_inheritance, "find_prunable", "teacher prepared"),
            (student_space.StudentSpace, "screen", "space screened"),
        )
        done = run(config, "runs/once")
        return replace(done, folder=done.folder.absolute()), Counter(counts)


def count_calls(patch, *functions):
    """Return a counter of the calls of functions, each given by its owner, its name there and what it does."""
    counts = Counter()

    def count(owner, name, what):
        function = getattr(owner, name)

        def counted(*arguments, **options):
            counts[what] += 1
            return function(*arguments, **options)

        patch.setattr(owner, name, counted)

    for owner, name, what in functions:
        count(owner, name, what)
    return counts


def repeated_by(config, folder, *, do=run):
    """Return what a run finds, or what does a part of one, and the stages that it does anew."""
    repeated = []

    def progress(stage, done, message=""):
        if done == 0.0:
            repeated.append(stage)

    return do(config, folder, progress=progress), repeated


def choose_only(config, folder, *, progress):
    """Do a run up to the choice of the student, and return what that found."""
    context = RunContext(config, folder, progress)
    do_stages(STAGES[: STAGES.index("choice") + 1], context, context.data.sha256)
    return context.results["choice"]


@pytest.fixture(scope="module")
def scores(finished, waves_npz):
    """What the models of the run answer to the test and to the validation samples, by their stages."""
    data, found = load_data(waves_npz), {}
    for stage, name in (("teacher", "teacher.keras"), ("distill", "distilled.keras"), ("baseline", "alone.keras")):
        model = keras.models.load_model(finished.folder / name)
        found[stage] = [model.predict(x, verbose=0).argmax(axis=1) for x in (data.x_test, data.x_val)]
    return data, found


@pytest.fixture(scope="module")
def in_int16(derived, tmp_path_factory):
    """The derived run again, its file now in numbers whose costs nobody knows, and the stages that this took."""
    done, _ = derived
    folder = shutil.copytree(done.folder, tmp_path_factory.mktemp("runs") / "int16")
    return repeated_by(replace(done.config, convert=ConvertConfig("int16x8")), folder)


def spoil(path):
    path.write_bytes(b"damaged")


def test_every_stage_leaves_its_result(finished):
    assert list(finished.stages) == list(STAGES)
    for name in ("teacher.keras", "distilled.keras", "alone.keras", "student.keras", "model.tflite"):
        assert (finished.folder / name).stat().st_size > 1000


def test_the_models_of_the_run_are_those_of_its_figures(finished, scores):
    data, found = scores
    for stage, (answers, _) in found.items():
        assert finished.stages[stage]["test_accuracy"] == np.mean(answers == data.y_test)
    assert finished.stages["convert"]["flash_bytes"] == (finished.folder / "model.tflite").stat().st_size


def test_the_size_of_the_file_is_predicted_with_its_metadata(finished):
    assert abs(finished.stages["verify"]["prediction_error_percent"]["flash_bytes"]) < 2


def test_teacher_student_and_baseline_are_those_of_their_best_validation_epoch(finished, scores):
    data, answers = scores
    for stage, (_, val_answers) in answers.items():
        found = finished.stages[stage]
        assert found["val_accuracy"] == max(found["history"]["val_accuracy"])
        assert np.mean(val_answers == data.y_val) == pytest.approx(found["val_accuracy"], abs=1e-6)


def test_the_student_that_is_asked_for_is_handed_on_and_nothing_is_trained_for_it(finished, scores, tmp_path):
    data, answers = scores
    distilled, alone = (np.mean(answers[stage][1] == data.y_val) for stage in ("distill", "baseline"))
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    for student, name in (("baseline", "alone.keras"), ("distilled", "distilled.keras")):
        asked = replace(finished.config, distill=replace(finished.config.distill, student=student))
        choice, repeated = repeated_by(asked, folder, do=choose_only)
        assert repeated == ["choice"]
        assert (folder / "student.keras").read_bytes() == (folder / name).read_bytes()
        assert choice.test_difference == finished.stages["baseline"]["distillation_gain"]
        gain = distilled - alone
        assert (choice.distilled_accuracy, choice.alone_accuracy) == pytest.approx((distilled, alone))
        assert choice.val_difference["difference"] == pytest.approx(gain)
        assert choice.val_difference["ci95_low"] <= gain <= choice.val_difference["ci95_high"]


def test_the_student_learns_and_quantization_keeps_it(finished):
    accuracy = finished.stages["verify"]["accuracy"]
    assert accuracy["float_keras"] > 0.6
    assert accuracy["float_tflite"] == pytest.approx(accuracy["float_keras"], abs=0.03)
    assert accuracy["int8_litert"] == pytest.approx(accuracy["float_keras"], abs=0.06)
    assert accuracy["int8_tflm"] == pytest.approx(accuracy["int8_litert"], abs=0.02)


def test_the_student_fits_and_the_prediction_holds(finished):
    verify = finished.stages["verify"]
    assert verify["measured"]["flash_bytes"] <= 12 * 1024
    assert verify["measured"]["arena_bytes"] <= 24 * 1024
    assert verify["measured"]["flash_bytes"] == pytest.approx(verify["predicted"]["flash_bytes"], rel=0.1)
    assert verify["measured"]["arena_bytes"] == pytest.approx(verify["predicted_host_arena_bytes"], rel=0.02)
    assert verify["gates"]["flash_bytes"]["passed"]
    assert verify["gates"]["ram_bytes"]["passed"]


def test_the_search_counts_what_the_file_will_say_of_itself(finished):
    expected = finished.stages["design"]["chosen"]["cost"]["flash_bytes"]
    assert finished.stages["convert"]["metadata_bytes"] > 512
    assert finished.stages["verify"]["measured"]["flash_bytes"] == pytest.approx(expected, abs=512)


def test_no_candidate_exceeds_the_budget_or_the_share_of_the_teacher(finished):
    design = finished.stages["design"]
    assert len(design["candidates"]) == 2
    for candidate in design["candidates"]:
        assert candidate["cost"]["flash_bytes"] <= 12 * 1024
        assert candidate["cost"]["arena_bytes"] <= 24 * 1024
        assert candidate["cost"]["latency_ms"] <= 15
        assert candidate["cost"]["macs"] <= finished.stages["teacher"]["macs"] / 5
    assert design["chosen"]["accuracy"] == max(c["accuracy"] for c in design["candidates"])


def test_a_student_derived_from_the_teacher_starts_from_its_weights(derived):
    done, _ = derived
    assert done.stages["design"]["space"] == "from_teacher"
    teacher = keras.models.load_model(done.folder / "teacher.keras", compile=False)
    start = inherit(teacher, done.stages["design"]["chosen"]["values"])
    student = keras.models.load_model(done.folder / "student.keras", compile=False)
    for variable, inherited in zip(student.trainable_variables, start.trainable_variables, strict=True):
        np.testing.assert_allclose(variable, inherited, atol=1e-8)


def test_the_baseline_is_the_same_student_for_the_same_epochs(finished):
    baseline, distill = finished.stages["baseline"], finished.stages["distill"]
    assert baseline["params"] == distill["params"]
    assert len(baseline["history"]["loss"]) == len(distill["history"]["student_loss"]) == 6
    gain = baseline["distillation_gain"]
    assert gain["difference"] == pytest.approx(distill["test_accuracy"] - baseline["test_accuracy"])


def test_the_halting_of_the_trainee_is_reported(finished):
    guides = {report["guide"]: report for report in finished.stages["distill"]["halting"]}
    assert set(guides) == {"teacher", "trainee"}
    assert guides["trainee"]["macs_spent"] > 0


def test_a_finished_run_says_where_its_data_are_now(finished, tmp_path, waves_npz):
    folder, said = shutil.copytree(finished.folder, tmp_path / "run"), []
    (tmp_path / "moved").mkdir()
    moved = shutil.copy(waves_npz, tmp_path / "moved")
    config = replace(finished.config, data=DataConfig(str(moved)))
    run(config, folder, progress=lambda stage, done, message="": said.append(message))
    assert said == ["done before"] * len(STAGES)
    assert json.loads((folder / "config.json").read_text())["data"]["source"] == str(moved)


def test_a_finished_run_is_not_done_again(finished):
    said = []
    before = (finished.folder / "student.keras").stat().st_mtime_ns
    again = run(finished.config, finished.folder, progress=lambda stage, done, message="": said.append(message))
    assert said == ["done before"] * len(STAGES)
    assert (finished.folder / "student.keras").stat().st_mtime_ns == before
    assert json.dumps(again.stages) == json.dumps(finished.stages)


def test_a_change_repeats_its_stage_and_what_follows_only(in_int16):
    assert in_int16[1] == ["convert", "verify", "bench"]


@pytest.mark.parametrize(
    ("name", "damage", "made_again"),
    [
        ("model.tflite", Path.unlink, "convert"),
        ("student.keras", Path.unlink, "choice"),
        ("student.keras", spoil, "choice"),
        ("distilled.keras", spoil, "distill"),
        ("alone.keras", Path.unlink, "baseline"),
        ("teacher.keras", spoil, "teacher"),
        ("search", shutil.rmtree, "design"),
    ],
)
def test_what_is_gone_or_damaged_is_made_again_as_it_was_and_nothing_else(finished, tmp_path, name, damage, made_again):
    """The same seed gives the same: what follows is not done again since it would come out as it did."""
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    damage(folder / name)
    again, repeated = repeated_by(finished.config, folder)
    assert repeated == [made_again]
    for figures in ("history", "test_accuracy", "candidates", "flash_bytes"):
        assert again.stages[made_again].get(figures) == finished.stages[made_again].get(figures)
    assert again.stages["verify"] == finished.stages["verify"]
    assert (folder / "model.tflite").read_bytes() == (finished.folder / "model.tflite").read_bytes()
    assert (folder / name).stat().st_size == pytest.approx((finished.folder / name).stat().st_size, rel=0.01)


def test_what_another_machine_has_measured_is_measured_anew(finished, tmp_path, monkeypatch):
    """The results name one machine, that of the benchmark; how busy it is makes no other one of it."""
    folder, here = shutil.copytree(finished.folder, tmp_path / "run"), read_machine()
    monkeypatch.setattr(documents, "read_machine", lambda: replace(here, load_average=99.0))
    assert repeated_by(finished.config, folder)[1] == []
    monkeypatch.setattr(documents, "read_machine", lambda: replace(here, cpu="another"))
    assert first_repeated(finished.config, folder) == "verify"
    assert first_repeated(finished.config, folder, but=("verify",)) == "bench"


def test_the_users_own_configuration_in_the_folder_of_the_run_stays_as_it_is(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    text = "# Mine.\n" + (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text)
    run(load_config(folder / "config.toml"), folder)
    assert (folder / "config.toml").read_text() == text


def test_a_finished_run_is_told_without_loading_a_framework(finished, waves_npz, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    code = (
        "import sys; from kd_edge.cli import main\n"
        f"try: main(['run', {str(folder / 'config.toml')!r}, '-o', {str(folder)!r}])\n"
        "except SystemExit as done: print(done.code, *({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ("0" if finished.passed else "1")
    assert done.stdout.startswith("waves on nucleo-l4r5zi: ")


def test_a_run_loads_and_prepares_everything_once(derived):
    done, counts = derived
    once = ("data", "device", "teacher built", "teacher prepared", "space screened")
    assert counts == dict.fromkeys(once, 1) | {"hashed arrays": 6, "models read": 1}
    assert done.results.distill.from_search
    assert [report.guide for report in done.results.distill.halting] == ["teacher"]


def test_a_guide_leaves_after_the_epochs_that_the_configuration_says(waves_npz):
    data, wanted = load_data(waves_npz), DistillConfig(epochs=3, rule="epoch", start_from_epoch=2)

    def network():
        return keras.Sequential([keras.Input((32, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])

    found = distill_student(network(), data, wanted, teacher=network()).result
    assert {report.guide: report.epoch for report in found.halting} == {"teacher": None, "trainee": 2}


class StartedError(Exception):
    """The name of the first stage that a run does anew."""


def first_repeated(config, folder, *, but=()):
    """Return the first stage that a run does anew, beside those in `but`; it ends there."""

    def progress(stage, done, message=""):
        if done == 0.0 and stage not in but:
            raise StartedError(stage)

    with pytest.raises(StartedError) as caught:
        run(config, folder, progress=progress)
    return str(caught.value)


def test_a_device_that_was_calibrated_anew_under_its_name_is_searched_for_anew(finished, tmp_path, monkeypatch):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    board = load_device("nucleo-l4r5zi")
    monkeypatch.setenv("KD_EDGE_DEVICES", str(tmp_path))
    (tmp_path / "nucleo-l4r5zi.toml").write_text(to_toml(replace(board, clock_mhz=2 * board.clock_mhz)))
    assert first_repeated(finished.config, folder) == "design"


def test_a_teacher_that_was_trained_anew_under_its_path_is_read_anew(finished, tmp_path):
    path = Path(shutil.copy(finished.folder / "teacher.keras", tmp_path))
    config = replace(finished.config, teacher=TeacherConfig(path=str(path)))
    assert first_repeated(config, tmp_path / "run", but=("data", "teacher")) == "design"
    assert first_repeated(config, tmp_path / "run") == "design"
    teacher = keras.models.load_model(path, compile=False)
    teacher.set_weights([2 * weights for weights in teacher.get_weights()])
    teacher.save(path)
    assert first_repeated(config, tmp_path / "run") == "teacher"


def test_a_teacher_that_is_done_is_the_trained_one_also_where_the_data_are_read_anew(finished, tmp_path):
    folder, said = shutil.copytree(finished.folder, tmp_path / "run"), []
    (folder / "stages" / "data.json").unlink()
    own = RunContext(finished.config, folder, lambda stage, done, message="": said.append((stage, message)))
    do_stages(("data", "teacher"), own, own.data.sha256)
    assert ("teacher", "done before") in said
    assert ("data", "done before") not in said
    trained = keras.models.load_model(folder / "teacher.keras", compile=False).get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(own.teacher.get_weights(), trained, strict=True))


def test_classes_that_were_named_anew_are_read_anew(finished, waves_npz, tmp_path):
    source, arrays = tmp_path / "waves.npz", dict(np.load(waves_npz))
    config = replace(finished.config, data=DataConfig(str(source)))
    np.savez(source, **arrays)
    assert first_repeated(config, tmp_path / "run", but=("data",)) == "teacher"
    assert first_repeated(config, tmp_path / "run") == "teacher"
    np.savez(source, **arrays | {"class_names": arrays["class_names"][::-1]})
    assert first_repeated(config, tmp_path / "run") == "data"


def test_the_written_results_follow_the_schema_and_name_the_origin_of_every_figure(finished, check_document):
    document = write_run(finished)
    assert json.loads((finished.folder / "results.json").read_text()) == document
    check_document(document)
    kinds = document["provenance"]
    assert kinds["verify.measured.flash_bytes"] == "measured"
    assert kinds["verify.predicted.flash_bytes"] == "computed"
    assert kinds["verify.predicted.latency_ms"] == "computed"  # nobody measured this board with its runtime
    assert kinds["design.candidates[].cost.arena_bytes"] == "computed"
    assert kinds["design.candidates[].accuracy"] == "measured"
    assert kinds["design.budget.ram_bytes"] == "given"
    assert kinds["halting[].macs_spent"] == "computed"
    assert kinds["halting[].num_samples"] == "measured"
    assert kinds["bench.latency.median_ms"] == "measured"
    summary = (finished.folder / "summary.txt").read_text()
    assert "without a teacher" in summary
    assert max(map(len, summary.splitlines())) <= 110
    assert load_config(finished.folder / "config.toml") == finished.config


@dataclass(frozen=True)
class Prediction:
    predicted: Cost


def test_a_latency_from_a_datasheet_is_computed_and_not_calibrated():
    result = Prediction(Cost(1, 2, 3, 4, 5, 6, 7, 1.0, 0.5, 2.0))
    measured, datasheet = load_device("nucleo-l4r5zi-tflm"), load_device("pixel-3a")
    assert make_document("verify", result, device=measured)["provenance"]["predicted.latency_ms"] == "calibrated"
    assert make_document("verify", result, device=datasheet)["provenance"]["predicted.latency_ms"] == "computed"


def test_a_finished_run_can_be_bundled(finished, tmp_path):
    bundle = write_bundle(finished.folder, tmp_path)
    assert bundle.passed == finished.passed
    assert (tmp_path / "model.tflite").read_bytes() == (finished.folder / "model.tflite").read_bytes()
    assert load_config(tmp_path / "config.toml") == finished.config


def test_a_budget_that_nothing_meets_ends_before_anything_is_trained(finished, tmp_path):
    config = replace(finished.config, budget=BudgetConfig("nucleo-l4r5zi", flash=500))
    with pytest.raises(BudgetError, match=r"flash: the smallest candidate needs [\d,]+ B, 500 B allowed"):
        run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_latency_that_could_not_be_checked_ends_the_run_before_anything_is_trained(waves_npz, tmp_path):
    config = replace(small_config(waves_npz), convert=ConvertConfig("int16x8"))
    with pytest.raises(ConfigError, match=r"no latency on nucleo-l4r5zi: .* received 'int16x8'; .* a table \[int16\]"):
        run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_numbers_without_costs_ends_without_a_latency_and_says_so(in_int16, check_document):
    folder = in_int16[0].folder
    document = json.loads((folder / "results.json").read_text())
    check_document(document)
    verify = document["result"]["verify"]
    assert (verify["precision"], verify["predicted"]["latency_ms"]) == ("int16x8", None)
    assert "verify.predicted.latency_ms" not in document["provenance"]
    assert "latency unknown: no latency on nucleo-l4r5zi" in (folder / "summary.txt").read_text()
    page = (folder / "report.html").read_text()
    assert "Latency unknown: no latency on nucleo-l4r5zi" in page
    assert 'id="plot-memory"' in page
    assert 'id="plot-latency"' not in page


def test_an_augmentation_of_other_samples_ends_the_run_before_anything_is_trained(waves_npz, tmp_path):
    config = replace(small_config(waves_npz), distill=DistillConfig(augment="imu"))
    with pytest.raises(ConfigError, match=r"reads samples of shape \(time, 6\), received \(32, 3\)"):
        run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_teacher_that_does_not_belong_to_the_data_is_named(waves_npz, finished, tmp_path):
    def teacher(shape, classes):
        model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)])
        path = tmp_path / f"{classes}.keras"
        model.save(path)
        return replace(finished.config, teacher=TeacherConfig(path=str(path)))

    with pytest.raises(ModelError, match=r"expected samples of shape \(32, 3\), received \(16, 3\)"):
        run(teacher((16, 3), 4), tmp_path / "a")
    with pytest.raises(ModelError, match="expected 4 classes, received 5 outputs"):
        run(teacher((32, 3), 5), tmp_path / "b")
    with pytest.raises(ModelError, match=r"found nothing at .*none.keras"):
        run(replace(finished.config, teacher=TeacherConfig(path="none.keras")), tmp_path / "c")
