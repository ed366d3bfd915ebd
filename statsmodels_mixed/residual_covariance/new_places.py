"""New rows in the covariance of the residuals: their subjects, and places seen or not.

A place that no row of the fit has takes its covariances with the others from the structure, where
it has them everywhere (correlations by time or distance); other
structures have covariances for the places of the data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, Positions
from ..errors import DataError, OptionError
from ..formula.residual import DispersionTerm, ResidualTerm
from ..frame.matrices.factor_values import Labels
from .cells import EXCHANGEABLE, Cells, check_places, read_column, repeats
from .covariance import ResponseCovariance
from .dispersion import Centred

__all__ = ["NewPlaces", "codes_of_subjects", "known_subjects", "log_deviations", "new_places"]

Columns = Mapping[str, Any]
# The values that say what a place or a subject is: labels, or numbers.
Key = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class NewPlaces:
    """Where new rows are, and the covariances of their residuals before dispersion and weights.

    Parameters
    ----------
    sigmas : tuple of ndarray
        Of each stratum, the covariances of its places and of those that the fit has not.
    columns : tuple of slice
        Of each stratum, its places among the K of the fit.
    stratum, at : ndarray of int, shape (m,)
        The stratum of each new row, and its place in the matrix of that.
    """

    sigmas: tuple[Array, ...]
    columns: tuple[slice, ...]
    stratum: Positions
    at: Positions

    @property
    def variance(self) -> Array:
        """Variances, shape (m,)."""
        out = np.zeros(len(self.at))
        for i, sigma in enumerate(self.sigmas):
            rows = self.stratum == i
            out[rows] = np.diag(sigma)[self.at[rows]]
        return out

    @property
    def cross(self) -> Array:
        """Covariances with residuals of the same subject at all places of the fit, (m, K)."""
        out = np.zeros((len(self.at), self.columns[-1].stop))
        for i, (sigma, columns) in enumerate(zip(self.sigmas, self.columns, strict=True)):
            rows = self.stratum == i
            out[rows, columns] = sigma[self.at[rows], : columns.stop - columns.start]
        return out

    def among(self, rows: Positions) -> Array:
        """Return the covariances of some new rows, which are of one subject."""
        out = np.zeros((len(rows),) * 2)
        for i, sigma in enumerate(self.sigmas):
            own = np.flatnonzero(self.stratum[rows] == i)
            out[np.ix_(own, own)] = sigma[np.ix_(self.at[rows[own]], self.at[rows[own]])]
        return out


def _keys(names: tuple[str, ...], columns: Columns) -> list[Key]:
    """Return the values of some columns in each row: labels, or numbers."""
    parts = []
    for name in names:
        value = read_column(name, columns)
        if isinstance(value, Labels):
            parts.append(value.levels.take(value.codes).tolist())
        else:
            parts.append(np.asarray(value[:, 0], dtype=float).tolist())
    return list(zip(*parts, strict=True))


def known_subjects(cells: Cells, old: Columns, new: Columns, m: int) -> Positions:
    """Return the numbers of the subjects of m new rows in the fit; -1 for one it has not seen."""
    if cells.term is None:  # every row is a subject
        return np.full(m, -1, dtype=np.intp)
    if not cells.term.subject:  # all rows are of one
        return np.zeros(m, dtype=np.intp)
    seen = dict(zip(_keys(cells.term.subject, old), cells.subject.tolist(), strict=True))
    wanted = _keys(cells.term.subject, new)
    return np.array([seen.get(key, -1) for key in wanted], dtype=np.intp)


def codes_of_subjects(cells: Cells, new: Columns, m: int) -> Positions:
    """Return the numbers of the subjects of m new rows among themselves."""
    if cells.term is None:
        return np.arange(m)
    if not cells.term.subject:
        return np.zeros(m, dtype=np.intp)
    keys = _keys(cells.term.subject, new)
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], dtype=np.intp)


def new_places(
    cells: Cells,
    model: ResponseCovariance,
    x: Array,
    old: Columns,
    new: Columns,
    m: int,
    codes: Positions | None = None,
) -> NewPlaces:
    """Find new rows among the places of a fit.

    Parameters
    ----------
    cells : Cells
        Of the rows of the fit.
    model : ResponseCovariance
    x : ndarray
        Coordinates of the covariance parameters.
    old, new : mapping
        The columns that the residual's term names, of the rows of the fit and of new ones.
    m : int
        Number of new rows.
    codes : ndarray of int, shape (m,), optional
        Their subjects, where covariances among the new rows are wanted.

    Raises
    ------
    DataError
        If the structure has no covariances for a place, or two rows of a subject are at one.
    """
    term, stratum, at = cells.term, np.zeros(m, dtype=np.intp), np.zeros(m, dtype=np.intp)
    columns = tuple(part.columns for part in model.residuals)
    if term is None:
        return NewPlaces((model.at(x).sigma,), columns, stratum, at)
    if term.by is not None:
        known = {label: i for i, label in enumerate(cells.strata)}
        labels = [key[0] for key in _keys((term.by,), new)]
        for label in labels:
            if label not in known:
                raise DataError(
                    f"{term.text}: {term.by} has no {label!r} in the data of the model."
                )
        stratum = np.array([known[label] for label in labels], dtype=np.intp)
    kept, wanted = _keys(term.places, old), _keys(term.places, new)
    sigmas = []
    for i, part in enumerate(model.residuals):
        rows = np.flatnonzero(stratum == i)
        own = _Stratum(term, part.free.structure, part.free.phi(x[part.parameters]))
        subjects = None if codes is None else codes[rows]
        if not len(rows):
            sigma = own.sigma
        elif not term.places:
            sigma, at[rows] = own.with_one_more(len(rows), subjects)
        else:
            seen = [kept[row] for row in _first_rows(cells, part.columns)]
            sigma, at[rows] = own.with_places(seen, [wanted[row] for row in rows], subjects)
        sigmas.append(sigma)
    return NewPlaces(tuple(sigmas), columns, stratum, at)


def _first_rows(cells: Cells, places: slice) -> Positions:
    """Return a row of the fit at each of some places."""
    first = np.full(places.stop - places.start, -1, dtype=np.intp)
    rows = np.flatnonzero((cells.place >= places.start) & (cells.place < places.stop))
    first[cells.place[rows] - places.start] = rows
    return first


@dataclass(frozen=True, eq=False)
class _Stratum:
    """The covariances of one stratum, of the places of the fit and of others.

    Parameters
    ----------
    term : ResidualTerm
    structure : Structure
        With the k places of the fit.
    phi : ndarray
        Its parameters.
    """

    term: ResidualTerm
    structure: Any
    phi: Array

    @property
    def sigma(self) -> Array:
        """Of the places of the fit, shape (k, k)."""
        return np.asarray(self.structure.sigma(self.phi))

    def with_one_more(self, m: int, subjects: Positions | None) -> tuple[Array, Positions]:
        """Give each of m rows a place that its subject has not, where places have no names.

        Returns
        -------
        sigma : ndarray, shape (k + j, k + j)
        at : ndarray of int, shape (m,)
            Where the rows are in it.
        """
        k = self.structure.k
        own = np.zeros(m, dtype=np.intp) if subjects is None else repeats(subjects)
        return self._exchangeable(k + 1 + int(own.max())), k + own

    def with_places(
        self, seen: list[Key], wanted: list[Key], subjects: Positions | None
    ) -> tuple[Array, Positions]:
        """Find rows among the places of the fit, and those that are not beside them.

        Parameters
        ----------
        seen : list of tuple, length k
            The values of the places of the fit.
        wanted : list of tuple, length m
            Those of the rows.
        subjects : ndarray of int, shape (m,), optional

        Returns
        -------
        sigma, at
            As of `with_one_more`.
        """
        place = {key: i for i, key in enumerate(dict.fromkeys([*seen, *wanted]))}
        unseen = list(place)[len(seen) :]
        sigma = self._beside(seen, unseen) if unseen else self.sigma
        at = np.array([place[key] for key in wanted], dtype=np.intp)
        if subjects is not None:
            names = tuple(", ".join(map(str, key)) for key in place)
            check_places(self.term, names, at, subjects)
        return sigma, at

    def _beside(self, seen: list[Key], unseen: list[Key]) -> Array:
        """Return Sigma of the places of the fit, and of others after them."""
        text = self.term.text
        name = f"{' & '.join(self.term.places)} {', '.join(map(str, unseen[0]))}"
        positions = _positions(self.structure, np.array(seen, dtype=object), unseen)
        if positions is None and self.term.kind not in EXCHANGEABLE:
            raise DataError(f"{text} has no {name} in the data of the model.")
        try:
            if positions is None:
                return self._exchangeable(len(seen) + len(unseen))
            joined = self.structure.at(np.concatenate([self.structure.positions, positions]))
        except OptionError as error:
            raise DataError(f"{text} has no {name} in the data of the model: {error}") from error
        sigma = np.asarray(joined.sigma(self.phi), dtype=float)
        if not np.isfinite(sigma).all():
            raise DataError(f"{text} has no covariances at {name}.")
        return sigma

    def _exchangeable(self, k: int) -> Array:
        """Return Sigma of k places that all have one variance and one correlation."""
        return np.asarray(self.structure.bind([str(i) for i in range(k)]).sigma(self.phi))


def _positions(structure: Any, values: Any, unseen: list[Key]) -> Array | None:
    """Return positions of unseen places as the structure counts them; None if it cannot."""
    numeric = all(isinstance(value, float) for key in unseen for value in key)
    if structure.needs not in ("coordinates", "steps") or not numeric:
        return None
    there, positions = np.asarray(values, dtype=float), structure.positions
    wanted = np.array(unseen, dtype=float)
    if structure.needs == "coordinates":
        return wanted
    low, high = int(np.argmin(there[:, 0])), int(np.argmax(there[:, 0]))
    steps = float(positions[high, 0] - positions[low, 0])
    size = (there[high, 0] - there[low, 0]) / steps if steps else 1.0
    return np.asarray((wanted - there[low]) / size + positions[low])


def log_deviations(
    term: DispersionTerm | None,
    centred: Centred | None,
    made: Array | None,
    gamma: Array,
    new: pd.DataFrame,
) -> Array:
    """Return log of what the standard deviations of new residuals are multiplied by.

    Parameters
    ----------
    term : DispersionTerm or None
    centred : Centred or None
        How its columns become those that gamma are the coefficients of.
    made : ndarray, shape (m, d), or None
        The columns of a formula for the new rows.
    gamma : ndarray, shape (d,)
    new : DataFrame
        The column of other dispersions, in new rows.
    """
    if term is None or centred is None:
        return np.zeros(len(new))
    if made is None:
        x = np.asarray(new[term.code], dtype=float)
        made = (np.log(np.abs(x)) if term.kind == "power" else x)[:, None]
    return np.asarray(centred.columns(made) @ gamma)
