"""The criterion of a linear mixed model with sixty digits, for where the dense one lacks some.

By elimination in V = W^-1 + Z Sigma Z' and decimal numbers: slow, so it is asked only where two
answers differ.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from statsmodels_mixed.fitting.covariance import factors_of

from .dense import Point

__all__ = ["at_many_digits", "gradient_at_many_digits", "moved_by_last_digits"]

DIGITS = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")

# Of data that differ in last digits.
DRAWS = 4

exactly = np.vectorize(Decimal, otypes=[object])


def at_many_digits(design: Any, columns: Any, theta: Any, *, reml=False, sigma=None) -> Point:
    """Criterion, coefficients, their errors and sigma at a theta that is taken for exact."""
    with localcontext() as context:
        context.prec = DIGITS
        X, y = exactly(design.X[:, columns]), exactly(design.y)
        y = y if design.offset is None else y - exactly(design.offset)
        (n, p), V = X.shape, _variance(design, theta)
        A, logdet = _eliminated(np.column_stack([V, X, y]), n)
        M = A[:, n:]
        S = M.T @ (M / np.diag(A)[:, None])
        R, logdet_x = _eliminated(np.column_stack([S, exactly(np.eye(p + 1))]), p)
        dof = Decimal(n - p * reml)
        s2 = R[p, p] / dof if sigma is None else Decimal(float(sigma)) ** 2
        value = logdet + logdet_x * reml + dof * (2 * PI * s2).ln() + R[p, p] / s2
        solved = _solved(R[:p, :p], R[:p, p:])
        errors = [float((s2 * solved[i, i + 1]).sqrt()) for i in range(p)]
        beta = solved[:, 0].astype(float)
        no_gradient = np.full(len(theta), np.nan)
        return Point(float(value), no_gradient, beta, np.array(errors), float(s2.sqrt()))


def gradient_at_many_digits(design: Any, columns: Any, theta: Any, *, reml=False) -> np.ndarray:
    """The gradient in theta of the criterion with sigma profiled out.

    With P = V^-1, less its part in X by REML, that in Sigma is Z'P Z - Z'V^-1 r r'V^-1 Z / s^2.
    """
    with localcontext() as context:
        context.prec = DIGITS
        X, y = exactly(design.X[:, columns]), exactly(design.y)
        y = y if design.offset is None else y - exactly(design.offset)
        (n, p), V = X.shape, _variance(design, theta)
        U, _ = _eliminated(np.column_stack([V, exactly(np.eye(n))]), n)
        inverse = _solved(U[:, :n], U[:, n:])
        H = inverse @ X
        R, _ = _eliminated(np.column_stack([X.T @ H, H.T]), p)
        taken = inverse - H @ _solved(R[:, :p], R[:, p:])
        e = taken @ y
        P = (taken if reml else inverse) - np.outer(e, e) * Decimal(n - p * reml) / (y @ e)
        slopes = []
        patterns = [block.pattern for block in design.blocks]
        for block, T in zip(design.blocks, factors_of(theta, patterns), strict=True):
            z = exactly(block.z)
            same = np.where(block.refs[:, None] == block.refs, P, Decimal(0))
            slopes += list((2 * (z.T @ same @ z) @ exactly(T)).T[block.pattern.T])
        return np.array(slopes, float)


def _variance(design: Any, theta: Any) -> np.ndarray:
    """V in units of sigma^2."""
    w = np.ones(len(design.y)) if design.weights is None else design.weights
    V = np.diag(1 / exactly(w)) + exactly(np.zeros((len(w), len(w))))
    factors = factors_of(theta, [block.pattern for block in design.blocks])
    for block, T in zip(design.blocks, factors, strict=True):
        zT = exactly(block.z) @ exactly(T)
        V = V + np.where(block.refs[:, None] == block.refs, zT @ zT.T, Decimal(0))
    return V


def _eliminated(A: np.ndarray, pivots: int) -> tuple[np.ndarray, Decimal]:
    """A with zeros below its first pivots, and the sum of their logarithms."""
    A, total = A.copy(), Decimal(0)
    for i in range(pivots):
        total += A[i, i].ln()
        A[i + 1 :, i:] -= np.multiply.outer(A[i + 1 :, i] / A[i, i], A[i, i:])
    return A, total


def _solved(U: np.ndarray, B: np.ndarray) -> np.ndarray:
    """U^-1 B for upper triangular U."""
    B = B.copy()
    for i in reversed(range(len(U))):
        B[i] = (B[i] - U[i, i + 1 :] @ B[i + 1 :]) / U[i, i]
    return B


def moved_by_last_digits(fit: Any, how: dict[str, Any]) -> float:
    """How far coefficients move, in standard errors, when all of X and Z change in a last digit.

    Arithmetic of doubles answers for data as near as that. A covariate 1e7 of its sds from zero
    whose effect is hundreds of sigma in an sd has no more digits to give.
    """
    fixed = {"reml": how["reml"], "sigma": how.get("sigma")}
    design, draws = fit.model.design, np.random.default_rng(0)

    def nudged(columns: np.ndarray) -> np.ndarray:
        return np.nextafter(columns, draws.choice([-np.inf, np.inf], columns.shape))

    def at(X: np.ndarray, blocks: Any) -> Any:
        other = replace(design, X=X, blocks=blocks)
        return at_many_digits(other, fit.estimates.columns, fit.theta, **fixed)

    here, total = at(design.X, design.blocks), 0.0
    for _ in range(DRAWS):
        blocks = tuple(replace(block, z=nudged(block.z)) for block in design.blocks)
        there = at(nudged(design.X), blocks)
        total += float(np.max(np.abs(there.beta - here.beta) / here.errors, initial=0))
    return total
