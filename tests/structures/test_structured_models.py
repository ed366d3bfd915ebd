"""Linear models with covariance structures, against glmmTMB, nlme and dense matrices.

Numbers are from glmmTMB 1.1.5 and nlme 3.1 where they reached the maximum, else from a dense
evaluation of the likelihood at a point where its gradient is below 1e-8.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from structured_checks import dense_objective, difference

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import DataError, FormulaError, OptionError
from statsmodels_mixed.fitting.structured.linear import objective_of
from statsmodels_mixed.formula.parse import parse

REFERENCE = json.loads((Path(__file__).parent / "structured_reference.json").read_text())


def data(name: str) -> pd.DataFrame:
    frame = datasets.load(name)
    if name == "orthodont":
        frame["sex"] = pd.Categorical(frame["sex"], ["Male", "Female"])
    return frame


def fitted(record, **options):
    model = mixedlm2(record["formula"], data(record["data"]))
    return model.fit(reml=record["reml"], **options)


@pytest.mark.parametrize("record", REFERENCE, ids=lambda record: record["id"])
def test_reference(record):
    fit = fitted(record, dof="satterthwaite")
    assert fit.converged
    assert fit.llf == pytest.approx(record["loglik"], rel=1e-10)
    assert np.asarray(fit.params) == pytest.approx(record["coef"], rel=1e-6)
    assert np.asarray(fit.bse) == pytest.approx(record["se"], rel=1e-5)
    df = fit.t_test(np.eye(len(fit.params))).df_denom
    assert np.asarray(df) == pytest.approx(record["satterthwaite_df"], rel=1e-4)
    assert fit.sigma == pytest.approx(record["sigma"], rel=1e-5)
    frame = fit.covariance_structures
    for name, value in record["parameters"].items():
        found = frame.loc[frame["parameter"] == name, "estimate"]
        assert float(found.iloc[0]) == pytest.approx(value, rel=1e-4)


COMPANY = [
    "reaction ~ days + ar1(0 + days | subj)",
    "reaction ~ days + (1 | subj) + toep(0 + days | subj, nugget=True)",
    "reaction ~ days + exp(0 + days | subj) + (1 | shift)",
    "reaction ~ days + (days | subj) + cs(0 + half | shift)",
    "reaction ~ days + mat(0 + days | subj) + zerocorr(1 + days | shift)",
    "reaction ~ days + rr(0 + half | subj, d=1) + ou(0 + days | shift)",
    "reaction ~ days + had(0 + half | subj) + diag(1 + days | shift)",
    "reaction ~ days + arma(0 + days | subj, p=2, q=1) + homdiag(0 + half | shift)",
]


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    frame = datasets.load("sleepstudy")
    rng = np.random.default_rng(5)
    frame["shift"] = rng.integers(0, 6, len(frame))
    frame["half"] = np.where(rng.random(len(frame)) < 0.5, "a", "b")
    frame["w"] = rng.uniform(0.5, 2.0, len(frame))
    return frame


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("formula", COMPANY)
def test_gradient_in_company(sleep, formula, reml):
    model = mixedlm2(formula, sleep, weights="w")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(reml=reml, max_eval=3)
    design = model.kept_design()
    objective = objective_of(design, fit.estimates)
    rng = np.random.default_rng(3)
    x = fit.estimates.structured.z + 0.1 * rng.normal(size=objective.size)
    value, gradient, _ = objective(x)
    assert value == pytest.approx(dense_objective(design, objective, x, reml), rel=1e-11)
    found = difference(lambda z: objective.solve(z)[0], x)
    assert gradient == pytest.approx(found, rel=1e-6, abs=1e-6)


def test_unstructured_is_the_ordinary_model(sleep):
    ordinary = mixedlm2("reaction ~ days + (days | subj)", sleep).fit(reml=True)
    named = mixedlm2("reaction ~ days + us(1 + days | subj)", sleep).fit(reml=True)
    assert named.llf == pytest.approx(ordinary.llf, rel=1e-12)
    assert named.bse.to_numpy() == pytest.approx(ordinary.bse.to_numpy(), rel=1e-5)
    assert named.dof == ordinary.dof
    for dof in ("satterthwaite", "kenward-roger"):
        one, other = (fit.with_inference(dof=dof).t_test(np.eye(2)) for fit in (ordinary, named))
        assert np.asarray(other.df_denom) == pytest.approx(np.asarray(one.df_denom), rel=1e-4)
        assert np.asarray(other.sd) == pytest.approx(np.asarray(one.sd), rel=1e-4)


def test_compound_symmetry_is_a_nested_intercept(sleep):
    """For positive correlations: (1 | g) + (1 | g:f)."""
    machines = datasets.load("machines")
    nested = mixedlm2("score ~ machine + (1 | worker) + (1 | worker:machine)", machines)
    one = nested.fit(reml=True, dof="kenward-roger")
    other = mixedlm2("score ~ machine + cs(0 + machine | worker)", machines)
    two = other.fit(reml=True, dof="kenward-roger")
    assert two.llf == pytest.approx(one.llf, rel=1e-12)
    assert two.bse.to_numpy() == pytest.approx(one.bse.to_numpy(), rel=1e-5)
    between, within = (
        one.varcorr[name].covariance[0, 0] for name in ("worker", "worker & machine")
    )
    sd, rho = two.covariance_structures["estimate"]
    assert sd**2 == pytest.approx(between + within, rel=1e-4)
    assert rho == pytest.approx(between / (between + within), rel=1e-4)


def test_negative_correlation_reaches_its_bound_in_words():
    rng = np.random.default_rng(1)
    g, f = (part.ravel() for part in np.indices((30, 3)))
    effects = rng.normal(size=(30, 3))
    frame = pd.DataFrame({"g": np.repeat(g, 2), "f": np.repeat(f, 2).astype(str)})
    frame["y"] = np.repeat(effects[g, f], 2) + 0.3 * rng.normal(size=180)
    frame["y"] -= frame.groupby("g")["y"].transform("mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mixedlm2("y ~ 1 + cs(0 + f | g)", frame).fit()
    rho = fit.covariance_structures["estimate"].iloc[1]
    assert rho == pytest.approx(-0.5, abs=1e-6)
    assert "rho of cs() of 'g' is at the end of its range, -0.5" in str(fit.summary())


def test_order_is_that_of_the_values(sleep):
    """Rows and labels in any order, numbers as text, give one model."""
    formula = "reaction ~ days + ar1(0 + {} | subj)"
    shuffled = sleep.sample(frac=1.0, random_state=0)
    shuffled["text"] = (shuffled["days"] + 2).astype(str)  # "10" sorts before "2"
    shuffled["late"] = 5.0 * shuffled["days"] - 1.0
    one = mixedlm2(formula.format("days"), sleep).fit()
    for name in ("text", "late"):
        assert mixedlm2(formula.format(name), shuffled).fit().llf == pytest.approx(one.llf)
    gap = sleep[sleep["days"] != 4]
    far = mixedlm2(formula.format("days"), gap).fit()
    ou = mixedlm2("reaction ~ days + ou(0 + days | subj)", gap).fit()
    assert far.llf == pytest.approx(ou.llf, rel=1e-10)


def test_predictions_at_other_places_are_those_of_dense_kriging(sleep):
    kept = sleep[(sleep["days"] != 7) & ~((sleep["subj"] == "S308") & (sleep["days"] == 4))]
    fit = mixedlm2("reaction ~ days + (1 | subj) + ou(0 + days | subj)", kept).fit(reml=True)
    new = pd.DataFrame(
        {"subj": ["S308"] * 4 + ["new"], "days": [4.0, 7.0, 3.5, 12.0, 7.0]},
    )
    found = fit.get_prediction(new, re=True, new_levels="population").summary_frame()
    level, sd, rate = fit.covariance_structures["estimate"]

    def covariance(one, other):
        same = one["subj"].to_numpy()[:, None] == other["subj"].to_numpy()[None, :]
        d = np.abs(np.subtract.outer(one["days"].to_numpy(float), other["days"].to_numpy(float)))
        return same * (level**2 + sd**2 * np.exp(-rate * d))

    X, N = (np.column_stack([np.ones(len(f)), f["days"]]) for f in (kept, new))
    V = covariance(kept, kept) + fit.sigma**2 * np.eye(len(kept))
    inverse = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ inverse @ X)
    y = kept["reaction"].to_numpy()
    beta = M @ X.T @ inverse @ y
    C = covariance(new, kept) @ inverse
    D = N - C @ X
    assert found["mean"].to_numpy() == pytest.approx(N @ beta + C @ (y - X @ beta), rel=1e-7)
    variance = np.diag(covariance(new, new) - C @ covariance(kept, new) + D @ M @ D.T)
    assert found["mean_se"].to_numpy() == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_smooth_covariances_of_many_places_are_factored():
    """Those of gau() are singular to rounding; the objective is that of dense matrices."""
    rng = np.random.default_rng(0)
    s = np.sort(rng.uniform(0.0, 10.0, 60))
    y = np.sin(s) + 0.3 * rng.normal(size=60)
    model = mixedlm2("y ~ 1 + gau(0 + s | one)", pd.DataFrame({"y": y, "s": s, "one": 1}))
    fit = model.fit(reml=True)
    sd, reach = fit.covariance_structures["estimate"]
    d = np.subtract.outer(s, s)
    V = sd**2 * np.exp(-((d / reach) ** 2)) + fit.sigma**2 * np.eye(60)
    inverse, X = np.linalg.inv(V), np.ones((60, 1))
    xvx = X.T @ inverse @ X
    r = y - X @ np.linalg.solve(xvx, X.T @ inverse @ y)
    value = 59 * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ inverse @ r
    value += np.linalg.slogdet(xvx)[1]
    assert fit.objective == pytest.approx(value, rel=1e-9)


def test_refits_are_fits(sleep):
    model = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep)
    fit = model.fit()
    bootstrap = fit.bootstrap(3, seed=2)
    responses = np.asarray(fit.simulate(3, seed=2))
    for r in range(3):
        again = model.with_response(responses[:, r]).fit()
        row = bootstrap.frame.iloc[r]
        assert row["beta", "days"] == pytest.approx(again.params["days"], rel=1e-4)
        assert float(row["sigma"].iloc[0]) == pytest.approx(again.sigma, rel=1e-3)
    left = fit.influence("subj")
    without = mixedlm2(
        "reaction ~ days + ar1(0 + days | subj)", sleep[sleep["subj"] != "S308"]
    ).fit()
    assert left.params.loc["S308"].to_numpy() == pytest.approx(without.params.to_numpy(), rel=1e-4)


def test_random_effects_left_out(sleep):
    full = mixedlm2("reaction ~ days + (1 | subj) + ar1(0 + days | subj)", sleep).fit()
    table = full.ranova()
    label = "ar1(0 + days | subj)"
    small = mixedlm2("reaction ~ days + (1 | subj)", sleep).fit()
    assert table.loc[label, "llf"] == pytest.approx(small.llf, rel=1e-9)
    assert table.loc[label, "df_diff"] == 2
    assert list(table["npar"]) == [6, 5, 4]
    alone = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep).fit()
    assert table.loc["(1 | subj)", "llf"] == pytest.approx(alone.llf, rel=1e-9)


def test_saved_fits_keep_their_structures(sleep, tmp_path):
    fit = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep).fit()
    fit.save(tmp_path / "fit")
    again = type(fit._results).load(tmp_path / "fit")
    assert str(again.summary()) == str(fit.summary())
    new = pd.DataFrame({"subj": ["S308"], "days": [11.0]})
    assert again.predict(new, re=True).iloc[0] == fit.predict(new, re=True).iloc[0]


def test_given_sigma_and_start(sleep):
    model = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep)
    fit = model.fit()
    fixed = model.fit(sigma=fit.sigma)
    assert fixed.llf == pytest.approx(fit.llf, rel=1e-10)
    assert fixed.dof == fit.dof - 1
    started = model.fit(start=[30.0, 0.5])
    assert started.llf == pytest.approx(fit.llf, rel=1e-10)
    with pytest.raises(OptionError, match=r"subj\.ar1\.sd, subj\.ar1\.rho"):
        model.fit(start=[1.0, 0.5, 3.0])


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("reaction ~ ar1(1 + days | subj)", FormulaError, "leave 1 out"),
        ("reaction ~ ar1(0 + days + w | subj)", FormulaError, "single time"),
        ("reaction ~ exp(0 + half | subj)", FormulaError, "columns of numbers"),
        ("reaction ~ exp(0 + w:days | subj)", FormulaError, "not their products"),
        ("reaction ~ ar1(0 + w | subj)", DataError, "no common step"),
        ("reaction ~ cs(0 + days | subj)", FormulaError, "at least two"),
        ("reaction ~ cs(0 + half | subj, home=True)", FormulaError, "no option home="),
        ("reaction ~ ar3(0 + days | subj)", FormulaError, "covariance structures are"),
        ("reaction ~ rr(0 + half | subj, d=4)", FormulaError, "more dimensions"),
        ("reaction ~ cs(0 + half || subj)", FormulaError, "one bar"),
    ],
)
def test_what_is_not_possible_is_refused(sleep, formula, error, message):
    with pytest.raises(error, match=message):
        mixedlm2(formula, sleep)


def test_what_cannot_be_done_is_refused(sleep):
    fit = mixedlm2("reaction ~ days + htoep(0 + days | subj)", sleep).fit(reml=True)
    with pytest.raises(DataError, match="has no place days=10"):
        fit.predict(pd.DataFrame({"subj": ["S308"], "days": [10.0]}), re=True)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ 1 + x + cs(0 + f | g)",
        "y ~ 1 + ar1(0 + t | g, hom=False)",
        "y ~ 1 + np.exp(x) + exp(x) + exp(0 + lon + lat | g, nugget=True) + (1 | g)",
        "y ~ 1 + arma(0 + t | g, p=2, q=0) + (1 + t | g)",
    ],
)
def test_formulas_show_as_written(text):
    assert str(parse(text)) == text
    assert parse(text) == parse(str(parse(text)))
    assert replace(parse(text), text="") == parse(text)
