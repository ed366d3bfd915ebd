"""The parameters of a model by kind and name.

The kinds are ``"beta"`` (coefficients), ``"sigma"`` or ``"dispersion"``, ``"theta"`` (elements
of the factors T), ``"sd"`` and ``"corr"`` (standard deviations and correlations of the random
effects). Names within a kind are those of the results: ``"days"``, ``"subj.days.Intercept"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import OptionError
from ..fitting.covariance import canonical, factors_of, theta_names, theta_of
from ..options import described
from .layout import Layout

__all__ = [
    "KINDS",
    "CovarianceParameters",
    "check_count",
    "parameter_index",
    "quantile_levels",
    "select_kinds",
    "values_by_name",
]

Block = tuple[str, tuple[str, ...], NDArray[np.bool_]]

KINDS = ("beta", "sigma", "dispersion", "theta", "sd", "corr")


@dataclass(frozen=True, eq=False)
class CovarianceParameters:
    """Names and values of the covariance parameters, for many theta at once.

    Parameters
    ----------
    blocks : tuple of (str, tuple of str, ndarray of bool)
        For every random block its name, the names of its k random effects, and which
        elements of T are free, shape (k, k), in the order of theta.
    natural : tuple of str
        For models with correlated residuals, and in profiles of models with covariance
        structures, there are no blocks: these are the names of theta, standard deviations and
        correlations on the scale on which they are reported.
    """

    blocks: tuple[Block, ...]
    natural: tuple[str, ...] = ()

    @classmethod
    def of(cls, layout: Layout) -> CovarianceParameters:
        """Take the names from a layout."""
        return cls(tuple((block.name, block.columns, block.pattern) for block in layout.blocks))

    @classmethod
    def of_result(cls, result: Any) -> CovarianceParameters:
        """Take the names from a fit."""
        if result.takes_correlated:
            return cls((), result.estimates.natural.names)
        return cls.of(result.layout)

    @classmethod
    def as_reported(cls, result: Any) -> CovarianceParameters:
        """Take the names from a fit, those of covariance structures on their natural scale."""
        fit = result.estimates.structured
        return cls.of_result(result) if fit is None else cls((), fit.names)

    @cached_property
    def theta_names(self) -> tuple[str, ...]:
        """Names of the elements of theta."""
        return self.natural or theta_names(self.blocks)

    @cached_property
    def theta_at(self) -> tuple[tuple[int, int, int], ...]:
        """Block, row and column of every element of theta."""
        at = []
        for t, (_, _, pattern) in enumerate(self.blocks):
            columns, rows = np.nonzero(pattern.T)
            at += [(t, int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
        return tuple(at)

    @cached_property
    def sd_at(self) -> tuple[tuple[int, int], ...]:
        """Block and row of every standard deviation."""
        return tuple((t, i) for t, block in enumerate(self.blocks) for i in range(len(block[1])))

    @cached_property
    def corr_at(self) -> tuple[tuple[int, int, int], ...]:
        """Block and rows i > j of every correlation that is not fixed at zero."""
        at = []
        for t, (_, columns, pattern) in enumerate(self.blocks):
            shared = pattern.astype(np.intp) @ pattern.T.astype(np.intp)
            k = len(columns)
            at += [(t, i, j) for j in range(k) for i in range(j + 1, k) if shared[i, j]]
        return tuple(at)

    @cached_property
    def sd_names(self) -> tuple[str, ...]:
        """Names of the standard deviations, such as ``"subj.days"``."""
        return tuple(f"{self.blocks[t][0]}.{self.blocks[t][1][i]}" for t, i in self.sd_at)

    @cached_property
    def corr_names(self) -> tuple[str, ...]:
        """Names of the correlations, such as ``"subj.days.Intercept"``."""
        named = [(self.blocks[t][0], self.blocks[t][1], i, j) for t, i, j in self.corr_at]
        return tuple(f"{name}.{columns[i]}.{columns[j]}" for name, columns, i, j in named)

    @cached_property
    def diagonal(self) -> NDArray[np.intp]:
        """Positions in theta of the diagonal elements of the factors, by block and row."""
        at = {(t, row): n for n, (t, row, column) in enumerate(self.theta_at) if row == column}
        return np.array([at[one] for one in self.sd_at], dtype=np.intp)

    @cached_property
    def owner(self) -> NDArray[np.intp]:
        """Position in theta of the diagonal element above every element of theta."""
        owner = {(t, row): n for n, (t, row, column) in enumerate(self.theta_at) if row == column}
        return np.array([owner[t, column] for t, _, column in self.theta_at], dtype=np.intp)

    def rectify(self, theta: Array) -> Array:
        """Return theta, shape (m, n_theta), in the form of a fit: see `canonical`."""
        if self.natural:
            return theta
        above = theta[:, self.owner]
        out = theta * np.where(above < 0, -1.0, 1.0) + 0.0
        patterns = [pattern for _, _, pattern in self.blocks]
        # Columns below a zero are rotated away.
        for row in np.flatnonzero(((above == 0) & (theta != 0)).any(axis=1)):
            out[row] = theta_of(canonical(factors_of(out[row], patterns), patterns), patterns)
        return out

    def factors(self, theta: Array) -> list[Array]:
        """Return T of every block, shape (m, k, k), for theta of shape (m, n_theta)."""
        out = [np.zeros((len(theta), len(names), len(names))) for _, names, _ in self.blocks]
        for n, (t, row, column) in enumerate(self.theta_at):
            out[t][:, row, column] = theta[:, n]
        return out

    def deviations(self, theta: Array, scale: Array | float) -> Array:
        """Return the standard deviations.

        Parameters
        ----------
        theta : ndarray, shape (m, n_theta)
        scale : ndarray, shape (m,), or float
            The s in Cov(b_j) = s^2 T T'.

        Returns
        -------
        ndarray, shape (m, n_sd)
        """
        if not self.blocks:
            return np.empty((len(theta), 0))
        lengths = [np.sqrt(np.einsum("mij,mij->mi", T, T)) for T in self.factors(theta)]
        return np.asarray(np.hstack(lengths) * np.reshape(scale, (-1, 1)))

    def correlations(self, theta: Array) -> Array:
        """Return the correlations, shape (m, n_corr): NaN where a deviation is zero."""
        factors = self.factors(theta)
        out = np.empty((len(theta), len(self.corr_at)))
        with np.errstate(all="ignore"):
            for n, (t, i, j) in enumerate(self.corr_at):
                a, b = factors[t][:, i], factors[t][:, j]
                squares = np.einsum("mc,mc->m", a, a) * np.einsum("mc,mc->m", b, b)
                out[:, n] = np.clip(np.einsum("mc,mc->m", a, b) / np.sqrt(squares), -1.0, 1.0)
        return out


def parameter_index(pairs: Sequence[tuple[str, str]]) -> pd.MultiIndex:
    """Return the labels of parameters given as (kind, name)."""
    return pd.MultiIndex.from_tuples(list(pairs), names=["kind", "name"])


def select_kinds(kinds: str | Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """Check the kinds that are asked for; None means all that are known.

    Raises
    ------
    OptionError
        If the model has no parameters of such a kind.
    """
    if kinds is None:
        return tuple(known)
    asked = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in asked:
        if kind not in known:
            raise OptionError(f"there is no {kind!r} here; choose from {', '.join(known)}.")
    return asked


def quantile_levels(alpha: float) -> tuple[float, float]:
    """Return alpha/2 and 1 - alpha/2.

    Raises
    ------
    OptionError
        If alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise OptionError(f"alpha must be between 0 and 1, not {alpha!r}.")
    return alpha / 2, 1 - alpha / 2


