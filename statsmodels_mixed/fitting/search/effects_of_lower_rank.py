"""Covariances of lower rank whose random effects and fixed effects reproduce the response.

Effects L v of r directions, L of k rows and r columns, leave n - rank [X Z L] equations between
the response and [X Z L]; the directions have r (k - r) unknowns. Where these are no fewer,
there may be directions with which X beta + Z L v is the response itself. They are looked for by
Gauss-Newton steps on what projection leaves of it (Golub and Pereyra 1973).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from ..._core import TermCoordinates
from ..._typing import Array
from ...frame.design import Design, RandomBlock
from ..covariance import theta_of, triangular_root

__all__ = ["of_lower_rank"]

# Of more rows the dense matrices that are projected on would be large.
MOST_ROWS = 100
# Combinations of ranks of the terms.
MOST_RANKS = 30
# Where the search begins, and how long it goes on.
STARTS, STEPS, HALVINGS = 8, 30, 8
# Steps of the differences; L has orthonormal columns.
DIFFERENCE = 1e-7
# Lesser singular values of slopes are rounding: turns of directions within their span.
NOISE = 1e-4
# A share of the response that is nothing.
NOTHING = 1e-10


def of_lower_rank(design: Design, X: Array, reml: bool) -> Iterator[Array]:
    """Yield theta of lower rank whose effects reproduce the response beside fixed effects.

    Parameters
    ----------
    design : Design
    X : ndarray, shape (n, p)
        Independent columns.
    reml : bool
        Of the criterion, which is without bound only if [X Z] leaves some rows.
    """
    if design.nobs > MOST_ROWS:
        return
    apart = TermCoordinates(design.blocks, design.weights)
    root = np.ones(design.nobs) if design.weights is None else np.sqrt(design.weights)
    y = root * design.y_less_offset
    terms = [_Term(b, root[:, None] * z) for b, z in zip(design.blocks, apart.z, strict=True)]
    draws = np.random.default_rng(0)
    for ranks in _ranks(terms, design.nobs - X.shape[1]):
        search = _Search(terms, ranks, root[:, None] * X, y)
        if not search.may_succeed(search.drawn(draws), reml):
            continue
        for _ in range(STARTS):
            found = search.run(search.drawn(draws))
            if found is not None:
                T = [term.factor(L) for term, L in zip(terms, found, strict=True)]
                yield apart.outward(theta_of(T, [block.pattern for block in design.blocks]))
                break


class _Term:
    """Columns of unit mean square of the levels of one term, shape (n, l, k)."""

    def __init__(self, block: RandomBlock, z: Array) -> None:
        size = np.sqrt(np.mean(z**2, axis=0))
        self.size = np.where(size > 0, size, 1.0)
        self.k = len(block.pattern)
        self.Z = np.zeros((len(z), block.n_levels, self.k))
        self.Z[np.arange(len(z)), block.refs] = z / self.size
        self.rows = np.bincount(block.refs, minlength=block.n_levels)
        self.turns = not block.has_independent_effects

    def factor(self, L: Array) -> Array:
        """Return the lower triangular T whose columns span those of L."""
        T = np.zeros((self.k, self.k))
        T[:, : L.shape[1]] = triangular_root(L) if self.turns else L
        return T / self.size[:, None]


def _ranks(terms: Sequence[_Term], left: int) -> Iterator[tuple[int, ...]]:
    """Yield ranks of the terms that leave no more equations than directions have unknowns."""
    choices = [range(term.k, -1, -1) if term.turns else (term.k, 0) for term in terms]
    for tried, ranks in enumerate(product(*choices)):
        if tried == MOST_RANKS:
            return
        unknown = sum(r * (term.k - r) for term, r in zip(terms, ranks, strict=True))
        most = sum(int(np.minimum(t.rows, r).sum()) for t, r in zip(terms, ranks, strict=True))
        if 0 < unknown >= left - most:
            yield ranks


class _Search:
    """Directions of given ranks that leave nothing of y."""

    def __init__(self, terms: Sequence[_Term], ranks: tuple[int, ...], X: Array, y: Array) -> None:
        # Units of columns beside those of unit size would leave no digits of what is nothing.
        self._terms, self._ranks, self._X = terms, ranks, np.linalg.qr(X)[0]
        self._y = y - self._X @ (self._X.T @ y)
        self.unknown = sum(r * (term.k - r) for term, r in zip(terms, ranks, strict=True))

    def drawn(self, draws: np.random.Generator) -> list[Array]:
        """Return directions drawn at random."""
        return [
            np.linalg.qr(draws.normal(size=(t.k, t.k)))[0][:, :r] if t.turns else np.eye(t.k)[:, :r]
            for t, r in zip(self._terms, self._ranks, strict=True)
        ]

    def may_succeed(self, L: list[Array], reml: bool) -> bool:
        """Return whether there are no more equations than unknowns, and rows beside Z L."""
        ZL = self._effects(L)
        whole = np.hstack([self._X, ZL])
        left = len(whole) - int(np.linalg.matrix_rank(whole))
        beside = left if reml else len(ZL) - int(np.linalg.matrix_rank(ZL)) if ZL.size else len(ZL)
        return left <= self.unknown and beside > 0

    def run(self, L: list[Array]) -> list[Array] | None:
        """Return directions that leave nothing, if steps from these lead to some."""
        left = self._left(L)
        for _ in range(STEPS):
            step = np.linalg.lstsq(self._slopes(L, left), -left, rcond=NOISE)[0]
            for share in 0.5 ** np.arange(HALVINGS):
                trial = self._moved(L, share * step)
                after = self._left(trial)
                if np.linalg.norm(after) < np.linalg.norm(left):
                    break
            else:  # to the last digit: nothing else is zero of effects 1e12 times sigma
                break
            L, left = trial, after
        return L if np.linalg.norm(left) <= NOTHING * np.linalg.norm(self._y) else None

    def _effects(self, L: list[Array]) -> Array:
        both = zip(self._terms, L, strict=True)
        return np.hstack([(term.Z @ own).reshape(len(term.Z), -1) for term, own in both])

    def _left(self, L: list[Array]) -> Array:
        whole = np.hstack([self._X, self._effects(L)])
        return np.asarray(self._y - whole @ np.linalg.lstsq(whole, self._y)[0])

    def _slopes(self, L: list[Array], left: Array) -> Array:
        steps = DIFFERENCE * np.eye(sum(own.size for own in L))
        return np.array([(self._left(_added(L, h)) - left) / DIFFERENCE for h in steps]).T

    def _moved(self, L: list[Array], step: Array) -> list[Array]:
        return [
            np.linalg.qr(own)[0] if term.turns else before
            for term, own, before in zip(self._terms, _added(L, step), L, strict=True)
        ]


def _added(L: list[Array], step: Array) -> list[Array]:
    at = np.cumsum([own.size for own in L])[:-1]
    return [own + part.reshape(own.shape) for own, part in zip(L, np.split(step, at), strict=True)]
