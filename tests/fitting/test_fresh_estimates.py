"""At the edge of the range of means the result is what its parameters alone give."""

import warnings

import pytest
from fuzz.generalized_models import draw

# Models with the log link of a binomial, whose path ends at other modes than a new model finds.
SEEDS = (81448,)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_objective_is_that_of_a_new_model(seed):
    case = draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = case.fit()
    assert "edge of the range" in fit.report.message
    kept = fit.estimates
    fresh = case.model().objective(kept.theta, kept.beta, kept.dispersion, **case.how)
    assert fit.objective == pytest.approx(fresh, abs=1e-6)
