"""Stage 3: cross-products, and one evaluation at a given theta."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.linear.fit import fit_linear

# The oracle works with n x n and q x q matrices.
SMALL = 200


class At:
    """A workspace, the theta of the answer and one beside it."""

    def __init__(self, case):
        self.case, self.design = case, case.design()
        self.products = form_crossproducts(self.design)
        self.products.set_criterion(False, None)
        self.workspace = self.products.workspace
        found = case.theta is not None
        self.theta = np.array(case.theta) if found else fit_linear(self.design).theta
        # Where the gradient is far from zero, and no variance is zero.
        bent = self.theta * np.linspace(0.8, 1.3, len(self.theta))
        self.beside = bent + 0.01 * self.workspace.theta_scale()


@pytest.fixture
def at(case):
    return At(case)


def test_crossproducts(benchmark, case):
    products = benchmark(form_crossproducts, case.design())
    assert products.rank == case.design().X.shape[1]
    assert products.n == len(case.design().y)


def test_value(benchmark, case, at):
    value = benchmark(at.workspace.value, at.theta) + at.products.constant(reml=False)
    assert_allclose(value, case.objective, rtol=1e-9)


def test_gradient(benchmark, case, at):
    at.workspace.value(at.beside)
    gradient = benchmark(at.workspace.gradient)
    slope = np.linalg.norm(gradient)
    step = 1e-3 * at.workspace.theta_scale().min() * gradient / slope
    ahead, behind = at.workspace.value(at.beside + step), at.workspace.value(at.beside - step)
    assert_allclose((ahead - behind) / (2 * np.linalg.norm(step)), slope, rtol=1e-4)


def test_curvature(benchmark, case, at):
    at.workspace.value_and_gradient(at.beside)
    hessian = benchmark(at.workspace.curvature)
    assert_allclose(hessian, hessian.T)
    if len(at.design.y) <= SMALL:
        terms = [
            oracle.Term(len(block.levels), block.refs, block.z, block.pattern)
            for block in at.design.blocks
        ]
        expected = oracle.solve(terms, at.design.X, at.design.y, at.beside).curvature
        assert_allclose(hessian, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())
