"""Families that statsmodels does not have: densities, derivatives, fits of glmmTMB."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import statsmodels_mixed as smm
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import DataError, OptionError

HERE = Path(__file__).parents[1] / "reference" / "families"
RECORDS = {
    record["id"]: record for record in json.loads((HERE / "records.json").read_text())["records"]
}
COUNTS = (
    "poisson",
    "negative_binomial",
    "negative_binomial1",
    "generalized_poisson",
    "conway_maxwell_poisson",
)


def salamanders() -> pd.DataFrame:
    data = pd.read_csv(HERE / "salamanders.csv")
    data["mined"] = pd.Categorical(data["mined"], categories=["yes", "no"])
    kinds = ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"]
    data["spp"] = pd.Categorical(data["spp"], categories=kinds)
    return data


def rows(family, y, eta, outer, *, link="log", weights=None, zeros=""):
    outer = np.broadcast_to(np.asarray(outer, float), (len(y), 4))
    return row_derivatives(
        family, link, np.asarray(y, float), np.asarray(eta, float), outer, weights=weights,
        zeros=zeros,
    )  # fmt: skip


def agree(fit, record) -> None:
    assert fit.llf == pytest.approx(record["loglik"], abs=1e-6)
    wanted, error = np.array(record["cond"]["est"]), np.array(record["cond"]["se"])
    assert_allclose(fit.params, wanted, atol=1e-4 * error.min())
    assert fit.dispersion == pytest.approx(record["sigma"], rel=1e-4)


@pytest.mark.parametrize(
    ("family", "zeros"),
    [
        *product(COUNTS, ["", "inflation"]),
        *product(COUNTS[:3], ["hurdle"]),
    ],
)
def test_probabilities_of_counts_sum_to_one_and_have_the_mean(family, zeros):
    y, outer = np.arange(2000.0), [0.3, 0, 0, -0.7]
    shown = f"truncated_{family}" if zeros == "hurdle" else family
    loglik = rows(shown, y, np.full(2000, 0.9), outer, zeros=zeros)[0][:, 0]
    p = np.exp(loglik)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    if zeros == "hurdle":
        assert p[0] == pytest.approx(1 / (1 + np.exp(0.7)))
    else:
        rest = 1 / (1 + np.exp(-0.7)) if zeros else 1.0
        assert (p * y).sum() == pytest.approx(rest * np.exp(0.9), rel=1e-10)


@pytest.mark.parametrize(
    ("family", "variance"),
    [
        ("negative_binomial", lambda mu, phi: mu + phi * mu**2),
        ("negative_binomial1", lambda mu, phi: mu * (1 + phi)),
        ("generalized_poisson", lambda mu, phi: mu * phi),
    ],
)
def test_variances_of_counts(family, variance):
    y, phi, mu = np.arange(3000.0), 1.7, 2.2
    p = np.exp(rows(family, y, np.full(3000, np.log(mu)), [np.log(phi), 0, 0, 0])[0][:, 0])
    assert (p * (y - mu) ** 2).sum() == pytest.approx(variance(mu, phi), rel=1e-9)


def test_densities_are_those_of_scipy():
    rng = np.random.default_rng(1)
    eta, n = rng.normal(size=30), 30
    mu, share, phi = np.exp(eta), 1 / (1 + np.exp(-eta)), 1.8
    outer = [np.log(phi), np.log(4.0), 0, 0]

    def ours(family, y, **options):
        return rows(family, y, eta, outer, **options)[0][:, 0]

    y = rng.uniform(0.01, 0.99, n)
    wanted = stats.beta.logpdf(y, share * phi, (1 - share) * phi)
    assert_allclose(ours("beta", y, link="logit"), wanted, rtol=1e-11)
    y = rng.normal(size=n)
    wanted = stats.t.logpdf(y, 4.0, loc=eta, scale=phi)
    assert_allclose(ours("student_t", y, link="identity"), wanted, rtol=1e-11)
    y = rng.gamma(2, size=n)
    s = np.sqrt(np.log1p((phi / mu) ** 2))
    wanted = stats.lognorm.logpdf(y, s, scale=mu * np.exp(-(s**2) / 2))
    assert_allclose(ours("lognormal", y), wanted, rtol=1e-11)
    wanted = stats.gamma.logpdf(y, 1 / phi, scale=mu * phi)
    assert_allclose(ours("gamma", y), wanted, rtol=1e-11)
    hits = rng.integers(0, 8, n)
    wanted = stats.betabinom.logpmf(hits, 7, share * phi, (1 - share) * phi)
    weights = np.full(n, 7.0)
    found = ours("beta_binomial", hits / 7, link="logit", weights=weights)
    assert_allclose(found, wanted, rtol=1e-10)


def test_tweedie_is_a_poisson_number_of_gamma_variates():
    mu, phi, power = 1.4, 0.8, 1.6
    rate, shape = mu ** (2 - power) / (phi * (2 - power)), (2 - power) / (power - 1)
    scale = phi * (power - 1) * mu ** (power - 1)
    y = np.array([0.0, 0.1, 1.0, 3.0, 9.0])
    n = np.arange(1, 120)
    wanted = np.log(
        [
            np.sum(stats.poisson.pmf(n, rate) * stats.gamma.pdf(each, n * shape, scale=scale))
            for each in y[1:]
        ]
    )
    logit = np.log((power - 1) / (2 - power))
    found = rows("tweedie", y, np.full(5, np.log(mu)), [np.log(phi), logit, 0, 0])[0][:, 0]
    assert_allclose(found, [-rate, *wanted], rtol=1e-11)


def test_nearly_poisson_counts_keep_their_digits():
    y, eta = np.array([0.0, 3.0, 40.0]), np.log([2.0, 3.0, 30.0])
    wanted = stats.poisson.logpmf(y, np.exp(eta))
    for family in ("negative_binomial", "negative_binomial1"):
        found = rows(family, y, eta, [np.log(1e-11), 0, 0, 0])[0][:, 0]
        assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize(("name", "family"), [("nb1", "nbinom1"), ("genpois", "genpois")])
def test_counts_of_salamanders(name, family):
    fit = smm.mixedglm2("count ~ spp + mined + (1 | site)", salamanders(), family).fit()
    record = RECORDS[f"glmmTMB/sal_{name}"]
    agree(fit, record)
    whole = fit.with_inference(cov_type="hessian")
    assert_allclose(whole.bse, record["cond"]["se"], rtol=1e-4)


def test_beta_responses_of_cakes():
    cake = smm.datasets.load("cake")
    cake = cake.assign(prop=cake["angle"] / 100, temperature=cake["temperature"].astype(str))
    formula = "prop ~ recipe + temperature + (1 | recipe:replicate)"
    fit = smm.mixedglm2(formula, cake, smm.families.Beta()).fit()
    agree(fit, RECORDS["glmmTMB/cake_beta"])
    again = smm.mixedglm2(formula, cake, "beta", link="logit").fit()
    assert again.llf == fit.llf


def test_beta_binomial_herds():
    cbpp = smm.datasets.load("cbpp")
    misses = "I(size - incidence)" if "size" in cbpp else "I(hsz - incid)"
    hits = "incidence" if "size" in cbpp else "incid"
    with pytest.warns(smm.SingularFitWarning):
        fit = smm.mixedglm2(
            f"{hits} + {misses} ~ C(period) + (1 | herd)", cbpp, "betabinomial"
        ).fit()
    agree(fit, RECORDS["glmmTMB/cbpp_betabinomial"])


def test_draws_have_the_mean_and_the_variance_of_the_family():
    rng, mu = np.random.default_rng(3), np.full(20000, 1.7)
    ones = np.ones(20000)
    for family in (
        smm.families.NegativeBinomial1(dispersion=0.8),
        smm.families.GeneralizedPoisson(dispersion=1.9),
        smm.families.ConwayMaxwellPoisson(dispersion=0.4),
        smm.families.Lognormal(dispersion=0.7),
    ):
        y = family.draw(rng, mu, ones)
        variance = float(family.variance(1.7))
        assert abs(y.mean() - 1.7) < 5 * np.sqrt(variance / 20000)
        assert y.var() == pytest.approx(variance, rel=0.12)


def test_responses_outside_of_the_support_name_rows_and_the_family_that_fits():
    y = np.random.default_rng(4).beta(2, 3, 60)
    data = pd.DataFrame({"y": y, "g": np.repeat(range(10), 6)})
    data["y"] += np.repeat(np.linspace(0, 0.3, 10), 6) * (1 - data["y"])
    data.loc[0, "y"] = 0.0
    with pytest.raises(DataError, match=r"'y' is not inside of \(0, 1\) in 1 row \(first: 0\)"):
        smm.mixedglm2("y ~ 1 + (1 | g)", data, "beta")
    with pytest.raises(DataError, match='hurdle=, and "ordered_beta" has them'):
        smm.mixedglm2("y ~ 1 + (1 | g)", data, "beta")
    with pytest.raises(DataError, match='"gaussian" has all numbers'):
        smm.mixedglm2("y ~ 1 + (1 | g)", data.assign(y=data.y * 2), "beta")
    with pytest.raises(OptionError, match="Beta has no link log: it has logit, probit, cauchit"):
        smm.mixedglm2("y ~ 1 + (1 | g)", data, "beta", link="log")
    with pytest.raises(DataError, match="is not positive in 1 row"):
        smm.mixedglm2("y ~ 1 + (1 | g)", data, "lognormal")
    fit = smm.mixedglm2("y ~ 1 + (1 | g)", data.iloc[1:], "beta").fit()
    with pytest.raises(OptionError, match="no deviance residuals"):
        fit.resid_deviance  # noqa: B018
    with pytest.raises(OptionError, match="expected information has no closed form"):
        smm.mixedglm2("y ~ 1 + (1 | g)", data.iloc[1:], "beta").fit(hessian="expected")
