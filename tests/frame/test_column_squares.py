"""Sums of squares of columns, and the range in which numbers lie."""

import numpy as np
import pytest

from statsmodels_mixed.frame.table.columns import FEW_ELEMENTS, column_squares, lie_between


@pytest.mark.parametrize("n", [3, FEW_ELEMENTS])
def test_sums_of_squares(n):
    values = np.random.default_rng(1).normal(size=(n, 3))
    np.testing.assert_allclose(column_squares(values), (values**2).sum(axis=0), rtol=1e-13)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [3, FEW_ELEMENTS])
def test_overflow_is_infinite_without_a_warning(n):
    values = np.full((n, 2), [1e200, 1.0])
    np.testing.assert_array_equal(column_squares(values), [np.inf, n])


def test_limits_and_nan_do_not_lie_between():
    assert lie_between(np.array([0.5, 0.9]), 0.0, 1.0)
    for other in (0.0, 1.0, np.nan):
        assert not lie_between(np.array([0.5, other]), 0.0, 1.0)
        assert not lie_between(np.array([other, 0.5]), 0.0, 1.0)
