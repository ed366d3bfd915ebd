"""Weights that are twelve orders of magnitude apart, in generalized models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from glmm_oracle import Model
from oracle import Term

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.errors import DataError

GROUPS, EACH = 12, 15
LOG = sm.families.links.Log()
FAMILIES = {
    "poisson": sm.families.Poisson(),
    "gaussian": sm.families.Gaussian(LOG),
    "gamma": sm.families.Gamma(LOG),
    "inverse gaussian": sm.families.InverseGaussian(LOG),
}


def draw(name: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(GROUPS), EACH)
    x = rng.normal(size=len(g))
    mu = np.exp(0.5 + 0.4 * x + 0.7 * rng.normal(size=GROUPS)[g])
    y = {
        "poisson": lambda: rng.poisson(mu).astype(float),
        "negative_binomial": lambda: rng.poisson(rng.gamma(0.5, 2 * mu)).astype(float),
        "gaussian": lambda: rng.normal(mu, 0.3),
        "gamma": lambda: rng.gamma(3, mu / 3),
        "inverse gaussian": lambda: rng.wald(mu, 4 * mu),
    }[name]()
    return pd.DataFrame({"y": y, "x": x, "g": g, "w": 10.0 ** rng.uniform(-6, 6, len(g))})


def fit(name: str, data: pd.DataFrame):
    return mixedglm2("y ~ x + (1 | g)", data, FAMILIES[name], weights="w").fit()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_an_ordinary_number_of_evaluations_ends_at_a_minimum(name, seed):
    data = draw(name, seed)
    result = fit(name, data)
    kept, design = result.estimates, result.model.design
    assert result.converged
    assert kept.report.evaluations <= 60
    terms = tuple(Term(len(b.levels), b.refs, b.z, b.pattern) for b in design.blocks)

    def dense(theta, beta, phi):
        model = Model(terms, design.X, design.y, FAMILIES[name], phi, design.weights)
        return model.objective(theta, beta)

    least = dense(kept.theta, kept.beta, kept.dispersion)
    assert least == pytest.approx(kept.objective, rel=1e-9)
    steps = 0.1 * result.bse.to_numpy()
    for sign in (-1, 1):
        assert dense(kept.theta * (1 + 0.01 * sign), kept.beta, kept.dispersion) > least
        for step in np.diag(steps):
            assert dense(kept.theta, kept.beta + sign * step, kept.dispersion) > least
        if name != "poisson":
            assert dense(kept.theta, kept.beta, kept.dispersion * (1 + 0.01 * sign)) > least


@pytest.mark.parametrize("name", ["gaussian", "gamma", "inverse gaussian"])
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_scale_of_weights_is_that_of_the_dispersion(name, factor):
    data = draw(name, 3)
    one, other = fit(name, data), fit(name, data.assign(w=factor * data.w))
    close = {"rtol": 1e-6}
    np.testing.assert_allclose(other.params, one.params, **close)
    np.testing.assert_allclose(other.bse, one.bse, **close)
    np.testing.assert_allclose(other.theta, one.theta, **close)
    np.testing.assert_allclose(
        other.estimates.dispersion, factor * one.estimates.dispersion, **close
    )
    np.testing.assert_allclose(other.llf, one.llf, rtol=1e-9)
    intervals = [r.profile("beta").conf_int().loc["beta", ["lower", "upper"]] for r in (one, other)]
    assert np.isfinite(intervals[0]).all(axis=None)
    np.testing.assert_allclose(*intervals, atol=1e-6 * one.bse.min())


def test_weights_of_a_negative_binomial_are_copies_of_rows():
    data = draw("negative_binomial", 4)
    data["w"] = np.random.default_rng(4).choice([1.0, 10.0, 100.0], len(data))
    copies = data.loc[np.repeat(data.index, data.w.astype(int))]
    weighted = mixedglm2("y ~ x + (1 | g)", data, "negative_binomial", weights="w").fit()
    repeated = mixedglm2("y ~ x + (1 | g)", copies, "negative_binomial").fit()
    assert weighted.estimates.report.evaluations <= 30
    assert weighted.estimates.dispersion > 0.5
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-7)
    assert weighted.estimates.dispersion == pytest.approx(repeated.estimates.dispersion, rel=1e-7)


def test_responses_below_the_range_of_numbers_are_not_drawn_as_nothing():
    result = fit("gamma", draw("gamma", 5))
    for drawing in (result.simulate, result.bootstrap):
        with pytest.raises(DataError, match="too small for a number"):
            drawing(2, seed=1)
