"""Loadings of several dimensions have several maxima, as in factor analysis."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed  # noqa: F401 - adds mixedglm2 to smf
from statsmodels_mixed.errors import CoreError
from statsmodels_mixed.fitting.structured.generalized import StructuredApproximation


@pytest.fixture
def model():
    """Counts with six independent effects in each of twelve groups, of which two dimensions lie."""
    rng = np.random.default_rng(14)
    g, f = np.repeat(np.arange(12), 12), np.tile(np.arange(6), 24)
    effects = 1.3 * rng.normal(size=(12, 6))
    data = pd.DataFrame({"g": g.astype(str), "f": np.array(list("abcdef"))[f]}).assign(
        y=rng.poisson(np.exp(0.2 + effects[g, f]))
    )
    return smf.mixedglm2("y ~ f + rr(0 + f | g, d=2)", data, "poisson")


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_no_other_start_leads_to_a_higher_likelihood(model):
    fit = model.fit()
    rng = np.random.default_rng(1)
    others = [model.fit(start=rng.normal(size=11)).llf for _ in range(8)]
    assert fit.converged
    assert fit.llf > max(others) - 1e-6
    # 4 lower, where loadings that only differ in signs led to
    assert min(others) < fit.llf - 1.0


def test_a_model_of_the_curvature_that_is_singular_is_no_end(model, monkeypatch):
    expected = model.fit().llf

    def singular(self, z, G):
        raise CoreError("The numerical core could not evaluate the curvature.")

    monkeypatch.setattr(StructuredApproximation, "_curvature", singular)
    assert model.fit().llf == pytest.approx(expected, abs=1e-5)
