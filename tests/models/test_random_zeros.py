"""Random effects in formulas of zeros: likelihoods of others, dense matrices, special cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit, gammaln, logsumexp
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed._core import CoreDesign, CoreGeneralized, TermArrays, row_derivatives
from statsmodels_mixed.errors import (
    ConvergenceWarning,
    DataError,
    FormulaError,
    OptionError,
    SingularFitWarning,
)

HERE = Path(__file__).parents[1] / "reference" / "families"
RECORDS = {
    record["id"]: record for record in json.loads((HERE / "records.json").read_text())["records"]
}
OWLS = "SiblingNegotiation ~ FoodTreatment * SexParent + cArr + offset(logBroodSize) + (1 | Nest)"


@pytest.fixture(scope="module")
def fit(owls):
    parts = {"zero_inflation": "~ FoodTreatment + (1 | Nest)"}
    return smm.mixedglm2(OWLS, owls, "nbinom2", **parts).fit()


def test_owls_are_those_of_glmmtmb(fit):
    record = RECORDS["glmmTMB/owls_zinb2_fullzi"]
    assert fit.converged
    assert fit.llf == pytest.approx(record["loglik"], abs=1e-6)
    for part, start in (("cond", ""), ("zi", "zi: ")):
        own = [n for n in fit.params.index if n.startswith(start) and (start or ": " not in n)]
        assert_allclose(
            np.sort(fit.params[own]), np.sort(record[part]["est"]), atol=1e-4 * fit.bse[own].min()
        )
        assert_allclose(np.sort(fit.bse[own]), np.sort(record[part]["se"]), rtol=1e-4)
    sd = np.sqrt([fit.varcorr[name].covariance[0, 0] for name in ("Nest", "zi: Nest")])
    wanted = [record["varcorr"][part]["Nest"]["sd"] for part in ("cond", "zi")]
    assert_allclose(sd, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("formula", "family", "parts", "llf", "coefficients"),
    [
        # glmmTMB 1.1.5 with rel.tol=1e-15; the logarithm of a standard deviation last.
        (
            "count ~ mined + (1 | spp)",
            "poisson",
            {"hurdle": "~ mined + (1 | site)"},
            -925.183281557776,
            [1.1351767856, -0.9718835063, -0.5173046310, 2.3512396464],
        ),
        (
            "count ~ mined + (1 | site)",
            "poisson",
            {"zero_inflation": "~ cover + (1 | spp)"},
            -937.655724868208,
            [1.2245982483, -2.1394184303, -0.4986274393, -0.0782692709],
        ),
        (
            "SiblingNegotiation ~ FoodTreatment + cArr + (1 + cArr | Nest)",
            "poisson",
            {"zero_inflation": "~ FoodTreatment + (1 + cArr | Nest)"},
            -1905.8861293464,
            [2.2141456041, -0.2006717037, -0.0715542585, -2.4696000415, 2.1004429373],
        ),
    ],
)
def test_others_are_those_of_glmmtmb(request, formula, family, parts, llf, coefficients):
    data = request.getfixturevalue("salamanders" if formula.startswith("count") else "owls")
    fit = smm.mixedglm2(formula, data, family, **parts).fit()
    assert fit.converged
    assert fit.llf == pytest.approx(llf, abs=1e-6)
    assert_allclose((fit.params - coefficients) / fit.bse, 0.0, atol=1e-4)


def test_a_hurdle_is_two_models(salamanders):
    data = salamanders
    both = smm.mixedglm2(
        "count ~ mined + cover + (1 | site)", data, "poisson", hurdle="~ mined + (1 | site)"
    ).fit()
    zeros = smm.mixedglm2(
        "zero ~ mined + (1 | site)", data.assign(zero=(data["count"] == 0) * 1), "binomial"
    ).fit()
    positive = smm.mixedglm2(
        "count ~ mined + cover + (1 | site)",
        data[data["count"] > 0],
        smm.families.TruncatedPoisson(),
    ).fit()
    assert both.llf == pytest.approx(zeros.llf + positive.llf, abs=1e-8)
    own = both.params[["hurdle: Intercept", "hurdle: mined[T.yes]"]]
    assert_allclose(own, zeros.params, rtol=1e-5)
    assert_allclose(both.params[: len(positive.params)], positive.params, rtol=1e-4)
    assert_allclose(
        both.ranef()["hurdle: site"]["Intercept"], zeros.ranef()["site"]["Intercept"], atol=1e-5
    )


TRIANGLE, ONE = np.tri(2, dtype=bool), np.ones((1, 1), dtype=bool)


@pytest.mark.parametrize(
    ("family", "zeros", "weighted"),
    [
        ("poisson", "inflation", False),
        ("negative_binomial", "inflation", True),
        ("negative_binomial1", "inflation", False),
        ("generalized_poisson", "inflation", False),
        ("truncated_negative_binomial", "hurdle", True),
    ],
)
def test_the_likelihood_is_that_of_dense_matrices(family, zeros, weighted):
    rng = np.random.default_rng(0)
    n = 120
    refs = [rng.integers(0, levels, n).astype(np.int32) for levels in (9, 6)]
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    y = rng.poisson(np.exp(0.8 + 0.4 * x)) * (rng.random(n) > 0.35) * 1.0
    weights = rng.random(n) + 0.5 if weighted else None
    # Slopes by one factor in both predictors, a second factor in that of zeros.
    terms = [
        TermArrays(9, refs[0], X, TRIANGLE),
        TermArrays(9, refs[0], X, TRIANGLE, predictor=1),
        TermArrays(6, refs[1], np.ones((n, 1)), ONE, predictor=1),
    ]
    core = CoreGeneralized(CoreDesign(terms, X), family, "log", y, weights=weights, observed=True)
    dispersion, logit = np.zeros((n, 3)), np.zeros((n, 3))
    dispersion[:, 0] = 1.0
    logit[:, 1:] = X
    core.set_sides([dispersion, None, None, logit], np.zeros(4), zeros)
    at = np.array([0.7, 0.2, 0.5, 0.9, -0.3, 0.4, 0.7, 0.6, 0.3, -0.2, -0.5, 0.4])
    value, gradient = core.value_and_gradient(at)

    factors = [np.array([[0.7, 0], [0.2, 0.5]]), np.array([[0.9, 0], [-0.3, 0.4]]), 0.7 * np.eye(1)]
    Z = [np.zeros((n, 0)), np.zeros((n, 0))]
    for term, T in zip(terms, factors, strict=True):
        k = term.z.shape[1]
        whole = np.zeros((n, term.levels * k))
        for i in range(n):
            whole[i, term.refs[i] * k : (term.refs[i] + 1) * k] = term.z[i] @ T
        for predictor in (0, 1):
            Z[predictor] = np.hstack([Z[predictor], whole * (predictor == term.predictor)])

    def penalized(u):
        outer = np.zeros((n, 4))
        outer[:, 0], outer[:, 3] = at[9], X @ at[10:] + Z[1] @ u
        eta = X @ at[7:9] + Z[0] @ u
        rows, others = row_derivatives(family, "log", y, eta, outer, weights=weights, zeros=zeros)
        slope = Z[0].T @ rows[:, 1] + Z[1].T @ others[:, 0, 3] - u
        return u @ u / 2 - rows[:, 0].sum(), -slope

    q = Z[0].shape[1]
    found = minimize(penalized, np.zeros(q), jac=True, method="BFGS", options={"gtol": 1e-9})
    steps = 1e-5 * np.eye(q)
    H = np.array([penalized(found.x + s)[1] - penalized(found.x - s)[1] for s in steps]) / 2e-5
    wanted = 2 * found.fun + np.linalg.slogdet(H)[1]
    assert value == pytest.approx(wanted, abs=1e-6)

    steps = 1e-5 * np.eye(len(at))
    slopes = [
        (core.value_and_gradient(at + s)[0] - core.value_and_gradient(at - s)[0]) / 2e-5
        for s in steps
    ]
    assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6)


def test_quadrature_is_the_integral(owls):
    model = smm.mixedglm2(
        "SiblingNegotiation ~ cArr", owls, "poisson", zero_inflation="~ 1 + (1 | Nest)"
    )
    fit = model.fit(n_agq=25)
    mu = np.exp(fit.params["Intercept"] + fit.params["cArr"] * owls["cArr"])
    y = owls["SiblingNegotiation"].to_numpy()
    count = np.asarray(y * np.log(mu) - mu - gammaln(y + 1))
    zeta, sd = fit.params["zi: Intercept"], fit.theta[0]
    total = 0.0
    for nest in owls["Nest"].unique():
        own = (owls["Nest"] == nest).to_numpy()

        def density(u, own=own):
            pi = expit(zeta + sd * u)
            rows = np.log(pi * (y[own] == 0) + (1 - pi) * np.exp(count[own]))
            return rows.sum() - u * u / 2 - np.log(2 * np.pi) / 2

        grid = np.linspace(-8, 8, 2001)
        top = max(map(density, grid))
        total += top + np.log(
            quad(lambda u, top=top: np.exp(density(u) - top), -8, 8, limit=200, epsabs=1e-12)[0]
        )
    assert fit.llf == pytest.approx(total, abs=1e-6)
    gradient = fit.report.gradient_norm
    assert gradient < 1e-4


def test_parts_have_their_effects(fit, owls):
    assert list(fit.ranef()) == ["Nest", "zi: Nest"]
    assert "zi: Nest" in str(fit.summary())
    table = fit.tidy().set_index(["effect", "component"])["group"]
    assert table["ran_pars"].to_dict() == {"cond": "Nest", "zi": "Nest"}
    few = owls.head(5)
    u = fit.ranef()["zi: Nest"].loc[few["Nest"], "Intercept"].to_numpy()
    b = fit.ranef()["Nest"].loc[few["Nest"], "Intercept"].to_numpy()
    fixed, mean = fit.predict(few, which="linear"), fit.predict(few, which="conditional", re=True)
    assert_allclose(mean, np.exp(fixed + b), rtol=1e-12)
    zeta = fit.params["zi: Intercept"] + fit.params["zi: FoodTreatment[T.Satiated]"] * (
        few["FoodTreatment"] == "Satiated"
    )
    whole = fit.predict(few, re=True)
    assert_allclose(whole, mean * expit(-(zeta + u)), rtol=1e-12)
    assert_allclose(fit.predict(re=True)[:5], whole, rtol=1e-10)
    assert_allclose(fit.fittedvalues[:5], whole, rtol=1e-10)
    # One part at a time.
    part = fit.predict(few, re="zi: Nest")
    assert_allclose(part, np.exp(fixed) * expit(-(zeta + u)), rtol=1e-12)
    for re in ("Nest", "(1 | Nest)"):
        assert_allclose(fit.predict(few, re=re), np.exp(fixed + b) * expit(-zeta), rtol=1e-12)
    # New levels.
    new = few.assign(Nest="Elsewhere")
    assert_allclose(fit.predict(new, re=True, new_levels="population"), fit.predict(new))
    assert fit.predict(new, re=True, new_levels="missing").isna().all()
    with pytest.raises(DataError, match="levels of Nest that the fit has not seen"):
        fit.predict(new, re=True)


def test_draws_have_the_variance_of_zeros(fit, owls):
    # The probability of zeros of a nest varies as the fit says.
    new = fit.simulate(300, seed=1) == 0
    kept = fit.simulate(300, seed=1, re="conditional") == 0
    p = fit.predict(which="zero_probability", re=True)
    assert_allclose(kept.mean(axis=1), p, atol=0.13)
    assert kept.mean() == pytest.approx(p.mean(), abs=0.005)
    shares = pd.DataFrame(new).groupby(owls["Nest"].to_numpy()).mean().stack()
    without = smm.mixedglm2(OWLS, owls, "nbinom2", zero_inflation="~ FoodTreatment").fit()
    plain = pd.DataFrame(without.simulate(300, seed=1) == 0)
    assert shares.std() > 1.2 * plain.groupby(owls["Nest"].to_numpy()).mean().stack().std()
    assert fit.simulated_residuals(99, seed=1).uniformity().pvalue > 0.01


def test_what_follows_a_fit(fit, owls, tmp_path):
    smaller = smm.mixedglm2(OWLS, owls, "nbinom2", zero_inflation="~ FoodTreatment").fit()
    test = fit.compare_lr_test(smaller)
    assert test.df_diff == 1
    assert test.statistic == pytest.approx(2 * (fit.llf - smaller.llf), abs=1e-9)
    # Half of a chi-squared distribution: a variance is at the edge of its range.
    assert test.pvalue == pytest.approx(0.5 * chi2.sf(test.statistic, 1), rel=1e-9)
    assert fit.refit(owls["SiblingNegotiation"]).llf == pytest.approx(fit.llf, abs=1e-7)
    replicates = fit.bootstrap(2, seed=1)
    assert ("sd", "zi: Nest.Intercept") in replicates.frame.columns
    again = fit.refit(fit.simulate(2, seed=1)[:, 1])
    assert_allclose(replicates.frame.iloc[1]["beta"], again.params, rtol=1e-3, atol=1e-3)
    robust = fit.with_inference(cov_type="cluster", cov_kwds={"groups": "Nest"})
    assert np.isfinite(robust.bse).all()
    limits = fit.conf_int(method="profile").loc["zi: Intercept"]
    assert limits[0] < fit.params["zi: Intercept"] < limits[1]
    fit.to_dir(tmp_path / "fit")
    opened = smm.open(tmp_path / "fit")
    assert_allclose(opened.predict(owls.head(3), re=True), fit.predict(owls.head(3), re=True))
    model = fit.model.update(". ~ . - cArr")
    assert [block.name for block in model.layout.blocks] == ["Nest", "zi: Nest"]


def test_a_mean_without_random_effects(owls):
    model = smm.mixedglm2(
        "SiblingNegotiation ~ cArr",
        owls,
        "poisson",
        zero_inflation="~ 0 + cArr + (0 + cArr | Nest)",
    )
    fit = model.fit()
    assert list(fit.ranef()) == ["zi: Nest"]
    assert_allclose(
        fit.predict(owls.head(), which="conditional", re=True),
        fit.predict(owls.head(), which="conditional"),
    )


def test_what_is_not_possible_is_said(owls):
    def model(**parts):
        return smm.mixedglm2("SiblingNegotiation ~ 1 + (1 | Nest)", owls, "poisson", **parts)

    with pytest.raises(FormulaError, match="dispersion= has fixed effects only"):
        smm.mixedglm2("NegPerChick ~ 1 + (1 | Nest)", owls, "gaussian", dispersion="~ (1 | Nest)")
    with pytest.raises(DataError, match="'Nests'"):
        model(zero_inflation="~ 1 + (1 | Nests)")
    with pytest.raises(FormulaError, match="has no offset"):
        model(zero_inflation="~ 1 + offset(cArr) + (1 | Nest)")
    with pytest.raises(OptionError, match=r"terms of several \(Nest, zi: FoodTreatment\)"):
        model(zero_inflation="~ 1 + (1 | FoodTreatment)").fit(n_agq=5)
    with pytest.raises(OptionError, match="covariance structures"):
        model(zero_inflation="~ 1 + cs(0 + SexParent | Nest)").fit()
    with pytest.raises(OptionError, match="needs an intercept or another fixed effect"):
        model(zero_inflation="~ 0 + (1 | Nest)")


def test_the_integral_over_both_effects_of_a_level_is_near(owls):
    # Nests have many rows.
    fit = smm.mixedglm2(
        "SiblingNegotiation ~ FoodTreatment + (1 | Nest)",
        owls,
        "poisson",
        zero_inflation="~ 1 + (1 | Nest)",
    ).fit()
    y = owls["SiblingNegotiation"].to_numpy()
    eta = fit.predict(which="linear").to_numpy()
    sds = {name: fit.varcorr[name].covariance[0, 0] ** 0.5 for name in ("Nest", "zi: Nest")}
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    log_weights = np.log(weights) - np.log(2 * np.pi) / 2
    pi = expit(fit.params["zi: Intercept"] + sds["zi: Nest"] * nodes)[:, None]
    total = 0.0
    for nest in owls["Nest"].unique():
        own = (owls["Nest"] == nest).to_numpy()
        terms = []
        for u, log_weight in zip(nodes, log_weights, strict=True):
            mu = np.exp(eta[own] + sds["Nest"] * u)
            count = y[own] * np.log(mu) - mu - gammaln(y[own] + 1)
            rows = np.log(pi * (y[own] == 0) + (1 - pi) * np.exp(count))
            terms.append(logsumexp(rows.sum(axis=1) + log_weights) + log_weight)
        total += logsumexp(terms)
    assert fit.llf == pytest.approx(total, abs=0.3)


@pytest.mark.parametrize("levels", [["no", "yes"], ["yes", "no"]], ids="-".join)
def test_what_is_not_determined_leaves_the_rest(salamanders, levels):
    # No site is both mined and not: the data say nothing of the correlation.
    data = salamanders.assign(mined=pd.Categorical(salamanders["mined"], levels))
    model = smm.mixedglm2(
        "count ~ mined + (1 | site)", data, "poisson", hurdle="~ mined + (0 + mined | site)"
    )
    apart = model.update("~ .", hurdle="~ mined + zerocorr(0 + mined | site)")
    fit, other = model.fit(), apart.fit()
    assert fit.llf == pytest.approx(other.llf, abs=1e-6)
    assert_allclose(fit.bse, other.bse, rtol=1e-4)
    assert np.isnan(np.diag(fit.estimates.covariance)).sum() == 1


def test_a_search_that_ends_at_a_pole_begins_again_near_no_effects():
    # There are none; Laplace's approximation is unbounded where conditional modes merge.
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), 10)
    data = pd.DataFrame({"y": rng.poisson(np.exp(0.8 + 0.4 * rng.normal(size=30)[g])), "g": g})
    model = smm.mixedglm2("y ~ 1 + (1 | g)", data, "poisson", zero_inflation="~ 1 + (1 | g)")
    with pytest.warns(SingularFitWarning):
        fit = model.fit()
    without = smm.mixedglm2("y ~ 1 + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()
    assert fit.converged
    assert fit.llf == pytest.approx(without.llf, abs=1e-6)
    assert "the maximum near none" in str(fit.summary())


def test_a_likelihood_that_has_no_maximum_is_said():
    rng = np.random.default_rng(11)
    levels, rows = int(rng.integers(15, 40)), int(rng.integers(6, 15))
    g, x = np.repeat(np.arange(levels), rows), rng.normal(size=levels * rows)
    b, u = 0.5 * rng.normal(size=levels), rng.normal(size=levels)
    mu = np.exp(0.7 + 0.3 * x + b[g])
    y = rng.negative_binomial(mu / 0.8, 1 / 1.8) * (rng.random(len(g)) > expit(-0.7 + u[g]))
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    model = smm.mixedglm2("y ~ x + (1 | g)", data, "nbinom1", zero_inflation="~ 1 + (1 | g)")
    with pytest.warns(ConvergenceWarning, match="about to split in two"):
        fit = model.fit()
    assert "about to split in two" in str(fit.summary())


@pytest.mark.slow
@pytest.mark.parametrize(("option", "label"), [("zero_inflation", "zi"), ("hurdle", "hurdle")])
def test_intervals_cover(option, label):
    covered, wanted = [], np.array([0.3, 0.5])
    for seed in range(100):
        rng = np.random.default_rng(seed)
        g = np.repeat(np.arange(30), 12)
        x = rng.normal(size=len(g))
        mu = np.exp(1.0 + 0.3 * x + 0.5 * rng.normal(size=30)[g])
        zero = rng.random(len(g)) < expit(-0.5 + 0.5 * x + rng.normal(size=30)[g])
        count = rng.poisson(mu)
        while option == "hurdle" and (count == 0).any():
            count = np.where(count == 0, rng.poisson(mu), count)
        data = pd.DataFrame({"y": np.where(zero, 0, count), "x": x, "g": g})
        fit = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson", **{option: "~ x + (1 | g)"}).fit()
        assert fit.converged
        own = ["x", f"{label}: x"]
        covered.append(np.abs(fit.params[own] - wanted) < 1.96 * fit.bse[own])
    assert (np.mean(covered, axis=0) > 0.88).all()


def test_mundlaks_test_is_of_the_factor_of_the_mean(salamanders):
    model = smm.mixedglm2(
        "count ~ DOY + (1 | site)", salamanders, "poisson", hurdle="~ 1 + (1 | site)"
    )
    fit = model.fit()
    pd.testing.assert_frame_equal(fit.mundlak_test().table, fit.mundlak_test("site").table)
