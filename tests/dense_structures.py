"""Models whose covariances are structures, by n x n matrices: slow, short and easy to believe.

V is a sum of pieces, each Z Sigma(phi) Z' within the levels of a factor, and perhaps sigma^2 I.
Of a structure only Sigma(phi) and its reported parameters are taken; derivatives are differences.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

Array = NDArray[np.float64]

# How far from its value a constrained parameter may be, in units of its estimate.
MET = 1e-9


def differences(function: Callable[[Array], Any], x: Array, h: float = 1e-3) -> Array:
    """Return derivatives by central differences of the sixth order, steps in proportion to x."""
    out = []
    for i, size in enumerate(h * np.maximum(np.abs(x), 0.05)):
        step = np.zeros(len(x))
        step[i] = size
        at = [np.asarray(function(x + m * step)) for m in (1, -1, 2, -2, 3, -3)]
        out.append((45 * (at[0] - at[1]) - 9 * (at[2] - at[3]) + (at[4] - at[5])) / (60 * size))
    return np.array(out)


@dataclass(frozen=True)
class Piece:
    """Effects of the levels of a factor, with a structure.

    Parameters
    ----------
    structure : Structure
        Bound to the k effects of a level.
    level : ndarray, shape (n,)
        The level of each row.
    z : ndarray, shape (n, k)
    phi : ndarray, shape (m,)
        Estimates.
    """

    structure: Any
    level: NDArray[Any]
    z: Array
    phi: Array

    def covariance(self, phi: Array, other: Piece | None = None) -> Array:
        """Return the covariance of the rows, with those of `other` if given."""
        other = other or self
        S = np.asarray(self.structure.sigma(phi))
        return np.where(self.level[:, None] == other.level, self.z @ S @ other.z.T, 0.0)

    def natural(self, phi: Array) -> Array:
        """Return what is reported, variances for standard deviations."""
        shown = self.structure.natural(phi)
        return np.where(shown.scales, shown.values**2, shown.values)


@dataclass(frozen=True)
class RelatedPiece(Piece):
    """Effects of levels that are related: their covariances are multiplied by A."""

    A: Array

    def covariance(self, phi: Array, other: Piece | None = None) -> Array:
        """Return the covariance of the rows, with those of `other` if given."""
        other = other or self
        S = np.asarray(self.structure.sigma(phi))
        return np.asarray(self.A[np.ix_(self.level, other.level)] * (self.z @ S @ other.z.T))


@dataclass(frozen=True)
class DispersedPiece(Piece):
    """Residuals whose standard deviations are multiplied by exp(U gamma); phi ends with gamma."""

    U: Array

    def covariance(self, phi: Array, other: Piece | None = None) -> Array:
        """Return the covariance of the rows, with those of `other` if given."""
        other = other or self
        own = len(phi) - self.U.shape[1]
        scale = [np.exp(piece.U @ phi[own:]) for piece in (self, other)]
        return np.asarray(super().covariance(phi[:own], other) * np.outer(*scale))

    def natural(self, phi: Array) -> Array:
        """Return the same of the structure, and gamma."""
        own = len(phi) - self.U.shape[1]
        return np.concatenate([super().natural(phi[:own]), phi[own:]])

    def about_means(self) -> DispersedPiece:
        """Return the same covariance, with the parameters of rows at the means of U."""
        means, own = self.U.mean(axis=0), len(self.phi) - self.U.shape[1]
        phi = self.phi.copy()
        phi[np.asarray(self.structure.read().scales)] *= np.exp(means @ phi[own:])
        return replace(self, phi=phi, U=self.U - means)


@dataclass(frozen=True)
class Dense:
    """A linear model at its estimates.

    Parameters
    ----------
    pieces : tuple of Piece
    X : ndarray, shape (n, p)
    y : ndarray, shape (n,)
    reml : bool
    sigma : float, optional
        The standard deviation of independent residuals, if there are any.
    """

    pieces: tuple[Piece, ...]
    X: Array
    y: Array
    reml: bool
    sigma: float | None = None

    @property
    def at(self) -> Array:
        """The estimates: parameters of all pieces, and sigma."""
        own = [] if self.sigma is None else [[self.sigma]]
        return np.concatenate([*(piece.phi for piece in self.pieces), *own])

    def split(self, par: Array) -> list[Array]:
        """Return the parameters of each piece."""
        ends = np.cumsum([len(piece.phi) for piece in self.pieces])
        return np.split(par, ends)[: len(self.pieces)]

    def V(self, par: Array) -> Array:
        """Return Var(y)."""
        out = np.zeros((len(self.y), len(self.y)))
        for piece, phi in zip(self.pieces, self.split(par), strict=True):
            out += piece.covariance(phi)
        return out if self.sigma is None else out + par[-1] ** 2 * np.eye(len(out))

    def parts(self, par: Array) -> tuple[Array, Array, Array]:
        """Return V^-1, (X'V^-1 X)^-1 and V^-1 (y - X beta)."""
        W = np.linalg.inv(self.V(par))
        M = np.linalg.inv(self.X.T @ W @ self.X)
        return W, M, W @ (self.y - self.X @ (M @ self.X.T @ W @ self.y))

    def value(self, par: Array, reml: bool | None = None) -> float:
        """Return -2 log-likelihood, or the REML criterion."""
        reml = self.reml if reml is None else reml
        W, M, e = self.parts(par)
        n = len(self.y) - (self.X.shape[1] if reml else 0)
        total = n * np.log(2 * np.pi) - np.linalg.slogdet(W)[1] + self.y @ e
        return float(total - (np.linalg.slogdet(M)[1] if reml else 0.0))

    def slope(self, par: Array, reml: bool | None = None) -> Array:
        """Return the derivatives of `value`."""
        reml = self.reml if reml is None else reml
        W, M, e = self.parts(par)
        P = W - W @ self.X @ M @ self.X.T @ W if reml else W
        dV = differences(self.V, par)
        return np.einsum("ij,mji->m", P, dV) - np.einsum("i,mij,j->m", e, dV, e)

    @cached_property
    def hessian(self) -> Array:
        """The second derivatives of `value` at the estimates."""
        H = differences(self.slope, self.at)
        return np.asarray((H + H.T) / 2.0)

    def beta(self) -> tuple[Array, Array]:
        """Return the coefficients and their covariance."""
        W, M, _ = self.parts(self.at)
        return M @ self.X.T @ W @ self.y, M

    def satterthwaite(self) -> Array:
        """Return the degrees of freedom of the coefficients."""
        slopes = differences(lambda par: np.diag(self.parts(par)[1]), self.at).T
        variance = np.diag(self.parts(self.at)[1])
        spread = np.einsum("cm,mn,cn->c", slopes, 2.0 * np.linalg.inv(self.hessian), slopes)
        return np.asarray(2.0 * variance**2 / spread)

    def kenward_roger(self, expected: bool, linear: bool = True) -> tuple[Array, Array]:
        """Return the adjusted covariance and the degrees of freedom.

        Without second derivatives of V unless `linear` is False; they are then taken in what is
        reported, with variances in place of standard deviations.
        """
        W, M, _ = self.parts(self.at)
        X, dV = self.X, differences(self.V, self.at)
        U = W @ X
        P = [U.T @ D @ U for D in dV]
        Q = [[U.T @ A @ W @ B @ U for B in dV] for A in dV]
        if expected:
            WD = W @ dV
            info = np.einsum("aij,bji->ab", WD, WD)
            for i in range(len(dV)):
                for j in range(len(dV)):
                    info[i, j] += np.trace(M @ P[i] @ M @ P[j]) - 2.0 * np.trace(M @ Q[i][j])
        else:
            info = self.hessian
        C = 2.0 * np.linalg.inv(info)
        inner = sum(
            C[i, j] * (Q[i][j] - P[i] @ M @ P[j]) for i in range(len(P)) for j in range(len(P))
        )
        if not linear:
            inner = inner - self._curved(C, dV, U) / 4.0
        slopes = np.array([np.diag(M @ p @ M) for p in P])
        degrees = 2.0 * np.diag(M) ** 2 / np.einsum("ic,ij,jc->c", slopes, C, slopes)
        return M + M @ (inner + inner.T) @ M, degrees

    def _curved(self, C: Array, dV: Array, U: Array) -> Array:
        """Return the sum of C_ij X'V^-1 V_ij V^-1 X in variances, correlations and ranges.

        With those eta(phi), the derivatives of V in eta are J^-1 (V_phi phi - sum_a V_a
        d2eta_a) J^-T, and C changes by J.
        """
        second = differences(lambda par: differences(self.V, par, 3e-3), self.at, 3e-3)
        J = differences(self.natural, self.at, 3e-3)  # J[i, a] = d eta_a / d phi_i
        bends = differences(lambda par: differences(self.natural, par, 3e-3), self.at, 3e-3)
        eta = np.linalg.solve(J, dV.reshape(len(dV), -1)).reshape(dV.shape)
        second = second - np.einsum("ija,akl->ijkl", bends, eta)
        return np.asarray(U.T @ np.einsum("ij,ijkl->kl", C, second) @ U)

    def natural(self, par: Array) -> Array:
        """Return what is reported of the pieces, variances for standard deviations."""
        out = []
        for piece, phi in zip(self.pieces, self.split(par), strict=True):
            out.append(piece.natural(phi))
        if self.sigma is not None:
            out.append(par[-1:] ** 2)
        return np.concatenate(out)

    def constrained(self, which: int, value_of: float) -> float:
        """Return the least -2 log-likelihood where one element of `natural` has a value."""
        size = np.maximum(np.abs(self.at), 0.05)
        limits = [np.reshape(piece.structure.read().bounds, (-1, 2)) for piece in self.pieces]
        own = [] if self.sigma is None else [np.array([[1e-6, np.inf]])]
        low, high = np.concatenate([*limits, *own]).T
        low = np.where(low == 0.0, 1e-3, low)  # and differences stay inside
        unit = max(abs(float(self.natural(self.at)[which])), 0.05)

        def value(x: Array) -> tuple[float, Array]:
            try:
                return self.value(x * size, False), self.slope(x * size, False) * size
            except np.linalg.LinAlgError:  # a step out of the range of the parameters
                return np.inf, np.zeros(len(x))

        def search(start: Array) -> OptimizeResult:
            return minimize(
                value,
                np.clip(start, low / size, high / size),
                jac=True,
                method="SLSQP",
                bounds=np.column_stack([low / size, high / size]),
                constraints={  # SLSQP's own differences stay within the bounds
                    "type": "eq",
                    "fun": lambda x: (self.natural(x * size)[which] - value_of) / unit,
                },
                options={"ftol": 1e-11, "maxiter": 300},
            )

        # Any point with that value is above the least, also where a search says that it failed; but
        # one below the minimum has lost its digits.
        least = self.value(self.at, False) - 1e-6

        def is_met(end: OptimizeResult) -> bool:
            there = abs(self.natural(end.x * size)[which] - value_of) < MET * unit
            return bool(there and least < end.fun < np.inf)

        # A search may stop at a kink, as where a spherical correlation reaches zero, or early: it
        # is begun again where it ended, and beside that.
        with warnings.catch_warnings():
            # SciPy 1.14 says so of its own steps.
            warnings.filterwarnings("ignore", "Values in x were outside bounds")
            ends = [search(share * self.at / size) for share in (1.0, 0.8, 1.2)]
            for share in (1.0, 0.97, 1.03):
                best = min(filter(is_met, ends), key=lambda end: end.fun)
                ends.append(search(share * best.x))
        return float(min(end.fun for end in filter(is_met, ends)))

    # What the data say of effects.

    def effects(self, new: tuple[Piece, ...], N: Array) -> tuple[Array, Array]:
        """Return means and standard errors at new rows with these pieces and fixed columns."""
        beta, M = self.beta()
        W, _, e = self.parts(self.at)
        joint = [
            (a.covariance(phi, b), a.covariance(phi, a))
            for a, b, phi in zip(new, self.pieces, self.split(self.at), strict=True)
        ]
        C, own = (sum(each) for each in zip(*joint, strict=True))
        A = N - C @ W @ self.X
        variance = np.diag(own) - np.einsum("ij,jk,ik->i", C, W, C)
        variance = variance + np.einsum("ij,jk,ik->i", A, M, A)
        return N @ beta + C @ e, np.sqrt(np.maximum(variance, 0.0))
