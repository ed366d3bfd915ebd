"""The orthonormal basis of the fixed effects and the response without them."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_mixed.errors import DataError
from statsmodels_mixed.fitting.fixed_effects.basis import orthonormal_basis, residual_response


def well_conditioned(rng, n=50, p=4):
    return np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])


def badly_conditioned(rng, n=50):
    """Condition number about 1e7 after scaling: too much for one Cholesky factor."""
    x = rng.normal(size=n)
    return np.column_stack([np.ones(n), x, x + 1e-7 * rng.normal(size=n)])


def badly_scaled(rng, n=50):
    return well_conditioned(rng, n) * np.array([1e-8, 1.0, 1e9, 1e3])


@pytest.fixture(params=[well_conditioned, badly_conditioned, badly_scaled])
def X(request):
    return request.param(np.random.default_rng(1))


@pytest.fixture(params=[False, True], ids=["unweighted", "weighted"])
def weights(request):
    return np.random.default_rng(2).uniform(0.1, 5.0, size=50) if request.param else None


def identity_error(Q, weights):
    gram = Q.T @ (Q if weights is None else Q * weights[:, None])
    return np.max(np.abs(gram - np.eye(len(gram))), initial=0.0)


def test_orthonormal_and_spans_the_columns(X, weights):
    basis = orthonormal_basis(X, weights)
    np.testing.assert_array_equal(basis.columns, np.arange(X.shape[1]))
    assert identity_error(basis.Q, weights) < 1e-12
    np.testing.assert_array_equal(basis.R, np.triu(basis.R))
    lengths = np.linalg.norm(X, axis=0)
    np.testing.assert_allclose(basis.Q @ basis.R / lengths, X / lengths, atol=1e-13)
    assert basis.Q.flags.c_contiguous


@pytest.mark.parametrize("p", [1, 2, 5, 8, 9, 30])
@pytest.mark.parametrize("wide", [False, True])
def test_many_rows_have_the_factor_of_householder(p, wide):
    """Rows are summed in groups, chunks and what is left of them."""
    rng = np.random.default_rng(9)
    n = 5003
    X = np.column_stack([np.ones(n), 100 + rng.normal(size=(n, p - 1))])
    weights = 10.0 ** rng.uniform(-6, 6, n) if wide else None
    basis = orthonormal_basis(X, weights)
    root = np.ones((n, 1)) if weights is None else np.sqrt(weights)[:, None]
    Q, R = np.linalg.qr(root * X)
    signs = np.sign(np.diag(R)) * np.sign(np.diag(basis.R))
    np.testing.assert_allclose(signs[:, None] * basis.R, R, atol=1e-12 * np.abs(R).max())
    np.testing.assert_allclose(root * basis.Q, Q * signs, atol=1e-12)
    assert identity_error(basis.Q, weights) < 1e-14


def test_determinant_coefficients_and_covariance():
    rng = np.random.default_rng(3)
    X, weights = well_conditioned(rng), rng.uniform(0.1, 5.0, size=50)
    basis = orthonormal_basis(X, weights)
    gram = X.T @ (X * weights[:, None])
    assert basis.logdet == pytest.approx(np.linalg.slogdet(gram)[1], rel=1e-12)
    gamma = rng.normal(size=4)
    np.testing.assert_allclose(X @ basis.coefficients(gamma), basis.Q @ gamma, atol=1e-13)
    # with V = W^-1, X'V^-1 X is the identity in the basis
    np.testing.assert_allclose(basis.covariance(np.eye(4)), np.linalg.inv(gram), rtol=1e-11)
    half = rng.normal(size=(4, 4))
    covariance = basis.covariance(half @ half.T)
    np.testing.assert_array_equal(covariance, covariance.T)


def test_aliased_columns_are_dropped_the_earlier_ones_kept():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 40))
    one = np.ones(40)
    X = np.column_stack([one, a, 2 * one - 3 * a, np.zeros(40), b, a - b, one])
    basis = orthonormal_basis(X, None)
    np.testing.assert_array_equal(basis.columns, [0, 1, 4])
    assert identity_error(basis.Q, None) < 1e-12
    np.testing.assert_allclose(basis.Q @ basis.R, X[:, [0, 1, 4]], atol=1e-12)


def test_aliased_columns_of_very_different_size():
    rng = np.random.default_rng(5)
    a = rng.normal(size=40)
    X = np.column_stack([np.ones(40), 1e-9 * a, 1e9 * a + 1e9, a**2])
    np.testing.assert_array_equal(orthonormal_basis(X, None).columns, [0, 1, 3])


def test_a_large_offset_is_not_an_alias():
    """Years around 2000, or time stamps: nearly constant, but not constant."""
    x = 1e6 + np.arange(40.0)
    X = np.column_stack([np.ones(40), x, x**2 / 1e6])
    np.testing.assert_array_equal(orthonormal_basis(X[:, :2], None).columns, [0, 1])


def test_aliased_by_the_weights_only_is_still_found():
    """Without the rows of nearly no weight the last two columns are the same."""
    weights = np.array([1.0] * 10 + [1e-30] * 2)
    X = np.column_stack([np.ones(12), np.arange(12.0), np.arange(12.0)])
    X[10:, 2] = -1.0
    np.testing.assert_array_equal(orthonormal_basis(X, weights).columns, [0, 1])


def test_more_columns_than_rows():
    X = np.random.default_rng(6).normal(size=(3, 5))
    basis = orthonormal_basis(X, None)
    np.testing.assert_array_equal(basis.columns, [0, 1, 2])
    np.testing.assert_allclose(basis.Q @ basis.R, X[:, :3], atol=1e-13)


def test_no_columns():
    basis = orthonormal_basis(np.empty((7, 0)), None)
    assert basis.columns.shape == (0,)
    assert basis.Q.shape == (7, 0)
    assert basis.logdet == 0.0
    assert basis.coefficients(np.empty(0)).shape == (0,)
    assert basis.covariance(np.empty((0, 0))).shape == (0, 0)


def test_response_is_split(X, weights):
    y = np.random.default_rng(7).normal(size=50) + 3.0
    basis = orthonormal_basis(X, weights)
    gamma, residual, scale = residual_response(y, X, basis, weights)
    np.testing.assert_allclose(basis.Q @ gamma + scale * residual, y, rtol=1e-12)
    w = np.ones(50) if weights is None else weights
    np.testing.assert_allclose(basis.Q.T @ (w * residual), 0.0, atol=1e-12)
    assert np.mean(w * residual**2) == pytest.approx(1.0, rel=1e-12)


def test_a_large_mean_costs_no_digits():
    rng = np.random.default_rng(8)
    noise = rng.normal(size=50)
    X = np.ones((50, 1))
    basis = orthonormal_basis(X, None)
    large = 2.0**30
    noise = np.round(noise * 2**20) / 2**20  # exactly representable with the mean added
    _, plain, scale = residual_response(noise, X, basis, None)
    _, shifted, shifted_scale = residual_response(noise + large, X, basis, None)
    assert shifted_scale == pytest.approx(scale, rel=1e-12)
    # the mean itself is known to 2^30 eps only, which is all that may be lost
    np.testing.assert_allclose(shifted, plain, atol=1e-12)


def test_without_columns_the_response_is_only_scaled():
    y = np.array([3.0, -4.0, 0.0, 0.0])
    X = np.empty((4, 0))
    gamma, residual, scale = residual_response(y, X, orthonormal_basis(X, None), None)
    assert gamma.shape == (0,)
    assert scale == 2.5
    np.testing.assert_array_equal(residual, y / 2.5)


@pytest.mark.parametrize("y", [np.zeros(6), np.full(6, 4.0), 1e6 + np.arange(6.0)])
def test_nothing_left_of_the_response(y):
    X = np.column_stack([np.ones(6), np.arange(6.0)])
    with pytest.raises(DataError, match="reproduce the response exactly"):
        residual_response(y, X, orthonormal_basis(X, None), None)


@pytest.mark.parametrize("wide", [False, True])
def test_shifts_beside_an_intercept_do_not_matter(wide):
    """A share of 1e-10 of the column is new after the shift; rows of large weight have one x."""
    rng = np.random.default_rng(6)
    x, f = np.round(rng.normal(size=50) * 2**10) / 2**10, np.arange(50) % 3 == 1
    weights = 10.0 ** rng.uniform(-6, 6, 50) if wide else None
    if wide:
        x[weights > 1e-3] = 1.0
    near, far = (
        np.column_stack([np.ones(50), f, x + c]) for c in (0.0, 2.0 ** (24 if wide else 32))
    )
    basis, wanted = orthonormal_basis(far, weights), orthonormal_basis(near, weights)
    np.testing.assert_array_equal(basis.columns, [0, 1, 2])
    root = np.ones((50, 1)) if weights is None else np.sqrt(weights)[:, None]
    Q, other = root * basis.Q, root * wanted.Q
    np.testing.assert_allclose(Q @ Q.T, other @ other.T, atol=1e-9)
    np.testing.assert_allclose(np.abs(basis.R[2, 2]), np.abs(wanted.R[2, 2]), rtol=1e-9)
    lengths = np.linalg.norm(root * far, axis=0)
    np.testing.assert_allclose(Q @ basis.R / lengths, root * far / lengths, atol=1e-13)


def test_columns_that_only_rounding_tells_apart_are_dropped():
    rng = np.random.default_rng(7)
    x = 1e8 + rng.normal(size=50)
    nearly = np.where(np.arange(50) % 2, 0.1 + 0.2, 0.3)
    X = np.column_stack([np.ones(50), nearly, x, x / 3 + 1, 2 * x + 1])
    np.testing.assert_array_equal(orthonormal_basis(X, None).columns, [0, 2])
    weights = 10.0 ** rng.uniform(-6, 6, 50)
    np.testing.assert_array_equal(orthonormal_basis(X, weights).columns, [0, 2])
