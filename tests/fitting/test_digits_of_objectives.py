"""`objective` of a new model has the digits of the fit's, where doubles lose some of them."""

from __future__ import annotations

import pytest
from fuzz.dense import criterion_of
from fuzz.linear_models import draw


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize("seed", [1272, 133168])
def test_objective_of_weights_that_differ_widely(seed: int) -> None:
    """1.3e-6 and 1.2e-6 from dense algebra in doubles, which the fit itself does not use."""
    case = draw(seed)
    fitted = case.fit()
    criterion = criterion_of(fitted.model.design, fitted.estimates.columns, **case.how)
    dense = criterion.at(fitted.theta).value
    fresh = case.model().objective(fitted.theta, reml=case.how["reml"])
    assert fresh == pytest.approx(dense, abs=1e-9)
    assert fitted.objective == pytest.approx(dense, abs=1e-9)
