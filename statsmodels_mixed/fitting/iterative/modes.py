"""Conditional modes of a generalized model by conjugate gradients.

Penalized iteratively reweighted least squares, as in the core (``csrc/src/generalized/pirls.c``):
Newton steps

    (Lambda'Z'WZ Lambda + I) delta = Lambda'Z'l - u

with the observed weights W; where these make no positive definite matrix, rows whose weight is
not safely positive take the expected one. Steps that overshoot are halved. With `fast` beta is
solved for together with u.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..._typing import Array
from ..families.spec import FamilySpec
from ..summed.level_products import LevelPattern, apply_lambda
from .schur_complement import NotPositiveDefinite, SchurComplement

__all__ = ["GeneralizedRows", "ModesAndRows", "WorkingModel", "find_modes"]


MOST_STEPS = 200
MOST_HALVINGS = 30
# A Newton step of this size in eta, squared, leaves an error of its square.
SETTLED = 1e-10
# A step solved to this relative error adds no more than that of a Newton step.
OF_STEPS = 1e-7
# Of the log-likelihood.
ROUNDING = 1e-13
# Observed weights below this share of the expected ones are not used.
SAFE_SHARE = 0.1


@dataclass(frozen=True)
class GeneralizedRows:
    """The rows of a generalized model.

    Parameters
    ----------
    spec : FamilySpec
    observed : bool
        Whether the weights of Omega are the observed information.
    y : ndarray, shape (n,)
    weights, offset : ndarray, shape (n,), or None
    Q : ndarray, shape (n, rank)
        Columns of the fixed effects.
    pattern : LevelPattern
        Z.
    """

    spec: FamilySpec
    observed: bool
    y: Array
    weights: Array | None
    offset: Array | None
    Q: Array
    pattern: LevelPattern

    def at(self, eta: Array, zeta: float, observed: bool | None = None) -> dict[str, Array]:
        """Return what `family_rows` does at a linear predictor and a log dispersion."""
        return self.spec.rows(
            self.y,
            eta,
            weights=self.weights,
            zeta=zeta,
            observed=self.observed if observed is None else observed,
        )

    def expected(self, eta: Array, zeta: float) -> Array:
        """Return the expected information, or the observed one where there is no other."""
        return self.at(eta, zeta, observed=self.spec.own)["w"]

    def predictor(self, b: Array, beta: Array) -> Array:
        """Return Q beta + Z b + offset."""
        eta = self.Q @ beta + self.pattern.rows(b[:, None])[:, 0]
        return eta if self.offset is None else eta + self.offset


class WorkingModel:
    """The equations of u and beta at given weights of the rows.

    Parameters
    ----------
    rows : GeneralizedRows
    factors : sequence of ndarray, shape (k, k)
    weights : ndarray, shape (n,)

    Raises
    ------
    NotPositiveDefinite
        If the weights make no positive definite matrix.
    """

    def __init__(self, rows: GeneralizedRows, factors: Sequence[Array], weights: Array) -> None:
        self.rows, self.weights = rows, weights
        self.products = rows.pattern.products(weights)
        self.schur = SchurComplement.at(self.products, factors)

    @cached_property
    def ZX(self) -> Array:
        """Z'WQ, (q, rank)."""
        return self.rows.pattern.transposed(self.weights[:, None] * self.rows.Q)

    @cached_property
    def _eliminated(self) -> tuple[Array, Array, Array]:
        """Lambda'Z'WQ, Omega^-1 times it, and Q'V^-1 Q."""
        Q = self.rows.Q
        right = self.schur.apply_lambda(self.ZX, transposed=True)
        solved = self.schur.solve(right)
        return right, solved, (self.weights[:, None] * Q).T @ Q - right.T @ solved

    @property
    def xvx(self) -> Array:
        """Q'V^-1 Q."""
        return self._eliminated[2]

    @property
    def xvx_inverse(self) -> Array:
        """(Q'V^-1 Q)^-1."""
        return np.asarray(np.linalg.inv(self.xvx), dtype=float)

    @cached_property
    def H(self) -> Array:
        """Z'V^-1 Q, (q, rank)."""
        C = self.schur.apply_lambda(self._eliminated[1])
        return np.asarray(self.ZX - self.products.multiply(C))

    def solve(self, of_u: Array, of_beta: Array | None, tolerance: float) -> tuple[Array, Array]:
        """Solve for u, (q, m), and for beta, (rank, m), unless its right-hand side is None."""
        u = self.schur.solve(of_u, tolerance)
        if of_beta is None:
            return u, np.zeros((self.rows.Q.shape[1], of_u.shape[1]))
        right, solved, S = self._eliminated
        beta = np.linalg.solve(S, of_beta - right.T @ u)
        return u - solved @ beta, np.asarray(beta)


