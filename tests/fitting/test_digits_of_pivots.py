"""Digits of objectives where weights are twelve orders apart."""

from __future__ import annotations

import pytest
from fuzz.dense import criterion_of
from fuzz.linear_models import draw

pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")


@pytest.mark.parametrize("seed", [822, 80944, 80527, 90050])
def test_objectives_are_those_of_orthogonal_factors(seed):
    """1e-6 to 5e-6 off in doubles: 1e-8 of a column of X is left after random effects, or 1e-6 of
    a column of Z after others and as much of the response.
    """
    case = draw(seed)
    fitted = case.fit()
    criterion = criterion_of(fitted.model.design, fitted.estimates.columns, **case.how)
    assert abs(fitted.objective - criterion.at(fitted.theta).value) < 5e-7
