"""How much a teacher's outputs tell beyond the label, against arithmetic by hand."""

import numpy as np
import pytest

from kd_edge.distillation.targets.information import TeacherInformation, teacher_information
from kd_edge.errors import DataError
from tflite_bench.provenance import provenance_of


def test_the_figures_are_those_of_arithmetic_by_hand():
    # Label 0: (1/2, 1/2) and (1, 0), mean (3/4, 1/4). Label 1: one sample, which is its own mean.
    probabilities = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    found = teacher_information(np.log(np.maximum(probabilities, 1e-30)) + 7, np.array([0, 0, 1]))
    first = 0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25)
    second = np.log2(1 / 0.75)
    assert found.bits_beyond_label == pytest.approx((first + second + 0) / 3, rel=1e-9)
    last = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert found.entropy_bits == pytest.approx((1 + 0 + last) / 3, rel=1e-9)
    assert (found.num_samples, found.accuracy) == (3, 1.0)  # of equal logits the first


def test_outputs_that_only_say_the_label_carry_nothing():
    labels = np.arange(12) % 3
    found = teacher_information(50 * np.eye(3)[labels], labels)
    assert (found.accuracy, found.bits_beyond_label) == (1.0, 0.0)
    assert found.entropy_bits < 1e-12
    assert found.learnt_by_heart
    assert found.sentence == (
        "the teacher's outputs carry 0.000 bits beyond the label (training accuracy 1.000, entropy 0.000 bits): it has "
        "learnt its samples by heart; cross-fitting gives targets from teachers that have not seen the sample"
    )


def test_smoothed_labels_have_entropy_and_still_carry_nothing():
    labels = np.arange(12) % 4
    found = teacher_information(np.log(np.where(np.eye(4, dtype=bool)[labels], 0.7, 0.1)), labels)
    assert found.entropy_bits == pytest.approx(-(0.7 * np.log2(0.7) + 0.3 * np.log2(0.1)))
    assert found.bits_beyond_label == pytest.approx(0, abs=1e-12)
    assert found.learnt_by_heart


def test_a_teacher_that_errs_has_not_learnt_by_heart():
    found = TeacherInformation(100, 0.98, 0.001, 0.001)
    assert not found.learnt_by_heart
    assert found.sentence.endswith("entropy 0.001 bits)")


def test_every_figure_says_that_it_was_measured():
    assert set(provenance_of(TeacherInformation(100, 0.98, 0.1, 0.1)).values()) == {"measured"}


@pytest.mark.parametrize(("logits", "labels"), [((4, 3, 2), (4,)), ((4, 3), (5,)), ((4, 3), (4, 1)), ((0, 3), (0,))])
def test_shapes_that_do_not_fit_are_named(logits, labels):
    with pytest.raises(DataError, match=r"expected logits of shape \(samples, classes\).*received \("):
        teacher_information(np.zeros(logits), np.zeros(labels, int))
