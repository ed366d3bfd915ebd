"""Covariance parameters that the data say nothing of: found, named, and left out of tests."""

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
from scipy import stats

from statsmodels_mixed import IdentificationWarning, datasets
from statsmodels_mixed.fitting.covariance import elements_of
from statsmodels_mixed.fitting.identification import identify
from statsmodels_mixed.fitting.linear.penalized_least_squares import objective


@cache
def tanks() -> pd.DataFrame:
    """One tank for each treatment, as in nobody's planned experiment."""
    random = np.random.default_rng(7)
    tank = np.repeat(np.arange(4), 10)
    data = pd.DataFrame({"tank": tank, "treat": np.array(list("ABCD"))[tank]})
    data["x"], data["day"] = random.normal(size=40), np.tile(np.arange(10), 4)
    data["w"] = random.uniform(0.5, 2.0, size=40)
    data["y"] = 2 * random.normal(size=4)[tank] + random.normal(size=40)
    return data


@cache
def property_of_groups() -> pd.DataFrame:
    """A covariate f that is constant in every group p."""
    random = np.random.default_rng(2)
    data = pd.DataFrame({"p": np.repeat(np.arange(24), 4)})
    data["f"] = data["p"] % 2
    scale = np.where(data["f"] == 1, 2.0, 1.0)
    data["y"] = data["f"] + scale * random.normal(size=24)[data["p"]] + random.normal(size=96)
    return data


