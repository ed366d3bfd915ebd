"""Which covariance parameters the data determine.

Var(y) = sum_e gamma_e G_e + sigma^2 W^-1 is linear in the elements of the covariance matrices
of the random effects and in sigma^2, and data speak of it in contrasts K'y without fixed
effects, K'X = 0. A direction of gamma and sigma^2 along which K'Var(y)K does not change is
*flat*: the data do not determine it, for any response. With P = I - QQ', for Q'WQ = I in
units where W = I, flat directions are the null space of the matrix of inner products

    tr(P G_e P G_f) = tr(G_e G_f) - 2 tr(Q'G_e G_f Q) + tr(Q'G_e Q Q'G_f Q),

which takes cross-products only. Along some of them Var(y) itself does not change (two names of
one grouping factor, more random effects than rows); along the others it changes within the
span of X (a grouping factor confounded with a fixed one). An estimate on the boundary, a
variance of zero, is another matter: there the objective rises.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, solve_triangular

from .._core import TermCoordinates, one_blas_thread
from .._typing import Array
from ..frame.design import Design, RandomBlock
from .covariance import CovarianceElement, components, elements_of
from .fixed_effects.basis import orthonormal_basis
from .inner_products import projected_products

__all__ = ["ALL_IDENTIFIED", "Identification", "identify", "suspicious"]


# A curvature of the objective, in units of the scale of theta, that no flat direction has.
CURVED = 1e-2
# Squared length of what is left of a unit combination of matrices that is taken for nothing.
NOTHING = 1e-10
# Share of a parameter in a flat direction that is more than rounding.
SHARE = 1e-5


@dataclass(frozen=True, eq=False)
class Identification:
    """The directions of the covariance parameters that the data say nothing of.

    Parameters
    ----------
    elements : tuple of CovarianceElement, length m
        The elements of the covariance matrices of random effects, in absolute units.
    flat : ndarray, shape (m, d) or (m + 1, d)
        A basis of the flat directions; the last row is sigma^2, if it is estimated.
    size : ndarray, shape (m,) or (m + 1,)
        Typical sizes of the matrices that the parameters multiply.
    reasons : tuple of str
        A sentence for each group of parameters that are confounded with one another.
    """

    elements: tuple[CovarianceElement, ...] = ()
    flat: Array = field(default_factory=lambda: np.empty((0, 0)))
    size: Array = field(default_factory=lambda: np.empty(0))
    reasons: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """How many parameters fewer the data determine than the model has."""
        return int(self.flat.shape[1])

    def known(self, combinations: Array) -> NDArray[np.bool_]:
        """Return which combinations of the parameters the data determine.

        Parameters
        ----------
        combinations : ndarray, shape (r, m) or (r, m + 1)

        Returns
        -------
        ndarray of bool, shape (r,)
        """
        if not self.dimension:
            return np.ones(len(combinations), dtype=bool)
        scaled = combinations / self.size
        lengths = np.linalg.norm(scaled, axis=1)
        change = np.abs(scaled @ (self.size[:, None] * self.flat)).max(axis=1)
        return np.asarray(change <= SHARE * lengths)

    @property
    def elements_known(self) -> dict[CovarianceElement, bool]:
        """Whether the data determine each element of the covariance matrices."""
        known = self.known(np.eye(len(self.size))).tolist()
        return dict(zip(self.elements, known, strict=False))

    @property
    def sigma_known(self) -> bool:
        """Whether the data determine the residual variance."""
        return len(self.size) == len(self.elements) or bool(
            self.known(np.eye(len(self.size))[-1:])[0]
        )


ALL_IDENTIFIED = Identification()


def suspicious(least_curvature: float, singular: bool) -> bool:
    """Return whether an optimum can have flat directions.

    Parameters
    ----------
    least_curvature : float
        Least eigenvalue of the Hessian there, in units of the scale of theta. Flat directions
        are flat for the objective too, unless the parameter is at the boundary.
    singular : bool
        Whether a covariance matrix is singular.
    """
    return singular or not least_curvature > CURVED


def identify(design: Design, *, residual: bool, normal: bool) -> Identification:
    """Find the flat directions of a model.

    Parameters
    ----------
    design : Design
    residual : bool
        Whether the variance of independent residuals is estimated, sigma^2 over the weights.
    normal : bool
        Whether weights are those of normal residuals, W. Otherwise the weights that matter
        depend on the mean, and what is flat is so for any: W = I serves.
    """
    if design.nobs > len(design.y):
        design = _with_a_zero_row(design)
    with one_blas_thread():
        found = _identify(design, residual, design.weights if normal else None)
        if not found.dimension or design.weights is None or not normal:
            return found
        return _without_weights(design, found, residual)


def _without_weights(design: Design, found: Identification, residual: bool) -> Identification:
    """Return flat directions without those of which a heavy row hides that they are not.

    Fixed effects may take up a row of most of the weight, and leave little beside it. Contrasts
    that do not change are the same with any weights, if sigma^2 has no part in them.
    """
    if not found.sigma_known:
        return found
    alike = _identify(design, False, None)
    if alike.dimension >= found.dimension:
        return found
    if not alike.dimension:
        return ALL_IDENTIFIED
    flat = np.vstack([alike.flat, np.zeros((int(residual), alike.dimension))])
    return replace(alike, flat=flat, size=np.append(alike.size, [1.0] * residual))


def _identify(design: Design, residual: bool, weights: Array | None) -> Identification:
    Q = orthonormal_basis(design.X, weights).Q
    root = None if weights is None else np.sqrt(weights)
    if root is not None:
        Q = Q * root[:, None]
    blocks = [_in_units(block, root) for block in design.blocks]
    apart = TermCoordinates(blocks)
    near = [replace(block, z=z) for block, z in zip(blocks, apart.z, strict=True)]
    changes = [_whitening(block) for block in near]
    white = [
        replace(block, z=np.ascontiguousarray(solve_triangular(R, block.z.T, trans="T").T))
        for block, R in zip(near, changes, strict=True)
    ]
    changes = [
        R if C is None else R @ np.linalg.inv(C) for R, C in zip(changes, apart.C, strict=True)
    ]
    model = replace(design, blocks=tuple(white), weights=None)
    whole, seen = _products(model, Q, residual)
    lengths = np.sqrt(np.diag(whole))
    lengths = np.where(lengths > 0, lengths, 1.0)
    whole, seen = (each / np.outer(lengths, lengths) for each in (whole, seen))
    values, vectors = np.linalg.eigh(seen)
    flat = vectors[:, values < NOTHING]
    if not flat.shape[1]:
        return ALL_IDENTIFIED
    # Those along which the whole variance of y stays, then the others.
    values, mixing = np.linalg.eigh(flat.T @ whole @ flat)
    inside = int(np.sum(values < NOTHING))
    elements = elements_of([block.pattern for block in blocks])
    T = _back(blocks, changes, residual) / lengths
    rms = [block.column_sizes() for block in blocks]
    products = [rms[e.block][e.row] * rms[e.block][e.column] for e in elements]
    size = np.array([*products, *[1.0] * residual])
    flat = size[:, None] * (T @ flat @ mixing)
    parts = [np.linalg.qr(part)[0] for part in (flat[:, :inside], flat[:, inside:])]
    reasons = [
        reason
        for part, absorbed in zip(parts, (False, True), strict=True)
        for reason in _reasons(part, elements, blocks, absorbed)
    ]
    return Identification(
        tuple(elements), np.linalg.qr(np.hstack(parts))[0] / size[:, None], size, tuple(reasons)
    )


def _with_a_zero_row(design: Design) -> Design:
    """Return rows that stand for more with one of the others, which have no random effects."""
    blocks = tuple(
        replace(
            block,
            z=np.vstack([block.z, np.zeros_like(block.z[:1])]),
            refs=np.append(block.refs, block.refs[:1]),
        )
        for block in design.blocks
    )
    X = np.vstack([design.X, np.zeros_like(design.X[:1])])
    return replace(design, X=X, y=np.append(design.y, 0.0), blocks=blocks)


def _in_units(block: RandomBlock, root: Array | None) -> RandomBlock:
    return block if root is None else replace(block, z=block.z * root[:, None])


def _whitening(block: RandomBlock) -> Array:
    """Return upper triangular R for which the columns of z R^-1 have unit mean squares.

    Those whose covariances are all free are orthogonal too, so that a shift of a covariate
    makes no direction look flat.
    """
    sizes = block.column_sizes()
    R = np.diag(sizes)
    z = block.z / sizes
    for group in components(block.pattern):
        gram = z[:, group].T @ z[:, group] / len(z)
        if len(group) > 1 and np.linalg.eigvalsh(gram)[0] > NOTHING:
            R[np.ix_(group, group)] = np.linalg.cholesky(gram).T * sizes[group]
    return R


def _products(model: Design, Q: Array, residual: bool) -> tuple[Array, Array]:
    """Return inner products of the matrices of all parameters: whole, and between P and P."""
    elements = elements_of([block.pattern for block in model.blocks])
    m, (n, rank) = len(elements), Q.shape
    trace = np.array([
        float(np.sum(model.blocks[e.block].z[:, e.row] ** 2)) if e.row == e.column
        else 2.0 * float(model.blocks[e.block].z[:, e.row] @ model.blocks[e.block].z[:, e.column])
        for e in elements
    ])  # fmt: skip
    ZQ = [_by_level(block, Q) for block in model.blocks]
    whole, outer = projected_products(model, ZQ)
    inner = np.zeros((m, rank, rank))
    for i, e in enumerate(elements):
        part = ZQ[e.block][:, e.row].T @ ZQ[e.block][:, e.column]
        inner[i] = part if e.row == e.column else part + part.T
    flat = inner.reshape(m, -1)
    seen = whole - 2.0 * outer + flat @ flat.T
    if residual:
        left = trace - np.trace(inner, axis1=1, axis2=2)
        whole = np.block([[whole, trace[:, None]], [trace, np.array([[float(n)]])]])
        seen = np.block([[seen, left[:, None]], [left, np.array([[float(n - rank)]])]])
    return whole, seen


def _by_level(block: RandomBlock, Q: Array) -> Array:
    """Return Z_j'Q of every level, shape (l, k, rank)."""
    k, count = block.z.shape[1], len(block.levels)
    out = np.empty((count, k, Q.shape[1]))
    for r in range(k):
        for c in range(Q.shape[1]):
            out[:, r, c] = np.bincount(block.refs, block.z[:, r] * Q[:, c], count)
    return out


