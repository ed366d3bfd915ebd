"""Draws from fits with parameters of rows: against predicted means, SciPy and density sums."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import statsmodels_mixed as smm
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.distributional.row_parameters import (
    DISPERSION,
    SECOND_SHAPE,
    SHAPE,
)
from statsmodels_mixed.fitting.families.draws import draw_rows
from statsmodels_mixed.fitting.families.spec import FamilySpec, make_family, read_family

DRAWS = 400


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    data = smm.datasets.load("grouseticks")
    data["share"] = (data["ticks"] / (data["ticks"] + 5.0)).clip(upper=0.9)
    data["many"] = pd.cut(data["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
    return data


def _near(draws: np.ndarray, wanted: np.ndarray) -> None:
    """Compare totals of draws with their expectation, in standard errors of the total."""
    total = draws.sum(axis=0)
    error = total.std() / np.sqrt(len(total))
    assert abs(total.mean() - wanted.sum()) < 4 * error


@pytest.mark.parametrize(
    ("response", "family", "parts"),
    [
        ("ticks", "poisson", {"zero_inflation": "~ year"}),
        ("ticks", "nbinom2", {"hurdle": "~ cheight", "dispersion": "~ year"}),
        ("ticks", "nbinom1", {"hurdle": "~ 1"}),
        ("share", "beta", {"hurdle": "~ year"}),
    ],
)
def test_draws_have_the_predicted_means_and_zeros(ticks, response, family, parts):
    fit = smm.mixedglm2(f"{response} ~ year + (1 | brood)", ticks, family, **parts).fit()
    draws = fit.simulate(DRAWS, seed=1, re="conditional")
    _near(draws, fit.fittedvalues)
    _near(draws == 0, fit.predict(which="zero_probability", re=True))
    again = fit.simulate(3, seed=1, re="conditional")
    assert np.array_equal(again, draws[:, :3])


def test_new_random_effects_have_the_marginal_mean(ticks):
    fit = smm.mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1").fit()
    draws = fit.simulate(4 * DRAWS, seed=2)
    # The mean of a lognormal variate.
    mean = fit.predict() * np.exp(fit.theta[0] ** 2 / 2)
    _near(draws, np.asarray(mean))


def test_categories_are_drawn_with_their_probabilities(ticks):
    fit = smm.mixedordinal2("many ~ cheight + (1 | brood)", ticks, link="cloglog").fit()
    draws = fit.simulate(DRAWS, seed=3, re="conditional")
    probabilities = fit.predict(re=True)
    for category in ticks["many"].cat.categories:
        _near(draws == category, probabilities[category].to_numpy())


def _rows(spec: FamilySpec, outer: np.ndarray, eta: float, n: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    return draw_rows(rng, spec, np.full(n, eta), np.tile(outer, (n, 1)), None)


@pytest.mark.parametrize(
    "name",
    [
        "truncated_poisson", "truncated_negative_binomial", "truncated_negative_binomial1",
        "generalized_poisson", "conway_maxwell_poisson", "negative_binomial1",
        "truncated_generalized_poisson", "truncated_conway_maxwell_poisson",
    ],
)  # fmt: skip
def test_counts_have_the_frequencies_of_their_density(name):
    spec = read_family(make_family(name))
    outer = np.array([np.log(0.7), 0.0, 0.0, 0.0])
    drawn = _rows(spec, outer, 0.4, 20_000)
    first = 1 if name.startswith("truncated") else 0
    y = np.arange(first, 7.0)
    density, _ = row_derivatives(name, "log", y, np.full(len(y), 0.4), np.tile(outer, (len(y), 1)))
    p = np.exp(density[:, 0])
    seen = np.array([np.sum(drawn == each) for each in y] + [np.sum(drawn > 6)])
    assert seen.sum() == len(drawn)
    wanted = len(drawn) * np.append(p, 1.0 - p.sum())
    assert stats.chisquare(seen, wanted).pvalue > 1e-3


def test_rare_positive_counts_are_ones():
    spec = read_family(make_family("truncated_poisson"))
    assert np.all(_rows(spec, np.zeros(4), -25.0, 1000) == 1)


def test_students_t_and_its_scale():
    outer = np.zeros(4)
    outer[DISPERSION], outer[SHAPE] = np.log(2.0), np.log(5.0)
    drawn = _rows(read_family(make_family("student_t")), outer, 1.5, 5000)
    assert stats.kstest(drawn, stats.t(5, 1.5, 2.0).cdf).pvalue > 1e-3


def test_tweedie_has_its_variance_and_its_zeros():
    phi, power, mu = 1.3, 1.4, 2.0
    outer = np.array([np.log(phi), np.log((power - 1) / (2 - power)), 0.0, 0.0])
    drawn = _rows(read_family(make_family("tweedie")), outer, np.log(mu), 40_000)
    assert_allclose(drawn.mean(), mu, rtol=0.02)
    assert_allclose(drawn.var(), phi * mu**power, rtol=0.05)
    assert_allclose(np.mean(drawn == 0), np.exp(-(mu**0.6) / (phi * 0.6)), atol=0.01)


def test_ordered_beta_has_its_ends():
    outer = np.zeros(4)
    outer[DISPERSION], outer[SHAPE], outer[SECOND_SHAPE] = np.log(6.0), -1.0, np.log(2.5)
    drawn = _rows(read_family(make_family("ordered_beta")), outer, 0.3, 20_000)
    assert_allclose(np.mean(drawn == 0), stats.logistic.cdf(-1.3), atol=0.01)
    assert_allclose(np.mean(drawn == 1), stats.logistic.cdf(0.3 - 1.5), atol=0.01)
    inside = drawn[(drawn > 0) & (drawn < 1)]
    mu = stats.logistic.cdf(0.3)
    assert stats.kstest(inside, stats.beta(6 * mu, 6 * (1 - mu)).cdf).pvalue > 1e-3


def test_simulated_residuals_see_zeros_that_a_model_lacks():
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(40), 10)
    y = rng.poisson(np.exp(1.0 + 0.3 * rng.standard_normal(40)[group]))
    y[rng.random(400) < 0.3] = 0
    data = pd.DataFrame({"y": y, "g": group})
    inflated = smm.mixedglm2("y ~ 1 + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()
    plain = smm.mixedglm2("y ~ 1 + (1 | g)", data, "poisson").fit()
    assert inflated.simulated_residuals(99, seed=1).zero_inflation().pvalue > 0.05
    assert plain.simulated_residuals(99, seed=1).zero_inflation().pvalue == pytest.approx(0.02)


def test_what_cannot_be_drawn_is_said(ticks):
    model = smm.mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    fit = model.fit()
    with pytest.raises(OptionError, match='"new" or "conditional"'):
        fit.simulate(re="modes")
    with pytest.raises(OptionError, match="draws"):
        fit.simulate(0)


@pytest.mark.parametrize("name", ["truncated_negative_binomial", "truncated_negative_binomial1"])
@pytest.mark.parametrize("log_phi", [-32.0, -35.0, -60.0])
def test_truncated_counts_without_overdispersion_are_truncated_poisson_ones(name, log_phi):
    spec = read_family(make_family(name))
    drawn = _rows(spec, np.array([log_phi, 0.0, 0.0, 0.0]), 0.4, 20_000)
    mu = np.exp(0.4)
    y = np.arange(1, 8)
    p = stats.poisson.pmf(y, mu) / -np.expm1(-mu)
    seen = np.array([np.sum(drawn == each) for each in y] + [np.sum(drawn > 7)])
    assert stats.chisquare(seen, len(drawn) * np.append(p, 1.0 - p.sum())).pvalue > 1e-3


@pytest.mark.parametrize("name", ["generalized_poisson", "truncated_generalized_poisson"])
def test_underdispersed_counts_end_where_their_probabilities_do(name):
    # theta + y lambda > 0, with theta = mu / root(phi) and lambda = 1 - 1 / root(phi)
    spec, mu, phi = read_family(make_family(name)), 1.2, 0.35
    root = np.sqrt(phi)
    last = int(np.floor(mu / root / (1 / root - 1)))
    drawn = _rows(spec, np.array([np.log(phi), 0.0, 0.0, 0.0]), np.log(mu), 2000)
    assert drawn.max() == last
    assert drawn.min() == (1 if name.startswith("truncated") else 0)


@pytest.mark.parametrize("log_mu", [-800.0, -60.0, -36.0, -34.0, -20.0])
@pytest.mark.parametrize("phi", [0.4, 6.0])
def test_counts_above_zero_of_tiny_means_have_their_limits(log_mu, phi):
    # Inverted distribution functions gave NaN for the Poisson family, infinity for the negative
    # binomial, and ones for that of the first kind.
    outer = np.array([np.log(phi), 0.0, 0.0, 0.0])
    for name in ("truncated_poisson", "truncated_negative_binomial"):
        assert np.all(_rows(read_family(make_family(name)), outer, log_mu, 1000) == 1)
    drawn = _rows(read_family(make_family("truncated_negative_binomial1")), outer, log_mu, 20_000)
    series = stats.logser(phi / (1.0 + phi))
    y = np.arange(1, 7)
    seen = np.array([np.sum(drawn == each) for each in y] + [np.sum(drawn > 6)])
    wanted = len(drawn) * np.append(series.pmf(y), series.sf(6))
    assert stats.chisquare(seen, wanted).pvalue > 1e-3


@pytest.mark.parametrize("name", ["truncated_negative_binomial", "truncated_negative_binomial1"])
@pytest.mark.parametrize(("mu", "phi"), [(0.05, 40.0), (30.0, 0.2), (1e5, 2.0)])
def test_negative_binomial_counts_above_zero_have_their_distribution(name, mu, phi):
    size = 1.0 / phi if name == "truncated_negative_binomial" else mu / phi
    counts = stats.nbinom(size, size / (size + mu))
    drawn = _rows(read_family(make_family(name)), np.log([phi, 1, 1, 1]), np.log(mu), 20_000)
    ends = np.unique(counts.isf(np.linspace(0.95, 0.05, 19) * counts.sf(0)))
    shares = np.diff(np.r_[0.0, (counts.cdf(ends) - counts.pmf(0)) / counts.sf(0), 1.0])
    seen = np.bincount(np.searchsorted(ends, drawn), minlength=len(shares))
    kept = shares > 0
    assert stats.chisquare(seen[kept], len(drawn) * shares[kept]).pvalue > 1e-3


@pytest.mark.parametrize(
    "name", ["truncated_generalized_poisson", "conway_maxwell_poisson", "truncated_poisson"]
)
def test_means_beyond_what_can_be_counted_are_refused_at_once(name):
    # Panels of counts that doubles do not tell apart took minutes.
    spec = read_family(make_family(name))
    with pytest.raises(DataError, match=r"8\.22e\+35, is beyond what can be counted, 2\^53"):
        _rows(spec, np.array([6.5, 0.0, 0.0, 0.0]), np.log(8.22e35), 5)
