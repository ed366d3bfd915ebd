"""What of a fit depends on covariance parameters that the data do not determine.

Along a flat direction (see `identification`) the objective does not change, but other numbers
may: standard errors of coefficients that a random effect is confounded with, conditional
modes that two terms share. Both are solved for at two points of each direction; what differs
is not determined, and what does not holds for any of these parameters. Covariates far from zero
leave no digits of directions in the covariances of intercepts and slopes, which are nearly one:
they are taken where the columns of a term are orthogonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core import TermCoordinates
from .._typing import Array
from ..fitting.apart import columns_apart
from ..fitting.covariance import CovarianceElement
from ..fitting.estimates import Estimates
from ..fitting.identification import Identification
from ..fitting.problem import problem_of
from ..frame.design import Design

__all__ = ["Pair", "Undetermined", "undetermined"]


# Relative difference between two points of a flat direction that is more than rounding.
DIFFERENT = 1e-5
# How far apart the points are: share of the distance at which a covariance would be negative.
STEP = 0.5
# Standard deviations of effects over sigma that are not made smaller.
LARGE = 1e2
# Share of each variance by which covariances of lower rank, however large, are made definite.
SINGULAR = 1e-12


@dataclass(frozen=True)
class Pair:
    """The estimates that belong to two points of one flat direction.

    Parameters
    ----------
    here, there : Estimates
        With the covariance parameters, coefficients, covariance of these and conditional
        modes; all else is that of the fit.
    """

    here: Estimates
    there: Estimates


@dataclass(frozen=True, eq=False)
class Undetermined:
    """What changes along the flat directions of a fit.

    Parameters
    ----------
    pairs : tuple of Pair, length d
    beta : ndarray, shape (d, rank)
        Changes of the coefficients.
    covariance : ndarray, shape (d, rank, rank)
        Changes of their covariance given the covariance parameters.
    size : ndarray, shape (rank, rank)
        That covariance, by which changes are judged.
    """

    pairs: tuple[Pair, ...]
    beta: Array
    covariance: Array
    size: Array

    def estimates(self, rows: Array) -> NDArray[np.bool_]:
        """Return which combinations, (m, rank), of coefficients change, shape (m,)."""
        error = np.sqrt(np.einsum("mi,ij,mj->m", rows, self.size, rows))
        return np.asarray((np.abs(rows @ self.beta.T) > DIFFERENT * error[:, None]).any(axis=1))

    def covariances(self, rows: Array, others: Array | None = None) -> NDArray[np.bool_]:
        """Return which covariances between combinations change, shape (m, l)."""
        others = rows if others is None else others
        left, right = (
            np.sqrt(np.einsum("mi,ij,mj->m", each, self.size, each)) for each in (rows, others)
        )
        change = np.abs(rows @ self.covariance @ others.T).max(axis=0, initial=0.0)
        return np.asarray(change > DIFFERENT * np.outer(left, right))

    def tests(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Return which combinations have an estimate or a variance that changes, shape (m,)."""
        rows = np.atleast_2d(np.asarray(rows, dtype=float))
        return np.asarray(self.estimates(rows) | np.diag(self.covariances(rows)))

    def joint(self, rows: Array) -> bool:
        """Return whether a joint test of combinations changes."""
        return bool(self.estimates(rows).any() or self.covariances(rows).any())

    def modes(self, scale: float) -> list[NDArray[np.bool_]]:
        """Return which conditional modes change, (l, k) of every block, against a scale of y."""
        found = []
        for i in range(len(self.pairs[0].here.b)):
            parts = [(pair.here.b[i], pair.there.b[i]) for pair in self.pairs]
            size = scale + max(max(np.abs(a).max(), np.abs(b).max()) for a, b in parts)
            found.append(np.any([np.abs(a - b) > DIFFERENT * size for a, b in parts], axis=0))
        return found

    def conditional_variances(self, design: Design, matrices: Sequence[Array]) -> tuple[Array, ...]:
        """Return conditional variances of modes, (l, k, k) by block, NaN where they change."""
        out = [matrix.copy() for matrix in matrices]
        for pair in self.pairs:
            both = (
                problem_of(design, each).conditional_variances() for each in (pair.here, pair.there)
            )
            for matrix, here, there in zip(out, *both, strict=True):
                sizes = np.sqrt(np.einsum("lkk->lk", here))
                bound = DIFFERENT * sizes[:, :, None] * sizes[:, None]
                matrix[np.abs(there - here) > bound] = np.nan
        return tuple(out)


