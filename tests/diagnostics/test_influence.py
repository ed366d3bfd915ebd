"""Exact deletion against lme4, regressions without rows, and fits to the frame without them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from reference import load
from reference.lme4_names import MODELS
from small_models import fit, fit_shipped
from statsmodels.genmod.families import links
from statsmodels.stats.outliers_influence import OLSInfluence

from statsmodels_mixed import (
    DataError,
    LinearMixedModel,
    OptionError,
    RankWarning,
    SingularFitWarning,
    datasets,
)
from statsmodels_mixed.diagnostics import deletion
from statsmodels_mixed.diagnostics import influence as diagnostics_of_influence
from statsmodels_mixed.inference import influence

# Both minimize to the same tolerance: objectives agree much better than estimates.
OBJECTIVE = 1e-9
# Differences of coefficients in standard errors, and relative ones of all else.
ESTIMATE = 2e-6

RECORDS = {r["type"]: r for r in load("inference_diagnostics") if r["id"] == "sleep_slope"}


def plain(result: Any) -> Any:
    return getattr(result, "_results", result)


def refit(formula: str, data: pd.DataFrame, family: Any = None, **how: Any) -> Any:
    """Fit from the formula, on a path that shares nothing with deletion but the minimizer."""
    options, fitting = how.get("options", {}), how.get("fitting", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", RankWarning)
        if family is None:
            return plain(smf.mixedlm2(formula, data, **options).fit(**fitting))
        return plain(smf.mixedglm2(formula, data, family, **options).fit(**fitting))


def assert_deleted(found: Any, case: Any, other: Any) -> None:
    """Compare the fit without a case with another fit to the same rows."""
    assert_allclose(found.objective[case], other.objective, rtol=OBJECTIVE)
    errors = found.bse.loc[case]
    kept = errors.notna()
    names = list(errors.index[kept])
    assert_allclose(
        (found.params.loc[case, names] - other.coef[names]) / errors[names], 0, atol=ESTIMATE
    )
    assert_allclose(errors[names], other.stderror[names], rtol=ESTIMATE)
    T = other.estimates.factors
    sd = np.concatenate([np.sqrt((t**2).sum(axis=1)) for t in T]) * other.estimates.effects_scale
    assert_allclose(found.sd.loc[case], sd, rtol=0, atol=ESTIMATE * max(sd.max(), 1e-3))
    scale = getattr(other, "dispersion", None)
    assert_allclose(found.scale[case], other.sigma if scale is None else scale, rtol=ESTIMATE)
    assert found.converged[case]


# lme4.


@cache
def sleep(by: str) -> Any:
    return influence(fit_shipped("sleepstudy", reml=True), by)


@pytest.mark.parametrize(("by", "kind"), [("subj", "Subject"), ("obs", "obs")])
def test_deletion_as_in_lme4(by, kind):
    """Coefficients by subject depend on no theta; in lme4's refits that is good to 1e-4."""
    record, found = RECORDS[f"influence_by_{kind}"], sleep(by)
    cases, p = len(found.params), 2
    assert_allclose(found.params, record["fixed_deleted"], rtol=1e-5 if by == "obs" else 1e-12)
    # lme4 multiplies by (m - p) / m and takes differences with the other sign
    cooks = np.array(record["cooks"]) * cases / (cases - p)
    assert_allclose(found.cooks_distance(), cooks, rtol=0, atol=1e-4 * cooks.max())
    theirs = -np.array(record["dfbetas"])
    assert_allclose(found.dfbetas(), theirs, rtol=0, atol=2e-4 * np.abs(theirs).max())
    assert found.converged.all()


def test_variances_as_in_lme4():
    found = sleep("subj")
    s2, intercept, covariance, slope = np.array(
        RECORDS["influence_by_Subject"]["varcomp_deleted"]
    ).T
    assert_allclose(found.scale**2, s2, rtol=1e-5)
    assert_allclose(found.sd**2, np.column_stack([intercept, slope]), rtol=2e-4)
    T = found.theta.to_numpy()
    root = np.sqrt(intercept * slope)
    assert_allclose((T[:, 0] * T[:, 1] * found.scale**2 - covariance) / root, 0, atol=2e-4)
    assert [f"S{label}" for label in RECORDS["influence_by_Subject"]["levels"]] == list(
        found.sd.index
    )


