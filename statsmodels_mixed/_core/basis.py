"""An orthonormal basis of columns, and what a projection on it leaves of another column."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ._smm import ffi, lib
from .blas import blas_table
from .boundary import check_status, doubles, floats

__all__ = ["cholesky_qr", "split_by_basis"]


def cholesky_qr(X: Array, weights: Array | None = None) -> tuple[Array, Array] | None:
    """Return Q and R with X = Q R, Q'WQ = I and R an upper triangle.

    None when columns of X are nearly dependent, very large or very small.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    weights : ndarray, shape (n,), optional
        The diagonal of W, I by default.

    Returns
    -------
    Q : ndarray, shape (n, p), C order
    R : ndarray, shape (p, p), Fortran order
    """
    n, p = X.shape
    X = floats(X, (n, p), "X")
    Q, R, work = np.empty((n, p)), np.empty((p, p)), np.empty(p * (2 * p + lib.SMM_BASIS_ROWS))
    w = ffi.NULL if weights is None else doubles(floats(weights, (n,), "weights"))
    status = lib.smm_basis(blas_table(), n, p, doubles(X), w, doubles(Q), doubles(R), doubles(work))
    if status == lib.SMM_ENOTPD:
        return None
    check_status(status, "find a basis of the fixed effects")
    return Q, R.T


def split_by_basis(
    y: Array, Q: Array, weights: Array | None, nobs: int
) -> tuple[Array, Array, float, tuple[float, float]]:
    """Split y = Q gamma + scale * residual, where Q'W residual = 0.

    Parameters
    ----------
    y : ndarray, shape (n,)
    Q : ndarray, shape (n, p)
        With Q'WQ = I.
    weights : ndarray, shape (n,), or None
        The diagonal of W; None for I.
    nobs : int
        By which the (weighted) sum of squares is divided for a mean.

    Returns
    -------
    gamma : ndarray, shape (p,)
    residual : ndarray, shape (n,)
        With mean (weighted) square 1.
    scale : float
        0 where nothing is left of y.
    squares : tuple of float
        The sums of squares of y, without and with weights; infinite beyond the range of doubles.
    """
    n, p = Q.shape
    y, Q = floats(y, (n,), "y"), floats(Q, (n, p), "Q")
    gamma, residual, squares, work = np.empty(p), np.empty(n), np.empty(3), np.empty(2 * p)
    w = ffi.NULL if weights is None else doubles(floats(weights, (n,), "weights"))
    status = lib.smm_residual(
        n,
        p,
        doubles(Q),
        doubles(y),
        w,
        nobs,
        doubles(gamma),
        doubles(residual),
        doubles(squares),
        doubles(work),
    )
    check_status(status, "split the response")
    plain, weighted, scale = squares.tolist()
    return gamma, residual, scale, (plain, weighted)
