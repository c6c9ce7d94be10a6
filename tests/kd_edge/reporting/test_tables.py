"""What the commands print."""

import io
import re
import sys

import pytest
from rich.console import Console

from kd_edge.reporting.rows.board import board_rows
from kd_edge.reporting.rows.checks import Rows, noise_rows, share_text
from kd_edge.reporting.rows.checks import interval_text as share_interval_text
from kd_edge.reporting.rows.sweep import cell_rows
from kd_edge.reporting.sentences.conversion import convert_lines
from kd_edge.reporting.sentences.formatting import (
    counted,
    decimal_text,
    figure,
    interval_text,
    latency_text,
    short_size,
    significant,
)
from kd_edge.reporting.sentences.halting import halting_lines
from kd_edge.reporting.sentences.parity import parity_lines
from kd_edge.reporting.sentences.teaching import choice_line, gain_lines, race_line
from kd_edge.reporting.tables.console import as_text, drawn, show, titled_table
from kd_edge.reporting.tables.cost import _op_table
from kd_edge.reporting.tables.installation import installation_tables
from kd_edge.reporting.tables.markdown import verify_markdown

STAYED = {
    "guide": "teacher",
    "halted": False,
    "macs_spent": 2_500_000_000,
    "seconds_spent": None,
    "data_passes": 4.0,
}
LEFT = {
    "guide": "trainee",
    "halted": True,
    "epoch": 2,
    "reason": "fixed after 2 epochs",
    "macs_spent": 1_000_000_000,
    "seconds_spent": 3.0,
    "data_passes": 2.0,
    "macs_saved": None,
    "seconds_saved": 3.0,
    "megabytes_saved": 1.25,
}


def test_the_lines_on_halting_say_what_each_guide_cost_and_what_was_saved():
    assert list(halting_lines([STAYED, LEFT])) == [
        "the teacher stayed to the end and cost 2.5 G MACs (computed) in 4 passes over the data",
        "the trainee was halted after epoch 2 (fixed after 2 epochs): it cost 1.0 G MACs (computed) and 3 s "
        "(estimated) in 2 passes over the data; halting it saved 3 s (estimated) and 1.2 MB of memory",
    ]


def test_a_teacher_whose_outputs_were_stored_cost_nothing_in_the_training():
    stored = {"guide": "teacher", "halted": False, "data_passes": 8.0, "macs_spent": 0, "seconds_spent": None}
    assert list(halting_lines([stored])) == [
        "the teacher was asked before the training, in 8 passes over the data, and cost nothing in it"
    ]


@pytest.mark.parametrize(
    ("passes", "macs", "text"),
    [
        (1.0, 40_000_000, "cost 40.0 M MACs (computed) in 1 pass over the data"),
        (0.5, 3_000, "cost 3.0 k MACs (computed) in 0.5 passes over the data"),
        (2.0, 999_999_999, "cost 1.0 G MACs (computed) in 2 passes over the data"),
    ],
)
def test_one_pass_is_no_passes_and_few_macs_are_not_rounded_to_none(passes, macs, text):
    (line,) = halting_lines([STAYED | {"data_passes": passes, "macs_spent": macs}])
    assert line == f"the teacher stayed to the end and {text}"