# The same fits from the formula.

LINEAR = [
    ("sleep_slope", "obs"), ("sleep_slope", "subj"), ("sleep_weighted", "obs"),
    ("sleep_weighted", "subj"), ("sleep_offset", "obs"), ("sleep_zerocorr", "subj"),
    ("penicillin", "plate"), ("penicillin", "obs"), ("pastes", "batch"), ("cake", "obs"),
    ("machines_slope", "worker"), ("machines_nested", "obs"), ("dyestuff2", "batch"),
    ("exam", "school"),
]  # fmt: skip


@pytest.mark.parametrize("reml", [False, True], ids=["ML", "REML"])
@pytest.mark.parametrize(("name", "by"), LINEAR)
def test_fits_to_the_frame_without_the_rows(name, by, reml):
    model = MODELS[name]
    data = model.data()
    how = {"options": model.options, "fitting": {"reml": reml}}
    found = influence(refit(model.formula, data, **how), by)
    labels = data.index if by == "obs" else data[by]
    assert len(found.params) == labels.nunique()
    for case in found.params.index[:: max(1, len(found.params) // 4)]:
        assert_deleted(found, case, refit(model.formula, data[labels != case], **how))


CBPP = "incid + I(hsz - incid) ~ 1 + period + (1 | herd)"
TICKS = "ticks ~ 1 + year + cheight + (1 | brood) + (1 | location)"
REACTION = "reaction ~ 1 + days + (1 + days | subj)"
GENERALIZED = {
    "Laplace": ("cbpp", CBPP, sm.families.Binomial, "herd", {}),
    "rows": ("cbpp", CBPP, sm.families.Binomial, "obs", {}),
    "fast": ("cbpp", CBPP, sm.families.Binomial, "herd", {"fast": True}),
    "quadrature": ("cbpp", CBPP, sm.families.Binomial, "herd", {"n_agq": 7}),
    "observed": (
        "cbpp", CBPP, lambda: sm.families.Binomial(links.CLogLog()), "herd",
        {"hessian": "observed"},
    ),
    "labels": (
        "contra", "use ~ 1 + age + urban + (1 | dist)", sm.families.Binomial, "dist", {},
    ),
    "observation level": (
        "grouseticks", TICKS + " + (1 | index)", sm.families.Poisson, "location", {},
    ),
    "negative binomial": (
        "grouseticks", TICKS, lambda: sm.families.NegativeBinomial(alpha=1.0), "location", {},
    ),
    "gamma": ("sleepstudy", REACTION, lambda: sm.families.Gamma(links.Log()), "subj", {}),
    "gaussian": ("sleepstudy", REACTION, sm.families.Gaussian, "subj", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", GENERALIZED)
def test_generalized_fits_to_the_frame_without_the_rows(name):
    table, formula, family, by, fitting = GENERALIZED[name]
    data = datasets.load(table)
    found = influence(refit(formula, data, family(), fitting=fitting), by)
    labels = data.index if by == "obs" else data[by]
    for case in found.params.index[:: max(1, len(found.params) // 3)]:
        other = refit(formula, data[labels != case], family(), fitting=fitting)
        assert_deleted(found, case, other)


# Closed forms.


def test_without_variance_among_groups_it_is_that_of_a_regression():
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(8), 6), rng.standard_normal(48)
    e = rng.standard_normal(48)
    e -= pd.Series(e).groupby(g).transform("mean").to_numpy()
    data = pd.DataFrame({"y": 1 + 0.5 * x + e, "x": x, "g": g})
    found = influence(fit("y ~ 1 + x + (1 | g)", data, reml=True), "obs")
    regression = smf.ols("y ~ 1 + x", data).fit()
    theirs = OLSInfluence(regression)
    assert_array_equal(found.sd, 0)
    assert_allclose(found.dfbeta(), theirs.dfbeta, rtol=1e-7)
    assert_allclose(found.cooks_distance(), theirs.cooks_distance[0], rtol=1e-7)
    assert_allclose(found.covratio(), theirs.cov_ratio, rtol=1e-7)
    other = smf.ols("y ~ 1 + x", data.drop(index=5)).fit()
    assert_allclose(found.bse.loc[5], other.bse, rtol=1e-9)
    assert_allclose(
        found.dfbetas().loc[5], (regression.params - other.params) / other.bse, rtol=1e-6
    )
    V = np.linalg.solve(regression.cov_params(), other.cov_params())
    assert_allclose(found.covtrace()[5], abs(np.trace(V) - 2), rtol=1e-6)


@pytest.mark.parametrize("family", [None, sm.families.Poisson()], ids=["linear", "Poisson"])
def test_variance_may_come_up_without_a_case(family):
    """The fit to all rows is singular; a start there must not keep others at zero."""
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        g, x = np.repeat(np.arange(8), 5), np.tile(np.arange(5.0), 8)
        eta = 0.5 + 0.2 * x + 0.2 * rng.standard_normal(8)[g]
        y = rng.poisson(np.exp(eta)) if family else eta + rng.standard_normal(40)
        data = pd.DataFrame({"y": y, "x": x, "g": g})
        result = refit("y ~ 1 + x + (1 | g)", data, family)
        if not result.issingular():
            continue
        without = influence(result, "g")
        for case in range(8):
            other = refit("y ~ 1 + x + (1 | g)", data[g != case], family)
            assert_allclose(without.objective[case], other.objective, rtol=OBJECTIVE)
            found.append(without.sd.iloc[case, 0] > 0.01)
    assert any(found) and not all(found)


def test_a_fixed_sigma_stays():
    data = datasets.load("sleepstudy")
    how = {"fitting": {"sigma": 20.0}}
    found = influence(refit(REACTION, data, **how), "subj")
    assert_array_equal(found.scale, 20.0)
    case = found.params.index[4]
    other = refit(REACTION, data[data["subj"] != case], **how)
    assert_allclose(found.objective[case], other.objective, rtol=OBJECTIVE)
    assert_allclose(found.bse.loc[case], other.stderror, rtol=ESTIMATE)


def test_an_outlier_leaves_no_trace():
    data = datasets.load("sleepstudy")
    wild = data.copy()
    wild.loc[33, "reaction"] = 1e7
    found = influence(fit(REACTION, wild), "obs")
    assert_deleted(found, 33, refit(REACTION, data.drop(index=33)))
    assert found.cooks_distance().idxmax() == 33


# What cannot be estimated.


def test_columns_that_lose_their_rank():
    data = datasets.load("cake")
    formula = "angle ~ recipe + temp + (1 | recipe:replicate)"
    result = fit(formula, data, reml=True)
    found = influence(result, "recipe")
    lost = found.params.isna()
    # without the base recipe nothing says what it gives
    assert list(lost.columns[lost.loc["A"]]) == ["Intercept", "recipe[T.B]", "recipe[T.C]"]
    assert list(lost.columns[lost.loc["B"]]) == ["recipe[T.B]"]
    assert_array_equal(found.bse.isna(), lost)
    assert found.cooks_distance().isna().all() and found.covratio().isna().all()
    assert found.converged.all()
    for case in ("A", "B"):
        other = refit(formula, data[data["recipe"] != case], fitting={"reml": True})
        names = list(lost.columns[~lost.loc[case]])
        assert_allclose(found.params.loc[case, names], other.coef[names], rtol=1e-8)
        assert_allclose(found.scale[case], other.sigma, rtol=ESTIMATE)


@pytest.mark.parametrize("family", [None, sm.families.Poisson()], ids=["linear", "Poisson"])
def test_a_column_of_one_row(family):
    data = datasets.load("grouseticks")
    row = int(np.flatnonzero(data["ticks"] > 5)[0])
    data = data.assign(odd=(data.index == row).astype(float))
    formula = TICKS.replace("cheight", "cheight + odd")
    result = refit(formula, data, family)
    found = influence(result, np.where(data.index == row, "that", data["year"].astype(str)))
    assert found.params.loc["that"].isna().tolist() == [False, False, False, False, True]
    assert_deleted(found, "that", refit(TICKS, data.drop(index=row), family))


def test_columns_dropped_from_the_beginning_stay_nan():
    data = datasets.load("sleepstudy").assign(twice=lambda d: 2 * d["days"])
    result = refit("reaction ~ 1 + days + twice + (1 | subj)", data)
    found = influence(result, "subj")
    assert list(found.params.columns) == ["Intercept", "days", "twice"]
    assert found.params["twice"].isna().all() and found.dfbetas()["twice"].isna().all()
    same = influence(refit("reaction ~ 1 + days + (1 | subj)", data), "subj")
    assert_allclose(found.params[["Intercept", "days"]], same.params, rtol=1e-8)
    assert_allclose(found.cooks_distance(), same.cooks_distance(), rtol=1e-6)


def test_random_effects_nothing_is_left_of():
    data = datasets.load("machines")
    found = influence(fit_shipped("machines"), "machine")
    assert found.sd.loc["A"].isna().all()  # machines B and C alone do not determine A's variance
    assert found.sd.loc["B"].isna().tolist() == [False, True, False]
    assert found.theta.isna().all(axis=None) and found.converged.all()
    other = refit(MODELS["machines_slope"].formula, data[data["machine"] != "B"])
    T = other.estimates.factors[0] * other.sigma
    assert_allclose(found.sd.loc["B"].dropna(), np.sqrt((T**2).sum(axis=1)), rtol=1e-5)
    assert_allclose(found.objective["B"], other.objective, rtol=OBJECTIVE)
    apart = "score ~ 1 + machine + zerocorr(1 + machine | worker)"
    separate = influence(refit(apart, data), "machine")
    assert separate.sd.loc["B"].isna().tolist() == [False, True, False]
    assert separate.sd.loc["A"].notna().all()


def test_a_factor_with_one_level_left():
    data = datasets.load("sleepstudy").assign(half=lambda d: np.where(d["days"] < 5, "a", "b"))
    result = refit("reaction ~ 1 + days + (1 | subj) + (1 | half)", data)
    found = influence(result, "half")
    assert not found.converged.any()
    assert found.params.isna().all(axis=None) and found.objective.isna().all()
    assert "2 not converged" in repr(found)


def test_levels_of_one_row_each():
    # without the second row of level 0 there is one row for each level
    rng = np.random.default_rng(9)
    data = pd.DataFrame({"g": [0, *range(20)], "y": rng.standard_normal(21)})
    data["n"] = rng.poisson(np.exp(2 + data["y"]))
    found = influence(refit("y ~ 1 + (1 | g)", data))
    assert found.converged.tolist() == [False, False] + [True] * 19
    counted = influence(refit("n ~ 1 + (1 | g)", data, sm.families.Poisson()))
    assert counted.converged.all()
    assert_deleted(counted, 0, refit("n ~ 1 + (1 | g)", data.drop(index=0), sm.families.Poisson()))


# Cases.


def test_cases_can_be_given_in_every_way():
    data = datasets.load("sleepstudy").set_index(np.arange(500, 680))
    result = refit(REACTION, data, options={"subset": data["days"] > 0})
    rows = data[data["days"] > 0]
    found = influence(result, "subj")
    assert list(found.params.index) == sorted(data["subj"].unique())
    assert (found.rows_deleted == 9).all()
    for labels in (rows["subj"], rows["subj"].to_numpy(), list(rows["subj"])):
        assert_array_equal(influence(result, labels).params, found.params)
    assert influence(result, rows["subj"]).by == "subj"
    assert influence(result, rows["days"]).params.equals(influence(result, "days").params)
    assert influence(result).params.index.equals(rows.index)
    nested = influence(fit_shipped("pastes"), "batch & cask")
    assert nested.params.index.names == ["batch", "cask"] and len(nested.params) == 30


def test_models_of_arrays():
    data = datasets.load("sleepstudy")
    X = np.column_stack([np.ones(180), data["days"]])
    result = LinearMixedModel(data["reaction"].to_numpy(), X, data["subj"].to_numpy()).fit()
    found = influence(result)
    same = influence(fit("reaction ~ 1 + days + (1 | subj)", data))
    assert_allclose(found.params, same.params, rtol=1e-9)
    with pytest.raises(OptionError, match="no column of the model"):
        influence(result, "days")


def test_order_of_rows_does_not_matter():
    data = datasets.load("sleepstudy")
    shuffled = data.sample(frac=1.0, random_state=1)
    found = influence(refit(REACTION, shuffled))
    same = influence(refit(REACTION, data))
    assert_allclose(found.cooks_distance()[data.index], same.cooks_distance(), rtol=1e-5)


def test_threads_do_not_matter(monkeypatch):
    for result in (
        fit_shipped("sleepstudy"),
        refit(CBPP, datasets.load("cbpp"), sm.families.Binomial()),
    ):
        monkeypatch.setattr(deletion, "_threads", lambda design: 1)
        alone = influence(result)
        monkeypatch.setattr(deletion, "_threads", lambda design: 3)
        together = influence(result)
        for name in ("params", "bse", "theta", "sd", "scale", "objective", "converged"):
            assert getattr(together, name).equals(getattr(alone, name)), name


def test_an_error_in_a_thread_is_raised(monkeypatch):
    def broken(deleter: Any, rows: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(deletion, "_threads", lambda design: 2)
    monkeypatch.setattr(deletion, "fit_without", broken)
    with pytest.raises(KeyboardInterrupt):
        influence(fit_shipped("sleepstudy"))


def test_summary_frame():
    frame = sleep("subj").summary_frame()
    assert list(frame) == ["dfb_Intercept", "dfb_days", "cooks_distance", "covratio", "covtrace"]
    assert_array_equal(frame["covratio"], sleep("subj").covratio())
    assert sleep("subj").dfbetas().shape == (18, 2)


def test_what_is_refused():
    result = fit_shipped("sleepstudy")
    for by, message in (
        ("item", "no column of the model .*subj"),
        (np.arange(5), "each of the 180 rows"),
        (np.zeros((180, 2)), "each of the 180 rows"),
        (np.r_[np.nan, np.arange(179.0)], "missing labels in 1 rows"),
        (np.ones(180), "one case of all rows"),
    ):
        with pytest.raises(OptionError, match=message):
            influence(result, by)
    with pytest.raises(OptionError, match="has none"):
        influence(fit("reaction ~ 0 + (1 | subj)", datasets.load("sleepstudy")))
    bare = fit_shipped("sleepstudy")
    bare.remove_data()
    with pytest.raises(DataError, match="were removed"):
        influence(bare)


def test_a_covariance_that_is_singular_has_no_distances():
    # As that of a fit that has not converged; one variance may be below the smallest number.
    found = sleep("subj")
    d, covariances, V = found.on_basis
    for singular in (np.diag([1.0, 0.0]), np.ones((2, 2))):
        other = replace(found, on_basis=(d, covariances, singular))
        assert other.covtrace().isna().all() and other.cooks_distance().isna().all()
    traces = np.einsum("mij,ji->m", covariances, np.linalg.inv(V))
    assert_allclose(found.covtrace(), np.abs(traces - 2.0))


def test_a_variance_of_which_rounding_leaves_nothing_has_no_error(monkeypatch):
    def rounded(*given: Any) -> Any:
        fits = fits_without(*given)
        fits.covariance[0, 1, 1] = -1e-18
        return fits

    fits_without = deletion.fits_without
    monkeypatch.setattr(diagnostics_of_influence, "fits_without", rounded)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        errors = influence(fit_shipped("sleepstudy"), "subj").bse
    assert np.isnan(errors.iloc[0, 1]) and (errors.iloc[1:] > 0).all(axis=None)
