"""Related levels beside covariance structures, against dense matrices."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from structured_checks import check_gradient, difference

from statsmodels_mixed import meta, mixedglm2, mixedlm2
from statsmodels_mixed.errors import DataError
from statsmodels_mixed.fitting.structured.linear import objective_of

LEVELS, TIMES = 14, 4


@cache
def kinship() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    B = rng.normal(size=(LEVELS, 6))
    A = 0.4 * np.eye(LEVELS) + B @ B.T / 10.0
    names = [f"s{i}" for i in range(LEVELS)]
    return pd.DataFrame(A, index=names, columns=names)


@cache
def observations() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    A = kinship().to_numpy()
    R = 0.7 ** np.abs(np.subtract.outer(np.arange(TIMES), np.arange(TIMES)))
    b = np.linalg.cholesky(A) @ rng.normal(size=(LEVELS, TIMES)) @ np.linalg.cholesky(R).T
    s, t = np.repeat(np.arange(LEVELS - 2), 2 * TIMES), np.tile(np.arange(TIMES), 2 * LEVELS - 4)
    data = pd.DataFrame({"s": [f"s{i}" for i in s], "t": t, "x": rng.normal(size=len(s))})
    data["h"] = rng.integers(0, 5, len(s))
    data["f"] = np.where(rng.random(len(s)) < 0.5, "a", "b")
    eta = 0.4 * data.x + b[s, t] + 0.4 * rng.normal(size=5)[data.h]
    data["y"] = 1.0 + eta + 0.7 * rng.normal(size=len(s))
    data["count"] = rng.poisson(np.exp(0.3 + 0.5 * eta))
    return data


FORMULAS = [
    "y ~ x + ar1(0 + t | s)",
    "y ~ x + (1 | s) + cs(0 + f | h)",
    "y ~ x + us(1 + x | s) + exp(0 + t | h)",
]


def model(formula: str = FORMULAS[0], **options: Any) -> Any:
    return mixedlm2(formula, observations(), relationship={"s": kinship()}, **options)


def dense(fitted: Any, objective: Any, z: np.ndarray, reml: bool) -> float:
    """-2 log-likelihood by n x n matrices."""
    design = fitted.kept_design()
    x, sigma = objective.split(z)
    V = sigma**2 * np.eye(len(design.y))
    sigmas = objective.model.sigmas(objective.model.phi(x))
    for block, S in zip(design.blocks, sigmas, strict=True):
        among = np.eye(len(block.levels))
        if block.related is not None:
            among = kinship().loc[block.levels, block.levels].to_numpy()
        V += among[np.ix_(block.refs, block.refs)] * (block.z @ S @ block.z.T)
    X, y = design.X, design.y
    W = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ W, W.T @ y)
    value = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)
    value += (len(y) - X.shape[1] * reml) * np.log(2 * np.pi)
    return float(value + (np.linalg.slogdet(X.T @ W)[1] if reml else 0.0))


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("formula", FORMULAS)
def test_objective_and_derivatives(formula: str, reml: bool) -> None:
    one = model(formula)
    fit = one.fit(reml=reml)
    assert fit.converged
    objective = objective_of(one.kept_design(), fit.estimates)
    z = fit.estimates.structured.z
    assert -2.0 * fit.llf == pytest.approx(dense(one, objective, z, reml), rel=1e-10)
    near = z + 0.1 * np.random.default_rng(1).normal(size=len(z))
    value, gradient, _ = objective(near)
    assert value == pytest.approx(dense(one, objective, near, reml), rel=1e-11)
    found = difference(lambda at: dense(one, objective, at, reml), near)
    assert gradient == pytest.approx(found, rel=1e-6, abs=1e-6)
    # Newton's curvature is the average of the observed and the expected one.
    curvature = objective(z)[2]
    observed = difference(lambda at: objective(at)[1], z, 1e-4)
    assert np.diag(curvature) == pytest.approx(np.diag(observed), rel=0.6, abs=1e-2)


def test_one_effect_for_each_level_is_the_ordinary_model() -> None:
    ordinary = model("y ~ x + (1 | s)").fit(reml=True, dof="satterthwaite")
    named = model("y ~ x + homdiag(1 | s)").fit(reml=True, dof="satterthwaite")
    assert named.llf == pytest.approx(ordinary.llf, rel=1e-11)
    assert named.bse.to_numpy() == pytest.approx(ordinary.bse.to_numpy(), rel=1e-5)
    assert named.df_coef.to_numpy() == pytest.approx(ordinary.df_coef.to_numpy(), rel=1e-4)
    expected = ordinary.ranef()["s"].to_numpy()
    assert named.ranef()["s"].to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert len(expected) == LEVELS


def test_what_follows_a_fit() -> None:
    fit = model().fit(reml=True)
    assert len(fit.bootstrap(3, seed=1).frame) == 3
    limits = fit.profile("theta").conf_int()
    assert (limits["lower"] < limits["estimate"]).all()
    assert "by relationship" in str(fit.summary())
    draws = np.asarray(fit.simulate(4000, seed=3))
    design = fit.kept_design()
    objective = objective_of(design, fit.estimates)
    x, sigma = objective.split(fit.estimates.structured.z)
    S = objective.model.sigmas(objective.model.phi(x))[0]
    block = design.blocks[0]
    A = kinship().loc[block.levels, block.levels].to_numpy()
    V = A[np.ix_(block.refs, block.refs)] * (block.z @ S @ block.z.T) + sigma**2 * np.eye(96)
    draws = draws if draws.shape[0] == 96 else draws.T
    found = np.cov(draws)
    spread = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / 4000)
    assert np.mean(np.abs(found - V) < 3.0 * spread) > 0.98
    new = observations().head(3).assign(t=9)
    with pytest.raises(DataError, match="9"):
        fit.predict(new, re=True)


def test_places_that_few_related_levels_share_are_refused() -> None:
    """It took minutes for an evaluation: effects at all 300 places of each of 60 levels."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(60), 5), "pos": rng.uniform(0, 10, 300)})
    data["y"] = rng.normal(size=300)
    A = pd.DataFrame(0.2 + 0.8 * np.eye(60), index=range(60), columns=range(60))
    with pytest.raises(DataError, match="300 places for 60 levels of 'g' that are related, 18000"):
        mixedlm2("y ~ 1 + exp(0 + pos | g)", data, relationship={"g": A})
    rounded = data.assign(pos=data.pos.round())
    assert mixedlm2("y ~ 1 + exp(0 + pos | g)", rounded, relationship={"g": A}).nobs == 300