@pytest.mark.parametrize(
    ("int8", "tuned", "line"),
    [
        (0.902, None, "int8 gains 0.2 points on the validation samples"),
        (0.890, None, "int8 costs 1 point on the validation samples"),
        (0.9001, None, "int8 costs nothing on the validation samples"),
        (
            0.880,
            0.895,
            "int8 costs 2 points on the validation samples; after quantization-aware training it costs 0.5 points "
            "(taken, 3 s)",
        ),
    ],
)
def test_what_int8_gains_is_no_negative_cost(int8, tuned, line):
    tuning = {"float_accuracy": 0.9, "int8_accuracy": int8, "tuned_accuracy": tuned, "used": True, "seconds": 3.0}
    result = {"qat": tuning, "warnings": [], "missing_ops": []}
    assert list(convert_lines(result)) == [line]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (89_736, "89,736"),
        (1_900_543, "1,900,543"),
        (1.0, "1"),
        (0.02, "0.02"),
        (14.98765, "14.99"),
        (12_345.6, "12,346"),
        (999.96, "1,000"),
        (-0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_figures_of_checks_have_no_powers_of_ten(value, text):
    assert figure(value) == text


def test_the_line_on_parity_says_whether_an_op_differs_at_all_or_by_more_than_one_step():
    parity = {"verdict": "diverged", "num_identical": 1, "num_samples": 2, "max_difference": 3.0, "agreement": 1.0}
    one = {"sample": 1, "index": 2, "op": "CONV_2D", "layer": "a", "max_difference": 1.0}
    three = {"sample": 1, "index": 5, "op": "ADD", "layer": "b", "max_difference": 3.0}
    lines = [
        list(parity_lines({"parity": parity | {"first_difference": one, "first_divergence": divergence}}))[1]
        for divergence in (None, three)
    ]
    assert lines == [
        "on the worst sample, number 1, they first differ in op 2 (CONV_2D, layer 'a'), by 1 step",
        "on the worst sample, number 1, they first differ by more than one step in op 5 (ADD, layer 'b'), by 3 steps",
    ]


def test_the_time_beside_the_ops_has_a_row_so_that_the_rows_add_up():
    op = {"index": 0, "op": "CONV_2D", "macs": 10, "live_bytes": 5, "peak": True, "latency_ms": 1.0}
    op |= {"layer": "conv", "output_shape": (1, 4, 4, 8)}
    sizes = {"ops": [op], "macs": 10, "arena_persistent_bytes": 1284, "quality": "measured"}
    table = _op_table(sizes | {"latency_ms": 1.25})
    assert list(table.columns[1].cells) == ["CONV_2D", "kept throughout", "beside the ops", "all"]
    assert list(table.columns[7].cells) == ["80%", "", "20%", ""]
    assert [next(iter(table.columns[i].cells)) for i in (2, 3)] == ["conv", "1x4x4x8"]
    assert list(table.columns[5].cells)[1].strip() == "1,284"
    without = _op_table(sizes | {"latency_ms": 1.0})
    assert list(without.columns[1].cells) == ["CONV_2D", "kept throughout", "all"]


def test_how_far_a_number_is_from_none_does_not_fill_the_table():
    assert figure(sys.float_info.max) == "1.798e+308"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        # Within 70 % either way two digits are known, within 5 % three.
        (148.164, 148.164 / 1.7, 148.164 * 1.7, "150 (87 to 250)"),
        (12.345, 12.345 / 1.05, 12.345 * 1.05, "12.3 (11.8 to 13.0)"),
        (0.19834, 0.09, 0.4, "0.20 (0.090 to 0.40)"),
        (0.000912, 0.0005, 0.002, "0.00091 (0.00050 to 0.0020)"),
        (9.96, 5.0, 20.0, "10 (5.0 to 20)"),
        (12345.0, 6000.0, 24000.0, "12,000 (6,000 to 24,000)"),
    ],
)
def test_a_figure_has_the_digits_that_its_interval_supports(value, low, high, text):
    assert interval_text(value, low, high) == text


def test_the_unit_of_a_latency_stands_behind_the_estimate_and_on_request_behind_the_interval():
    cost = {"latency_ms": 148.164, "latency_low_ms": 87.2, "latency_high_ms": 251.9}
    assert latency_text(cost) == "150 ms (87 to 250)"
    assert latency_text(cost, unit=" ms") == "150 ms (87 to 250 ms)"
    assert latency_text(dict.fromkeys(cost)) == "unknown"


@pytest.mark.parametrize(("size", "text"), [(1536, "1.5k"), (-3000, "-2.9k"), (5 * 2**20, "5.0M"), (1024, "1.0k")])
def test_what_is_left_is_short(size, text):
    assert short_size(size) == text


@pytest.mark.parametrize(("size", "text"), [(1, "1 B"), (-300, "-300 B"), (0, "0 B"), (1023, "1,023 B")])
def test_what_is_less_than_a_kibibyte_is_told_in_bytes(size, text):
    assert short_size(size) == text


@pytest.mark.parametrize("value", [0.0, -0.0])
def test_zero_has_one_digit(value):
    assert significant(value) == "0"


