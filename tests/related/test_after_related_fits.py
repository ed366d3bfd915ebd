"""Kenward and Roger's method and shares of variance for related levels, against dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import OptionError

Array = NDArray[np.float64]

LEVELS = [f"s{i}" for i in range(14)]


def covariance() -> Array:
    """Return a covariance of the levels whose diagonal is not constant."""
    rng = np.random.default_rng(8)
    root = rng.normal(size=(14, 14)) / 4.0 + np.eye(14)
    return np.asarray(root @ root.T)


A = covariance()


def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    at = rng.integers(0, 12, 60)  # two levels have no rows
    table = pd.DataFrame({"g": [LEVELS[i] for i in at], "x": rng.normal(size=60)})
    table["f"] = np.where(rng.random(60) < 0.4, "a", "b")
    effects = np.linalg.cholesky(A) @ rng.normal(size=14)
    slopes = np.linalg.cholesky(A) @ rng.normal(size=14)
    table["y"] = 1.0 + (1.0 + 0.8 * slopes[at]) * table["x"] + 1.5 * effects[at]
    table["y"] += rng.normal(size=60)
    return table


DATA = data()
AT = np.array([LEVELS.index(level) for level in DATA["g"]])
RELATED = pd.DataFrame(A, LEVELS, LEVELS)


def dense_kenward_roger(X: Array, parts: list[Array], variances: Array) -> tuple[Array, Array]:
    """Return adjusted standard errors and degrees of freedom where V is a sum of known matrices.

    Kenward and Roger (1997), equations 3 to 5, without second derivatives.
    """
    V = sum(v * part for v, part in zip(variances, parts, strict=True))
    inverse = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ inverse @ X)
    P = [-X.T @ inverse @ part @ inverse @ X for part in parts]
    m = len(parts)
    W = np.empty((m, m))
    inner = np.zeros_like(M)
    Q: dict[tuple[int, int], Array] = {}
    for i in range(m):
        for j in range(m):
            Q[i, j] = X.T @ inverse @ parts[i] @ inverse @ parts[j] @ inverse @ X
            trace = np.trace(inverse @ parts[i] @ inverse @ parts[j])
            trace += -2.0 * np.trace(M @ Q[i, j]) + np.trace(M @ P[i] @ M @ P[j])
            W[i, j] = trace
    W = 2.0 * np.linalg.inv(W)
    for i in range(m):
        for j in range(m):
            inner += W[i, j] * (Q[i, j] - P[i] @ M @ P[j])
    adjusted = M + 2.0 * M @ inner @ M
    slopes = np.array([-np.diag(M @ P[i] @ M) for i in range(m)])
    degrees = 2.0 * np.diag(M) ** 2 / np.einsum("ic,ij,jc->c", slopes, W, slopes)
    return np.sqrt(np.diag(adjusted)), degrees


def model(formula: str, **options: Any) -> Any:
    return mixedlm2(formula, DATA, **options).fit(reml=True, dof="kenward-roger")


def degrees_of(fit: Any) -> Array:
    return np.ravel(fit.t_test(np.eye(len(fit.params))).df_denom)


def test_kenward_roger_is_that_of_dense_matrices():
    fit = model("y ~ x + f + (1 | g)", relationship={"g": RELATED})
    X = np.column_stack([np.ones(60), DATA["f"] == "b", DATA["x"]]).astype(float)
    variance = float(fit.theta[0] * fit.sigma) ** 2
    own = A[np.ix_(AT, AT)]
    errors, degrees = dense_kenward_roger(X, [own, np.eye(60)], np.array([variance, fit.sigma**2]))
    assert_allclose(fit.bse, errors, rtol=1e-6)
    assert_allclose(degrees_of(fit), degrees, rtol=1e-5)
    assert (
        fit.bse > mixedlm2("y ~ x + f + (1 | g)", DATA, relationship={"g": RELATED}).fit().bse
    ).all()


@pytest.mark.parametrize("term", ["(1 | g)", "(1 + x | g)", "(1 + x || g)", "diag(1 + x | g)"])
def test_unrelated_levels_are_those_without_a_relationship(term):
    formula = f"y ~ x + f + {term}"
    unrelated = pd.DataFrame(np.eye(14), LEVELS, LEVELS)
    related, plain = model(formula, relationship={"g": unrelated}), model(formula)
    assert not plain.issingular()
    assert_allclose(related.bse, plain.bse, rtol=1e-6)
    assert_allclose(degrees_of(related), degrees_of(plain), rtol=1e-4)


def test_maximum_likelihood_is_refused():
    with pytest.raises(OptionError, match="REML"):
        mixedlm2("y ~ x + (1 | g)", DATA, relationship={"g": RELATED}).fit(dof="kenward-roger")


def test_shares_of_variance_have_the_diagonal_of_the_relationship():
    fit = mixedlm2("y ~ x + f + (1 + x | g)", DATA, relationship={"g": RELATED}).fit(reml=True)
    T = fit.estimates.factors[0]
    Z = np.column_stack([np.ones(60), DATA["x"]])
    own = np.diag(A)[AT] * np.einsum("ij,ij->i", Z @ T, Z @ T)
    expected = own.mean() / (own.mean() + 1.0)
    assert_allclose(fit.icc().adjusted, expected, rtol=1e-10)
    linear = fit.model.exog @ fit.params
    whole = np.var(linear, ddof=1) + fit.sigma**2 * (own.mean() + 1.0)
    assert_allclose(fit.r2().marginal, np.var(linear, ddof=1) / whole, rtol=1e-10)


def test_the_unit_of_a_relationship_does_not_matter():
    fits = [
        mixedlm2("y ~ x + (1 | g)", DATA, relationship={"g": RELATED * scale}).fit(reml=True)
        for scale in (1.0, 50.0)
    ]
    assert_allclose(fits[1].icc().adjusted, fits[0].icc().adjusted, rtol=1e-6)