# Draws and replicates are counted in 32 bits.
MOST = 2**31


def check_count(n: Any, what: str) -> int:
    """Return a number of draws or replicates.

    Raises
    ------
    OptionError
        If it is not a whole number from 1 to below 2**31.
    """
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise OptionError(f"n={n!r} is not possible; give a number of {what} >= 1.")
    if n >= MOST:
        raise OptionError(f"n is too large; give a number of {what} below {MOST}.")
    return int(n)


def values_by_name(option: str, given: Any, names: Sequence[str], estimates: Array) -> Any:
    """Return values in the order of the model, if they are given by name.

    Parameters
    ----------
    option : str
        What they are given as, for messages.
    given : mapping or Series of names to values, or anything else
        Anything else is returned as it is.
    names : sequence of str
    estimates : ndarray
        Values of the names that are left out.

    Raises
    ------
    OptionError
        If the model has no such name, or what is given is no number.
    """
    if isinstance(given, pd.Series) and not pd.api.types.is_integer_dtype(given.index):
        given = given.to_dict()
    if not isinstance(given, Mapping):
        return given
    values = dict(zip(names, estimates, strict=True))
    for name in given:
        if name not in values:
            known = ", ".join(map(repr, names))
            raise OptionError(f"{option}= names {name!r}; the model has estimates of {known}.")
        if not isinstance(given[name], Real):
            raise OptionError(
                f"{option}= has no number for {name!r}, but {described(given[name])}."
            )
    return [given.get(name, value) for name, value in values.items()]