@pytest.mark.parametrize(
    ("value", "text"), [(15.0, "15"), (15.1234567, "15.1234567"), (1e6, "1000000"), (1e-5, "0.00001"), (3, "3")]
)
def test_a_number_that_is_read_back_has_all_digits_and_no_power_of_ten(value, text):
    assert decimal_text(value) == text
    assert float(text) == value


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1 pass"), (0.5, "0.5 passes"), (99.96, "100 passes"), (999.7, "1,000 passes"), (1234, "1,234 passes")],
)
def test_a_number_is_written_out_whatever_its_size(number, text):
    assert counted(number, "pass", "passes") == text


def test_an_op_without_signal_is_not_called_one_without_noise():
    op = {"index": 0, "op": "CONV_2D", "layer": "conv", "signal_to_noise_db": None}
    why = {"unavailable_reason": {"signal_to_noise_db": "no signal: all are 0 in float"}}
    found = noise_rows([op | why, op, op | {"signal_to_noise_db": 31.26}])
    assert [row[-1] for row in found.rows] == ["no signal: all are 0 in float", "no noise or no signal", "31.3 dB"]


def test_an_interval_without_an_end_says_so():
    assert share_interval_text({"ci95_low": None, "ci95_high": 1.0, "num_groups": 1}) == "unknown to 1.000, 1 group"


def test_a_board_with_too_few_runs_has_no_interval():
    board = {"device": dict.fromkeys(("board", "core", "clock_mhz", "runtime"), "x"), "num_samples": 1, "accuracy": 1.0}
    board |= {"num_identical": 1, "max_difference": 0, "arena_bytes": 9, "predicted_arena_bytes": 9}
    board |= {"arena_error_percent": 0.0, "latency_ms": 2.0, "latency_low_ms": None, "latency_high_ms": None}
    board |= {"energy_mj": 0.5, "energy_low_mj": None, "energy_high_mj": None}
    rows = {name: cells for name, *cells in board_rows(board).rows}
    assert rows["latency"] == ["2 ms", "95 % interval unknown, too few runs"]
    assert rows["energy (computed)"] == ["0.5 mJ", "unknown, too few runs: that time, the profile's power"]


def test_the_line_on_the_choice_shows_both_differences_and_whose_decision_it_was():
    choice = {"shipped": "alone", "preferred": "alone", "asked": "best"}
    choice |= {"distilled_accuracy": 0.963, "alone_accuracy": 0.987}
    choice["val_difference"] = {"difference": -0.024, "ci95_low": -0.045, "ci95_high": -0.003}
    choice["test_difference"] = {"difference": -0.033, "ci95_low": -0.06, "ci95_high": -0.01}
    figures = (
        "validation accuracy 0.963 distilled, 0.987 without a teacher (measured); distillation gave -2.4 points on the "
        "validation samples (95 % interval -4.5 to -0.3), -3.3 points on the test samples (95 % interval -6.0 to -1.0)"
    )
    assert choice_line(choice) == f"the student without a teacher is handed on: {figures}"
    asked = choice_line(choice | {"shipped": "distilled", "asked": "distilled"})
    assert asked == (
        "the distilled student is handed on, as asked; the validation samples prefer the student without a teacher: "
        f"{figures}"
    )


LITTLE = {"difference": -0.0003, "ci95_low": -0.0004, "ci95_high": 0.0003}


def test_what_is_rounded_to_nothing_has_no_minus():
    choice = {"shipped": "alone", "distilled_accuracy": -0.0001, "alone_accuracy": -0.0002, "val_difference": LITTLE}
    choice |= {"objective": "macro_f1", "distilled_score": -0.0001, "alone_score": -0.0002}
    race = {"verdict": "no_difference", "difference": LITTLE, "epochs": 2, "seconds": 1.0}
    interval = {"ci95_low": -0.0004, "ci95_high": -0.0001}
    board = {"device": dict.fromkeys(("board", "core", "clock_mhz", "runtime"), "x"), "num_samples": 1}
    board |= {"num_identical": 1, "max_difference": 0, "arena_bytes": 9, "predicted_arena_bytes": 9}
    board |= {"accuracy": -0.0001, "arena_error_percent": -0.01, "latency_ms": None, "instructions": 5}
    noise = {"index": 0, "op": "ADD", "layer": "a", "signal_to_noise_db": -0.01}
    texts = [choice_line(choice), race_line(race), *gain_lines(LITTLE, 10), share_text(-0.0002)]
    texts += [share_interval_text(interval), *(text for row in board_rows(board).rows for text in row)]
    texts += [noise_rows([noise]).rows[0][-1], *sweep_row(accuracy=-0.0002, accuracy_ci95=interval)]
    assert [text for text in texts if re.search(r"(?<!\d)-0(\.0+)?(?![.\d])", text)] == []
    assert "distillation gave +0.0 points on the validation samples (95 % interval +0.0 to +0.0)" in choice_line(choice)


