"""The criterion of a linear model at one theta, and its derivatives, however Omega is solved.

What is computed with Omega, log|Omega| and the traces of the gradient come from those who inherit;
these have one value for each random probe, or a single exact one. Formulas are those of
docs/mathematics.md.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ..covariance import factors_of
from ..search.probe_newton import ProbedPoint, free_places
from .working_products import WorkingProducts

__all__ = ["CriterionPoint", "LinearCriterion", "OmegaTraces", "along_theta", "second_order"]


class Solver(Protocol):
    """Omega at given factors, to be solved."""

    def apply_lambda(self, effects: Array, transposed: bool = False) -> Array:
        """Return Lambda, or its transpose, times (q, m)."""

    def solve(self, right: Array) -> Array:
        """Return Omega^-1 right for (q, m)."""


class OmegaTraces(Protocol):
    """What the objective and its gradient need of Omega^-1, for each probe."""

    @property
    def logdet(self) -> Array:
        """log|Omega|, (probes,)."""

    @property
    def blocks(self) -> list[Array]:
        """For each term the sum over levels of diagonal blocks of Omega^-1, (probes, k, k)."""


@dataclass(frozen=True)
class LinearCriterion:
    """What is minimized.

    Parameters
    ----------
    products : WorkingProducts
    patterns : list of ndarray of bool, shape (k, k)
    reml : bool
    sigma : float or None
        In working units, if it is given.
    """

    products: WorkingProducts
    patterns: list[NDArray[np.bool_]]
    reml: bool
    sigma: float | None


class CriterionPoint(ProbedPoint):
    """The criterion and its derivatives at one theta, in the coordinates of the products.

    Parameters
    ----------
    criterion : LinearCriterion
    theta : ndarray, shape (n_theta,)
    """

    # What a point in a log keeps.
    kept: tuple[str, ...] = ("values", "criterion", "theta", "parameters", "scale")

    def __init__(self, criterion: LinearCriterion, theta: Array) -> None:
        self.criterion, self.theta = criterion, theta
        self.parameters = theta
        self.scale = 1.0 / criterion.products.column_sizes

    @property
    @abstractmethod
    def schur(self) -> Solver:
        """Omega, eliminated."""

    @property
    @abstractmethod
    def traces(self) -> OmegaTraces:
        """Log determinant and traces."""

    def forget(self) -> None:
        """Drop what takes memory."""
        kept = {name: getattr(self, name) for name in self.kept}
        vars(self).clear()
        vars(self).update(kept)

    @cached_property
    def factors(self) -> tuple[Array, ...]:
        """T of each term."""
        return factors_of(self.theta, self.criterion.patterns)

    @cached_property
    def solved(self) -> tuple[Array, Array]:
        """Lambda'Z'W[X y] and Omega^-1 times it, (q, rank + 1)."""
        right = self.schur.apply_lambda(self.criterion.products.ZXy, transposed=True)
        return right, self.schur.solve(right)

    @cached_property
    def moments(self) -> Array:
        """[X y]'V^-1[X y]."""
        right, solution = self.solved
        return np.asarray(self.criterion.products.XXy - right.T @ solution)

    @cached_property
    def inverse(self) -> Array:
        """(X'V^-1 X)^-1."""
        return np.asarray(np.linalg.inv(self.moments[:-1, :-1]), dtype=float)

    @cached_property
    def beta(self) -> Array:
        """Coefficients on the orthonormal columns of X."""
        return np.asarray(self.inverse @ self.moments[:-1, -1])

    @cached_property
    def r2(self) -> float:
        """The penalized residual sum of squares."""
        return float(self.moments[-1, -1] - self.moments[:-1, -1] @ self.beta)

    @cached_property
    def dof(self) -> int:
        """What it is divided by: rows, less the rank of X under REML."""
        products = self.criterion.products
        return products.rows - products.rank if self.criterion.reml else products.rows

    @cached_property
    def precision(self) -> float:
        """1 / sigma^2."""
        sigma = self.criterion.sigma
        return self.dof / self.r2 if sigma is None else 1.0 / sigma**2

    @cached_property
    def contrast(self) -> Array:
        """[-beta, 1]: what makes residuals of [X y]."""
        return np.append(-self.beta, 1.0)

    @cached_property
    def u(self) -> Array:
        """Spherical conditional modes, (q,)."""
        return np.asarray(self.solved[1] @ self.contrast)

    @cached_property
    def e(self) -> Array:
        """Z'W times the residual."""
        products = self.criterion.products
        b = self.schur.apply_lambda(self.u[:, None])
        return np.asarray(products.ZXy @ self.contrast - products.Z.multiply(b)[:, 0])

    @cached_property
    def H(self) -> Array:
        """Z'V^-1 X."""
        products = self.criterion.products
        C = self.schur.apply_lambda(self.solved[1][:, :-1])
        return np.asarray(products.ZXy[:, :-1] - products.Z.multiply(C))

    @cached_property
    def logdet_xvx(self) -> float:
        """log|X'V^-1 X|."""
        return float(np.linalg.slogdet(self.moments[:-1, :-1])[1])

    @cached_property
    def values(self) -> Array:
        """The objective by each probe."""
        fixed = self.logdet_xvx if self.criterion.reml else 0.0
        if self.criterion.sigma is None:
            fixed += self.dof * (1.0 + np.log(2.0 * np.pi * self.r2 / self.dof))
        else:
            fixed += self.dof * np.log(2.0 * np.pi / self.precision) + self.r2 * self.precision
        return np.asarray(self.traces.logdet + fixed)

    @cached_property
    def _shared(self) -> list[tuple[Array, Array, Array]]:
        """For each term R_t, sum e_j e_j' and, under REML, sum H_j M H_j'."""
        by_term = self.criterion.products.by_term
        out = []
        for e, u, H in zip(by_term(self.e), by_term(self.u), by_term(self.H), strict=True):
            ee, Q = np.einsum("jr,jc->rc", e, e), np.zeros((e.shape[1], e.shape[1]))
            if self.criterion.reml:
                Q = np.einsum("jrp,pq,jcq->rc", H, self.inverse, H)
            out.append((np.einsum("jr,jc->rc", e, u), ee, Q))
        return out

    @cached_property
    def gradients(self) -> Array:
        """The gradient by each probe, (probes, n_theta)."""
        parts = []
        for T, blocks, (R, _, Q), (levels, k), pattern in zip(
            self.factors,
            self.traces.blocks,
            self._shared,
            self.criterion.products.Z.shapes,
            self.criterion.patterns,
            strict=True,
        ):
            GT = np.linalg.solve(T.T, levels * np.eye(k) - blocks)
            full = 2.0 * (GT - Q @ T - self.precision * R)
            rows, columns = free_places([pattern])[0]
            parts.append(full[:, rows, columns])
        return np.concatenate(parts, axis=1)

    @cached_property
    def gradient(self) -> Array:
        """The mean of the gradients."""
        return np.asarray(self.gradients.mean(axis=0))

    @cached_property
    def hessian(self) -> Array:
        """Average information and the part of the second derivative of Sigma = T T'."""
        products = self.criterion.products
        W = self._directions
        AW = products.Z.multiply(W)
        right = self.schur.apply_lambda(AW, transposed=True)
        HW = W.T @ self.H
        K = W.T @ AW - right.T @ self.schur.solve(right) - HW @ self.inverse @ HW.T
        K *= self.precision
        if self.criterion.sigma is None:
            s = W.T @ self.e
            K -= (self.precision / self.r2) * np.outer(s, s)
        return np.asarray(K + second_order(self.criterion.patterns, self._gammas))

    @cached_property
    def beta_slopes(self) -> Array:
        """Derivatives of beta in theta, (rank, n_theta)."""
        return np.asarray(-self.inverse @ self.H.T @ self._directions)

    @cached_property
    def log_sigma_slopes(self) -> Array:
        """Derivatives of log sigma in theta; zeros where sigma is given."""
        if self.criterion.sigma is not None:
            return np.zeros(len(self.theta))
        return np.asarray(-(self._directions.T @ self.e) / (2.0 * self.r2))

    @cached_property
    def _directions(self) -> Array:
        """Columns w_i = D_i u + Lambda D_i'e, (q, n_theta)."""
        by_term = self.criterion.products.by_term
        Du, De = along_theta(self.criterion.patterns, by_term(self.u), by_term(self.e))
        return Du + self.schur.apply_lambda(De)

    @cached_property
    def _gammas(self) -> list[Array]:
        """Derivatives of the objective in Sigma, for each term."""
        out = []
        for T, (_, ee, Q), blocks, (levels, k) in zip(
            self.factors,
            self._shared,
            self.traces.blocks,
            self.criterion.products.Z.shapes,
            strict=True,
        ):
            inverse = np.linalg.inv(T)
            G = inverse.T @ (levels * np.eye(k) - blocks.mean(axis=0)) @ inverse
            out.append(G - Q - self.precision * ee)
        return out


