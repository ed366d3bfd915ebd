"""Profile intervals of fits with parameters of rows, and that estimates are maxima."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed.errors import MixedModelWarning, OptionError, SeparationWarning
from statsmodels_mixed.fitting.distributional.likelihood import model_of_rows
from statsmodels_mixed.fitting.generalized.approximation import generalized_structure

HERE = Path(__file__).parents[1] / "reference" / "families"
RECORDS = {
    record["id"]: record for record in json.loads((HERE / "records.json").read_text())["records"]
}


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    data = smm.datasets.load("grouseticks")
    cuts, labels = [-1, 0, 5, 100], ["no", "few", "many"]
    return data.assign(many=pd.cut(data["ticks"], cuts, labels=labels))


def test_at_a_limit_the_fit_with_the_coefficient_given_has_lost_so_much(ticks):
    q = chi2.isf(0.1, 1)

    def inflated(effects, **options):
        return smm.mixedglm2(
            f"ticks ~ {effects} + (1 | brood)", ticks, "poisson", zero_inflation="~ 1", **options
        ).fit()

    def ordered(effects, **options):
        return smm.mixedordinal2(f"many ~ {effects} + (1 | brood)", ticks, **options).fit()

    for fitted in (inflated, ordered):
        fit = fitted("cheight")
        for limit in fit.conf_int(0.1, method="profile").loc["cheight"]:
            given = fitted("1", offset=limit * ticks["cheight"])
            assert 2 * (fit.llf - given.llf) == pytest.approx(q, rel=1e-4)


def test_profiles_are_those_of_the_other_computation_of_this_likelihood(ticks):
    formula = "ticks ~ year + (1 | brood)"
    other = smm.mixedglm2(formula, ticks, "nbinom2").fit(hessian="observed")
    fit = smm.mixedglm2(formula, ticks, "nbinom2", dispersion="~ 1").fit()
    limits = other.profile("beta").conf_int()[["lower", "upper"]]
    assert_allclose(fit.conf_int(method="profile").iloc[:3], limits, atol=1e-4)


def test_limits_that_are_not_there(ticks):
    fit = smm.mixedglm2(
        "ticks ~ 1 + (1 | brood)", ticks, "nbinom2", zero_inflation="~ 1", dispersion="~ year"
    ).fit()
    table = fit.conf_int(method="profile")
    assert table.loc["zi: Intercept", 0] == -np.inf
    assert np.isfinite(table.loc["zi: Intercept", 1])
    assert table.loc["disp: year[T.97]", 1] == np.inf
    with pytest.raises(OptionError, match="method= is 'wald' or 'profile'"):
        fit.conf_int(method="exact")
    with pytest.raises(OptionError, match="alpha="):
        fit.conf_int(2)


def objective_and_end(fit):
    model, estimates = fit.model, fit.estimates
    design = model.kept_design()
    structure, rows = generalized_structure(design), estimates.rows
    core = model_of_rows(structure.core, design, estimates.conditional.spec, rows, 1)
    gamma = structure.basis.R @ estimates.conditional.beta
    kappa = np.linalg.solve(rows.back, estimates.kappa)
    return core.value_and_gradient, np.concatenate([estimates.conditional.theta, gamma, kappa])


def test_estimates_are_maxima_where_other_software_says_something_else():
    """No search from around the estimates finds a likelihood above theirs by 1e-7."""
    wine = pd.read_csv(HERE / "wine.csv")
    salamanders = pd.read_csv(HERE / "salamanders.csv")
    salamanders["mined"] = pd.Categorical(salamanders["mined"], categories=["yes", "no"])
    fits = {
        "clmm/wine_logit": smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine).fit(),
        "glmmTMB/sal_zinb2_disp": smm.mixedglm2(
            "count ~ spp + mined + (1 | site)",
            salamanders,
            "nbinom2",
            zero_inflation="~ mined",
            dispersion="~ mined",
        ).fit(),
    }
    rng = np.random.default_rng(1)
    for name, fit in fits.items():
        function, end = objective_and_end(fit)
        for _ in range(3):
            start = end + 0.02 * rng.normal(size=len(end))
            found = minimize(function, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15})
            assert fit.llf > -found.fun / 2 - 1e-7, name
        assert fit.llf == pytest.approx(RECORDS[name]["loglik"], abs=4e-6)


def test_the_likelihood_of_ratings_is_that_of_each_judge_by_itself():
    """Laplace's approximation with closed forms: clmm's value at its maximum is 3.5e-6 above it."""
    wine = pd.read_csv(HERE / "wine.csv")
    fit = smm.mixedordinal2("rating ~ temp + contact + (1 | judge)", wine).fit()
    cuts = np.concatenate([[-np.inf], fit.params.iloc[:4], [np.inf]])
    fixed = fit.params["temp[T.warm]"] * (wine["temp"] == "warm")
    fixed += fit.params["contact[T.yes]"] * (wine["contact"] == "yes")
    sd, codes, total = float(fit.theta[0]), wine["rating"].to_numpy() - 1, 0.0
    for _, rows in wine.groupby("judge").indices.items():
        y, eta = codes[rows], fixed.to_numpy(dtype=float)[rows]

        def parts(u, y=y, eta=eta):
            above, below = (expit(cuts[y + k] - eta - sd * u) for k in (1, 0))
            slope = above + below - 1.0  # the derivative of log(above - below) in eta
            curvature = above * (1 - above) + below * (1 - below)
            return np.log(above - below).sum() - u**2 / 2, slope, curvature

        u = 0.0
        for _ in range(60):
            _, slope, curvature = parts(u)
            u += (sd * slope.sum() - u) / (1 + sd**2 * curvature.sum())
        height, _, curvature = parts(u)
        total += height - 0.5 * np.log1p(sd**2 * curvature.sum())
    assert fit.llf == pytest.approx(total, abs=1e-10)
    record = RECORDS["clmm/wine_logit"]["loglik"]
    assert total < record < total + 4e-6


def test_the_summary_says_where_walds_intervals_are_rough():
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
    mu = np.exp(1 + 0.3 * x + 0.5 * rng.normal(size=30)[g])
    rough = []
    for _ in range(2):
        y = np.where(rng.random(240) < 0.02, 0, rng.poisson(mu))
        data = pd.DataFrame({"g": g, "x": x, "y": y})
        fit = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()
        assert np.isfinite(fit.bse["zi: Intercept"])  # no estimate is at the edge itself
        rough.append("Intervals: those of zi: Intercept are rough" in str(fit.summary()))
    assert rough == [False, True]
    # Below the likelihood never falls so far: by .002 in all, the fit without inflation says.
    plain = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson").fit(hessian="observed")
    assert 0 < fit.llf - plain.llf < 0.1
    assert fit.conf_int(method="profile").loc["zi: Intercept", 0] == -np.inf


def test_differences_of_two_shares_at_their_ends():
    """No zeros in a, zeros only in d: each gives half. Of a and e, which have none, nothing."""
    rng = np.random.default_rng(1)
    g, f, x = np.repeat(np.arange(20), 10), np.tile(list("abcde"), 40), rng.normal(size=200)
    y = rng.poisson(np.exp(1 + 0.4 * x + 0.5 * rng.normal(size=20)[g]))
    share = pd.Series({"a": 0.0, "b": 0.3, "c": 0.5, "d": 1.0, "e": 0.0})
    y = np.where(rng.random(200) < share[f].to_numpy(), 0, y)
    y = np.where(np.isin(f, ["a", "e"]) & (y == 0), 1, y)
    table = pd.DataFrame({"y": y, "x": x, "f": f, "g": g})
    with pytest.warns(SeparationWarning):
        fit = smm.mixedglm2("y ~ x + (1 | g)", table, "poisson", zero_inflation="~ f").fit()
    with pytest.warns(MixedModelWarning, match=r"far enough from beta zi: f\[T.e\]"):
        limits = fit.conf_int(method="profile")
    # 40 rows each lose exp(-s) and (1 - exp(-mu)) exp(s - v): the deviance rises by four times
    # 40 times the root of their product.
    mean = fit.predict(table[f == "d"], which="conditional", re=True)
    rise = 160.0 * np.sqrt(np.mean(1.0 - np.exp(-mean)))
    wanted = 2.0 * np.log(rise / chi2.isf(0.05, 1))
    assert limits.loc["zi: f[T.d]", 0] == pytest.approx(wanted, abs=0.1)
    assert limits.loc["zi: f[T.d]", 1] == np.inf
    assert np.isnan(limits.loc["zi: f[T.e]", 1])