@pytest.mark.parametrize(
    ("ends", "limit", "text"),
    [
        ((0.706, 0.469, 1.062), None, "0.71 ms (0.47 to 1.1)"),
        ((0.706, 0.469, 1.062), 1.08, "0.706 ms (0.469 to 1.06)"),
        ((3.3, 1.65, 6.604), 6.6, "3.300 ms (1.650 to 6.604)"),
        ((3.3, 1.65, 6.6), 6.6, "3.3 ms (1.6 to 6.6)"),
    ],
)
def test_a_figure_is_written_on_the_side_of_its_limit_that_it_is_on(ends, limit, text):
    cost = dict(zip(("latency_ms", "latency_low_ms", "latency_high_ms"), ends, strict=True))
    assert latency_text(cost, limit=limit) == text
    assert latency_text(dict.fromkeys(cost), limit=limit) == "unknown"


def test_a_size_is_written_on_the_side_of_its_limit_that_it_is_on():
    assert (short_size(20_352), short_size(20_352, limit=20_377)) == ("20k", "19.88k")
    assert (short_size(65_536, limit=65_536), short_size(65_537, limit=65_536)) == ("64k", "64.001k")
    cell = {"accuracy": 0.9, "accuracy_ci95": None, "flash_bytes": 20_352}
    budget = {"flash_bytes": 20_377, "ram_bytes": 5000, "latency_ms": None}
    assert (sweep_row(**cell)[6], sweep_row(**cell, budget=budget)[6]) == ("20k", "19.88k")


@pytest.mark.parametrize(
    ("low", "high", "text"), [(0.0002, 0.0206, "+0.02 to +2.06"), (-0.0002, 0.0206, "+0.0 to +2.1")]
)
def test_an_interval_that_proves_something_does_not_read_as_if_it_held_zero(low, high, text):
    difference = {"difference": 0.0104, "ci95_low": low, "ci95_high": high}
    race = {"verdict": "helps", "difference": difference, "epochs": 2, "seconds": 1.0}
    assert f"(95 % interval {text})" in race_line(race)


def sweep_row(**changes):
    """The line of a cell that has a student."""
    board = {"quality": "measured", "name": "n", "core": "c", "error_percent": 5}
    cell = {"metric": "skill", "student": "s", "device": "n", "name": "n-8k", "binds": [], "infeasible": None}
    cell |= {"verdict": "holds", "teacher": None, "latency_ms": None, "ram_bytes": 5000, "flash_bytes": 6000}
    return cell_rows(board, [cell | changes]).rows[0]


def test_the_line_on_the_choice_shows_the_scores_that_decided_where_they_are_no_accuracies():
    choice = {"shipped": "alone", "preferred": "alone", "asked": "best", "objective": "macro_f1"}
    choice |= {"distilled_accuracy": 0.95, "alone_accuracy": 0.9, "distilled_score": 0.61, "alone_score": 0.74}
    accuracies = "validation accuracy 0.950 distilled, 0.900 without a teacher (measured)"
    assert choice_line(choice) == (
        "the student without a teacher is handed on: validation macro f1 0.610 distilled, 0.740 without a teacher, "
        f"which decides where nothing is asked for; {accuracies}"
    )
    assert choice_line(choice | {"objective": "accuracy"}).endswith(f"handed on: {accuracies}")


NAMES = ("rate [l/min]", "rate [/min]", "fan [on]", ":cat:", "[bold]")


