"""Larger simulated models: many covariance parameters, many levels, partial crossing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import simulated
import tolerances as tol
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from small_models import fit

from statsmodels_mixed.fitting.crossprod import form_crossproducts

MAXIMAL = "rt ~ a*b*d + (1 + a*b*d | subj) + (1 + a*b*d | item)"
ZEROCORR = "rt ~ a*b*d + zerocorr(1 + a*b*d | subj) + zerocorr(1 + a*b*d | item)"
TWO_FACTORS = "y ~ 1 + x + (1 | g) + (1 | h)"


@pytest.mark.parametrize(
    "data, response, head, total",
    [
        pytest.param(
            lambda: simulated.crossed(100_000, 5_000, 500),
            "y",
            [2.01666397, -0.95029359, -0.03945759],
            95428.21173489826,
            id="crossed",
        ),
        pytest.param(
            lambda: simulated.slopes(1_000_000, 100_000),
            "y",
            [0.60797352, 1.17538464, 1.63761014],
            999630.1457691134,
            id="slopes",
        ),
        pytest.param(
            lambda: simulated.nested(1_000_000, 2_000, 50_000),
            "y",
            [2.36354604, 3.14951742, 1.87313043],
            988881.8716142839,
            id="nested",
        ),
        pytest.param(
            simulated.maximal,
            "rt",
            [2595.87065739, 406.21649953, 992.53190916],
            3819832.04058964,
            id="maximal",
        ),
    ],
)
def test_simulated_data_are_those_the_results_are_known_for(data, response, head, total):
    values = data()[response]
    assert_allclose(values[:3], head, rtol=1e-6)
    assert_allclose(values.sum(), total, rtol=1e-12)


@pytest.mark.parametrize(
    "formula, reml, best, most",
    [
        pytest.param(MAXIMAL, False, 28731.94534, 150, id="maximal-ML"),
        pytest.param(MAXIMAL, True, 28666.44847, 150, id="maximal-REML"),
        pytest.param(ZEROCORR, False, 28764.92018, 50, id="zerocorr-ML"),
        pytest.param(ZEROCORR, True, 28699.59027, 50, id="zerocorr-REML"),
    ],
)
def test_maximal_model(formula, reml, best, most):
    result = fit(formula, simulated.maximal(), reml=reml)
    assert result.converged
    assert result.objective <= best
    assert result.objective >= best - 2e-5
    assert result.report.evaluations < most


def deviance_of_two_factors(data: pd.DataFrame, theta: np.ndarray) -> float:
    """Return the ML deviance of y ~ 1 + x + (1 | g) + (1 | h) by eliminating g by hand.

    The cross-products of [Z_g T_g, Z_h T_h, X, y] bordered by the identity have a diagonal
    first block; the Cholesky factor of what is left ends in the root of the residual sum.
    """
    n = len(data)
    rows, ones = np.arange(n), np.ones(n)
    Z_g, Z_h = (
        theta_t * csr_array((ones, (rows, data[factor])))
        for theta_t, factor in zip(theta, "gh", strict=True)
    )
    Xy = np.column_stack([ones, data["x"], data["y"]])
    diagonal = 1 + np.asarray((Z_g * Z_g).sum(axis=0))
    to_g = np.hstack([(Z_g.T @ Z_h).toarray(), Z_g.T @ Xy])
    inner = np.block([[(Z_h.T @ Z_h).toarray(), Z_h.T @ Xy], [(Z_h.T @ Xy).T, Xy.T @ Xy]])
    levels = Z_h.shape[1]
    inner[range(levels), range(levels)] += 1
    L = np.linalg.cholesky(inner - to_g.T @ (to_g / diagonal[:, None]))
    logdet = np.log(diagonal).sum() + 2 * np.log(np.diag(L)[:levels]).sum()
    return float(logdet + n * (1 + np.log(2 * np.pi * L[-1, -1] ** 2 / n)))


def test_large_crossed_factors():
    data = simulated.crossed(100_000, 5_000, 500)
    result = fit(TWO_FACTORS, data)
    assert result.converged
    assert result.report.evaluations <= 20
    at_optimum = deviance_of_two_factors(data, result.theta)
    assert_allclose(result.objective, at_optimum, rtol=tol.EVALUATION)
    for factor in ([1.001, 1.0], [0.999, 1.0], [1.0, 1.001], [1.0, 0.999]):
        assert deviance_of_two_factors(data, result.theta * factor) > at_optimum
    assert_allclose(result.varcorr.std_dev("g"), 1.0, rtol=0.05)
    assert_allclose(result.varcorr.std_dev("h"), 0.5, rtol=0.1)
    assert_allclose(result.sigma, 1.0, rtol=0.01)


def test_sparse_partial_crossing_stays_sparse():
    # A dense block of the 10,000 levels of h would hold 10^8 numbers.
    data = simulated.chained(60_000, 20_000, 10_000)
    result = fit(TWO_FACTORS, data)
    sizes = form_crossproducts(result.model.design).workspace.design.sizes
    assert sizes["q"] == 30_000
    assert sizes["tail_size"] <= 100
    assert sizes["head_values"] <= 10 * sizes["q"]
    assert result.converged
    assert_allclose(result.theta, [1.0, 0.5], rtol=0.05)
    assert_allclose(result.params, [1.0, 0.5], atol=0.05)


def test_sparse_partial_crossing_has_the_dense_objective():
    data = simulated.chained(600, 200, 100)
    result = fit(TWO_FACTORS, data)
    assert_allclose(result.objective, deviance_of_two_factors(data, result.theta), rtol=1e-12)
