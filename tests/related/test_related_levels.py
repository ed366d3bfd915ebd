"""Grouping factors with related levels, against dense matrices and published numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import sparse
from scipy.optimize import minimize_scalar

import statsmodels_mixed
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.problem import problem_of

# Mrode, Linear Models for the Prediction of Animal Breeding Values, example 3.1: variances 20 of
# animals, 40 of residuals.
MRODE = pd.DataFrame(
    {
        "animal": [1, 2, 3, 4, 5, 6, 7, 8],
        "sire": [0, 0, 0, 1, 3, 1, 4, 3],
        "dam": [0, 0, 0, 0, 2, 2, 5, 6],
    }
)
CALVES = pd.DataFrame(
    {"animal": [4, 5, 6, 7, 8], "sex": list("MFFMM"), "wwg": [4.5, 2.9, 3.9, 3.5, 5.0]}
)


# From Henderson's equations with A of the pedigree.
BREEDING_VALUES = [
    *(0.0984445757038788, -0.0187700991008728, -0.0410842029270852, -0.00866312266194114),
    *(-0.185732099494651, 0.176872087681302, -0.249458554833628, 0.182614687930695),
]
ERROR_VARIANCES = [
    *(18.8437684583579, 19.6838288376977, 18.2583513815055, 17.1072061429415),
    *(17.1242698693969, 17.6913106254512, 17.6742468989959, 16.8945658594211),
]


def tabular(pedigree: pd.DataFrame) -> np.ndarray:
    """The additive relationship matrix by the tabular method; parents before their progeny."""
    n = len(pedigree)
    A = np.zeros((n, n))
    place = {animal: i for i, animal in enumerate(pedigree["animal"])}
    for i, (sire, dam) in enumerate(zip(pedigree["sire"], pedigree["dam"], strict=True)):
        known = [place[parent] for parent in (sire, dam) if parent in place]
        A[i, :i] = A[:i, i] = sum((A[parent, :i] for parent in known), np.zeros(i)) / 2
        A[i, i] = 1 + (A[known[0], known[1]] / 2 if len(known) == 2 else 0)
    return A


def inbred(n: int = 120, seed: int = 3) -> pd.DataFrame:
    """A pedigree with selfing, backcrosses and unknown parents."""
    rng = np.random.default_rng(seed)
    sire, dam = np.zeros(n, int), np.zeros(n, int)
    for i in range(6, n):
        sire[i], dam[i] = rng.integers(max(1, i - 25), i + 1, size=2)
        if rng.random() < 0.2:
            dam[i] = 0
    return pd.DataFrame({"animal": np.arange(1, n + 1), "sire": sire, "dam": dam})


def records(pedigree: pd.DataFrame, n: int = 150, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    A = tabular(pedigree)
    value = np.linalg.cholesky(A) @ rng.normal(size=len(A))
    animals = rng.integers(40, len(A), size=n)
    x = rng.normal(size=n)
    herd = rng.integers(7, size=n)
    y = 3 + 0.5 * x + value[animals] + 0.8 * rng.normal(size=n)
    y += rng.normal(size=7)[herd]
    return pd.DataFrame({"y": y, "x": x, "animal": animals + 1, "herd": herd})


def dense_loglike(data: pd.DataFrame, A: np.ndarray, ratio: float, reml: bool) -> float:
    """The log-likelihood of y ~ x + (1 | animal), sigma profiled out."""
    X = np.column_stack([np.ones(len(data)), data["x"]])
    y = data["y"].to_numpy()
    where = data["animal"].to_numpy() - 1
    V = ratio * A[np.ix_(where, where)] + np.eye(len(y))
    VX = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ VX, VX.T @ y)
    dof = len(y) - 2 * reml
    value = dof * (1 + np.log(2 * np.pi * (r @ np.linalg.solve(V, r)) / dof))
    value += np.linalg.slogdet(V)[1]
    return float(-(value + (np.linalg.slogdet(X.T @ VX)[1] if reml else 0.0)) / 2)


def test_mrode() -> None:
    model = smf.mixedlm2("wwg ~ 0 + sex + (1 | animal)", CALVES, pedigree=MRODE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five records estimate nothing
        fit = model.fit(sigma=np.sqrt(40.0))
    design = model.kept_design()
    known = problem_of(design, fit.estimates).solved_at([np.array([[20.0]])], 40.0)
    # F and M; printed as 3.404, 4.358 and 0.098 -0.019 -0.041 -0.009 -0.186 0.177 -0.249 0.183.
    assert known.beta == pytest.approx([3.40443000590667, 4.35850232985496], rel=1e-10)
    assert known.b[0].ravel() == pytest.approx(BREEDING_VALUES, rel=1e-8)
    equations = problem_of(design, known).mixed_model_equations()
    error = equations.variances(np.zeros((8, 2)), [np.ones((8, 1))], [np.arange(8)])
    assert error == pytest.approx(ERROR_VARIANCES, rel=1e-9)


@pytest.mark.parametrize("reml", [False, True])
def test_pedigree_against_dense(reml: bool) -> None:
    pedigree = inbred()
    data = records(pedigree)
    fit = smf.mixedlm2("y ~ x + (1 | animal)", data, pedigree=pedigree).fit(reml=reml)
    A = tabular(pedigree)
    best = minimize_scalar(
        lambda log_ratio: -dense_loglike(data, A, np.exp(log_ratio), reml),
        bounds=(-4, 4),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit.llf == pytest.approx(-best.fun, rel=1e-10)
    assert float(fit.theta[0]) ** 2 == pytest.approx(np.exp(best.x), rel=1e-5)


def test_one_model_many_ways() -> None:
    pedigree = inbred()
    data = records(pedigree)
    A = tabular(pedigree)
    labels = pedigree["animal"].to_numpy()
    Q = np.linalg.inv(A)
    Q[np.abs(Q) < 1e-10] = 0
    shuffled = pedigree.sample(frac=1, random_state=1)
    unknown = pedigree.astype(float).replace(0, np.nan)
    ways: list[dict[str, Any]] = [
        {"pedigree": pedigree},
        {"pedigree": {"animal": shuffled}},
        {"pedigree": unknown},
        {"pedigree": {"animal": pedigree.to_dict("list")}},
        {"relationship": {"animal": pd.DataFrame(A, labels, labels)}},
        {"relationship": {"animal": (A, labels)}},
        {"precision": {"animal": (sparse.csr_matrix(Q), labels)}},
        {"precision": {"animal": pd.DataFrame(Q, labels, labels)}},
    ]
    formula = "y ~ x + (1 | animal) + (1 | herd)"
    first = smf.mixedlm2(formula, data, **ways[0]).fit(reml=True)
    for way in ways[1:]:
        fit = smf.mixedlm2(formula, data, **way).fit(reml=True)
        assert fit.llf == pytest.approx(first.llf, rel=1e-10)
        assert np.asarray(fit.bse) == pytest.approx(np.asarray(first.bse), rel=1e-6)
        there = fit.ranef()["animal"].sort_index()
        assert there.to_numpy() == pytest.approx(
            first.ranef()["animal"].sort_index().to_numpy(), abs=1e-5
        )
    assert "120, by pedigree" in str(first.summary())
    # A covariance in other units is the same model with another variance.
    scaled = smf.mixedlm2(formula, data, relationship={"animal": (4 * A, labels)}).fit(reml=True)
    assert scaled.llf == pytest.approx(first.llf, rel=1e-10)
    assert scaled.theta[0] == pytest.approx(first.theta[0] / 2, rel=1e-5)


def test_independent_levels_are_the_usual_model() -> None:
    sleep = statsmodels_mixed.datasets.load("sleepstudy")
    subjects = sorted(sleep["subj"].astype(str).unique())
    unit = pd.DataFrame(np.eye(len(subjects)), subjects, subjects)
    formula = "reaction ~ days + (days | subj)"
    usual = smf.mixedlm2(formula, sleep).fit(reml=True, dof="satterthwaite")
    fit = smf.mixedlm2(formula, sleep, relationship={"subj": unit})
    fit = fit.fit(reml=True, dof="satterthwaite")
    assert fit.llf == pytest.approx(usual.llf, rel=1e-12)
    assert fit.report.evaluations == usual.report.evaluations
    assert np.asarray(fit.pvalues) == pytest.approx(np.asarray(usual.pvalues), rel=1e-5)


def test_levels_without_records_are_predicted() -> None:
    pedigree = inbred()
    data = records(pedigree)
    fit = smf.mixedlm2("y ~ x + (1 | animal)", data, pedigree=pedigree).fit(reml=True)
    modes = fit.ranef()["animal"]
    assert len(modes) == 120
    A = tabular(pedigree)
    where = data["animal"].to_numpy() - 1
    variance = (float(fit.theta[0]) * fit.sigma) ** 2
    V = variance * A[np.ix_(where, where)] + fit.sigma**2 * np.eye(len(data))
    residual = (data["y"] - fit.predict(data, re=False)).to_numpy()
    expected = variance * A[:, where] @ np.linalg.solve(V, residual)
    assert modes.to_numpy().ravel() == pytest.approx(expected, abs=1e-8)
    new = pd.DataFrame({"x": [0.0, 1.0], "animal": [1, 2]})  # founders
    assert fit.predict(new, re=True).to_numpy() == pytest.approx(
        fit.predict(new, re=False).to_numpy() + expected[:2], abs=1e-8
    )
    # The error of the prediction from the joint covariance of response and effects.
    X = np.column_stack([np.ones(len(data)), data["x"]])
    Vi = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ Vi @ X)
    x = np.column_stack([np.ones(2), new["x"]])
    C = variance * A[:2, where]
    left = x - C @ Vi @ X
    error = variance * np.diag(A)[:2] - np.diag(C @ Vi @ C.T) + np.diag(left @ M @ left.T)
    found = fit.get_prediction(new, re=True).se_mean
    assert np.asarray(found) ** 2 == pytest.approx(error, rel=1e-7)


def test_simulated_responses_have_the_covariance() -> None:
    Q = np.array([[2.0, -0.9, 0.0], [-0.9, 2.0, -0.9], [0.0, -0.9, 2.0]])
    labels = ["b", "a", "c"]
    data = pd.DataFrame(
        {"g": np.repeat(["a", "b", "c"], 4), "y": [*range(4), *range(6, 10), *range(2, 6)]}
    )
    fit = smf.mixedlm2("y ~ 1 + (1 | g)", data, precision={"g": (Q, labels)}).fit()
    values = {"beta": [0.0], "theta": [100.0], "sigma": 0.01}
    new = pd.DataFrame({"g": ["b", "a", "c"]})
    for exog in (None, new):
        draws = np.asarray(fit.simulate(10000, seed=1, exog=exog, **values))
        draws = draws.reshape(10000, -1) if len(draws) == 10000 else draws.T
        draws = draws[:, [4, 0, 8]] if draws.shape[1] == 12 else draws
        assert np.cov(draws.T) == pytest.approx(np.linalg.inv(Q), abs=0.04)


def test_afterwards(tmp_path: Path) -> None:
    pedigree = inbred()
    data = records(pedigree)
    model = smf.mixedlm2("y ~ x + (1 | animal) + (1 | herd)", data, pedigree=pedigree)
    fit = model.fit(reml=True)
    fit.to_dir(tmp_path / "fit")
    again = statsmodels_mixed.open(tmp_path / "fit")
    assert str(again.summary()) == str(fit.summary())
    new = pd.DataFrame({"x": [0.0], "animal": [3], "herd": [2]})
    expected = np.asarray(fit.predict(new, re=True))
    assert np.asarray(again.predict(new, re=True)) == pytest.approx(expected)
    updated = fit.model.update("~ . - x").fit(reml=True)
    assert "120, by pedigree" in str(updated.summary())
    assert fit.bootstrap(5, seed=1) is not None
    table = fit.ranova()
    assert np.isfinite(np.asarray(table, dtype=object).size)
    with pytest.raises(OptionError, match=r"'animal' are related by pedigree="):
        model.fit(cov_type="cluster", cov_kwds={"groups": "herd"})


def test_leverage_influence_and_comparison() -> None:
    pedigree = inbred()
    data = records(pedigree)
    formula = "y ~ x + (1 | animal) + (1 | herd)"
    fit = smf.mixedlm2(formula, data, pedigree=pedigree).fit(reml=True)
    A = tabular(pedigree)
    where = data["animal"].to_numpy() - 1
    animal, herd = np.asarray(fit.theta) ** 2
    herds = data["herd"].to_numpy()
    V = np.eye(len(data)) + animal * A[np.ix_(where, where)] + herd * (herds[:, None] == herds)
    X, Vi = np.column_stack([np.ones(len(data)), data["x"]]), np.linalg.inv(V)
    P = Vi - Vi @ X @ np.linalg.solve(X.T @ Vi @ X, X.T @ Vi)
    assert np.asarray(fit.leverage()) == pytest.approx(1 - np.diag(P), abs=1e-10)
    # Without a herd all animals stay levels.
    direct = smf.mixedlm2(formula, data[herds != 0], pedigree=pedigree).fit(reml=True)
    without = fit.influence(by="herd").params.iloc[0]
    assert without.to_numpy() == pytest.approx(direct.params.to_numpy(), rel=1e-6)
    unrelated = smf.mixedlm2("y ~ x + (1 | herd)", data).fit(reml=True)
    table = fit.ranova()
    assert table["llf"].loc["(1 | animal)"] == pytest.approx(unrelated.llf, rel=1e-10)


def refusal(match: str, kind: type[Exception] = DataError, **options: Any) -> None:
    data = pd.DataFrame({"y": [1.0, 2, 4, 3], "g": list("aabb"), "h": list("xyxy")})
    with pytest.raises(kind, match=match):
        smf.mixedlm2("y ~ 1 + (1 | g) + (1 | h)", data, **options)


def test_refusals() -> None:
    A, labels = np.array([[1, 0.5], [0.5, 1]]), ["a", "b"]
    refusal("'site', which is no grouping factor", OptionError, precision={"site": A})
    refusal("relationship= names grouping factors", OptionError, relationship=A)
    refusal("both have 'g'", OptionError, relationship={"g": A}, precision={"g": A})
    refusal("pedigree= must name its grouping factor", OptionError, pedigree=MRODE)
    refusal("does not have the levels 'b' of the data", relationship={"g": (A, ["a", "c"])})
    refusal("is singular", relationship={"g": (np.ones((2, 2)), labels)})
    refusal("not positive definite", relationship={"g": ([[1, 2], [2, 1]], labels)})
    refusal("not positive definite", precision={"g": ([[1, 2], [2, 1]], labels)})
    refusal("not symmetric", precision={"g": ([[1, 2], [0, 1]], labels)})
    refusal("has shape", relationship={"g": (A, ["a", "b", "c"])})
    refusal("'a' twice", relationship={"g": (A, ["a", "a"])})
    refusal("has no labels", relationship={"g": np.eye(3)})
    refusal("not finite", relationship={"g": (A * np.nan, labels)})
    pedigree = pd.DataFrame({"animal": list("aba"), "sire": [None] * 3, "dam": [None] * 3})
    refusal("two rows for the animal 'a'", pedigree={"g": pedigree})
    pedigree = pd.DataFrame({"animal": list("ab"), "sire": ["b", "a"], "dam": [None] * 2})
    refusal("its own ancestor", pedigree={"g": pedigree})
    refusal("it needs animal, sire and dam", pedigree={"g": pedigree[["animal", "sire"]]})
    numbers = pd.DataFrame({"y": [1.0, 2, 4, 3], "g": [1, 1, 2, 2]})
    with pytest.raises(DataError, match="which it has as str and the data as"):
        smf.mixedlm2("y ~ 1 + (1 | g)", numbers, relationship={"g": (A, ["1", "2"])})