@dataclass(frozen=True)
class ModesAndRows:
    """The modes at given parameters, and the rows there.

    Parameters
    ----------
    u : ndarray, shape (q,)
    beta : ndarray, shape (rank,)
    eta : ndarray, shape (n,)
    rows : dict of ndarray, shape (n,)
        What `family_rows` says at the modes.
    steps : int
    """

    u: Array
    beta: Array
    eta: Array
    rows: dict[str, Array]
    steps: int


@dataclass(frozen=True)
class _Search:
    """Steps towards the modes at given theta and dispersion."""

    rows: GeneralizedRows
    factors: Sequence[Array]
    zeta: float
    fast: bool

    def at(self, u: Array, beta: Array, steps: int) -> tuple[ModesAndRows, float]:
        """Return the rows at u and beta, and the penalized log-likelihood."""
        b = apply_lambda(self.factors, u[:, None], self.rows.pattern.shapes)[:, 0]
        eta = self.rows.predictor(b, beta)
        with np.errstate(all="ignore"):
            rows = self.rows.at(eta, self.zeta)
            height = float(rows["loglik"].sum()) - 0.5 * float(u @ u)
        return ModesAndRows(u, beta, eta, rows, steps), height

    def step(self, at: ModesAndRows) -> tuple[Array, Array, float, bool]:
        """Return the step of u and beta, twice what it promises, and whether it is Newton's."""
        rows, slope = self.rows, at.rows["l"]
        of_u = apply_lambda(
            self.factors,
            rows.pattern.transposed(slope[:, None]),
            rows.pattern.shapes,
            transposed=True,
        )
        of_u -= at.u[:, None]
        of_beta = (rows.Q.T @ slope)[:, None] if self.fast else None
        weights, newton = at.rows["wo"], True
        try:
            du, dbeta = WorkingModel(rows, self.factors, weights).solve(of_u, of_beta, OF_STEPS)
        except NotPositiveDefinite:
            expected = np.abs(weights) if rows.spec.own else rows.expected(at.eta, self.zeta)
            safe, newton = weights >= SAFE_SHARE * expected, False
            model = WorkingModel(rows, self.factors, np.where(safe, weights, expected))
            du, dbeta = model.solve(of_u, of_beta, OF_STEPS)
        promise = float(np.vdot(of_u, du))
        if of_beta is not None:
            promise += float(np.vdot(of_beta, dbeta))
        return du[:, 0], dbeta[:, 0], promise, newton


def find_modes(
    rows: GeneralizedRows,
    factors: Sequence[Array],
    zeta: float,
    u: Array,
    beta: Array,
    *,
    fast: bool,
) -> ModesAndRows | None:
    """Find the conditional modes, None where they cannot be reached.

    Parameters
    ----------
    rows : GeneralizedRows
    factors : sequence of ndarray, shape (k, k)
        T of each term.
    zeta : float
        Log dispersion.
    u : ndarray, shape (q,)
        Where to start.
    beta : ndarray, shape (rank,)
        Coefficients; with `fast` where to start.
    fast : bool
        Whether the coefficients are solved for as well.
    """
    search = _Search(rows, factors, zeta, fast)
    at, height = search.at(u, beta, 0)
    for steps in range(1, MOST_STEPS + 1):
        if not np.isfinite(height):
            return None
        du, dbeta, promise, newton = search.step(at)
        if not np.isfinite(promise):
            return None
        before, length, slack = at, 1.0, ROUNDING * (1.0 + abs(height))
        for _ in range(MOST_HALVINGS):
            at, reached = search.at(before.u + length * du, before.beta + length * dbeta, steps)
            if reached >= height - slack:
                break
            length *= 0.5
        else:
            return None
        height = reached
        if length == 1.0 and promise <= (SETTLED if newton else SETTLED**1.5):
            return at
    return None
