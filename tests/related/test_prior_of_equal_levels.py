"""Levels with the same rows and different prior precisions are not the same levels."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2


def test_levels_with_equal_cross_products_and_unequal_precisions():
    rng = np.random.default_rng(6)
    levels, rows, k = 7, 12, 9
    x = rng.normal(size=(rows, k))
    data = pd.DataFrame(np.tile(x, (levels, 1)), columns=[f"x{i}" for i in range(k)])
    data["g"] = np.repeat(np.arange(levels), rows)
    data["y"] = rng.normal(size=levels * rows)
    precisions = rng.uniform(0.5, 3.0, size=levels)
    effects = " + ".join(data.columns[:k])
    model = mixedlm2(
        f"y ~ 1 + zerocorr(0 + {effects} | g)",
        data,
        precision={
            "g": pd.DataFrame(np.diag(precisions), index=range(levels), columns=range(levels))
        },
    )
    theta = rng.uniform(0.3, 1.2, size=k)
    V = np.eye(levels * rows)
    for level, q in enumerate(precisions):
        part = slice(level * rows, (level + 1) * rows)
        V[part, part] += x @ np.diag(theta**2 / q) @ x.T
    X, y, n = np.ones((levels * rows, 1)), data["y"].to_numpy(), levels * rows
    W = np.linalg.inv(V)
    beta = np.linalg.solve(X.T @ W @ X, X.T @ W @ y)
    left = y - X @ beta
    expected = np.linalg.slogdet(V)[1] + n * (1 + np.log(2 * np.pi * (left @ W @ left) / n))
    assert_allclose(model.objective(theta), expected, rtol=1e-10)
    step = 1e-5
    for i, slope in enumerate(model.gradient(theta)):
        moved = [theta + sign * step * np.eye(k)[i] for sign in (1, -1)]
        assert_allclose(
            slope,
            (model.objective(moved[0]) - model.objective(moved[1])) / (2 * step),
            rtol=1e-5,
            atol=1e-6,
        )
