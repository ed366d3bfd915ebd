"""Satterthwaite's degrees of freedom, by differences of the exact gradient.

The variance v = l'Cov(beta)l of a contrast is a function of (theta, sigma), which has an
asymptotic covariance matrix A: twice the inverse Hessian of the criterion that was minimized,
with sigma not profiled out. By the delta method Var(v) = g'A g, with g the gradient of v, and
a chi-squared variable scaled to mean v and variance Var(v) has 2 v^2 / g'A g degrees of
freedom (Giesbrecht and Burns 1985). Several contrasts are taken apart into uncorrelated ones,
whose degrees of freedom are combined (Fai and Cornelius 1996).

Cov(beta) is taken in coordinates in which it is sigma^2 I at the estimates: with K K' = X'V^-1 X
on a basis of X, U = K'^-1 and U_h of theta + h, it is sigma^2 W W' there, W = U^-1 U_h. Random
effects may make some combinations of coefficients so much more uncertain than others that
differences of (X'V^-1 X)^-1 itself would have no digits left of the variances of these.

With f = log|Omega| + [REML] log|X'V^-1 X| + N log(2 pi sigma^2) + r2(theta) / sigma^2, the
derivatives that involve sigma are explicit in r2; one solution at theta +- h gives the
differences of the gradient, of r2 and of Cov(beta) at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from .._typing import Array
from ..fitting.apart import columns_apart
from ..fitting.crossprod import Crossproducts, form_crossproducts
from ..fitting.estimates import LinearEstimates
from ..fitting.fixed_effects.basis import OnBasis
from ..fitting.range_of_numbers import refuse_lost_variances
from ..frame.design import Design
from ..later import load
from .contrast_tests import ContrastTests

__all__ = [
    "DIFFERENCE",
    "DIFFERENCE_OF_SIZE",
    "Satterthwaite",
    "prepare_satterthwaite",
    "pseudo_inverse",
    "relative",
    "standardized",
]


# Step of the differences: in units of the standard error of each theta, and in units of its
# size where there is none.
DIFFERENCE = 3e-4
DIFFERENCE_OF_SIZE = 1e-4
# Degrees of freedom are alike when they differ by less than this share, as differences have it.
EQUAL = 1e-5
# Directions of (theta, sigma) of less than this share of the curvature are not identified.
FLAT = 1e-7


@dataclass(frozen=True, eq=False)
class Satterthwaite(ContrastTests):
    """Satterthwaite's method prepared for one fit.

    Parameters
    ----------
    varpar : ndarray, shape (m, m)
        Asymptotic covariance of the parameters: theta, in coordinates in which the columns of
        random effects are far from dependent, and sigma unless it was given.
    jacobian : ndarray, shape (m, rank, rank)
        Derivatives of the covariance in the same parameters.
    outward : ndarray, shape (m, m), optional
        What takes a row of the parameters back to theta and sigma; the identity when omitted.
    """

    varpar: Array
    jacobian: Array
    outward: Array | None = None

    @property
    def parameter_covariance(self) -> Array:
        """The asymptotic covariance of theta itself and sigma."""
        if self.outward is None:
            return self.varpar
        return np.asarray(self.outward.T @ self.varpar @ self.outward)

    @property
    def _matrix(self) -> Array:
        return self.covariance if self.on_basis is None else self.on_basis.matrix

    def _df(self, rows: Array) -> Array:
        variance = np.einsum("ij,ij->i", rows @ self._matrix, rows)
        slopes = np.einsum("mij,ij->im", rows @ self.jacobian, rows)
        slopes = slopes / np.where(variance > 0, variance, 1.0)[:, None]  # squares overflow
        spread = np.einsum("im,mn,in->i", slopes, self.varpar, slopes)
        with np.errstate(divide="ignore"):
            return np.asarray(np.where(variance > 0, 2.0 / spread, np.inf))

    def _joint(self, rows: Array) -> tuple[float, float]:
        df = self._df(rows)
        if np.max(df) <= (1.0 + EQUAL) * np.min(df):
            return float(np.mean(df)), 1.0
        if np.any(df <= 2):
            return 2.0, 1.0
        # F has the mean E / q of the uncorrelated squared t divided by their number q, where
        # E = sum df / (df - 2), and so 2 E / (E - q) degrees of freedom.
        excess = 1.0 / (df - 2.0)  # E - q = 2 sum(excess), without the cancellation
        return float(np.sum(1.0 + 2.0 * excess) / np.sum(excess)), 1.0


def prepare_satterthwaite(design: Design, estimates: LinearEstimates) -> Satterthwaite:
    """Compute what the tests of all contrasts share.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : LinearEstimates
        The fit.

    Returns
    -------
    Satterthwaite

    Raises
    ------
    DataError
        If the variance of a coefficient is beyond the range of doubles.
    """
    refuse_lost_variances(design, estimates)
    if estimates.structured is not None:
        # Few fits have structures.
        prepare = load("standard_errors.satterthwaite_structured:prepare_satterthwaite_structured")
        of_structures: Satterthwaite = prepare(design, estimates)
        return of_structures
    design, estimates, coordinates = columns_apart(design, estimates)
    products = form_crossproducts(design)
    # In the units of the workspace, where the response has variance 1 and X is orthonormal.
    unit = products.y_scale
    sigma = estimates.sigma / unit
    size = len(estimates.theta)
    r2 = estimates.pwrss / unit**2
    dof = products.n - products.rank if estimates.reml else products.n
    hessian = np.zeros((size + 1, size + 1))
    jacobian = np.zeros((size + 1, products.rank, products.rank))
    products.set_criterion(estimates.reml, estimates.sigma)
    _, _, root = _evaluate(products, estimates.theta)
    for i, step in enumerate(_steps(products, estimates)):
        shift = np.zeros(size)
        shift[i] = step
        above, r2_above, root_above = _evaluate(products, estimates.theta + shift)
        below, r2_below, root_below = _evaluate(products, estimates.theta - shift)
        hessian[i, :size] = (above - below) / (2.0 * step)
        hessian[i, size] = -2.0 / sigma**3 * (r2_above - r2_below) / (2.0 * step)
        jacobian[i] = (relative(root_above, root) - relative(root_below, root)) / (2.0 * step)
    hessian[size, :size] = hessian[:size, size]
    hessian[size, size] = 6.0 * r2 / sigma**4 - 2.0 * dof / sigma**2
    jacobian[size] = 2.0 / estimates.sigma * np.eye(len(root))
    kept = slice(size if estimates.sigma_fixed else size + 1)
    varpar = 2.0 * pseudo_inverse((hessian + hessian.T)[kept, kept] / 2.0)
    units = np.append(np.ones(size), unit)[kept]
    return Satterthwaite(
        beta=estimates.beta,
        covariance=estimates.cov_conditional,
        varpar=varpar * np.outer(units, units),
        jacobian=jacobian[kept],
        outward=None if coordinates.trivial else coordinates.outward(np.eye(len(varpar))),
        on_basis=standardized(products, root, estimates.sigma**2),
    )


def standardized(products: Crossproducts, root: Array, scale: float) -> OnBasis:
    """Return the covariance of the coefficients in coordinates in which it is scale times I."""
    return OnBasis(products.basis.inverse, root @ root.T, scale, root).standardized()


def relative(root: Array, to: Array) -> Array:
    """Return root root' in coordinates in which that of another root is the identity."""
    W = solve_triangular(to, root)
    return np.asarray(W @ W.T)