def named(title="in [m/s]"):
    titled = titled_table(title, *NAMES)
    titled.add_row(*NAMES)
    return [drawn(Rows(title, ("", *NAMES), [(name, *NAMES) for name in NAMES])), titled, *NAMES]


def test_names_are_printed_as_they_are_whatever_rich_would_make_of_them(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    show(named())
    said = capsys.readouterr().out
    assert [said.count(name) for name in NAMES] == [1 + 5 + 1 + 2 + 1] * 5
    assert said.count("in [m/s]") == 2


def test_columns_of_none_count_as_unknown(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    show(named())
    assert "rate [l/min]" in capsys.readouterr().out


def test_the_text_of_a_file_has_neither_colours_nor_spaces_at_ends_of_lines(monkeypatch):
    plain = as_text(named(), width=200)
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = as_text(named(), width=200)
    assert text == plain
    assert "\x1b[" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    colored = Console(file=io.StringIO(), width=200)
    colored.print(titled_table("t", "a"))
    assert "\x1b[" in colored.file.getvalue()


def test_the_command_that_installs_an_extra_is_readable_and_its_title_is_no_markup():
    package = {"extra": "report", "needed_for": "pages [of runs]", "name": "jinja2", "installed": None}
    result = {"packages": [package | {"fits": False, "expected": ">=3"}], "runners": [], "own_devices": []}
    said = as_text(installation_tables(result))
    assert "pip install 'kd-edge[report]'" in said
    assert "pages [of runs]" in said


@pytest.mark.parametrize(
    ("metric", "title"),
    [("accuracy", "right"), ("label_accuracy", "labels right"), ("skill", "skill"), ("score", "score")],
)
def test_the_column_of_a_sweep_is_called_as_its_task_is_measured(metric, title):
    board = {"quality": "measured", "name": "n", "core": "c", "error_percent": 5}
    cell = {"metric": metric, "student": None, "device": "n", "name": "n-8k", "binds": [], "infeasible": None}
    assert cell_rows(board, [cell | {"verdict": "infeasible"}]).header[1] == title


@pytest.mark.parametrize(
    ("task", "same"),
    [("multiclass", "same class"), ("multilabel", "same labels"), ("several", "same decisions")],
)
def test_the_line_on_parity_names_what_is_the_same_of_the_task(task, same):
    parity = {"verdict": "identical", "num_identical": 2, "num_samples": 2, "max_difference": 0.0, "agreement": 1.0}
    parity |= {"first_difference": None, "first_divergence": None}
    (line,) = parity_lines({"parity": parity, "task": task})
    assert line.endswith(f", {same} in 100.0%")


@pytest.mark.parametrize(
    ("agreement", "percent"), [(1.0, "100.0%"), (0.9998, "99.98%"), (0.5, "50.0%"), (1 - 1e-9, "99.9999999%")]
)
def test_all_is_said_of_all_alone(agreement, percent):
    parity = {"verdict": "identical", "num_identical": 2, "num_samples": 2, "max_difference": 0.0}
    parity |= {"agreement": agreement, "first_difference": None, "first_divergence": None}
    (line,) = parity_lines({"parity": parity})
    assert line.endswith(f", same class in {percent}")


def test_the_summary_in_markdown_names_the_checks_as_the_task_is_measured():
    gate = {"passed": True, "measured": 0.01, "limit": 0.02, "low": 0.0, "high": 0.015, "reason": ""}
    gates = dict.fromkeys(("flash_bytes", "ram_bytes", "latency_ms", "accuracy_loss"), gate)
    sizes = {"flash_bytes": 1, "arena_bytes": 1, "arena_minimum_bytes": 1, "latency_ms": None}
    result = {"device": "d", "verdict": "holds", "gates": gates, "predicted": sizes, "measured": sizes}
    result |= {"predicted_host_arena_bytes": 1, "prediction_error_percent": {}, "ram_bytes": 1}
    result |= {"budget": {"flash_bytes": 9, "ram_bytes": 9, "latency_ms": None}}
    assert "| skill lost against float | 0.010 " in verify_markdown(result | {"accuracy": {"metric": "skill"}})
    assert "| share of samples lost against float | 0.010 " in verify_markdown(result | {"accuracy": {}})
