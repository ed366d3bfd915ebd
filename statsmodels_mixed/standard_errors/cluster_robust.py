"""Cluster-robust ("sandwich") covariance of the coefficients of a linear mixed model.

With M = (X'V^-1 X)^-1, residuals e = y - X beta and clusters g whose rows are independent,

    Cov(beta) = M (sum_g s_g s_g') M,    s_g = X_g'V_g^-1 A_g e_g.

A_g = 1 gives CR0, and CR1 and CR1S multiply CR0 by G/(G-1) and by G(n-1)/((G-1)(n-rank)).
CR2 makes the estimator unbiased when the model is right (Bell and McCaffrey 2002; Pustejovsky
and Tipton 2018): with V_g = D'D, D the upper Cholesky factor,

    A_g = D'(D (V_g - X_g M X_g') D')^(+1/2) D.

The matrix in brackets is C C', C = D D'(1 - D'^-1 X_g M X_g'D^-1)^(1/2). Its eigenvalues are of the
size of 1 and of theta^4, the singular values of C of 1 and theta^2; which of them are zero is seen
from the matrix under the root, whose eigenvalues are between 0 and 1. X is taken on a basis on
which M = 1, where no combination of coefficients is more uncertain than another.

CR3 takes the first power of the same matrix, A_g = V_g (V_g - X_g M X_g')^+, and is the jackknife
over clusters without its factor (G-1)/G, because A_g e_g / V_g has the residuals of a fit to the
other clusters at the same variances.

Degrees of freedom are those of a chi-squared or Wishart variable with the variance that the
estimator has under the model (Bell and McCaffrey; Tipton and Pustejovsky 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from .._core import one_blas_thread
from .._typing import Array, Positions
from ..fitting.crossprod import Crossproducts, form_crossproducts, require_digits
from ..fitting.estimates import LinearEstimates
from ..fitting.fixed_effects.basis import OnBasis
from ..fitting.linear.penalized_least_squares import residuals
from ..frame.design import Design
from ..frame.row_groups import RowGroups
from .contrast_tests import ContrastTests

__all__ = [
    "KINDS",
    "ClusterRobust",
    "correction",
    "prepare_cluster_robust",
    "too_few",
    "what_clusters_leave",
]


# V^-1 X has rounding errors of 1e-5 where sigma is this share of the response's deviation.
FEWEST_DIGITS = 3e-6

KINDS = ("CR0", "CR1", "CR1S", "CR2", "CR3")
# Those that form a matrix for each cluster.
ADJUSTED = ("CR2", "CR3")
# Variances below this share of what they would be without a fit are zero.
FLAT = 1e-10
_NOTHING_LEFT = (
    "The clusters do not determine all standard errors: where one cluster alone determines a "
    "combination of coefficients, nothing is left of its variance."
)
# Numbers in the largest temporary array.
_ROOM = 2_000_000


def correction(kind: str, clusters: int, n: int, rank: int) -> float:
    """Return what the covariance of a kind is multiplied with."""
    if kind == "CR1":
        return clusters / (clusters - 1)
    if kind == "CR1S":
        return clusters * (n - 1) / ((clusters - 1) * (n - rank))
    return 1.0


def sandwich(bread: OnBasis, scores: Array, factor: float) -> OnBasis:
    """Return factor B S'S B by gradients of the log-likelihood S, (G, m), of clusters.

    Parameters
    ----------
    bread : OnBasis
        B, of all parameters; some may have none.
    scores : ndarray, shape (G, m)
    factor : float
    """
    known = bread.known
    half = bread.scale * (scores[:, known] @ bread.inverse[known] @ bread.matrix)
    return OnBasis(bread.inverse, factor * (half.T @ half))


def too_few(clusters: int, coefficients: int) -> str:
    """Return a sentence if the covariance by these clusters is singular, else nothing.

    The scores of all clusters sum to zero: the covariance has a rank below their number.

    Parameters
    ----------
    clusters, coefficients : int
        How many there are.
    """
    if clusters > coefficients:
        return ""
    return (
        f"{clusters} clusters are too few for the covariance of {coefficients} coefficients, "
        "which is singular: standard errors may be far too small."
    )


def what_clusters_leave(tests: ContrastTests, clusters: int, dof: str | None) -> str:
    """Return a sentence if the clusters do not determine all standard errors, or nothing.

    Parameters
    ----------
    tests : ContrastTests
        With the covariance of the model beside the robust one.
    clusters : int
        How many there are.
    dof : str, optional
        Where degrees of freedom come from: those of each test alone, by Bell and McCaffrey, know
        that the clusters are few; others do not.
    """
    coefficients = len(tests.beta)
    if not tests.known(np.eye(coefficients)).all():
        return _NOTHING_LEFT
    return "" if dof == "satterthwaite" else too_few(clusters, coefficients)


@dataclass(frozen=True, eq=False)
class ClusterRobust(ContrastTests):
    """Cluster-robust tests with degrees of freedom for few clusters.

    Parameters
    ----------
    bread : ndarray, shape (rank, rank)
        M.
    cross : ndarray, shape (G, rank, rank)
        F_g = X_g'E_g, with E_g = A_g V_g^-1 X_g.
    within : ndarray, shape (G, rank, rank)
        E_g'V_g E_g.
    """

    bread: Array
    cross: Array
    within: Array

    def _df(self, rows: Array) -> Array:
        """Return `_wishart` of each row by itself, many rows at a time.

        With v = M l, mean and variance are polynomials in the elements of v v', whose
        coefficients are sums over clusters; fewer clusters than elements are summed by row.
        """
        rows = _of_unit_size(rows)
        count, rank = self.cross.shape[:2]
        few = rank**2 > count or rank**4 > _ROOM
        moments = self._few_clusters if few else self._many_clusters()
        out = np.empty(len(rows))
        step = max(1, _ROOM // (count * rank if few else rank**2))
        for at in range(0, len(rows), step):
            part = rows[at : at + step]
            v = part @ self.bread
            expected, variance = moments(v)
            known = expected > FLAT * np.einsum("ri,ri->r", part, v)
            out[at : at + step] = np.where(known, expected, np.nan) ** 2 / variance
        return out

    def _few_clusters(self, v: Array) -> tuple[Array, Array]:
        """Return mean and half the variance of the estimator for each row of v, (m, rank)."""
        count, rank = self.cross.shape[:2]
        root = np.linalg.cholesky(self.bread).T @ self.cross
        half = (root.reshape(-1, rank) @ v.T).reshape(count, rank, -1)
        middle = (self.within.reshape(-1, rank) @ v.T).reshape(count, rank, -1)
        own, both = np.einsum("gir,ri->gr", middle, v), np.einsum("gir,gir->gr", half, half)
        by_row = half.transpose(2, 1, 0)
        between = by_row @ by_row.transpose(0, 2, 1)
        variance = np.sum(own**2 - 2.0 * own * both, axis=0) + np.sum(between**2, axis=(1, 2))
        return np.sum(own - both, axis=0), variance

    def _many_clusters(self) -> Callable[[Array], tuple[Array, Array]]:
        """Return a function that does what `_few_clusters` does, clusters being summed before."""
        count, rank = self.cross.shape[:2]
        root = np.linalg.cholesky(self.bread).T @ self.cross
        own = self.within.reshape(count, -1)
        both = (root.transpose(0, 2, 1) @ root).reshape(count, -1)
        square = own.T @ (own - 2.0 * both)
        flat = root.reshape(count, -1)
        pairs = (flat.T @ flat).reshape(rank, rank, rank, rank).transpose(0, 2, 1, 3)
        between = pairs.reshape(rank**2, rank**2)
        total = np.sum(own - both, axis=0)

        def moments(v: Array) -> tuple[Array, Array]:
            vv = (v[:, :, None] * v[:, None, :]).reshape(len(v), -1)
            variance = np.einsum("ri,ri->r", vv @ square, vv)
            return vv @ total, variance + np.sum((vv @ between.T) ** 2, axis=1)

        return moments

    def _joint(self, rows: Array) -> tuple[float, float]:
        # Hotelling's T^2 with the degrees of freedom of the Wishart matrix.
        q, wishart = len(rows), self._wishart(rows)
        if np.isnan(wishart):
            return np.nan, np.nan
        return max(wishart - q + 1, 0.0), max((wishart - q + 1) / wishart, 0.0)

    def _wishart(self, rows: Array) -> float:
        """Return degrees of freedom of a Wishart matrix like the covariance of contrasts.

        With p_sg the vector whose product with e is the part of contrast s that cluster g
        adds, element (s, t) of the covariance is a quadratic form of variance
        sum_gh (p_sg'V p_sh)(p_tg'V p_th) + (p_sg'V p_th)(p_tg'V p_sh), in which
        p_sg'V p_th = [g = h] own_g,st - f_sg'f_th.
        """
        rows = _of_unit_size(rows)
        half = np.linalg.cholesky(self.bread).T @ (self.cross @ (self.bread @ rows.T))
        middle = self.within @ (self.bread @ rows.T)
        own = np.einsum("sj,gjt->gst", rows @ self.bread, middle)
        expected = own.sum(axis=0) - np.einsum("gis,git->st", half, half)
        size = np.sqrt(np.einsum("si,ij,sj->s", rows, self.bread, rows))
        if np.linalg.eigvalsh(expected / np.outer(size, size))[0] <= FLAT:
            return np.nan  # The clusters leave the variance of some contrast undetermined.
        whiten = np.linalg.inv(np.linalg.cholesky(expected))
        half = half @ whiten.T
        own = whiten @ own @ whiten.T
        both = np.einsum("gis,git->gst", half, half)
        columns = half.transpose(2, 1, 0).reshape(-1, len(half))
        q, rank = len(rows), half.shape[1]
        between = (columns @ columns.T).reshape(q, rank, q, rank).transpose(0, 2, 1, 3)
        diagonal = np.einsum("gss->gs", own)
        diagonal_f = np.einsum("gss->gs", both)
        variance = 0.0
        for s in range(q):
            for t in range(q):
                variance += float(
                    diagonal[:, s] @ diagonal[:, t]
                    - diagonal[:, s] @ diagonal_f[:, t]
                    - diagonal[:, t] @ diagonal_f[:, s]
                    + np.sum(between[s, t] ** 2)
                    + own[:, s, t] @ own[:, s, t]
                    - 2.0 * own[:, s, t] @ both[:, s, t]
                    + np.sum(between[s, t] * between[s, t].T)
                )
        return q * (q + 1) / variance


def _of_unit_size(rows: Array) -> Array:
    """Return contrasts whose fourth powers are in range: degrees of freedom have no units."""
    sizes = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    return rows / np.where(sizes > 0, sizes, 1.0)


def prepare_cluster_robust(
    design: Design, estimates: LinearEstimates, clusters: RowGroups, kind: str
) -> ClusterRobust:
    """Compute the covariance of a kind and what its degrees of freedom need.

    CR2 and CR3 form for each cluster matrices of its number of rows squared; the others take
    V^-1 X for all rows from one solution of the mixed-model equations.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : LinearEstimates
        The fit.
    clusters : RowGroups
        No two of them share a random effect.
    kind : {"CR0", "CR1", "CR1S", "CR2", "CR3"}
    """
    with one_blas_thread():
        return _prepare(design, estimates, clusters, kind)


def _prepare(
    design: Design, estimates: LinearEstimates, clusters: RowGroups, kind: str
) -> ClusterRobust:
    products = form_crossproducts(design)
    require_digits(estimates.sigma, products.y_scale, FEWEST_DIGITS, "the covariance by clusters")
    basis = products.basis
    products.workspace.value_and_gradient(estimates.theta)
    root = products.workspace.root()
    X = basis.Q @ root
    known = OnBasis(basis.inverse, root @ root.T, root=root).standardized()
    _, residual = residuals(design, estimates)
    rank, count = len(estimates.beta), len(clusters)
    scores = np.empty((count, rank))
    cross, within = np.empty((2, count, rank, rank))
    solved = np.empty((0, rank)) if kind in ADJUSTED else _solved(design, X, products, root)
    for g, rows in enumerate(clusters.rows()):
        own = X[rows]
        if kind in ADJUSTED:
            V = _covariance(design, estimates.factors, rows)
            weighted = _adjusted(V, own, kind)
            within[g] = weighted.T @ V @ weighted
        else:
            weighted = solved[rows]
            within[g] = own.T @ weighted
        scores[g] = weighted.T @ residual[rows]
        cross[g] = own.T @ weighted
    meat = scores.T @ scores * correction(kind, count, len(design.y), rank)
    return ClusterRobust(
        beta=estimates.beta,
        covariance=known.inverse @ meat @ known.inverse.T,
        bread=known.matrix,
        cross=cross,
        within=within,
        on_basis=OnBasis(known.inverse, meat),
        model_based=estimates.on_basis,
    )


def _solved(design: Design, X: Array, products: Crossproducts, root: Array) -> Array:
    """Return V^-1 X = W (X - Z Lambda Omega^-1 Lambda'Z'W X) of X = Q root, shape (n, rank)."""
    rest = X.copy()
    for block, slopes in zip(design.blocks, products.workspace.mode_slopes(), strict=True):
        rest -= np.einsum("rk,rkp->rp", block.z, (slopes @ root)[block.refs])
    return rest if design.weights is None else design.weights[:, None] * rest


def _covariance(design: Design, factors: tuple[Array, ...], rows: Positions) -> Array:
    """Return V of some rows, shape (m, m): their covariance divided by sigma^2."""
    weights = None if design.weights is None else design.weights[rows]
    V = np.diag(np.ones(len(rows)) if weights is None else 1.0 / weights)
    for block, T in zip(design.blocks, factors, strict=True):
        scaled, refs = block.z[rows] @ T, block.refs[rows]
        V += np.where(refs[:, None] == refs, scaled @ scaled.T, 0.0)
    return V


def _adjusted(V: Array, X: Array, kind: str) -> Array:
    """Return A V^-1 X of a cluster, shape (m, rank), where M = 1."""
    unit = float(np.mean(np.diag(V)))  # S has the units of V, and C with it
    D = np.asarray(cholesky(V / unit))
    half = solve_triangular(D, X, trans="T") / np.sqrt(unit)
    left, vectors = np.linalg.eigh(np.eye(len(V)) - half @ half.T)
    kept = left > FLAT
    C = D @ (D.T @ (vectors[:, kept] * np.sqrt(left[kept])))
    U, sizes, _ = np.linalg.svd(C, full_matrices=False)
    moved = D.T @ U
    if kind == "CR3":  # A V^-1 is the inverse of V - X M X'
        return np.asarray(moved / sizes @ ((moved / sizes).T @ X)) / unit
    weighted = solve_triangular(D, half) / np.sqrt(unit)
    return np.asarray(moved / sizes @ (moved.T @ weighted))