def _evaluate(products: Crossproducts, theta: Array) -> tuple[Array, float, Array]:
    """Return gradient, r2 and a root of (X'V^-1 X)^-1 at theta, in working units."""
    workspace = products.workspace
    _, gradient = workspace.value_and_gradient(theta)
    return gradient, workspace.solution().pwrss, workspace.root()


def _steps(products: Crossproducts, estimates: LinearEstimates) -> Array:
    """Return a step for each theta, small against the scale on which the criterion varies."""
    theta = estimates.theta
    steps = DIFFERENCE_OF_SIZE * np.maximum(np.abs(theta), products.workspace.theta_scale())
    if all(np.all(np.diag(T) != 0) for T in estimates.factors):
        products.workspace.value_and_gradient(theta)
        curvature = np.diag(products.workspace.curvature())
        usable = curvature > 0
        steps[usable] = DIFFERENCE * np.sqrt(2.0 / curvature[usable])
    return steps


def pseudo_inverse(matrix: Array) -> Array:
    """Return the inverse on the directions in which a symmetric matrix is positive.

    Parameters
    ----------
    matrix : ndarray, shape (m, m)
        A Hessian or an information matrix. Other directions are those of parameters the data
        do not identify; they get variance zero, as if the parameters were known.
    """
    if not len(matrix):
        return matrix
    diagonal = np.diag(matrix)
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    kept = values > FLAT * values[-1]
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return np.asarray(inverse / np.outer(size, size))
