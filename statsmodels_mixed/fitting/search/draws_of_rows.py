"""Draws that belong to the rows of the data, not to the coordinates of parameters.

Random coefficients of a basis, or factors for one element of T after another, are other
predictors where contrasts, units or the order of rows and terms are others: searches from them end
elsewhere, although the model is the same. Here a shift of the linear predictor is the projection of
a random function of each row, cos(a y + b eta + c), on the columns of X (random features, Rahimi
and Recht 2007); and variances are multiplied along the principal axes of what effects add to the
rows, in the order of how much the rows ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core import TermCoordinates
from ..._typing import Array
from ...frame.design import RandomBlock
from ..covariance import components, factors_of, theta_of, triangular_root

__all__ = ["DrawsOfRows"]

# Standard deviation of the frequencies a and b: functions of rows have a few waves.
FREQUENCY = 2.0
# A feature that varies by less than this share of its size, or of what a row can detect, is
# constant but for rounding.
CONSTANT = 1e-8
# Axes along which effects add less than this share of what a row can detect have no variance.
NONE = 0.01


class DrawsOfRows:
    """Random starts that are the same, but for rounding, for every form of a model.

    Copies of rows that share their weight are more rows, of which each can detect less.

    Parameters
    ----------
    blocks : sequence of RandomBlock
    coordinates : TermCoordinates
        Those of the core.
    Q : ndarray, shape (n, p)
        Columns of the working coefficients, orthogonal with one length.
    y : ndarray, shape (n,)
        The response.
    eta, slopes : ndarray, shape (n,)
        The linear predictor without random effects, and the derivatives of the log-likelihoods of
        the rows there.
    unit : float
        The change in the linear predictor that one row can detect.
    """

    def __init__(
        self,
        blocks: Sequence[RandomBlock],
        coordinates: TermCoordinates,
        Q: Array,
        y: Array,
        eta: Array,
        slopes: Array,
        unit: float,
    ) -> None:
        self.Q, self.unit, self.coordinates = Q, unit, coordinates
        self.patterns = [block.pattern for block in blocks]
        self.features = np.column_stack([_standardized(y, 0.0), _standardized(eta, unit)])
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)
        self._groups = [
            (t, _Group(group, block, z, slopes))
            for t, (block, z) in enumerate(zip(blocks, coordinates.z, strict=True))
            for group in components(block.pattern)
        ]
        self._of_theta, self._of_shifts = np.random.default_rng(0), np.random.default_rng(1)
        self._of_others = np.random.default_rng(2)

    def theta(self, end: Array, fill: float) -> Array:
        """Return theta with variances along axes between a tenth and ten times those of an end.

        Parameters
        ----------
        end : ndarray, shape (n_theta,)
        fill : float
            Standard deviation of what effects without variance at the end add to a row.
        """
        factors = [T.copy() for T in factors_of(self.coordinates.inward(end), self.patterns)]
        axes = [group.axes(factors[t], NONE * self.unit) for t, group in self._groups]
        keys = np.concatenate([key for _, _, key in axes])
        draws = np.empty(len(keys))
        draws[np.argsort(-keys, kind="stable")] = self._of_theta.uniform(-1.0, 1.0, len(keys))
        at = 0
        for (t, group), (U, sizes, _) in zip(self._groups, axes, strict=True):
            new = np.where(sizes == 0.0, fill, sizes) * 10.0 ** draws[at : at + len(sizes)]
            at += len(sizes)
            group.put(factors[t], U * new)
        return self.coordinates.outward(theta_of(factors, self.patterns))

    def shift(self) -> Array:
        """Return a random shift of the working coefficients, of p elements of mean square 1."""
        draws, p = self._of_shifts, self.Q.shape[1]
        waves = FREQUENCY * draws.normal(size=2)
        values = np.cos(self.features @ waves + draws.uniform(0.0, 2.0 * np.pi))
        length = np.sqrt(draws.chisquare(p)) if p else 0.0
        direction = self.Q.T @ values / len(values)
        norm = float(np.linalg.norm(direction))
        return direction * (length / norm) if norm > CONSTANT else 0.0 * direction

    def others(self, number: int) -> Array:
        """Return random shifts of parameters beside coefficients, of mean square 1."""
        return np.asarray(self._of_others.normal(size=number))


def _standardized(values: Array, unit: float) -> Array:
    """Return values of mean 0 and mean square 1; zeros where they hardly vary."""
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    if not spread > CONSTANT * (unit + float(np.abs(values).max())):
        return np.zeros(len(values))
    return np.asarray(centred / spread)


class _Group:
    """Effects of one term that may be correlated, where what they add to rows is orthonormal.

    Parameters
    ----------
    members : ndarray of int, shape (k,)
        Their columns.
    block : RandomBlock
    z : ndarray, shape (n, all columns)
        In the core's coordinates.
    slopes : ndarray, shape (n,)
        Of the rows.
    """

    def __init__(
        self, members: NDArray[np.intp], block: RandomBlock, z: Array, slopes: Array
    ) -> None:
        own, k = z[:, members], len(members)
        part = block.pattern[np.ix_(members, members)]
        self.at = np.ix_(members, members)
        self.full = int(part.sum()) == k * (k + 1) // 2
        gram = own.T @ own / len(own)
        try:
            self.root = np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            size = np.sqrt(np.diag(gram))
            self.root = np.diag(np.where(size > 0, size, 1.0))
        sums = np.zeros((block.n_levels, k))
        np.add.at(sums, block.refs, own * slopes[:, None])
        self.asked = np.linalg.solve(self.root, sums.T)  # by effects that are orthonormal

    def axes(self, T: Array, none: float) -> tuple[Array, Array, Array]:
        """Return principal axes, what effects along them add to a row, and what rows ask of them.

        Axes along which nothing is added are those of what is asked.
        """
        if not self.full:
            rows = self.root.diagonal() * np.linalg.norm(T[self.at], axis=1)
            return np.eye(len(rows)), np.where(rows > none, rows, 0.0), np.sum(self.asked**2, 1)
        U, sizes, _ = np.linalg.svd(self.root.T @ T[self.at])
        free = sizes <= none
        if free.any():
            sizes[free] = 0.0
            empty = U[:, free]
            U[:, free] = empty @ np.linalg.svd(empty.T @ self.asked)[0]
        return U, sizes, np.sum((U.T @ self.asked) ** 2, axis=1)

    def put(self, T: Array, axes: Array) -> None:
        """Set the part of T with these axes, as long as what effects along them add."""
        if self.full:
            T[self.at] = triangular_root(np.linalg.solve(self.root.T, axes))
            return
        part, unit = T[self.at], self.root.diagonal()
        size, new = unit * np.linalg.norm(part, axis=1), axes.diagonal()
        kept = part * np.divide(new, size, out=np.zeros(len(size)), where=size > 0)[:, None]
        T[self.at] = kept + np.diag(np.where(size > 0, 0.0, new / unit))
