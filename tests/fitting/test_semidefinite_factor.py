"""Factors of covariances whose correlations are one."""

from __future__ import annotations

import numpy as np

from statsmodels_mixed.fitting.structured.covariance_model import factor


def test_pivots_that_are_rounding_errors_are_zero():
    # A third of these had pivots of 1e-8 before: as if effects were not quite the same.
    rng = np.random.default_rng(0)
    for _ in range(300):
        sd = rng.uniform(0.1, 10, 4)
        T = factor(np.outer(sd, sd) * rng.uniform(0.5, 2))
        assert np.count_nonzero(T[:, 1:]) == 0
        np.testing.assert_allclose(T[:, 0] / T[0, 0], sd / sd[0], rtol=1e-14)


def test_covariances_that_are_close_to_singular_keep_their_factor():
    # 400 places closely spaced: exp(-d^2) is singular to rounding, and no pivot says where.
    at = np.linspace(0, 1, 400)
    sigma = np.exp(-((at[:, None] - at) ** 2))
    T = factor(sigma)
    np.testing.assert_allclose(T @ T.T, sigma, atol=1e-11)
    small = np.array([[1.0, 1.0 - 1e-10], [1.0 - 1e-10, 1.0]])
    np.testing.assert_array_equal(factor(small), np.linalg.cholesky(small))
