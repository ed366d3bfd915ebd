"""Stage 3: cross-products, and one evaluation at a given theta."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed.covariance import factors_of
from statsmodels_mixed.crossprod import form_crossproducts
from statsmodels_mixed.fit import default_start


def deviance(design, theta):
    """Minus twice the profiled log-likelihood from the n x n covariance matrix of y."""
    n = len(design.y)
    V = np.eye(n)
    factors = factors_of(theta, [block.pattern for block in design.blocks])
    for block, T in zip(design.blocks, factors, strict=True):
        ZT = block.z @ T
        V += (block.refs[:, None] == block.refs) * (ZT @ ZT.T)
    L = np.linalg.cholesky(V)
    X, y = np.linalg.solve(L, design.X), np.linalg.solve(L, design.y)
    r = y - X @ np.linalg.lstsq(X, y)[0]
    return 2 * np.log(np.diag(L)).sum() + n * (1 + np.log(2 * np.pi * (r @ r) / n))


class At:
    """A workspace and the theta at which it is evaluated."""

    def __init__(self, case):
        self.case, self.design = case, case.design()
        self.products = form_crossproducts(self.design)
        self.products.set_criterion(False, None)
        self.workspace = self.products.workspace
        if case.theta is None:
            self.theta = default_start(self.design, self.workspace.theta_scale())
        else:
            self.theta = np.array(case.theta)

    def check(self, value):
        """Compare with lme4's objective at lme4's theta, or with `deviance`."""
        value += self.products.constant(reml=False)
        known = self.case.theta is not None
        expected = self.case.objective if known else deviance(self.design, self.theta)
        assert_allclose(value, expected, rtol=1e-9)


@pytest.fixture
def at(case):
    return At(case)


def test_crossproducts(benchmark, case):
    products = benchmark(form_crossproducts, case.design())
    assert products.rank == case.design().X.shape[1]
    assert products.n == len(case.design().y)


def test_value(benchmark, case, at):
    at.check(benchmark(at.workspace.value, at.theta))


def test_gradient(benchmark, case, at):
    # Away from the optimum, where there is something to compare.
    theta = 1.1 * at.theta + 0.01 * at.workspace.theta_scale()
    at.workspace.value(theta)
    gradient = benchmark(at.workspace.gradient)
    slope = np.linalg.norm(gradient)
    step = 1e-4 * at.workspace.theta_scale().min() * gradient / slope
    difference = at.workspace.value(theta + step) - at.workspace.value(theta - step)
    assert_allclose(difference / (2 * np.linalg.norm(step)), slope, rtol=1e-4)


def test_curvature(benchmark, case, at):
    at.workspace.value_and_gradient(at.theta)
    hessian = benchmark(at.workspace.curvature)
    assert_allclose(hessian, hessian.T)
    assert np.all(np.diag(hessian) > 0)