def silent(formula: str, data: pd.DataFrame, family: Any = None, **how: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if family is None:
            weights = how.pop("weights", None)
            return smf.mixedlm2(formula, data, weights=weights).fit(**how)
        return smf.mixedglm2(formula, data, family=family).fit(**how)


def sleep(formula: str, **how: Any) -> Any:
    return silent(formula, datasets.load("sleepstudy"), **how)


# The algebra.


def dense_dimension(design: Any, residual: bool) -> int:
    """Rank deficiency of the matrices K G_e K' as long vectors, of unit length before."""
    n = len(design.y)
    w = np.ones(n) if design.weights is None else design.weights
    K = np.linalg.svd(np.sqrt(w)[:, None] * design.X)[0]
    K = K[:, np.linalg.matrix_rank(design.X) :].T * np.sqrt(w)
    columns = []
    for e in elements_of([block.pattern for block in design.blocks]):
        block = design.blocks[e.block]
        same = block.refs[:, None] == block.refs
        G = sum(np.outer(block.z[:, r], block.z[:, s]) for r, s in e.places) * same
        whole = np.sqrt(w)[:, None] * G * np.sqrt(w)
        columns.append((K @ G @ K.T).ravel() / np.linalg.norm(whole))
    if residual:
        columns.append((K / w @ K.T).ravel() / np.sqrt(n))
    values = np.linalg.svd(np.array(columns).T, compute_uv=False)
    return len(columns) - int(np.sum(values > 1e-7))


FORMULAS = [
    ("y ~ treat + (1 | tank)", 1),
    ("y ~ treat * x + (1 + x | tank)", 3),
    ("y ~ treat + x + (1 + x | tank)", 2),
    ("y ~ x + (1 | tank) + (1 | treat)", 1),
    ("y ~ x + (1 | tank) + (1 | treat) + (1 | day)", 1),
    ("y ~ x + (1 + x | tank) + (0 + x | treat)", 1),
    ("y ~ x + (1 + x + I(2 * x + 1) | day)", 3),
    ("y ~ 1 + (1 | tank) + (1 | day)", 0),
    ("y ~ treat + (1 | day)", 0),
    ("y ~ day + (1 + x | tank)", 0),
    ("y ~ 1 + (1 + day | tank)", 0),
]


@pytest.mark.parametrize(("formula", "dimension"), FORMULAS)
@pytest.mark.parametrize("weights", [None, "w"])
def test_flat_directions_are_those_of_dense_matrices(formula, dimension, weights):
    design = smf.mixedlm2(formula, tanks(), weights=weights).design
    for residual in (True, False):
        found = identify(design, residual=residual, normal=True)
        assert found.dimension == dense_dimension(design, residual) == dimension


@pytest.mark.parametrize("formula", [f for f, d in FORMULAS if d] + ["y ~ f + (1 + f | p)"])
def test_the_criterion_is_flat_along_them_and_nowhere_else(formula):
    data = property_of_groups() if "f" in formula.split() else tanks()
    model = smf.mixedlm2(formula, data)
    found = identify(model.design, residual=True, normal=True)
    blocks = model.design.blocks
    m = len(found.elements)

    def criterion(change: np.ndarray) -> float:
        values = 1.0 + change[m]
        theta = []
        for i, block in enumerate(blocks):
            S = np.eye(len(block.names)) * (2.0 + i)
            for e, step in zip(found.elements, change[:m], strict=True):
                if e.block == i:
                    for place in e.places:
                        S[place] += step
            T = np.linalg.cholesky(S / values)
            theta += [T[r, c] for c in range(len(T)) for r in range(len(T)) if block.pattern[r, c]]
        sigma = float(np.sqrt(values))
        return objective(model.design, np.array(theta), reml=True, sigma=sigma)

    here = criterion(np.zeros(m + 1))
    for direction in found.flat.T:
        step = 0.3 * direction / np.abs(direction).max()
        assert_allclose(criterion(step), here, rtol=1e-10)
    # A direction that is orthogonal to all of these is not flat.
    other = np.linalg.svd(found.flat, full_matrices=True)[0][:, -1]
    assert abs(criterion(0.3 * other / np.abs(other).max()) - here) > 1e-6


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_far_covariates_do_not_look_flat(shift):
    data = tanks().assign(x=lambda frame: frame["x"] + shift)
    model = smf.mixedlm2("y ~ x + (1 + x | tank)", data)
    assert identify(model.design, residual=True, normal=True).dimension == 0


@pytest.mark.parametrize("heavy", [1e6, 1e9, 1e16])
def test_a_heavy_row_that_fixed_effects_take_up_hides_nothing_of_the_others(heavy):
    """The other 39 rows say what they did: their number is what weights do not change."""
    data = tanks().assign(w=np.where(np.arange(40) == 5, heavy, 1.0))
    for formula, dimension in FORMULAS:
        design = smf.mixedlm2(formula, data, weights="w").design
        assert identify(design, residual=True, normal=True).dimension == dimension
    data["y"] += 2.0 * np.cos(3.0 * data["day"])
    fit = smf.mixedlm2("y ~ x + (1 | day)", data, weights="w").fit(reml=True)
    # Generalized least squares with the estimated variances.
    V = np.diag(1 / data["w"]) + fit.theta[0] ** 2 * np.equal.outer(*[data["day"].to_numpy()] * 2)
    half = np.linalg.solve(np.linalg.cholesky(V), fit.model.exog)
    wanted = fit.estimates.sigma * np.sqrt(np.diag(np.linalg.inv(half.T @ half)))
    assert_allclose(fit.bse, wanted, rtol=1e-6)


# What a fit says.


@pytest.mark.parametrize("start", [None, [0.1], [5.0], [50.0]])
def test_a_grouping_confounded_with_a_fixed_factor(start):
    # nlme has no p-values here; those of x, which varies within tanks, hold.
    model = smf.mixedlm2("y ~ treat + x + (1 | tank)", tanks())
    with pytest.warns(IdentificationWarning, match=r"fixed effects take up .* \(1 \| tank\)"):
        fit = model.fit(reml=True, start=start, dof="satterthwaite")
    assert "(1 | tank)" in fit.report.not_identified[0]
    assert "Not identified" in str(fit.summary())
    assert not fit.identified["sd", "tank.Intercept"]
    assert fit.identified["sigma", "sigma"]
    assert fit.dof_identified == 6  # five coefficients and sigma
    lost = ["Intercept", "treat[T.B]", "treat[T.C]", "treat[T.D]"]
    for values in (fit.bse, fit.pvalues, fit.tvalues, fit.df_coef):
        assert values[lost].isna().all()
    ols = smf.ols("y ~ treat + x", tanks()).fit()
    assert_allclose(fit.bse["x"], ols.bse["x"], rtol=1e-8)
    assert_allclose(fit.pvalues["x"], ols.pvalues["x"], rtol=1e-6)
    assert_allclose(fit.df_coef["x"], 35, rtol=1e-6)
    table = fit.anova()
    assert np.isnan(table.loc["treat", "PR(>F)"])
    assert_allclose(table.loc["x", "PR(>F)"], ols.pvalues["x"], rtol=1e-6)
    assert np.isnan(fit.icc().adjusted)
    assert np.isnan(fit.r2().marginal)
    kenward_roger = fit.anova(dof="kenward-roger")
    assert kenward_roger["PR(>F)"].isna().tolist() == [True, False]
    assert np.isnan(fit.conf_int(method="profile")).all(axis=1).tolist()[:4] == [True] * 4
    assert np.isfinite(fit.conf_int(method="profile")).all(axis=1)[-1:].all()
    frame = fit.get_prediction(tanks().head(2)).summary_frame()
    assert np.isfinite(frame["mean"]).all() and frame["mean_se"].isna().all()
    own = fit.get_prediction(re=True).summary_frame()
    assert_allclose(own["mean_se"], ols.get_prediction().se_mean, rtol=1e-6)
    assert np.isnan(fit.t_test("treat[T.B] = 0").pvalue).all()
    assert np.isfinite(fit.t_test("x = 0").pvalue).all()


@pytest.mark.parametrize("reml", [True, False])
def test_two_names_of_one_grouping(reml):
    one = silent("y ~ x + (1 | tank)", tanks(), reml=reml, dof="satterthwaite")
    for start in ([1.0, 1.0], [2.0, 0.1]):
        both = silent(
            "y ~ x + (1 | tank) + (1 | treat)", tanks(), reml=reml, start=start,
            dof="satterthwaite",
        )  # fmt: skip
        assert "(1 | tank) and (1 | treat)" in both.report.not_identified[0]
        assert both.identified.tolist() == [False, False, True]
        assert_allclose(both.objective, one.objective, rtol=1e-10)
        assert both.dof_identified == one.dof
        variances = both.varcorr.to_frame()["variance"]
        wanted = one.varcorr.to_frame()["variance"]
        assert_allclose(variances.iloc[:2].sum(), wanted.iloc[0], rtol=1e-4)
        assert_allclose(both.bse, one.bse, rtol=1e-5)
        assert_allclose(both.pvalues, one.pvalues, rtol=1e-4)
        assert_allclose(both.icc().adjusted, one.icc().adjusted, rtol=1e-5)
        assert both.icc().by_group.isna().all(axis=None)
        assert_allclose(both.r2(), one.r2(), rtol=1e-5)
        assert_allclose(both.fittedvalues, one.fittedvalues, rtol=1e-5)
        assert_allclose(both.predict(tanks(), re=True), one.predict(tanks(), re=True), rtol=1e-5)
        assert np.isnan(both.predict(tanks(), re="tank")).all()
        assert both.ranef()["tank"].isna().all(axis=None)
        frame = both.get_prediction(tanks(), re=True).summary_frame()
        wanted = one.get_prediction(tanks(), re=True).summary_frame()
        assert_allclose(frame["mean_se"], wanted["mean_se"], rtol=1e-4)
        table = both.ranova()
        assert table["df_diff"].tolist()[1:] == [0, 0]
        assert table["pvalue"].isna().all()


def test_a_slope_of_a_property_of_the_group():
    # Two variances are determined, those of f = 0 and f = 1.
    fit = silent("y ~ f + (1 + f | p)", property_of_groups(), reml=True)
    assert fit.dof_identified == 2 + 2 + 1
    assert fit.identified.tolist() == [True, False, False, True]
    assert np.isfinite(fit.bse).all()
    row = fit.ranova().iloc[1]
    assert row["df_diff"] == 1
    for name in ("pvalue", "pvalue_boundary"):
        assert_allclose(row[name], stats.chi2.sf(row["statistic"], 1))
    small = silent("y ~ f + (1 | p)", property_of_groups(), reml=True)
    assert fit.compare_lr_test(small).df_diff == 1
    new = pd.DataFrame({"f": [0.0, 1.0, 0.5], "p": 99})
    frame = fit.get_prediction(new).summary_frame()
    assert frame["mean_se"].notna().all()
    assert frame["obs_ci_upper"].isna().tolist() == [False, False, True]
    apart = silent("y ~ f + (1 | p) + (0 + f | p)", property_of_groups(), reml=True)
    assert apart.identified.all()


def test_more_random_effects_than_rows():
    # Sigma is part of the diagonal; what the coefficients need is determined.
    fit = sleep("reaction ~ 1 + C(days) + (1 + C(days) | subj)")
    assert "residual variance" in fit.report.not_identified[0]
    assert fit.dof == 10 + 55 + 1  # as other packages count
    assert fit.dof_identified == 10 + 55  # a mean and a covariance matrix of ten days
    assert not fit.identified.any()
    assert np.isfinite(fit.bse).all()
    days = datasets.load("sleepstudy").pivot(index="subj", columns="days", values="reaction")
    assert_allclose(fit.bse["Intercept"], days[0].std(ddof=0) / np.sqrt(18), rtol=1e-4)
    assert "Residual" in str(fit.summary())
    known = sleep("reaction ~ 1 + C(days) + (1 + C(days) | subj)", sigma=5.0)
    assert known.identified.all()


@pytest.mark.parametrize("reml", [True, False])
def test_nothing_is_said_of_singular_fits(reml):
    for formula, name in (
        ("yield ~ 1 + (1 | batch)", "dyestuff2"),
        ("score ~ machine + (machine | worker)", "machines"),
        ("strength ~ 1 + (1 | batch / cask)", "pastes"),
    ):
        fit = silent(formula, datasets.load(name), reml=reml)
        assert fit.identified.all()
        assert fit.report.not_identified == ()
    random = np.random.default_rng(1)
    singular = 0
    for _ in range(20):  # more levels than can be distinguished, and slopes of noise
        data = pd.DataFrame({"g": random.integers(0, 6, 40), "h": random.integers(0, 5, 40)})
        data["x"], data["y"] = random.normal(size=(2, 40))
        fit = silent("y ~ x + (1 + x | g) + (1 | h)", data, reml=reml)
        singular += fit.issingular()
        assert fit.identified.all()
    assert singular > 10


@pytest.mark.parametrize(
    ("family", "how"),
    [
        (sm.families.Poisson(), {}),
        (sm.families.Poisson(), {"fast": True}),
        (sm.families.Gaussian(), {}),
    ],
)
def test_generalized_models(family, how):
    data = tanks().assign(c=np.random.default_rng(3).poisson(np.exp(1 + tanks()["y"] / 4)))
    one = silent("c ~ x + (1 | tank)", data, family, **how)
    both = silent("c ~ x + (1 | tank) + (1 | treat)", data, family, **how)
    assert "(1 | tank) and (1 | treat)" in both.report.not_identified[0]
    assert both.dof_identified == one.dof
    assert_allclose(both.bse, one.bse, rtol=1e-3)
    assert_allclose(both.predict(re=True), one.predict(re=True), rtol=1e-3)
    assert np.isnan(both.predict(data, re="tank")).all()
    groups = property_of_groups()
    groups = groups.assign(c=np.random.default_rng(3).poisson(np.exp(1 + groups["y"] / 2)))
    slope = silent("c ~ f + (1 + f | p)", groups, family, **how)
    assert slope.identified["sd", "p.Intercept"] and not slope.identified["sd", "p.f"]
    assert np.isfinite(slope.bse).all()
    assert "Not identified" in str(slope.summary())
