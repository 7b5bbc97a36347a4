"""The line through a few rows of numbers that can be checked by hand."""

import plumbline
import pytest


def test_a_straight_row_is_its_own_line():
    assert plumbline.fitted([1, 3, 5, 7]) == pytest.approx((1, 2))
    assert plumbline.deviation(iter([1, 3, 5, 7])) == pytest.approx(0)


def test_the_worst_sample_decides():
    assert plumbline.deviation([0, 0, 3, 0, 0]) == pytest.approx(2.4)


def test_one_sample_makes_no_line():
    with pytest.raises(ValueError, match="two samples, found 1"):
        plumbline.fitted([1.0])


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError):
        plumbline.deviation(["north"])
