"""The objective of a linear model whose covariances are functions of few parameters.

The variables are z = (x, lambda): free coordinates of all structures, and lambda = log sigma^2
unless sigma is given. With V = sigma^2 W^-1 + Z Sigma(x) Z', G(A) = tr(V^-1 A) - y'P A P y less,
under REML, what the fixed effects take up, and V_i = dV / dz_i,

    d f / d z_i = G(V_i),        d2 f / d z_i d z_j = average information + G(V_ij),

where the average information of i and j is y'P V_i P V_j P y (Gilmour, Thompson and Cullis 1995).
V_i = Z dSigma_i Z' for a coordinate, for lambda it is V - Z Sigma Z'. Between related levels there
are the covariances Q^-1 besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._typing import Array
from ...errors import CoreError
from ..covariance import factors_of, theta_of
from ..crossprod import Crossproducts
from ..crossproduct_criterion import CrossproductCriterion
from ..search.trust_region import Evaluation
from .covariance_model import CovarianceModel, factor

__all__ = ["StructuredObjective", "gammas"]


# Added to Sigma relative to sigma^2, in units of the columns of Z: the factor is then never
# singular where a structure reaches the end of its range.
RIDGE = 1e-13
# And a share of the diagonal, above the rounding errors of a factorization.
RELATIVE_RIDGE = 2e-14


def gammas(gradient: Array, factors: tuple[Array, ...], model: CovarianceModel) -> list[Array]:
    """Return the derivative with respect to Sigma of every part, from that with respect to T.

    The lower triangle of F = Gamma T, half the gradient, determines the symmetric Gamma: column
    by column from the last.

    Parameters
    ----------
    gradient : ndarray, shape (n_theta,)
        With respect to the free elements of T.
    factors : tuple of ndarray, shape (k, k)
        Nonsingular T of each block.
    model : CovarianceModel

    Returns
    -------
    list of ndarray, shape (k, k)
        With zeros where T of a diagonal structure has none. Empty for parts at places of their
        own, which have one for each level.
    """
    halves = factors_of(gradient / 2.0, model.patterns)
    out = []
    for part in model.parts:
        at = part.columns
        if part.own is not None:
            out.append(np.empty(0))
            continue
        F, T = halves[part.block][at, at], factors[part.block][at, at]
        if not model.patterns[part.block][at, at][np.tril_indices(len(T), -1)].any():
            out.append(np.diag(np.diag(F) / np.diag(T)))
            continue
        G = np.zeros_like(F)
        for c in range(len(T) - 1, -1, -1):
            below = slice(c + 1, None)
            G[below, c] = (F[below, c] - G[below, below] @ T[below, c]) / T[c, c]
            G[c, below] = G[below, c]
            G[c, c] = (F[c, c] - G[c, below] @ T[below, c]) / T[c, c]
        out.append(G)
    return out


@dataclass(frozen=True, eq=False)
class StructuredObjective:
    """The objective with its derivatives; see `trust_region.Evaluate`.

    Parameters
    ----------
    products : Crossproducts
        Of the design; its criterion is set anew at every evaluation.
    model : CovarianceModel
    reml : bool
    sigma : float or None
        The residual standard deviation, if it is given.
    ridges : tuple of ndarray, shape (k,)
        What is added to the diagonals of Sigma / sigma^2.
    least_sigma : float
        The objective is that of this sigma where sigma is smaller.
    """

    products: Crossproducts
    model: CovarianceModel
    reml: bool
    sigma: float | None
    ridges: tuple[Array, ...]
    least_sigma: float = 0.0

    @classmethod
    def of(
        cls,
        criterion: CrossproductCriterion,
        model: CovarianceModel,
        sizes: list[Array],
    ) -> StructuredObjective:
        """Make the objective, given the root mean squares of the columns of Z of each block."""
        ridges = tuple(RIDGE / size**2 for size in sizes)
        return cls(criterion.products, model, criterion.reml, criterion.sigma, ridges)

    @property
    def size(self) -> int:
        """Number of variables."""
        return self.model.size + (self.sigma is None)

    def units(self, sizes: list[Array]) -> Array:
        """Return the unit of each variable, given the sizes of the columns of Z of each block."""
        unit = self.sigma or self.products.y_scale
        return np.append(self.model.units([unit / size for size in sizes]), 1.0)[: self.size]

    def split(self, z: Array) -> tuple[Array, float]:
        """Return x and sigma."""
        if self.sigma is not None:
            return z, self.sigma
        return z[:-1], max(float(np.exp(z[-1] / 2.0)), self.least_sigma)

    def join(self, x: Array, sigma: float) -> Array:
        """Return z."""
        return x if self.sigma is not None else np.append(x, 2.0 * np.log(sigma))

    def theta(self, z: Array, ridge: float = 1.0) -> tuple[Array, tuple[Array, ...]]:
        """Return theta and the factors it consists of."""
        x, sigma = self.split(z)
        factors = [np.zeros(pattern.shape) for pattern in self.model.patterns]
        for part in self.model.parts:
            with np.errstate(over="ignore"):  # where a search has no value either
                S = part.of_effects(self.model.phi(x)) / sigma / sigma  # its square may be none
            own = self.ridges[part.block][part.columns]
            own = own + RELATIVE_RIDGE * np.diag(S)
            factors[part.block][part.columns, part.columns] = factor(S, ridge * own)
        return theta_of(factors, self.model.patterns), tuple(factors)

    def solve(self, z: Array, ridge: float = 1.0) -> tuple[float, Array, tuple[Array, ...]]:
        """Evaluate: return the value, the gradient in theta and the factors."""
        _, sigma = self.split(z)
        if not 0.0 < sigma < np.inf:  # beyond the range of doubles
            return np.nan, np.empty(0), ()
        self._place(z)
        self.products.set_criterion(self.reml, sigma)
        theta, factors = self.theta(z, ridge)
        value, gradient = self.products.workspace.value_and_gradient(theta)
        return value + self.products.constant(self.reml), gradient, factors

    def value(self, z: Array) -> float:
        """Return the objective alone; NaN where there is none."""
        _, sigma = self.split(z)
        if not 0.0 < sigma < np.inf:
            return np.nan
        self._place(z)
        self.products.set_criterion(self.reml, sigma)
        found = self.products.workspace.value(self.theta(z)[0])
        return found + self.products.constant(self.reml)

    def scaled(self, z: Array) -> tuple[float, Array] | None:
        """Return the objective where all variances are multiplied by what suits the data, and z.

        None where there is no objective. A sigma that is given stays, and so do all variances.
        """
        try:
            value = self.solve(z)[0]
        except CoreError:  # beyond the range of doubles
            return None
        if not np.isfinite(value):
            return None
        if self.sigma is not None:
            return value, z
        x, sigma = self.split(z)
        raw = self.products.workspace.solution()
        best = self.products.y_scale * np.sqrt(raw.pwrss / raw.dof)
        grown = [part.free.rescaled(x[part.phi], best / sigma) for part in self.model.parts]
        z = self.join(np.concatenate(grown), best)
        return self.value(z), z

    def value_and_gradient(self, z: Array) -> tuple[float, Array]:
        """Return the objective and its gradient."""
        value, by_theta, factors = self.solve(z)
        if np.isnan(value):
            return np.inf, np.full(self.size, np.nan)
        x, sigma = self.split(z)
        return value, self._gradient(x, sigma, self._gammas(by_theta, factors, sigma))

    def _place(self, z: Array) -> None:
        """Give the core the columns of Z that are functions of parameters."""
        workspace = self.products.workspace
        if self.model.has_own_places:
            self.model.place(workspace.design, self.model.phi(self.split(z)[0]))
            workspace.take_columns()

    def _gammas(self, by_theta: Array, factors: tuple[Array, ...], sigma: float) -> list[Array]:
        """Return Gamma of every part, (k, k), or at places of their own of every level."""
        out = gammas(by_theta, factors, self.model)
        if self.model.has_own_places:
            by_level = self._by_level(factors, sigma)
            for i, part in enumerate(self.model.parts):
                if part.own is not None:
                    out[i] = by_level[part.block][:, part.columns, part.columns]
        return out

    def _by_level(self, factors: tuple[Array, ...], sigma: float) -> list[Array]:
        """Return Gamma of every level by factor where T is diagonal: Z'V^-1 Z is of Omega^-1.

        With Lambda'Z'V^-1 Z Lambda = I - Omega^-1 and Z'V^-1 X = Lambda^-T Omega^-1 Lambda'Z'WX.
        """
        workspace = self.products.workspace
        precision = (self.products.y_scale / sigma) ** 2
        inverse, scores = workspace.solution().xvx_inverse, workspace.scores()
        slopes = workspace.mode_slopes() if self.reml else ()
        out = []
        for t, (T, V, e) in enumerate(zip(factors, workspace.condvar(), scores, strict=True)):
            squares = np.outer(np.diag(T), np.diag(T))
            own = (np.eye(len(T)) - V / squares) / squares
            if self.reml:
                H = slopes[t] / np.square(np.diag(T))[:, None]
                own -= H @ inverse @ np.swapaxes(H, 1, 2)
            out.append(own - precision * e[:, :, None] * e[:, None, :])
        return out

    def _gradient(self, x: Array, sigma: float, G: list[Array]) -> Array:
        out = np.empty(self.size)
        shrink = 0.0
        for part, own in zip(self.model.parts, G, strict=True):
            own = own / sigma**2
            slopes = part.slopes(x)
            out[part.phi] = slopes.reshape(len(slopes), -1) @ own.ravel()
            shrink += float(np.vdot(own, part.covariance(x)))
        if self.sigma is None:
            raw = self.products.workspace.solution()
            unit = sigma / self.products.y_scale
            out[-1] = raw.dof - raw.pwrss / unit**2 - shrink
        return out

    def __call__(self, z: Array) -> Evaluation:
        """Return value, gradient and approximate Hessian."""
        try:
            with np.errstate(all="ignore"):
                value, by_theta, factors = self.solve(z)
                if np.isfinite(value):
                    x, sigma = self.split(z)
                    G = self._gammas(by_theta, factors, sigma)
                    gradient = self._gradient(x, sigma, G)
                    curvature = self._curvature(x, sigma, G, gradient)
                    if self.sigma is None and sigma == self.least_sigma:
                        gradient[-1] = curvature[-1] = curvature[:, -1] = 0.0
                    return value, gradient, curvature
        except (FloatingPointError, OverflowError, ValueError, CoreError):
            pass  # beyond the range of doubles
        nothing = np.full((self.size, self.size), np.nan)
        return np.inf, nothing[0] if self.size else np.empty(0), nothing

    def average_information(self, z: Array) -> Array:
        """Return the average information, without second derivatives of V; NaN where none is."""
        value, by_theta, factors = self.solve(z)
        if not np.isfinite(value):
            return np.full((self.size, self.size), np.nan)
        x, sigma = self.split(z)
        return self._information(x, sigma, self._gammas(by_theta, factors, sigma))[0]

    def _curvature(self, x: Array, sigma: float, G: list[Array], gradient: Array) -> Array:
        H, second = self._information(x, sigma, G)
        if self.sigma is None:
            second[-1, -1] = gradient[-1]
        return H + second

    def _information(self, x: Array, sigma: float, G: list[Array]) -> tuple[Array, Array]:
        """Return the average information and Gamma : d2Sigma."""
        workspace, m = self.products.workspace, self.model.size
        unit = (sigma / self.products.y_scale) ** 2
        scores = workspace.scores()
        directions = [np.zeros((*e.shape, m + 1)) for e in scores]
        second = np.zeros((self.size, self.size))
        for part, own in zip(self.model.parts, G, strict=True):
            e, by_level = scores[part.block][:, part.columns], part.own is not None
            slopes = part.slopes(x) / sigma**2
            into = directions[part.block][:, part.columns]
            into[:, :, part.phi] = np.moveaxis(_along(slopes, e, by_level), 0, 2)
            into[:, :, m] = -_along(part.covariance(x), e, by_level) / sigma**2
            bends = part.bends(x)
            second[part.phi, part.phi] = (
                bends.reshape(*bends.shape[:2], -1) @ own.ravel() / sigma**2
            )
        for t, related in enumerate(self.model.related):
            if related is not None:
                directions[t] = related.covariances(directions[t])
        K = workspace.information(directions) / unit
        if self.sigma is not None:
            return np.asarray(K[:m, :m]), second
        s = sum(
            np.einsum("li,lim->m", e, w, optimize=True)
            for e, w in zip(scores, directions, strict=True)
        )
        edge = np.asarray(s) / unit
        H = K.copy()
        H[m, :m] += edge[:m]
        H[:m, m] += edge[:m]
        H[m, m] += 2.0 * edge[m] + workspace.solution().pwrss / unit
        return H, second


def _along(matrices: Array, vectors: Array, by_level: bool) -> Array:
    """Return products of matrices, (..., k, k) or (..., l, k, k), with vectors of every level."""
    if by_level:
        return np.asarray((matrices @ vectors[:, :, None])[..., 0])
    return np.asarray(vectors @ np.swapaxes(matrices, -1, -2))
