"""Related levels of generalized models, against dense matrices and an equal model otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.special import gammaln

import statsmodels_mixed
from statsmodels_mixed.errors import OptionError

N, LEVELS = 240, 40
LABELS = [f"s{i:02d}" for i in range(LEVELS)]


def phylogeny() -> np.ndarray:
    """Shared lengths of the branches of a random tree, whose leaves are equally old."""
    rng = np.random.default_rng(5)
    A = np.zeros((LEVELS, LEVELS))
    clades, age = [[i] for i in range(LEVELS)], 0.0
    while len(clades) > 1:
        step = rng.exponential(0.06)
        for clade in clades:
            A[np.ix_(clade, clade)] += step
        age += step
        i, j = rng.choice(len(clades), 2, replace=False)
        joined = clades[i] + clades[j]
        clades = [each for k, each in enumerate(clades) if k not in (i, j)] + [joined]
    return np.asarray(A / age)


A = phylogeny()
RELATED: dict[str, Any] = {"relationship": {"species": (A, LABELS)}}


def observations() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    species = rng.integers(4, LEVELS, N)  # the first four have no records
    site, x = rng.integers(8, size=N), rng.normal(size=N)
    effects = np.linalg.cholesky(A) @ rng.normal(size=(LEVELS, 2))
    eta = 0.4 * x + effects[species, 0] + 0.5 * x * effects[species, 1]
    eta += 0.6 * rng.normal(size=8)[site]
    seen = rng.random(N) < 1 / (1 + np.exp(-eta))
    return pd.DataFrame(
        {
            "seen": seen.astype(int),
            "count": rng.poisson(np.exp(0.6 * eta)),
            "grade": pd.cut(eta + rng.logistic(size=N), [-99, -0.5, 1, 99], labels=list("abc")),
            "x": x,
            "species": np.array(LABELS)[species],
            "site": site,
        }
    )


def dense_laplace(
    y: np.ndarray, family: str, X: np.ndarray, beta: np.ndarray, M: np.ndarray
) -> float:
    """The approximation for y | u with predictor X beta + M u and u ~ N(0, I)."""
    u = np.zeros(M.shape[1])
    for _ in range(60):
        eta = X @ beta + M @ u
        if family == "binomial":
            mu = 1 / (1 + np.exp(-eta))
            weights, loglik = mu * (1 - mu), y @ eta - np.logaddexp(0, eta).sum()
        else:
            mu = np.exp(eta)
            weights, loglik = mu, y @ eta - mu.sum() - gammaln(y + 1).sum()
        Omega = M.T @ (weights[:, None] * M) + np.eye(len(u))
        u = u + np.linalg.solve(Omega, M.T @ (y - mu) - u)
    return float(-2 * loglik + u @ u + np.linalg.slogdet(Omega)[1])


@pytest.mark.parametrize(("family", "response"), [("binomial", "seen"), ("poisson", "count")])
def test_objective_and_gradient(family: str, response: str) -> None:
    data = observations()
    formula = f"{response} ~ x + (1 + x | species) + (1 | site)"
    model = smf.mixedglm2(formula, data, family, **RELATED)
    theta, beta = np.array([0.9, 0.2, 0.4, 0.5]), np.array([0.1, 0.3])
    X = np.column_stack([np.ones(N), data["x"]])
    code = np.searchsorted(LABELS, data["species"].astype(str))
    root = np.kron(np.linalg.cholesky(A), np.array([[0.9, 0.0], [0.2, 0.4]]))
    Z = np.zeros((N, 2 * LEVELS))
    Z[np.arange(N), 2 * code], Z[np.arange(N), 2 * code + 1] = 1.0, data["x"]
    sites = 0.5 * np.eye(8)[data["site"]]
    M = np.hstack([Z @ root, sites])
    y = data[response].to_numpy(dtype=float)
    expected = dense_laplace(y, family, X, beta, M)
    assert model.objective(theta, beta) == pytest.approx(expected, rel=1e-10)

    at, slopes = np.concatenate([theta, beta]), []
    for i in range(6):
        step = 1e-5 * np.eye(6)[i]
        up, down = at + step, at - step
        rise = model.objective(up[:4], up[4:]) - model.objective(down[:4], down[4:])
        slopes.append(rise / 2e-5)
    found = model.gradient(theta, beta)
    assert found == pytest.approx(np.array(slopes), abs=1e-6 * np.abs(found).max())


def with_members(data: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The term of independent effects in which rows have shares Z L, and its columns."""
    columns = np.linalg.cholesky(A)[np.searchsorted(LABELS, data["species"].astype(str))]
    members = {f"m{i}": pd.Series([label] * N) for i, label in enumerate(LABELS)}
    shares = {f"w{i}": pd.Series(column) for i, column in enumerate(columns.T)}
    wide = pd.concat([data, pd.DataFrame(members | shares)], axis=1)
    return wide, f"(1 | mm({', '.join(members)}, weights=c({', '.join(shares)})))"


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_independent_columns_of_a_root(family: str) -> None:
    """A membership in independent effects with weights Z L makes the same model."""
    data = observations()
    response = "seen" if family == "binomial" else "count"
    fit = smf.mixedglm2(f"{response} ~ x + (1 | species)", data, family, **RELATED).fit()
    wide, term = with_members(data)
    other = smf.mixedglm2(f"{response} ~ x + {term}", wide, family).fit()
    assert fit.converged and other.converged
    assert fit.llf == pytest.approx(other.llf, rel=1e-9)
    assert fit.params.to_numpy() == pytest.approx(other.params.to_numpy(), rel=1e-4)
    assert fit.bse.to_numpy() == pytest.approx(other.bse.to_numpy(), rel=1e-4)


