"""Rules of Gauss-Hermite quadrature of any size, against moments and NumPy's where it has any."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import simulated
from generalized_checks import fitted
from numpy.testing import assert_allclose
from reference.glmm_names import BINOMIAL
from scipy.special import expit

from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.fitting.generalized.quadrature import gauss_hermite


@pytest.mark.parametrize("points", [1, 2, 9, 40, 150, 151, 360, 1000])
def test_moments_of_the_normal_distribution(points):
    nodes, log_weights = gauss_hermite(points)
    assert np.all(np.diff(nodes) > 0)
    assert np.all(np.isfinite(log_weights))
    for power, moment in ((0, 1.0), (2, 1.0), (4, 3.0), (6, 15.0), (12, 10395.0)):
        if power < 2 * points:
            assert_allclose(np.sum(np.exp(log_weights) * nodes**power), moment, rtol=1e-12)


def test_rules_of_numpy():
    for points in (3, 25, 120):
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        ours, log_weights = gauss_hermite(points)
        assert_allclose(ours, nodes, rtol=1e-12, atol=1e-14)
        assert_allclose(log_weights, np.log(weights / np.sqrt(2 * np.pi)), rtol=1e-12)


def test_fits_with_more_points_than_weights_can_hold():
    """From 360 points the least weights are below 1e-308."""
    stream = simulated.Stream(360)
    g = np.repeat(np.arange(8), 6)
    y = (stream.uniform(48) < expit(1.5 * stream.normal(8)[g])).astype(float)
    data = pd.DataFrame({"y": y, "g": g})
    few, many = (fitted("y ~ 1 + (1 | g)", data, BINOMIAL, n_agq=k) for k in (60, 400))
    assert many.report.converged
    assert_allclose(many.objective, few.objective, rtol=1e-10)
    with pytest.raises(OptionError, match=r"n_agq=10001 is not possible; the limit is 10000"):
        fitted("y ~ 1 + (1 | g)", data, BINOMIAL, n_agq=10_001)
