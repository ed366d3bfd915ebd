"""Likelihoods without bound along some of the columns of the random effects only."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.dense import criterion_of
from fuzz.linear_models import draw
from scipy.optimize import brentq

import statsmodels_mixed  # noqa: F401
from statsmodels_mixed.errors import DataError


def six_rows() -> pd.DataFrame:
    """All six effects of two levels take six rows; four of them and X reproduce any response."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(["a", "b"], 3), "f": [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]})
    return data.assign(x=rng.normal(size=6), v=rng.normal(size=6), y=5 * rng.normal(size=6))


def dense_criterion(data: pd.DataFrame, columns: list[str], t: float) -> float:
    """-2 log-likelihood but for constants, sigma and beta profiled out, T = t I of some columns."""
    X = np.column_stack([np.ones(6), data.x, data.f])
    level = (data.g.to_numpy()[:, None] == ["a", "b"]).astype(float)
    Z = np.hstack([level * data.assign(one=1.0)[c].to_numpy()[:, None] for c in columns])
    V = np.eye(6) + t**2 * Z @ Z.T
    L = np.linalg.cholesky(V)
    A, b = np.linalg.solve(L, X), np.linalg.solve(L, data.y.to_numpy())
    rest = b - A @ np.linalg.lstsq(A, b, rcond=None)[0]
    return float(6 * np.log(rest @ rest) + 2 * np.log(np.diag(L)).sum())


def test_fewer_random_effects_may_reproduce_the_response():
    data = six_rows()
    some = [dense_criterion(data, ["one", "v"], t) for t in (1e2, 1e3, 1e4)]
    every = [dense_criterion(data, ["one", "x", "v"], t) for t in (1e2, 1e3, 1e4)]
    # four effects: 2 (6 - 4) log 10 less at each step; six: the same in the end
    np.testing.assert_allclose(np.diff(some), -4 * np.log(10), rtol=0.05)
    assert abs(every[2] - every[1]) < 0.1
    with pytest.raises(DataError, match="the likelihood has no maximum"):
        smf.mixedlm2("y ~ x + f + (x + v || g)", data).fit(reml=False)


def test_a_bounded_likelihood_of_few_rows_is_fitted():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(6), 3)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=18)})
    data["y"] = rng.normal(size=6)[g] + data.x * (1 + rng.normal(size=6)[g]) + rng.normal(size=18)
    assert smf.mixedlm2("y ~ x + (x || g)", data).fit(reml=False).converged


def four_rows(seed: int) -> pd.DataFrame:
    """Two levels of two rows."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"g": ["a", "a", "b", "b"], "x": rng.normal(size=4), "y": rng.normal(size=4)}
    )


def columns_of_rank_one(data: pd.DataFrame, angle: float) -> np.ndarray:
    """Z of intercepts and slopes that are in a fixed proportion."""
    level = (data.g.to_numpy()[:, None] == ["a", "b"]).astype(float)
    return level * (np.cos(angle) + np.sin(angle) * data.x.to_numpy())[:, None]


@pytest.mark.parametrize("seed", [1, 3, 4, 6])
def test_effects_in_some_proportion_may_reproduce_the_response(seed):
    """One equation, det [1 Z y] = 0, and one unknown, the proportion of intercepts and slopes."""
    data = four_rows(seed)

    def determinant(angle):
        return np.linalg.det(
            np.column_stack([np.ones(4), columns_of_rank_one(data, angle), data.y])
        )

    angles = np.linspace(0.02, np.pi - 0.02, 101)  # intercepts alone depend on the constant
    signs = np.sign([determinant(a) for a in angles])
    i = np.flatnonzero(signs[1:] != signs[:-1])[0]
    Z = columns_of_rank_one(data, brentq(determinant, angles[i], angles[i + 1], xtol=1e-15))
    values = []
    for t in (1e2, 1e3, 1e4):
        L = np.linalg.cholesky(np.eye(4) + t**2 * Z @ Z.T)
        a, b = np.linalg.solve(L, np.ones(4)), np.linalg.solve(L, data.y)
        rest = b - a * (a @ b) / (a @ a)
        values.append(4 * np.log(rest @ rest) + 2 * np.log(np.diag(L)).sum())
    np.testing.assert_allclose(np.diff(values), -4 * np.log(10), rtol=0.01)
    with pytest.raises(DataError, match="the likelihood has no maximum"):
        smf.mixedlm2("y ~ 1 + (x | g)", data).fit(reml=False)


@pytest.mark.parametrize("seed", [581, 625, 40115, 50295, 80754, 81772])
def test_random_models_that_converged_beside_an_unbounded_likelihood(seed):
    with pytest.raises(DataError, match="the likelihood has no maximum"):
        draw(seed).fit()


def test_weights_that_differ_widely_hide_no_unbounded_likelihood():
    """Two light rows alone show the effect that reproduces them; others have 1e8 their weight."""
    case = draw(9015)
    design = case.model().design
    criterion = criterion_of(design, np.arange(design.X.shape[1]), **case.how)
    values = [criterion.at([t]).value for t in (1e2, 1e3, 1e4, 1e5)]
    np.testing.assert_allclose(np.diff(values), -6 * np.log(10), rtol=1e-4)
    with pytest.raises(DataError, match="the likelihood has no maximum"):
        case.fit()


@pytest.mark.parametrize("unit", [1e-8, 1e-6, 1.0, 1e6, 1e8])
def test_units_of_fixed_effects_hide_no_unbounded_likelihood(unit):
    """Two of three effects of a level and X reproduce two rows of it, in a proportion, and three.

    Beside columns of unit size those of X left 1e-8 of the response, not nothing.
    """
    case = draw(2001795)
    with pytest.raises(DataError, match="the likelihood has no maximum"):
        replace(case, data=case.data.assign(x=unit * case.data["x"])).fit()
