"""The specifications of single charts."""

import re

import pytest
import vl_convert

from kd_edge.reporting.page.answer_charts import answer_charts
from kd_edge.reporting.page.charts.chart import Chart
from kd_edge.reporting.page.charts.curves import curve_chart
from kd_edge.reporting.page.charts.front import FrontPoint, front_chart
from kd_edge.reporting.page.charts.runtime import chart_data
from kd_edge.reporting.page.run_charts import training_chart, training_rows


def test_scores_that_are_all_the_same_are_labelled_by_their_digits_and_not_rounded_to_0_or_1():
    front = front_chart([FrontPoint("a", "run", 3.0, 0.333)], x_title="latency (ms)", y_title="accuracy")
    curves = curve_chart({"student": [0.947, 0.947]}, title="accuracy")
    for chart in (front, curves):
        for layer in chart["layer"]:
            assert layer["encoding"]["y"]["axis"] == {"format": ".4~g"}


def test_a_label_without_samples_or_that_is_never_named_has_no_share():
    labels = [
        {"name": "rain", "support": 4, "recall": 0.5, "precision": 1.0},
        {"name": "hail", "support": 0, "recall": None, "precision": None},
    ]
    (chart,) = answer_charts({"task": "multilabel", "task_metrics": {"labels": labels}}, ())
    texts = [bar["text"] for bar in chart.spec["data"]["values"]]
    assert texts == ["0.500", "1.000", "no sample has it", "never named"]


def test_two_charts_of_one_name_are_refused():
    charts = [Chart(name, {}, "") for name in ("cost", "memory", "cost")]
    with pytest.raises(ValueError, match=r"expected a name of each its own, received .'cost', 'memory', 'cost'"):
        chart_data(charts)


def test_a_curve_has_a_gap_where_a_figure_is_not_finite_and_the_table_the_known_ones():
    curves = {"broken": [0.2, None, 0.5, 0.25, None], "whole": [0.1, 0.2, 0.3, 0.4, 0.5], "never": [None, None]}
    assert training_rows(curves).rows == [
        ("broken", "5", "0.500", "0.250"),
        ("whole", "5", "0.500", "0.500"),
        ("never", "2", "not finite", "not finite"),
    ]
    drawn = vl_convert.vegalite_to_svg(curve_chart(curves, title="accuracy") | {"width": 300})
    lines = [path for path in re.findall(r'd="(M[^"]*)" stroke="', drawn) if "L" in path]
    assert sorted(path.count("M") for path in lines) == [1, 2]


def test_the_chart_of_a_training_knows_figures_that_are_not_finite():
    baseline = {"history": {"val_accuracy": [None, 0.5]}}
    chart = training_chart({"guided": False, "halting": []}, baseline)
    assert chart.figures.rows == [("student, without a teacher", "2", "0.500", "0.500")]
