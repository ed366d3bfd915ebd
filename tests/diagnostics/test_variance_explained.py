"""R2, intraclass correlations, variance inflation and principal components of random effects."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from reference import load
from reference.glmm_names import result as generalized
from reference.lme4_names import MODELS
from scipy.special import polygamma
from scipy.stats import gumbel_r, logistic
from small_models import fit, fit_shipped
from statsmodels.genmod.families import links
from statsmodels.stats.outliers_influence import variance_inflation_factor
from tolerances import INVARIANCE

from statsmodels_mixed import (
    DataError,
    LinearMixedModel,
    OptionError,
    RankWarning,
    SingularFitWarning,
    datasets,
)
from statsmodels_mixed.inference import icc, r2, re_pca, vif

PUBLISHED = 1e-6
# The generalized fits of these records stopped short of the maximum.
STOPPED_SHORT = 2e-3

RECORDS = [r for r in load("inference_diagnostics") if r["type"] == "r2_icc"]


@cache
def linear(name: str, method: str) -> Any:
    model = MODELS[name.removesuffix("_ML")]
    return fit(model.formula, model.data(), model.options, reml=method == "REML")


def shares(result: Any, **how: Any) -> list[float]:
    return [*r2(result, **how), *icc(result, **how)[:2]]


def of_record(record: dict[str, Any]) -> list[float]:
    names = ("r2_marginal", "r2_conditional", "icc_adjusted", "icc_unadjusted")
    return [record[name] for name in names]


def by_parts(fixed: float, random: float, rest: float) -> list[float]:
    total = fixed + random + rest
    return [fixed / total, (fixed + random) / total, random / (random + rest), random / total]


def random_variance(result: Any) -> float:
    """Mean of the diagonal of Z Sigma Z', dense."""
    design, total = result.model.design, 0.0
    for block in design.blocks:
        covariance = np.atleast_2d(result.varcorr.covariance(block.name).to_numpy())
        total += np.trace(block.z @ covariance @ block.z.T) / len(design.y)
    return total


# R2 and intraclass correlations.


@pytest.mark.parametrize(
    "record",
    [r for r in RECORDS if "method" in r and r["id"] not in ("sleep_zerocorr", "sleep_weighted")],
    ids=lambda r: r["id"],
)
def test_linear_models_as_in_performance(record):
    ours = shares(linear(record["id"], record["method"]))
    assert_allclose(ours, of_record(record), rtol=PUBLISHED, atol=1e-12)


def test_performance_forgets_weights():
    # Its residual variance is sigma^2, that of a row of weight 1; the unit of weights is arbitrary.
    for record in (r for r in RECORDS if r["id"] == "sleep_weighted"):
        result = linear(record["id"], record["method"])
        design = result.model.design
        fixed = np.var(design.X @ result.params.to_numpy(), ddof=1)
        random, rest = random_variance(result), result.sigma**2
        assert_allclose(by_parts(fixed, random, rest), of_record(record), rtol=PUBLISHED)
        rest *= np.mean(1.0 / design.weights)
        assert_allclose(shares(result), by_parts(fixed, random, rest), rtol=1e-12)


def test_performance_forgets_slopes_without_correlation():
    (record,) = [r for r in RECORDS if r["id"] == "sleep_zerocorr"]
    result = linear("sleep_zerocorr", "REML")
    days = datasets.load("sleepstudy")["days"]
    fixed, rest = result.fixef["days"] ** 2 * days.var(), result.scale
    intercept, slope = np.diag(result.varcorr.covariance("subj"))
    forgotten = by_parts(fixed, intercept, rest)
    assert_allclose(forgotten, of_record(record), rtol=PUBLISHED)
    whole = by_parts(fixed, intercept + slope * np.mean(days**2), rest)
    assert_allclose(shares(result), whole, rtol=1e-9)


@pytest.mark.parametrize("name", ["verbagg", "grouseticks"])
def test_generalized_models_as_in_performance(name):
    (record,) = [r for r in RECORDS if r["id"] == name]
    result = generalized(name)
    assert_allclose(shares(result, null_mean="conditional"), of_record(record), atol=STOPPED_SHORT)
    if name == "grouseticks":  # far from what the paper's mean gives
        assert shares(result)[1] - of_record(record)[1] > 0.05


