"""The specifications of single charts."""

from kd_edge.reporting.page.answer_charts import answer_charts
from kd_edge.reporting.page.charts.curves import curve_chart
from kd_edge.reporting.page.charts.front import FrontPoint, front_chart


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