def _back(blocks: list[RandomBlock], changes: list[Array], residual: bool) -> Array:
    """Return the matrix that takes elements of R Sigma R' to those of Sigma; sigma^2 stays."""
    parts = []
    for block, R in zip(blocks, changes, strict=True):
        elements = elements_of([block.pattern])
        inverse = np.linalg.inv(R)
        columns = []
        for e in elements:
            S = np.zeros((len(R), len(R)))
            for place in e.places:
                S[place] = 1.0
            S = inverse @ S @ inverse.T
            columns.append([S[f.row, f.column] for f in elements])
        parts.append(np.array(columns).T)
    return np.asarray(block_diag(*parts, *[np.eye(1)] * residual))


def _reasons(
    flat: Array, elements: list[CovarianceElement], blocks: list[RandomBlock], absorbed: bool
) -> list[str]:
    """Return a sentence for each group of parameters that orthonormal directions connect."""
    linked = np.abs(flat @ flat.T) > SHARE**2
    sentences, left = [], set(np.flatnonzero(np.diag(linked)).tolist())
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {j for i in edge for j in np.flatnonzero(linked[i]).tolist()} - group
        left -= group
        inside = [elements[i] for i in sorted(group) if i < len(elements)]
        sentences.append(_reason(inside, len(elements) in group, blocks, absorbed))
    return sentences


def _reason(
    elements: list[CovarianceElement], sigma: bool, blocks: list[RandomBlock], absorbed: bool
) -> str:
    about = list(dict.fromkeys(e.block for e in elements))
    names = " and ".join(_named(blocks[b], [e for e in elements if e.block == b]) for b in about)
    if absorbed:
        return f"the fixed effects take up all information on the variance of {names}"
    if sigma:
        return f"the variance of {names} cannot be distinguished from the residual variance"
    if len(about) > 1:
        return f"the variances of {names} cannot be distinguished from one another"
    return (
        f"the rows of a level are too few or too much alike to determine the covariances of {names}"
    )


def _named(block: RandomBlock, elements: list[CovarianceElement]) -> str:
    """Return the random effects that elements belong to, as terms are written."""
    columns = sorted({i for e in elements for i in (e.row, e.column)})
    shown = [block.names[i] for i in columns]
    if shown == ["Intercept"]:
        shown = ["1"]
    if len(shown) > 3:
        shown = [*shown[:2], "...", shown[-1]]
    return f"({' + '.join(shown)} | {block.name})"