def test_units_of_a_relationship() -> None:
    data = observations()
    fits = [
        smf.mixedglm2(
            "count ~ x + (1 | species) + (1 | site)",
            data,
            "poisson",
            relationship={"species": (size * A, LABELS)},
        ).fit()
        for size in (1.0, 1e8, 1e-8)
    ]
    for size, fit in zip((1e8, 1e-8), fits[1:], strict=True):
        assert fit.llf == pytest.approx(fits[0].llf, rel=1e-11)
        assert fit.theta[0] * np.sqrt(size) == pytest.approx(fits[0].theta[0], rel=1e-4)
        assert fit.report.evaluations == fits[0].report.evaluations
        assert not fit.issingular() and fit.converged


def test_levels_without_records() -> None:
    fit = smf.mixedglm2("seen ~ x + (1 | species)", observations(), "binomial", **RELATED).fit()
    modes = fit.ranef()["species"].loc[LABELS].to_numpy().ravel()
    # Given those of the others, effects of levels without records have their conditional mean.
    expected = A[:4, 4:] @ np.linalg.solve(A[4:, 4:], modes[4:])
    assert modes[:4] == pytest.approx(expected, abs=1e-10)
    new = pd.DataFrame({"x": [0.5], "species": ["s01"]})
    eta = fit.params["Intercept"] + 0.5 * fit.params["x"] + modes[1]
    assert fit.predict(new, re=True).to_numpy() == pytest.approx([1 / (1 + np.exp(-eta))])
    assert "40, by relationship" in str(fit.summary())


def test_simulated_effects_are_related() -> None:
    fit = smf.mixedglm2("count ~ 1 + (1 | species)", observations(), "poisson", **RELATED).fit()
    new = pd.DataFrame({"species": LABELS[:12]})
    # Means so large that the logarithms of counts are the effects.
    draws = fit.simulate(6000, seed=3, exog=new, beta=[18.0], theta=[0.5])
    logs = np.log(np.asarray(draws, dtype=float)).reshape(12, -1)
    assert np.cov(logs) == pytest.approx(0.25 * A[:12, :12], abs=0.02)


def test_other_kinds_of_models() -> None:
    data = observations()
    usual = smf.mixedglm2("count ~ x + (1 | species)", data, "poisson", **RELATED)
    inflated = smf.mixedglm2(
        "count ~ x + (1 | species)", data, "poisson", zero_inflation="~ 1", **RELATED
    ).fit()
    assert inflated.converged and inflated.llf >= usual.fit().llf - 1e-6
    assert usual.fit(fast=True).converged
    grades = statsmodels_mixed.mixedordinal2("grade ~ x + (1 | species)", data, **RELATED).fit()
    plain = statsmodels_mixed.mixedordinal2("grade ~ x + (1 | species)", data).fit()
    apart: dict[str, Any] = {"relationship": {"species": (np.eye(LEVELS), LABELS)}}
    same = statsmodels_mixed.mixedordinal2("grade ~ x + (1 | species)", data, **apart).fit()
    assert same.llf == pytest.approx(plain.llf, rel=1e-10)
    assert grades.llf > plain.llf + 0.1  # as the effects were drawn
    assert "40, by relationship" in str(grades.summary())


def test_afterwards(tmp_path: Path) -> None:
    data = observations()
    model = smf.mixedglm2("seen ~ x + (1 | species) + (1 | site)", data, "binomial", **RELATED)
    fit = model.fit()
    fit.to_dir(tmp_path / "fit")
    again = statsmodels_mixed.open(tmp_path / "fit")
    assert str(again.summary()) == str(fit.summary())
    assert "40, by relationship" in str(fit.model.update("~ . - x").fit().summary())
    without = fit.ranova()["llf"].loc["(1 | species)"]
    assert without == pytest.approx(
        smf.mixedglm2("seen ~ x + (1 | site)", data, "binomial").fit().llf, rel=1e-9
    )
    assert np.isfinite(fit.bootstrap(3, seed=1).values).all()
    for refused in (
        lambda: smf.mixedglm2("seen ~ x + (1 | species)", data, "binomial", **RELATED).fit(n_agq=5),
        lambda: fit.with_inference(cov_type="cluster", cov_kwds={"groups": "site"}),
        lambda: fit.emmeans("x", type="response", population=True),
    ):
        with pytest.raises(OptionError, match=r"'species' are related by relationship="):
            refused()


def test_structures_are_not_ignored_beside_formulas_of_zeros() -> None:
    data = observations().assign(time=lambda d: d["site"] % 3)
    model = smf.mixedglm2(
        "count ~ x + ar1(0 + C(time) | species)", data, "poisson", zero_inflation="~ 1"
    )
    with pytest.raises(OptionError, match="do not go with covariance structures"):
        model.fit()
