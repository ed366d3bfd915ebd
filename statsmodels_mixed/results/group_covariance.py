"""Covariance matrix of the random effects of one grouping factor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .._typing import Array

__all__ = ["GroupCovariance"]


@dataclass(frozen=True)
class GroupCovariance:
    """Covariance matrix of the random effects of one grouping factor.

    Parameters
    ----------
    name : str
        The grouping factor.
    columns : tuple of str
        Names of the k random effects of each level.
    covariance : ndarray, shape (k, k)
        Their covariance matrix, on the scale of the response.
    estimated : ndarray of bool, shape (k, k)
        False where the model fixes the covariance at zero.
    alike : tuple of (int, int)
        Ranges of effects, the places of a covariance structure, that have one variance: they
        print as one row.

    A covariance that the data do not determine has the value at which the fit ended.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> group = fit.varcorr.groups[0]
    >>> group.name, group.columns, group.covariance.round(2).tolist()
    ('subj', ('Intercept', 'days'), [[565.52, 11.06], [11.06, 32.68]])
    """

    name: str
    columns: tuple[str, ...]
    covariance: Array
    estimated: NDArray[np.bool_]
    alike: tuple[tuple[int, int], ...] = ()

    @cached_property
    def shown(self) -> list[tuple[int, str]]:
        """Effects that are printed, and what is written in front of them."""
        rows: list[tuple[int, str]] = []
        hidden = {i: stop for start, stop in self.alike for i in range(start, stop)}
        first = {start for start, _ in self.alike}
        for i, column in enumerate(self.columns):
            if i in first:
                rows.append((i, f"{column} ... {self.columns[hidden[i] - 1]}"))
            elif i not in hidden:
                rows.append((i, column))
        return rows

    @classmethod
    def from_factor(
        cls,
        name: str,
        columns: tuple[str, ...],
        factor: Array,
        pattern: NDArray[np.bool_],
        sigma: float,
    ) -> GroupCovariance:
        """Make the covariance matrix sigma^2 T T'.

        The covariance of two effects is fixed at zero when their rows of T have no free column in
        common.

        Parameters
        ----------
        name : str
            The grouping factor.
        columns : tuple of str
            Names of the k random effects of each level.
        factor : ndarray, shape (k, k)
            The lower triangular factor T.
        pattern : ndarray of bool, shape (k, k)
            Which elements of T are free.
        sigma : float
            The scale.

        Returns
        -------
        GroupCovariance

        Examples
        --------
        >>> factor, pattern = np.array([[2.0, 0.0], [1.0, 3.0]]), np.tri(2, dtype=bool)
        >>> GroupCovariance.from_factor("g", ("Intercept", "x"), factor, pattern, 1.0).covariance
        array([[ 4.,  2.],
               [ 2., 10.]])
        """
        scaled = sigma * factor
        shared = pattern.astype(np.intp) @ pattern.T.astype(np.intp)
        covariance = scaled @ scaled.T
        return cls(name, columns, covariance, shared > 0)

    @cached_property
    def std_dev(self) -> Array:
        """Standard deviations, shape (k,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @cached_property
    def correlation(self) -> Array:
        """Correlation matrix, shape (k, k): NaN where a standard deviation is zero.

        Where the model fixes the covariance at zero it is 0, for any deviations.
        """
        outer = np.outer(self.std_dev, self.std_dev)
        undefined = outer == 0
        correlation = self.covariance / np.where(undefined, 1.0, outer)
        correlation[undefined] = np.nan
        correlation[~self.estimated] = 0.0
        np.fill_diagonal(correlation, 1.0)
        return correlation
