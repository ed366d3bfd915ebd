"""The criterion of a linear mixed model by one dense QR factorization.

With r = W^(1/2) and Lambda u = b, the criterion needs the R factor of

    [ r Z Lambda   r X   r (y - offset) ]
    [     I         0          0        ]

The package forms products of these columns and factorizes them sparsely; here nothing is
squared, so the digits of badly scaled models are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from oracle import Term
from scipy.linalg import solve_triangular

__all__ = ["Criterion", "Point", "criterion_of"]


@dataclass(frozen=True)
class Point:
    """Criterion, its gradient, and the generalized least squares estimates at one theta."""

    value: float
    gradient: np.ndarray
    beta: np.ndarray
    errors: np.ndarray
    sigma: float


class Criterion:
    """-2 log-likelihood or REML criterion of y = offset + X beta + Z b + e."""

    def __init__(self, terms, X, y, *, reml=False, sigma=None, weights=None, offset=0.0):
        self.terms, self.reml, self.sigma = terms, reml, sigma
        w = np.ones(len(y)) if weights is None else weights
        order, root = np.argsort(-w, kind="stable"), np.sqrt(w)[:, None]
        self.Z = (np.hstack([term.matrix() for term in terms]) * root)[order]
        self.fixed = (np.column_stack([X, y - offset]) * root)[order]
        self.constant = -np.log(w).sum()
        self.n, self.p, self.q = len(y), X.shape[1], self.Z.shape[1]
        # Element i of theta multiplies column rows[i] of Z into column cols[i] of Z Lambda.
        self.rows, self.cols, start = [], [], 0
        for term in terms:
            at = start + np.arange(term.levels * len(term.pattern)).reshape(term.levels, -1)
            for col, row in zip(*np.nonzero(term.pattern.T), strict=True):
                self.rows.append(at[:, row])
                self.cols.append(at[:, col])
            start += at.size

    def z_lambda(self, theta):
        out = np.zeros_like(self.Z)
        for t, row, col in zip(theta, self.rows, self.cols, strict=True):
            out[:, col] += t * self.Z[:, row]
        return out

    def at(self, theta) -> Point:
        """Everything at one theta."""
        n, p, q = self.n, self.p, self.q
        A = np.zeros((n + q, q + p + 1))
        A[:n, :q], A[:n, q:] = self.z_lambda(theta), self.fixed
        A[n + np.arange(q), np.arange(q)] = 1
        Q, R = np.linalg.qr(A)
        r2, dof = R[-1, -1] ** 2, n - p * self.reml
        s2 = r2 / dof if self.sigma is None else self.sigma**2
        k = q + p * self.reml
        logs = 2 * np.log(np.abs(np.diag(R)[:k])).sum()
        value = self.constant + logs + dof * np.log(2 * np.pi * s2) + r2 / s2
        inverse = solve_triangular(R[:-1, :-1], np.eye(q + p))
        x = inverse @ R[:-1, -1]
        e = self.Z.T @ (Q[:n, -1] * R[-1, -1])
        G = self.Z.T @ (Q[:n, :k] @ inverse[:k, :k].T[:, :q])  # d log|Omega| / 2 d Lambda
        pairs = list(zip(self.rows, self.cols, strict=True))
        gradient = np.array([2 * G[r, c].sum() - 2 * (e[r] @ x[c]) / s2 for r, c in pairs])
        half = inverse[q:, q:]
        errors = np.sqrt(s2 * (half**2).sum(axis=1))
        return Point(value, gradient, x[q:], errors, float(np.sqrt(s2)))

    def __call__(self, theta):
        point = self.at(theta)
        return point.value, point.gradient


def criterion_of(design, columns, **how) -> Criterion:
    """The criterion of the arrays of a model, with the columns of X that were kept."""
    terms = [Term(len(b.levels), b.refs, b.z, b.pattern) for b in design.blocks]
    offset = 0.0 if design.offset is None else design.offset
    X = design.X[:, columns]
    return Criterion(terms, X, design.y, weights=design.weights, offset=offset, **how)
