"""The criterion of an iterative fit at one theta, with everything that follows from it.

Everything but log|Omega| and the traces of the gradient is exact; these have one value for each
probe. Formulas are those of docs/mathematics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .covariance import factors_of
from .schur_complement import SchurComplement
from .sparse_products import SparseProducts
from .stochastic_trace import TraceEstimates, estimated_traces, quadratic_control

__all__ = ["Criterion", "Point"]

Array = NDArray[np.float64]

# Curvatures below this share of the largest count as this share.
FLAT = 1e-8


@dataclass(frozen=True)
class Criterion:
    """What is minimized.

    Parameters
    ----------
    products : SparseProducts
    patterns : list of ndarray of bool, shape (k, k)
    reml : bool
    sigma : float or None
        In working units, if it is given.
    probes : ndarray, shape (q2, probes)
    """

    products: SparseProducts
    patterns: list[NDArray[np.bool_]]
    reml: bool
    sigma: float | None
    probes: Array


@dataclass(frozen=True)
class Point:
    """The criterion and its derivatives at one theta, in the coordinates of the products."""

    criterion: Criterion
    theta: Array

    @cached_property
    def factors(self) -> tuple[Array, ...]:
        """T of each term."""
        return factors_of(self.theta, self.criterion.patterns)

    @cached_property
    def schur(self) -> SchurComplement:
        """Omega, eliminated."""
        return SchurComplement.at(self.criterion.products.Z, self.factors)

    @cached_property
    def traces(self) -> TraceEstimates:
        """What the probes say."""
        return estimated_traces(self.schur, self.criterion.probes)

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
    def final_values(self) -> Array:
        """The same with smaller Monte Carlo errors, worth their time at the end only."""
        return self.values + quadratic_control(self.schur, self.traces)

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
            columns, rows = np.nonzero(pattern.T)
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
        W, curvature = self._directions()
        AW = products.Z.multiply(W)
        right = self.schur.apply_lambda(AW, transposed=True)
        HW = W.T @ self.H
        K = W.T @ AW - right.T @ self.schur.solve(right) - HW @ self.inverse @ HW.T
        K *= self.precision
        if self.criterion.sigma is None:
            s = W.T @ self.e
            K -= (self.precision / self.r2) * np.outer(s, s)
        return np.asarray(K + curvature)

    def _directions(self) -> tuple[Array, Array]:
        """Columns w_i = D_i u + Lambda D_i'e with D_i = dLambda/dtheta_i, and 2 Gamma."""
        products, count = self.criterion.products, len(self.theta)
        W = np.zeros((len(self.u), count))
        curvature = np.zeros((count, count))
        views = products.by_term(W)
        at = 0
        for t, (T, u, e, (_, ee, Q), blocks, pattern) in enumerate(
            zip(
                self.factors,
                products.by_term(self.u),
                products.by_term(self.e),
                self._shared,
                self.traces.blocks,
                self.criterion.patterns,
                strict=True,
            )
        ):
            levels, k = products.Z.shapes[t]
            inverse = np.linalg.inv(T)
            G = inverse.T @ (levels * np.eye(k) - blocks.mean(axis=0)) @ inverse
            Gamma = G - Q - self.precision * ee
            columns, rows = np.nonzero(pattern.T)
            for i, (r, c) in enumerate(zip(rows, columns, strict=True)):
                views[t][:, r, at + i] += u[:, c]
                views[t][:, :, at + i] += T[:, c] * e[:, r, None]
                same = np.flatnonzero(columns == c)
                curvature[at + i, at + same] += 2.0 * Gamma[r, rows[same]]
            at += len(rows)
        return W, curvature

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of the Hessian."""
        values, vectors = np.linalg.eigh(0.5 * (self.hessian + self.hessian.T))
        return values, vectors

    def newton(self, gradient: Array) -> Array:
        """Return the solution of H x = gradient with eigenvalues made positive."""
        values, vectors = self.spectrum
        safe = np.maximum(np.abs(values), FLAT * np.max(np.abs(values)))
        return np.asarray(vectors @ ((vectors.T @ gradient) / safe))

    @cached_property
    def promise(self) -> float:
        """The decrease that the local quadratic model expects."""
        return 0.5 * float(self.gradient @ self.newton(self.gradient))
