"""What a training found, as documents hold it."""

from kd_edge.distillation.results import HaltingReport
from kd_edge.stages.serialization import from_plain, to_plain

REPORT = HaltingReport("trainee", True, 2, 20, "fixed", 640, 2.0, 1000, None, None, None, 1.0, 1.0)


def test_each_figure_of_halting_that_is_unknown_has_its_reason_in_a_document():
    plain = to_plain(REPORT)
    unknown = {name for name, value in plain.items() if value is None}
    assert unknown == {"macs_saved", "seconds_spent", "seconds_saved"} == plain["unavailable_reason"].keys()
    assert plain["unavailable_reason"]["macs_saved"].endswith("MACs cannot be counted")
    assert REPORT.to_dict()["unavailable_reason"] == plain["unavailable_reason"]


def test_a_report_of_an_older_version_is_read_and_gets_its_reasons():
    plain = to_plain(REPORT)
    del plain["unavailable_reason"]
    assert from_plain(HaltingReport, plain) == REPORT == from_plain(HaltingReport, to_plain(REPORT))