@pytest.mark.parametrize(
    ("link", "latent"),
    [
        (links.Logit(), logistic.var()),
        (links.Probit(), 1.0),
        (links.CLogLog(), gumbel_r.var()),
    ],
    ids=["logit", "probit", "cloglog"],
)
def test_binomial_links_have_the_variance_of_their_latent_variable(link, latent):
    formula = "incid + I(hsz - incid) ~ 1 + period + (1 | herd)"
    result = smf.mixedglm2(formula, datasets.load("cbpp"), sm.families.Binomial(link)).fit()
    fixed = np.var(np.asarray(result.estimates.linear_predictor), ddof=1)
    expected = by_parts(fixed, float(result.cov_re.iloc[0, 0]), latent)
    assert_allclose(shares(result), expected, rtol=1e-9)


def counts() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(30), 8), rng.standard_normal(240)
    rate = np.exp(0.8 + 0.4 * x + 0.6 * rng.standard_normal(30)[g])
    exposure = rng.uniform(0.5, 2.0, 240)
    y = rng.poisson(rate * exposure * rng.gamma(2.0, 0.5, 240))
    return pd.DataFrame({"y": y, "x": x, "g": g, "t": exposure, "amount": rate + 0.1 * g})


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("alpha", [False, True], ids=["Poisson", "negative binomial"])
def test_counts_take_their_mean_from_the_model_without_fixed_effects(alpha, exposed):
    family = sm.families.NegativeBinomial(alpha=1.0) if alpha else sm.families.Poisson()
    options = {"exposure": "t"} if exposed else {}
    data = counts()
    result = smf.mixedglm2("y ~ 1 + x + (1 + x | g)", data, family, **options).fit()
    null = smf.mixedglm2("y ~ 1 + (1 + x | g)", data, family, **options).fit()
    dispersion = result.dispersion if alpha else 0.0
    mean = np.exp(null.fixef.iloc[0]) * (data["t"].mean() if exposed else 1.0)
    for null_mean, size in (
        ("conditional", mean),
        ("marginal", mean * np.exp(random_variance(null) / 2)),
    ):
        fixed = result.fixef["x"] ** 2 * data["x"].var()
        rest = np.log(1 + 1 / size + dispersion)
        expected = by_parts(fixed, random_variance(result), rest)
        assert_allclose(shares(result, null_mean=null_mean), expected, rtol=1e-6)


def test_other_families():
    data = counts()
    for family, rest in (
        (sm.families.Poisson(links.Sqrt()), lambda result: 0.25),
        (sm.families.Gamma(links.Log()), lambda result: np.log(1 + result.dispersion)),
        (sm.families.Gaussian(), lambda result: result.dispersion),
    ):
        response = "y" if isinstance(family, sm.families.Poisson) else "amount"
        result = smf.mixedglm2(f"{response} ~ 1 + x + (1 | g)", data, family).fit()
        fixed = result.fixef["x"] ** 2 * data["x"].var()
        expected = by_parts(fixed, random_variance(result), rest(result))
        assert_allclose(shares(result), expected, rtol=1e-9)
    # the lognormal variance is near the exact variance of log y, trigamma(1 / phi)
    phi = 0.05
    assert_allclose(np.log(1 + phi), polygamma(1, 1 / phi), rtol=0.06)


def test_the_normal_family_is_the_linear_model():
    data = datasets.load("sleepstudy")
    formula = MODELS["sleep_slope"].formula
    one, two = fit(formula, data), smf.mixedglm2(formula, data, sm.families.Gaussian()).fit()
    assert_allclose(shares(two), shares(one), rtol=1e-5)


def test_by_group_they_add_up():
    result = fit_shipped("penicillin", reml=True)
    found = icc(result)
    assert list(found.by_group.index) == ["plate", "sample"]
    assert_allclose(found.by_group["adjusted"].sum(), found.adjusted, rtol=1e-12)
    variances = {name: float(frame.iloc[0, 0]) for name, frame in result.cov_re.items()}
    total = sum(variances.values()) + result.scale
    for name, value in variances.items():
        assert_allclose(found.by_group.loc[name, "adjusted"], value / total, rtol=1e-12)
    counted = icc(generalized("grouseticks"))
    assert list(counted.by_group.index) == ["brood", "location"]  # index numbers the rows