def along_theta(
    patterns: Sequence[NDArray[np.bool_]], u: Sequence[Array], e: Sequence[Array]
) -> tuple[Array, Array]:
    """Return columns D_i u and D_i'e with D_i = dLambda/dtheta_i, each (q, n_theta).

    Parameters
    ----------
    patterns : sequence of ndarray of bool, shape (k, k)
    u, e : sequence of ndarray, shape (l, k)
    """
    count, at = sum(int(pattern.sum()) for pattern in patterns), 0
    moved, duals = [], []
    for own, dual, (rows, columns) in zip(u, e, free_places(patterns), strict=True):
        Du, De = np.zeros((*own.shape, count)), np.zeros((*own.shape, count))
        for i, (r, c) in enumerate(zip(rows, columns, strict=True)):
            Du[:, r, at + i] = own[:, c]
            De[:, c, at + i] = dual[:, r]
        moved.append(Du.reshape(-1, count))
        duals.append(De.reshape(-1, count))
        at += len(rows)
    return np.concatenate(moved), np.concatenate(duals)


def second_order(patterns: Sequence[NDArray[np.bool_]], gammas: Sequence[Array]) -> Array:
    """Return what the second derivative of Sigma = T T' adds to the Hessian, (n_theta, n_theta).

    Parameters
    ----------
    patterns : sequence of ndarray of bool, shape (k, k)
    gammas : sequence of ndarray, shape (k, k)
        Derivatives of the objective in Sigma, for each term.
    """
    count, at = sum(int(pattern.sum()) for pattern in patterns), 0
    out = np.zeros((count, count))
    for Gamma, (rows, columns) in zip(gammas, free_places(patterns), strict=True):
        for i, (r, c) in enumerate(zip(rows, columns, strict=True)):
            same = np.flatnonzero(columns == c)
            out[at + i, at + same] = 2.0 * Gamma[r, rows[same]]
        at += len(rows)
    return out
