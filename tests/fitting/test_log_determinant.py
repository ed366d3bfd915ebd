"""log|Omega| of many levels whose observed information is negative, so that diag L is below 1."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference.glmm_names import make_design
from scipy.special import gammaln

from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.fit import objective_and_gradient


def inverse_gaussian_log(y, eta, phi):
    """Log-likelihood with mean e^eta, and its first two derivatives."""
    r = y * np.exp(-eta)
    value = -0.5 * ((r - 1) ** 2 / (phi * y) + np.log(2 * np.pi * phi) + 3 * np.log(y))
    return value, (r * r - r) / (phi * y), -(2 * r * r - r) / (phi * y)


def gamma_identity(y, eta, phi):
    k = 1 / phi
    value = k * np.log(k * y / eta) - k * y / eta - np.log(y) - gammaln(k)
    return value, k * (y / eta**2 - 1 / eta), k * (1 / eta**2 - 2 * y / eta**3)


CASES = {
    "inverse_gaussian log": (
        inverse_gaussian_log, FamilySpec("inverse_gaussian", "log", 1.0, True),
        [0.32, 0.36, 0.41, 0.3], 0.0, 0.2, 0.3,
    ),
    "gamma identity": (
        gamma_identity, FamilySpec("gamma", "identity", 1.0, True),
        [0.3, 0.35, 0.4, 0.32], 1.0, 0.2, 0.3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("levels", [40, 3000, 40_000])
@pytest.mark.parametrize("name", CASES)
def test_levels_of_negative_information(name, levels):
    """Two rows a level; each level's mode by Newton's method."""
    rows, spec, responses, intercept, theta, phi = CASES[name]
    y = np.tile(responses, levels // 2)
    u = np.zeros(levels)
    for _ in range(60):
        value, slope, second = rows(y, intercept + theta * np.repeat(u, 2), phi)
        omega = 1 - theta**2 * second.reshape(levels, 2).sum(axis=1)
        u += (theta * slope.reshape(levels, 2).sum(axis=1) - u) / omega
    assert np.all(omega < 0.96)
    assert np.all(omega > 0)
    expected = -2 * value.sum() + u @ u + np.log(omega).sum()
    design = make_design("y ~ 1 + (1 | g)", {"y": y, "g": np.repeat(np.arange(levels), 2)})
    at = {"theta": np.array([theta]), "beta": np.array([intercept]), "dispersion": phi}
    objective, gradient = objective_and_gradient(design, spec, hessian="observed", **at)
    assert_allclose(objective, expected, rtol=1e-10)
    above, below = (
        objective_and_gradient(
            design, spec, hessian="observed", **(at | {"theta": np.array([theta + step])})
        )[0]
        for step in (1e-5, -1e-5)
    )
    assert_allclose(gradient[0], (above - below) / 2e-5, rtol=1e-5)