def undetermined(design: Design, estimates: Estimates) -> Undetermined | None:
    """Return what changes along the flat directions of a fit; None if there are none."""
    if not estimates.identification.dimension:
        return None
    own: Any = estimates  # a protocol has no fields that could be replaced
    near, inner, apart = columns_apart(design, own)
    if apart.trivial:
        pairs = _pairs(design, estimates, estimates.identification)
    else:
        found = _pairs(near, inner, problem_of(near, inner).identification())
        pairs = [Pair(_outward(apart, p.here), _outward(apart, p.there)) for p in found]
    if not pairs:
        return None
    beta = np.array([pair.there.beta - pair.here.beta for pair in pairs])
    covariance = np.array([p.there.cov_conditional - p.here.cov_conditional for p in pairs])
    return Undetermined(tuple(pairs), beta, covariance, pairs[0].here.cov_conditional)


def _outward(apart: TermCoordinates, estimates: Any) -> Estimates:
    """Return estimates as they are of the columns of the model."""
    factors = tuple(
        T if C is None else C @ T for C, T in zip(apart.C, estimates.factors, strict=True)
    )
    theta, b = apart.outward(estimates.theta), apart.effects(estimates.b)
    outer: Estimates = replace(estimates, theta=theta, factors=factors, b=b)
    return outer


def _pairs(design: Design, estimates: Estimates, identification: Identification) -> list[Pair]:
    """Return two points of each flat direction."""
    patterns = [block.pattern for block in design.blocks]
    scale, residual = estimates.effects_scale**2, estimates.dispersion
    problem = problem_of(design, estimates)
    around = [
        scale * _definite(T @ T.T, block.column_sizes(nobs=design.nobs))
        for T, block in zip(estimates.factors, design.blocks, strict=True)
    ]
    pairs = []
    for direction in identification.flat.T:
        moved = _matrices(direction, identification.elements, patterns)
        extra = direction[len(identification.elements) :]
        # How fast any eigenvalue moves, as a share of itself.
        speeds = [
            np.linalg.eigvals(np.linalg.solve(S, D)) for S, D in zip(around, moved, strict=True)
        ]
        reach = float(np.abs(np.concatenate([*speeds, extra / residual])).max())
        there = [S + STEP / reach * D for S, D in zip(around, moved, strict=True)]
        further = residual + STEP / reach * float(extra.sum())
        pairs.append(
            Pair(
                problem.solved_at(around, residual),
                problem.solved_at(there, further),
            )
        )
    return pairs


def _definite(covariance: Array, sizes: Array) -> Array:
    """Return a covariance matrix, perhaps of lower rank, with what makes it definite in doubles.

    Variances that are not determined may be 1e18 times those of others, and no change that leaves
    these positive would be seen in them. They are made smaller: what changes does so anywhere.
    """
    sds = np.sqrt(covariance.diagonal()) * sizes
    shrunk = np.minimum(1.0, LARGE / np.maximum(sds, LARGE))
    covariance = covariance * np.outer(shrunk, shrunk)
    return covariance + np.diag(1.0 / sizes**2 + SINGULAR * covariance.diagonal())


def _matrices(
    direction: Array, elements: Sequence[CovarianceElement], patterns: Sequence[NDArray[np.bool_]]
) -> list[Array]:
    """Return changes of the covariance matrices of all blocks."""
    matrices = [np.zeros(pattern.shape) for pattern in patterns]
    for element, value in zip(elements, direction, strict=False):
        for place in element.places:
            matrices[element.block][place] = value
    return matrices