@pytest.mark.parametrize("terms", ["ar1(0 + t | s)", "(1 | s) + cs(0 + f | h)"])
def test_generalized_models(terms: str) -> None:
    formula = f"count ~ x + {terms}"
    one = mixedglm2(formula, observations(), "poisson", relationship={"s": kinship()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = one.fit()
    check_gradient(fit)
    assert fit.converged


def test_generalized_ordinary_model() -> None:
    fits = [
        mixedglm2(f"count ~ x + {term}", observations(), "poisson", relationship={"s": kinship()})
        for term in ("(1 | s)", "homdiag(1 | s)")
    ]
    ordinary, named = (each.fit() for each in fits)
    assert named.llf == pytest.approx(ordinary.llf, rel=1e-9)
    assert named.bse.to_numpy() == pytest.approx(ordinary.bse.to_numpy(), rel=1e-3)


def test_meta_analysis() -> None:
    """A phylogeny beside estimates within studies with dependent errors."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"study": np.repeat(np.arange(12), 3), "row": np.arange(36)})
    data["s"] = [f"s{i}" for i in np.repeat(np.arange(12), 3)]
    root = np.linalg.cholesky(kinship().to_numpy()[:12, :12])
    data["y"] = (root @ rng.normal(size=12))[data.study]
    data["y"] += 0.5 * rng.normal(size=36)
    V = [0.04 * (0.5 + 0.5 * np.eye(3))] * 12
    found = meta(
        "y",
        V=V,
        formula="~ 1 + (1 | s) + (1 | row)",
        data=data,
        relationship={"s": kinship()},
        reml=False,
    )
    tau2 = found.tau2
    n = 36
    A = kinship().to_numpy()[:12, :12]
    total = np.kron(np.eye(12), V[0]) + tau2["row"].iloc[0] * np.eye(n)
    total += tau2["s"].iloc[0] * np.kron(A, np.ones((3, 3)))
    W = np.linalg.inv(total)
    one, y = np.ones(n), data["y"].to_numpy()
    r = y - (one @ W @ y) / (one @ W @ one)
    expected = -0.5 * (np.linalg.slogdet(2 * np.pi * total)[1] + r @ W @ r)
    assert found.llf == pytest.approx(expected, rel=1e-8)