def test_units_do_not_matter():
    data = datasets.load("sleepstudy")
    scaled = data.assign(reaction=1e3 * data["reaction"] + 7.0, days=data["days"] / 24)
    formula = MODELS["sleep_slope"].formula
    assert_allclose(shares(fit(formula, scaled)), shares(fit(formula, data)), rtol=1e-6)


def no_variance() -> Any:
    return fit(MODELS["dyestuff2"].formula, datasets.load("dyestuff2"))


def test_no_variance_among_groups():
    result = no_variance()
    assert_allclose(shares(result), 0, atol=1e-20)


def test_what_is_refused():
    result = fit_shipped("sleepstudy")
    for function in (r2, icc):
        with pytest.raises(OptionError, match="null_mean='mean'"):
            function(result, null_mean="mean")
    data = counts()
    for family in (
        sm.families.Gaussian(links.Log()),
        sm.families.InverseGaussian(links.Log()),
        sm.families.Gamma(links.InversePower()),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            other = smf.mixedglm2("amount ~ 1 + x + (1 | g)", data, family).fit()
        with pytest.raises(OptionError, match="is not known"):
            r2(other)
    result.remove_data()
    with pytest.raises(DataError, match="were removed"):
        icc(result)


# Variance inflation.


def test_factors_of_single_columns_are_those_of_a_regression():
    # Without variance among groups the coefficients are those of a regression.
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(10), 6)
    X = rng.standard_normal((60, 3)) @ np.array([[1.0, 0.6, 0.3], [0, 1, 0.5], [0, 0, 1]])
    e = rng.standard_normal(60)
    e -= pd.Series(e).groupby(g).transform("mean").to_numpy()
    data = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": X.sum(axis=1) + e, "g": g})
    result = fit("y ~ 1 + a + b + c + (1 | g)", data)
    found = vif(result)
    theirs = [variance_inflation_factor(sm.add_constant(X), i) for i in (1, 2, 3)]
    assert list(found.index) == ["a", "b", "c"] and (found["df"] == 1).all()
    assert_allclose(found["GVIF"], theirs, rtol=1e-8)
    assert_allclose(found["GVIF^(1/(2 df))"], np.sqrt(theirs), rtol=1e-8)
    arrays = LinearMixedModel(data["y"].to_numpy(), sm.add_constant(X), g)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        assert_allclose(vif(arrays.fit())["GVIF"], theirs, rtol=1e-8)


def unbalanced_cake() -> pd.DataFrame:
    data = datasets.load("cake")
    keep = (data.index % 7 > 1) | (data["recipe"] == "B")
    return data[keep].assign(
        warm=lambda d: d["temp"] + 8.0 * (d["recipe"] == "C") + 3.0 * np.cos(d.index)
    )


def test_generalized_factors_do_not_depend_on_the_coding():
    data = unbalanced_cake()
    formula = "angle ~ recipe + warm + {} + (1 | recipe:replicate)"
    one = vif(fit(formula.format("temp"), data))
    two = vif(fit(formula.format("temp").replace("recipe +", "C(recipe, Sum) +"), data))
    assert list(one["df"]) == [2, 1, 1] and (one["GVIF"] > 1.3).all()
    assert_allclose(one.to_numpy(), two.to_numpy(), rtol=1e-6)
    scaled = data.assign(temp=data["temp"] / 10, angle=3 * data["angle"])
    assert_allclose(vif(fit(formula.format("temp"), scaled)), one, rtol=INVARIANCE)


def test_generalized_factors_are_canonical_correlations():
    """1 / prod(1 - r^2) over the canonical correlations of two sets of V^(-1/2) X."""
    result = fit("angle ~ recipe + warm + temp + (1 | recipe:replicate)", unbalanced_cake())
    V = result.vcov.drop(index="Intercept", columns="Intercept").to_numpy()
    K = np.linalg.solve(V[:2, :2], V[:2, 2:]) @ np.linalg.solve(V[2:, 2:], V[2:, :2])
    squares = np.linalg.eigvals(K).real
    assert_allclose(vif(result).loc["recipe", "GVIF"], 1 / np.prod(1 - squares), rtol=1e-9)


def test_orthogonal_terms_are_not_inflated():
    found = vif(fit("angle ~ recipe + temp + (1 | recipe:replicate)", datasets.load("cake")))
    assert_allclose(found["GVIF"], 1.0, rtol=1e-9)


