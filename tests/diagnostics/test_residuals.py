"""Residuals, leverages and Cook's distances against lme4, statsmodels and dense matrices."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from reference import load
from simulated import Stream
from small_models import fit, fit_shipped
from statsmodels.genmod.families import links
from statsmodels.stats.outliers_influence import OLSInfluence
from tolerances import INVARIANCE

from statsmodels_mixed import (
    DataError,
    LinearMixedModel,
    OptionError,
    RankWarning,
    SingularFitWarning,
    datasets,
)
from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.linear.penalized_least_squares import solve
from statsmodels_mixed.inference import cooks_distance, leverage, residuals

# Of the largest value: lme4's theta is good to about 1e-7.
PUBLISHED = 1e-6
UNIT_VARIANCE = ("pearson", "deviance", "anscombe", "likelihood")


@cache
def sleepstudy() -> pd.DataFrame:
    return datasets.load("sleepstudy").assign(
        w=lambda d: 1.0 + d["days"] % 3,
        twice=lambda d: 2 * d["days"],
        count=lambda d: np.rint(d["reaction"] / 40),
        late=lambda d: (d["reaction"] > 300).astype(float),
        off=lambda d: 0.01 * d["days"],
    )


@cache
def generalized(name: str) -> Any:
    formula, data, family, options = {
        "trials": (
            "incid + I(hsz - incid) ~ 1 + period + (1 | herd)",
            datasets.load("cbpp"),
            sm.families.Binomial(),
            {},
        ),
        "probit": (
            "late ~ 1 + days + (1 | subj)",
            sleepstudy(),
            sm.families.Binomial(links.Probit()),
            {},
        ),
        "offset": (
            "count ~ 1 + days + twice + (1 + days | subj)",
            sleepstudy(),
            sm.families.Poisson(),
            {"offset": "off"},
        ),
        "gamma": (
            "reaction ~ 1 + days + (1 + days | subj)",
            sleepstudy(),
            sm.families.Gamma(links.Log()),
            {"weights": "w"},
        ),
        "inverse_gaussian": (
            "reaction ~ 1 + days + (1 | subj)",
            sleepstudy(),
            sm.families.InverseGaussian(links.Log()),
            {},
        ),
        "negative_binomial": (
            "ticks ~ 1 + year + cheight + (1 | brood) + (1 | location)",
            datasets.load("grouseticks"),
            sm.families.NegativeBinomial(alpha=1.0),
            {},
        ),
    }[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        warnings.simplefilter("ignore", SingularFitWarning)
        return smf.mixedglm2(formula, data, family, **options).fit()


GENERALIZED = (
    "trials", "probit", "offset", "gamma", "inverse_gaussian", "negative_binomial",
)  # fmt: skip


def no_variance() -> tuple[Any, Any]:
    """A singular fit and the regression that it is."""
    stream = Stream(11)
    g = np.repeat(np.arange(8), 5)
    x, e = stream.normal(40), stream.normal(40)
    for j in range(8):  # groups that differ less than chance
        e[g == j] -= e[g == j].mean()
    data = pd.DataFrame({"y": 1 + 0.5 * x + e, "x": x, "g": g})
    return fit("y ~ 1 + x + (1 | g)", data, reml=True), smf.ols("y ~ 1 + x", data).fit()


def hat_matrix(result: Any) -> np.ndarray:
    """W^(1/2) F (F'WF + P)^-1 F'W^(1/2) with F = [Z Lambda, X], from the estimates."""
    design, estimates = result.model.design, result.estimates
    n, family = len(design.y), result.family
    weights = np.ones(n) if design.weights is None else design.weights
    mu = np.asarray(result.fittedvalues)
    phi = 1.0 if estimates.spec.family == "negative_binomial" else estimates.dispersion
    W = weights / (phi * family.variance(mu) * family.link.deriv(mu) ** 2)
    parts = []
    for block, T in zip(design.blocks, estimates.factors, strict=True):
        k = len(block.names)
        Z = np.zeros((n, len(block.levels), k))
        Z[np.arange(n), block.refs] = block.z @ T
        parts.append(Z.reshape(n, -1))
    q = sum(part.shape[1] for part in parts)
    F = np.hstack([*parts, design.X[:, estimates.columns]]) * np.sqrt(W)[:, None]
    P = np.diag(np.r_[np.ones(q), np.zeros(F.shape[1] - q)])
    return F @ np.linalg.solve(F.T @ F + P, F.T)


# Leverages.


def test_leverages_residuals_and_cooks_distances_of_lme4():
    (record,) = [r for r in load("inference_diagnostics") if r["type"] == "hat_cooks_formula"]
    result = fit_shipped("sleepstudy", reml=True)
    ours = {
        "hat": leverage(result),
        "cooks": cooks_distance(result),
        "resid": residuals(result),
        "fitted": result.fittedvalues,
    }
    for name, values in ours.items():
        theirs = np.array(record[name])
        assert_allclose(values, theirs, rtol=0, atol=PUBLISHED * np.abs(theirs).max())


@pytest.mark.parametrize("name", GENERALIZED)
def test_leverages_of_generalized_models(name):
    result = generalized(name)
    h = leverage(result)
    assert_allclose(h, np.diag(hat_matrix(result)), rtol=1e-6)
    rank, q = len(result.estimates.beta), result.layout.n_random
    assert rank < h.sum() < rank + q
    assert (h > 0).all() and (h < 1).all()


def test_leverages_depend_on_the_information_not_on_how_it_was_integrated():
    data = datasets.load("cbpp")
    formula = "incid + I(hsz - incid) ~ 1 + period + (1 | herd)"
    family = sm.families.Binomial(links.CLogLog())
    for how in ({"hessian": "observed"}, {"n_agq": 7}, {"fast": True}):
        result = smf.mixedglm2(formula, data, family).fit(**how)
        assert_allclose(leverage(result), np.diag(hat_matrix(result)), rtol=1e-5)


def test_leverages_of_weighted_and_rank_deficient_linear_models():
    data = sleepstudy()
    formula = "reaction ~ 1 + days + (1 + days | subj)"
    weighted = fit(formula, data, {"weights": "w"})
    # d fitted / d y at the estimated theta
    changed = data.assign(reaction=data["reaction"] + 1e3 * (data.index == 7))
    other = weighted.model.from_formula(formula, changed, weights="w")
    products = form_crossproducts(other.design)
    products.workspace.value_and_gradient(weighted.estimates.theta)
    solution, block = solve(products), other.design.blocks[0]
    moved = other.design.X[7] @ solution.beta + block.z[7] @ solution.b[0][block.refs[7]]
    slope = (moved - weighted.fittedvalues[7]) / 1e3
    assert_allclose(leverage(weighted)[7], slope, rtol=1e-8)
    plain = fit(formula, data)
    with pytest.warns(RankWarning):
        aliased = fit("reaction ~ 1 + days + twice + (1 + days | subj)", data)
    assert_allclose(leverage(aliased), leverage(plain), rtol=INVARIANCE)
    assert_allclose(cooks_distance(aliased), cooks_distance(plain), rtol=1e-4)


# Residuals.


@pytest.mark.parametrize("name", GENERALIZED)
def test_residuals_are_those_of_a_glm_at_the_same_means(name):
    result = generalized(name)
    design = result.model.design
    glm = sm.GLM(
        design.y,
        np.ones((len(design.y), 1)),
        result.family,
        offset=result.estimates.eta,
        var_weights=design.weights,
    ).fit(start_params=[0.0], maxiter=0)
    assert_allclose(glm.mu, result.fittedvalues, rtol=1e-12)
    for kind in ("response", "pearson", "deviance", "working", "anscombe"):
        name = f"resid_{kind}" + ("_unscaled" if kind == "anscombe" else "")
        theirs = np.asarray(getattr(glm, name))
        assert_allclose(residuals(result, kind), theirs, rtol=1e-9, atol=1e-12, err_msg=kind)


@pytest.mark.parametrize("name", GENERALIZED)
def test_likelihood_residuals_lie_between_deviance_and_pearson(name):
    result = generalized(name)
    h = leverage(result)
    d, p = (residuals(result, kind, standardized=True) for kind in ("deviance", "pearson"))
    ours = residuals(result, "likelihood", scaled=True)
    # Williams' form, with standardized residuals
    assert_allclose(ours, np.sign(d) * np.sqrt((1 - h) * d**2 + h * p**2), rtol=1e-9)


@pytest.mark.parametrize("name", GENERALIZED)
def test_scaled_and_standardized(name):
    result = generalized(name)
    phi, h = result.scale, np.diag(hat_matrix(result))
    for kind in UNIT_VARIANCE[:-1]:
        plain = residuals(result, kind)
        assert_allclose(residuals(result, kind, scaled=True), plain / np.sqrt(phi), rtol=1e-12)
        full = plain / np.sqrt(phi * (1 - h))
        assert_allclose(residuals(result, kind, standardized=True), full, rtol=1e-6)
    assert_allclose(
        cooks_distance(result),
        residuals(result, "pearson", standardized=True) ** 2
        * h / (1 - h) / len(result.estimates.beta),
        rtol=1e-5,
    )  # fmt: skip


def test_linear_residuals():
    result = fit("reaction ~ 1 + days + (1 | subj)", sleepstudy(), {"weights": "w"}, reml=True)
    y, w = sleepstudy()["reaction"].to_numpy(), sleepstudy()["w"].to_numpy()
    e = y - np.asarray(result.fittedvalues)
    for kind in ("response", "working"):
        assert_allclose(residuals(result, kind), e, rtol=1e-12)
    for kind in ("pearson", "deviance", "anscombe"):
        assert_allclose(residuals(result, kind), np.sqrt(w) * e, rtol=1e-12)
    scaled = residuals(result, "pearson", scaled=True)
    assert_allclose(scaled, np.sqrt(w) * e / result.sigma, rtol=1e-12)
    rest = 1 - leverage(result)
    standardized = residuals(result, "pearson", standardized=True)
    assert_allclose(standardized, scaled / np.sqrt(rest), rtol=1e-12)
    assert_allclose(residuals(result, "likelihood", scaled=True), standardized, rtol=1e-12)


def test_without_variance_among_groups_they_are_those_of_a_regression():
    result, regression = no_variance()
    assert result.estimates.theta[0] == 0
    theirs = OLSInfluence(regression)
    assert_allclose(leverage(result), theirs.hat_matrix_diag, rtol=1e-10)
    ours = residuals(result, "pearson", standardized=True)
    assert_allclose(ours, theirs.resid_studentized_internal, rtol=1e-9)
    assert_allclose(cooks_distance(result), theirs.cooks_distance[0], rtol=1e-8)


# Labels and refusals.


def test_rows_that_are_fitted_exactly():
    """One with a column of its own, in many positions: 1 - h is a rounding error."""
    data = datasets.load("sleepstudy").astype({"reaction": float})
    for at in range(0, 180, 13):
        data["alone"] = 1.0 * (np.arange(180) == at)
        result = smf.mixedlm2("reaction ~ days + alone + (days | subj)", data).fit()
        assert leverage(result).iloc[at] == 1.0
        values = pd.concat(
            [
                cooks_distance(result),
                residuals(result, "pearson", standardized=True),
                residuals(result, "likelihood"),
            ],
            axis=1,
        )
        assert values.iloc[at].isna().all()
        assert values.drop(index=at).notna().all(axis=None)


def test_values_carry_the_labels_of_the_rows():
    data = sleepstudy().set_index(np.arange(1000, 1180))
    result = fit("reaction ~ 1 + days + (1 | subj)", data, {"subset": data["days"] > 1})
    for values in (leverage(result), residuals(result), cooks_distance(result)):
        assert_array_equal(values.index, data.index[data["days"] > 1])
    # a model of arrays has numbers from 0
    plain = LinearMixedModel(data["reaction"].to_numpy(), np.ones((180, 1)), data["subj"]).fit()
    assert leverage(plain).index.equals(pd.RangeIndex(180))


def test_what_is_refused():
    result = fit_shipped("sleepstudy")
    with pytest.raises(OptionError, match="no kind of residuals"):
        residuals(result, "pearsons")
    for kind in ("response", "working"):
        with pytest.raises(OptionError, match="scaled=True does not go"):
            residuals(result, kind, scaled=True)
    for kind in ("response", "working", "likelihood"):
        with pytest.raises(OptionError, match="standardized=True does not go"):
            residuals(result, kind, standardized=True)
    with pytest.raises(OptionError, match="this model has none"):
        cooks_distance(fit("reaction ~ 0 + (1 | subj)", sleepstudy()))
    with pytest.raises(OptionError, match="fitted mixed model"):
        leverage(3)
    bare = fit_shipped("sleepstudy")
    bare.remove_data()
    for function in (leverage, residuals, cooks_distance):
        with pytest.raises(DataError, match="data of this result were removed"):
            function(bare)
