"""Linear mixed models by plain dense linear algebra: slow, short and easy to believe.

y = offset + X beta + Z b + e with b ~ N(0, sigma^2 Sigma), e ~ N(0, sigma^2 W^-1) and
Sigma = Lambda Lambda'. Everything is written with the n x n matrices V = Z Sigma Z' + W^-1
and P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1; the package never forms either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Term:
    """Levels of the rows (refs, n), columns (z, n x k) and free elements of T (k x k)."""

    levels: int
    refs: np.ndarray
    z: np.ndarray
    pattern: np.ndarray

    def matrix(self):
        """Z of this term, n x (levels k)."""
        n, k = self.z.shape
        Z = np.zeros((n, self.levels, k))
        Z[np.arange(n), self.refs] = self.z
        return Z.reshape(n, -1)


@dataclass(frozen=True)
class Solution:
    value: float  # -2 log likelihood, or the REML criterion
    gradient: np.ndarray
    curvature: np.ndarray  # average information + second derivatives of Sigma
    beta: np.ndarray
    xvx_inverse: np.ndarray
    u: np.ndarray
    b: np.ndarray  # Lambda u
    r2: float  # penalized weighted residual sum of squares
    logdet_v: float
    logdet_xvx: float
    dof: float
    condvar: tuple  # per term (levels, k, k): Var(b_j | y, beta) / sigma^2
    leverage: np.ndarray  # d fitted / d y
    fitted: np.ndarray


def solve(terms, X, y, theta, *, reml=False, sigma=None, weights=None, offset=0.0):
    """Everything at one theta."""
    n, p = X.shape
    w = np.ones(n) if weights is None else weights
    parts = [term.matrix() for term in terms]
    Z, starts = np.hstack(parts), np.cumsum([0] + [part.shape[1] for part in parts])
    # D_i = d Lambda / d theta_i, so that Lambda = sum theta_i D_i
    D, free = [], []
    for t, term in enumerate(terms):
        part = slice(starts[t], starts[t + 1])
        for col, row in zip(*np.nonzero(term.pattern.T), strict=True):
            E = np.zeros(term.pattern.shape)
            E[row, col] = 1
            D.append(np.zeros((starts[-1], starts[-1])))
            D[-1][part, part] = np.kron(np.eye(term.levels), E)
            free.append((t, row, col))
    Lambda = np.einsum("i,ijk->jk", theta, D)
    Sigma = Lambda @ Lambda.T
    Vinv = np.linalg.inv(Z @ Sigma @ Z.T + np.diag(1 / w))
    M = np.linalg.inv(X.T @ Vinv @ X)
    P = Vinv - Vinv @ X @ M @ X.T @ Vinv
    Py = P @ (y - offset)
    r2, dof = (y - offset) @ Py, n - p if reml else n
    logdet_v, logdet_xvx = -np.linalg.slogdet(Vinv)[1], -np.linalg.slogdet(M)[1]
    s2 = r2 / dof if sigma is None else sigma**2
    value = logdet_v + reml * logdet_xvx + dof * np.log(2 * np.pi * s2) + r2 / s2
    # d value = tr(Gamma dSigma), and dP = -P dV P gives the second derivatives
    e = Z.T @ Py
    Gamma = Z.T @ (P if reml else Vinv) @ Z - np.outer(e, e) / s2
    dSigma = [half + half.T for half in (Di @ Lambda.T for Di in D)]
    gradient = np.array([np.sum(Gamma * dS) for dS in dSigma])
    dV_Py = Z @ np.column_stack([dS @ e for dS in dSigma])
    curvature = dV_Py.T @ P @ dV_Py / s2
    if sigma is None:
        curvature -= np.outer(dV_Py.T @ Py, dV_Py.T @ Py) / (s2 * r2)
    for i, (t, row, col) in enumerate(free):
        at = np.arange(starts[t], starts[t + 1], terms[t].z.shape[1])
        for j, (other, row2, col2) in enumerate(free):
            if (t, col) == (other, col2):  # else D_i D_j' = 0
                curvature[i, j] += 2 * Gamma[at + row, at + row2].sum()

    beta, u = M @ X.T @ Vinv @ (y - offset), Lambda.T @ e
    fitted = X @ beta + Z @ Lambda @ u + offset
    condvar = Sigma - Sigma @ Z.T @ Vinv @ Z @ Sigma
    blocks = []
    for t, term in enumerate(terms):
        at = np.arange(starts[t], starts[t + 1]).reshape(term.levels, -1)
        blocks.append(condvar[at[:, :, None], at[:, None, :]])
    return Solution(value, gradient, curvature, beta, M, u, Lambda @ u, r2, logdet_v, logdet_xvx,
                    dof, tuple(blocks), 1 - np.diag(P) / w, fitted)  # fmt: skip
