"""Likelihood of y = X beta + e, Cov(e) = V(x), and what inference needs of it.

With P = V^-1 - [REML] V^-1 X M X' V^-1, M = (X'V^-1 X)^-1 and e = V^-1 (y - X beta), the
objective d = log|V| + [REML] log|X'V^-1 X| + (y - X beta)'e + constant has

    d d / dx_i          = tr(P V_i) - e'V_i e
    d2 d / dx_i dx_j    = tr(P V_ij) - e'V_ij e - tr(P V_i P V_j) + 2 e'V_i P_1 V_j e

with P_1 the P of REML. Half of tr(P V_i P V_j) is the expected information; in the mean it is
e'V_i P_1 V_j e, the average information, which a minimizer takes in place of both.
(Gilmour, Thompson and Cullis 1995, Biometrics 51, 1440-1450.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from .components import Batch
from .covariance import CovarianceAt, ResponseCovariance
from .sums import Forms, Sums, forms

__all__ = ["BestCoefficients", "Information", "MarginalLikelihood"]


# Multiplications with which a Hessian is worth its cost.
EXACT = 3e8


@dataclass(frozen=True, eq=False)
class BestCoefficients:
    """The best coefficients at given covariance parameters.

    Parameters
    ----------
    gamma : ndarray, shape (p,)
        Coefficients of the columns given.
    M : ndarray, shape (p, p)
        (X'V^-1 X)^-1, their covariance.
    value : float
        The objective.
    inverses : list of ndarray, shape (P, m, m)
        V^-1 of each batch.
    """

    gamma: Array
    M: Array
    value: float
    inverses: list[Array]


@dataclass(frozen=True, eq=False)
class Information:
    """Second-order quantities at given covariance parameters.

    Parameters
    ----------
    gradient : ndarray, shape (k,)
    observed : ndarray, shape (k, k)
        The Hessian of the objective.
    expected : ndarray, shape (k, k)
        Its mean.
    first : ndarray, shape (k, p, p)
        X'V^-1 V_i V^-1 X, times the square of the unit of the likelihood.
    """

    gradient: Array
    observed: Array
    expected: Array
    first: Array


class MarginalLikelihood:
    """The likelihood of given data.

    Parameters
    ----------
    model : ResponseCovariance
    batches : tuple of Batch
    X : ndarray, shape (n, p)
        Of full rank and moderate condition.
    y : ndarray, shape (n,)
    reml : bool
    constant : float
        Added to the objective.
    """

    def __init__(
        self,
        model: ResponseCovariance,
        batches: tuple[Batch, ...],
        X: Array,
        y: Array,
        *,
        reml: bool,
        constant: float = 0.0,
    ) -> None:
        self.model, self.batches, self.reml = model, batches, reml
        self.p = X.shape[1]
        # V and its derivatives are divided by the square of this, a power of two, so that their
        # products are numbers for a response in any unit.
        size = float(np.sqrt(np.mean((y / (np.abs(y).max(initial=0.0) or 1.0)) ** 2)))
        size *= float(np.abs(y).max(initial=0.0))
        self.unit = float(np.exp2(np.rint(np.log2(size)))) if size > 0 else 1.0
        self.square = self.unit**2
        Y = np.column_stack([X, y / self.unit])
        self.forms: list[Forms] = [forms(batch, Y) for batch in batches]
        work = sum(batch.rows.shape[1] * batch.rows.size for batch in batches)
        self.exact = work * self.p**2 * model.size < EXACT or all(
            isinstance(one, Sums) for one in self.forms
        )
        # Of the last exact evaluation, which is often the one that is asked for again.
        self._known: tuple[Array, BestCoefficients, Information] | None = None
        dof = len(y) - self.p if reml else len(y)
        self.constant = dof * float(np.log(2.0 * np.pi) + 2.0 * np.log(self.unit)) + constant

    def solve(self, at: CovarianceAt) -> BestCoefficients | None:
        """Return coefficients and objective, or None where V is not positive definite."""
        if self._known is not None and np.array_equal(self._known[0], at.x):
            return self._known[1]
        with np.errstate(all="ignore"):  # what is beyond the range of doubles is not finite
            return self._solve(at)

    def _solve(self, at: CovarianceAt) -> BestCoefficients | None:
        p, logdet = self.p, 0.0
        A = np.zeros((p + 1, p + 1))
        inverses = []
        for batch, own in zip(self.batches, self.forms, strict=True):
            V = at.value(batch) / self.square
            try:
                factor = np.linalg.cholesky(V)
                inverse = np.linalg.inv(V)
            except np.linalg.LinAlgError:
                return None
            inverse = (inverse + inverse.transpose(0, 2, 1)) / 2.0
            diagonal = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
            logdet += 2.0 * float(batch.counts @ diagonal)
            A += own.quadratic(inverse[None])[0]
            inverses.append(inverse / self.square)
        value = self.constant + logdet
        M = np.empty((0, 0))
        if p:
            try:
                half = np.linalg.cholesky(A[:p, :p])
                M = np.linalg.inv(A[:p, :p])
            except np.linalg.LinAlgError:
                return None
            if self.reml:
                value += 2.0 * float(np.log(np.diag(half)).sum())
        gamma = M @ A[:p, p]
        value += float(A[p, p] - A[:p, p] @ gamma)
        if not np.isfinite(value):
            return None
        M = (M + M.T) / 2.0
        return BestCoefficients(self.unit * gamma, self.square * M, value, inverses)

    def __call__(self, x: Array) -> tuple[float, Array, Array]:
        """Return objective, gradient and Hessian, by the average information in large models."""
        nothing = np.inf, np.zeros(len(x)), np.zeros((len(x), len(x)))
        with np.errstate(all="ignore"):
            at = self.model.at(x)
            solution = self.solve(at)
            if solution is None:
                return nothing
            derivatives = self._derivatives(at, solution, self.exact)
        gradient, second, average, (traces, first) = derivatives
        if self.exact:
            hessian = second - traces + 2.0 * average
            self._known = x.copy(), solution, Information(gradient, hessian, traces, first)
            return solution.value, gradient, hessian
        return solution.value, gradient, second + average

    def _contrasts(self, solution: BestCoefficients) -> tuple[Array, Array]:
        """Return (-gamma, 1), and M with a row and a column of zeros, in units of y."""
        c = np.append(-solution.gamma / self.unit, 1.0)
        padded = np.zeros((self.p + 1, self.p + 1))
        padded[: self.p, : self.p] = solution.M / self.square
        return c, padded

    def _derivatives(
        self, at: CovarianceAt, solution: BestCoefficients, exact: bool = False
    ) -> tuple[Array, Array, Array, tuple[Array, Array]]:
        """Return gradient, tr(H V_ij), the average information and, if `exact`, two traces.

        These are tr(P V_i P V_j) and X'V^-1 V_i V^-1 X.
        """
        k, p = self.model.size, self.p
        c, padded = self._contrasts(solution)
        pulled = at.pulled()
        average, pull = np.zeros((k, k)), np.zeros((k, p))
        traces, first = np.zeros((k, k)), np.zeros((k, p, p))
        for batch, own, given in zip(self.batches, self.forms, solution.inverses, strict=True):
            inverse = given * self.square
            residual, fixed = own.outer(np.outer(c, c)), own.outer(padded)
            count = batch.counts[:, None, None]
            E = inverse @ residual @ inverse
            F = inverse @ fixed @ inverse
            H = count * inverse - E - (F if self.reml else 0.0)
            pulled.add(batch, (H + H.transpose(0, 2, 1)) / (2.0 * self.square))
            slopes = at.derivatives(batch) / self.square
            left = inverse @ slopes
            flat = slopes.reshape(k, -1)
            average += flat @ (left @ E).transpose(0, 1, 3, 2).reshape(k, -1).T
            both = left @ inverse
            pull += own.vector(both, c)[:, :p]
            if exact:
                middle = count * inverse - (2.0 * F if self.reml else 0.0)
                traces += flat @ (left @ middle).transpose(0, 1, 3, 2).reshape(k, -1).T
                first += own.quadratic(both)[:, :p, :p]
        M = solution.M / self.square
        average -= pull @ M @ pull.T
        average = (average + average.T) / 2.0
        if exact and self.reml and p:
            MF = M @ first
            traces += np.einsum("iab,jba->ij", MF, MF)
        traces = (traces + traces.T) / 2.0
        return pulled.gradient(), pulled.second(), average, (traces, first)

    def information(self, x: Array) -> Information:
        """Return the exact second-order quantities at x."""
        if self._known is not None and np.array_equal(self._known[0], x):
            return self._known[2]
        at = self.model.at(x)
        solution = self.solve(at)
        assert solution is not None
        gradient, second, average, (traces, first) = self._derivatives(at, solution, exact=True)
        return Information(gradient, second - traces + 2.0 * average, traces, first)

    def weighted_products(self, x: Array, W: Array) -> tuple[Array, Array]:
        """Return sum_ij W_ij X'V^-1 V_i V^-1 V_j V^-1 X and the same of X'V^-1 V_ij V^-1 X.

        Both times the square of the unit.
        """
        at, p = self.model.at(x), self.p
        solution = self.solve(at)
        assert solution is not None
        twice, curved = np.zeros((p, p)), np.zeros((p, p))
        for batch, own, given in zip(self.batches, self.forms, solution.inverses, strict=True):
            inverse = given * self.square
            left = inverse @ (at.derivatives(batch) / self.square)
            mixed = np.tensordot(W, left, axes=1)
            inner = np.einsum("ipab,ipbc->pac", left, mixed) @ inverse
            second = inverse @ (at.weighted_second(batch, W) / self.square) @ inverse
            found = own.quadratic(np.stack([inner, second]))[:, :p, :p]
            twice += found[0]
            curved += found[1]
        return twice, curved