def test_inflation_of_generalized_and_rank_deficient_models():
    data = counts().assign(
        z=lambda d: d["x"] + np.cos(np.arange(240.0)), twice=lambda d: 2 * d["x"]
    )
    family = sm.families.Poisson()
    found = vif(smf.mixedglm2("y ~ 1 + x + z + (1 | g)", data, family).fit())
    with pytest.warns(RankWarning):
        result = smf.mixedglm2("y ~ 1 + x + z + twice + (1 | g)", data, family).fit()
    assert_allclose(vif(result), found, rtol=1e-6)
    R = result.vcov.loc[["x", "z"], ["x", "z"]].to_numpy()
    r = R[0, 1] / np.sqrt(R[0, 0] * R[1, 1])
    assert_allclose(found["GVIF"], 1 / (1 - r**2), rtol=1e-6)
    with pytest.raises(OptionError, match="two terms or more"):
        vif(fit_shipped("sleepstudy"))


# Principal components.


@pytest.mark.parametrize("corr", [False, True])
@pytest.mark.parametrize("name", ["machines", "sleepstudy", "penicillin"])
def test_principal_components_are_eigenvectors(name, corr):
    result = fit_shipped(name, reml=True)
    found = re_pca(result, corr=corr)
    assert list(found) == [block.name for block in result.layout.blocks]
    for group, components in found.items():
        S = result.varcorr.covariance(group).to_numpy()
        if corr:
            S = S / np.sqrt(np.outer(np.diag(S), np.diag(S)))
        values = np.linalg.eigvalsh(S)[::-1]
        assert_allclose(components.sdev**2, values, rtol=1e-9)
        U = components.rotation.to_numpy()
        assert_allclose(U * values @ U.T, S, rtol=1e-9)
        assert_allclose(U.T @ U, np.eye(len(U)), atol=1e-12)
        assert_allclose(components.proportion, values / values.sum(), rtol=1e-9)
        assert_allclose(components.cumulative.iloc[-1], 1.0, rtol=1e-12)
        largest = np.take_along_axis(U, np.abs(U).argmax(axis=0)[None], axis=0)
        assert (largest > 0).all()
        assert list(components.summary_frame()) == ["sdev", "proportion", "cumulative"]
        assert list(components.rotation.index) == list(result.ranef()[group])


def test_components_of_a_singular_fit():
    # groups differ in level, and not in slope at all
    rng = np.random.default_rng(2)
    g, x, e = (
        np.repeat(np.arange(10), 6),
        np.tile(np.arange(-2.5, 3.0), 10),
        rng.standard_normal(60),
    )
    for j in range(10):
        e[g == j] -= x[g == j] * (x[g == j] @ e[g == j]) / (x[g == j] @ x[g == j])
    data = pd.DataFrame({"y": 3 * np.cos(g) + x + e, "x": x, "g": g})
    result = fit("y ~ 1 + x + (1 + x | g)", data)
    assert result.issingular()
    found = re_pca(result)["g"]
    assert found.sdev.iloc[0] > 1 and found.sdev.iloc[1] < 1e-4
    assert_allclose(found.cumulative, 1.0, atol=1e-8)
    nothing = re_pca(no_variance())["batch"]
    assert nothing.sdev.tolist() == [0.0] and nothing.proportion.isna().all()
    assert re_pca(no_variance(), corr=True)["batch"].sdev.tolist() == [0.0]


def test_components_of_a_generalized_model_are_on_the_linear_scale():
    result = generalized("contra_slope")
    values = np.linalg.eigvalsh(result.cov_re.to_numpy())[::-1]
    assert_allclose(re_pca(result)["dist"].sdev, np.sqrt(np.maximum(values, 0)), atol=1e-6)


def test_shares_are_shown_as_tables():
    fitted = smf.mixedlm2(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", datasets.load("penicillin")
    ).fit()
    shares, correlations = fitted.r2(), fitted.icc()
    assert str(shares).split() == ["marginal", "conditional", "R2", "0.0000", f"{shares[1]:.4f}"]
    table = correlations.to_frame()
    assert list(table.index) == ["all", "plate", "sample"]
    assert_allclose(table.loc["all"], table.iloc[1:].sum())
    html = correlations._repr_html_()
    assert all(f"<td>{value:.4f}</td>" in html for value in table.to_numpy().ravel())
