"""Effects that are places: one for each time, or each point in space, that occurs in the data.

Left of the bar of a covariance structure such as ``ar1(0 + t | g)`` are not effects of t but its
values: Z has an indicator for each. Their order and their distances are those of the values;
labels that are all numbers count as such, other categories come in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError, FormulaError, OptionError
from ..structures import common_step
from .matrices.coding import CodedMatrix, Matrix
from .matrices.factors import CodedFactor, Rows
from .table.table import name_rows

__all__ = [
    "OwnPlaceMatrix",
    "PlaceMatrix",
    "place_matrix",
    "refuse_many_places",
    "refuse_many_related",
]


# A covariance matrix of more places than this is too large to be dense.
MOST_PLACES = 2000
# Related levels have effects at all places of any level, whose factor is dense.
MOST_RELATED = 4000


@dataclass(frozen=True, eq=False)
class PlaceMatrix:
    """Indicators of places; see `Matrix`.

    Parameters
    ----------
    term : str
        As the formula has it, for messages.
    factors : tuple of CodedFactor
        The coordinates, or the single factor whose levels are the places.
    values : ndarray, shape (k, d)
        Coordinates of each place as the data have them; codes of categories.
    positions : ndarray, shape (k, d)
        What a covariance structure sees of them: ranks, steps or coordinates.
    labels : tuple of str
        What distinguishes the places.
    names : tuple of str
        Names of the columns.
    origin, step : float
        Positions of numeric times are (t - origin) / step.
    metric : bool
        Whether positions other than those of the data make sense.
    """

    term: str
    factors: tuple[CodedFactor, ...]
    values: Array
    positions: Array
    labels: tuple[str, ...]
    names: tuple[str, ...]
    origin: float = 0.0
    step: float = 1.0
    metric: bool = False

    @property
    def slices(self) -> dict[str, slice]:
        """All columns, under the name of the coordinates."""
        return {":".join(factor.label for factor in self.factors): slice(0, len(self.names))}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        names = (name for factor in self.factors for name in factor.source.columns)
        return tuple(dict.fromkeys(names))

    def values_of(self, rows: Rows) -> Array:
        """Return the coordinates of rows, shape (n, d)."""
        return _values(self.factors, rows)

    def positions_of(self, rows: Rows) -> Array:
        """Return what a covariance structure sees of the places of rows, shape (n, d).

        They need not be places of the data, unless they are categories or only ordered.
        """
        at = self.places_of(rows)
        if not self.metric:
            if (at < 0).any():
                raise DataError(self._unknown(rows, at))
            return self.positions[at]
        return (self.values_of(rows) - self.origin) / self.step

    def places_of(self, rows: Rows) -> NDArray[np.intp]:
        """Return the place of each row, -1 where it is none of the data."""
        values = self.values_of(rows)
        both = np.concatenate([self.values, values])
        _, inverse = np.unique(both, axis=0, return_inverse=True)
        inverse = inverse.ravel()
        place = np.full(len(both), -1, dtype=np.intp)
        place[inverse[: len(self.values)]] = np.arange(len(self.values))
        return np.asarray(place[inverse[len(self.values) :]])

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the indicators of these rows into `out`, shape (n, k)."""
        at = self.places_of(rows)
        if (at < 0).any():
            raise DataError(self._unknown(rows, at))
        out[...] = 0.0
        out[np.arange(len(at)), at] = 1.0

    def _unknown(self, rows: Rows, at: NDArray[np.intp]) -> str:
        for factor, values in zip(self.factors, self.values_of(rows).T, strict=True):
            absent = np.isnan(values)
            if absent.any():
                return (
                    f"{factor.label!r} is missing in {name_rows(absent, rows.index)}: leave such "
                    'rows out, as missing="drop" does for those of a model.'
                )
        shown = ", ".join(
            f"{factor.label}={value:g}"
            for factor, value in zip(self.factors, self.values_of(rows)[at < 0][0], strict=True)
        )
        return f"{self.term} has no place {shown} in the data of the model."


@dataclass(frozen=True, eq=False)
class OwnPlaceMatrix:
    """Columns of effects at places of their own; see `Matrix`.

    Parameters
    ----------
    places : PlaceMatrix
        All places.
    sets : ndarray of int, shape (l, k)
        The places of each level, ascending, and then -1.
    names : tuple of str, length k
        Names of the columns.
    place : ndarray of int, shape (n,)
        Which of the places of its level each row of the data has.
    """

    places: PlaceMatrix
    sets: NDArray[np.intp]
    names: tuple[str, ...]
    place: NDArray[np.intp]

    @property
    def slices(self) -> dict[str, slice]:
        """All columns, under the name of the coordinates."""
        return {name: slice(0, len(self.names)) for name in self.places.slices}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        return self.places.columns

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which places there are, shape (l, k)."""
        return np.asarray(self.sets >= 0)

    @property
    def positions(self) -> Array:
        """Positions of the places of each level, shape (l, k, d); where there is none, the first.

        A structure that is bound to these sees no distance between what is none.
        """
        return self.places.positions[np.where(self.present, self.sets, self.sets[:, :1])]

    def fill(self, rows: Rows, out: Array) -> None:
        """Write what a row of a level that is not known has: the first place, as any other.

        All have one variance. For rows of the data see `OwnPlaces`, for those of levels that are
        known `prediction.own_places`.
        """
        out[...] = 0.0
        out[:, 0] = 1.0

    def labels(self) -> NDArray[np.str_]:
        """Return the names of the places of every level, (l, k), empty where there is none."""
        return np.asarray([*self.places.names, ""])[self.sets]

    def of_level(self, level: int) -> NDArray[np.intp]:
        """Return the places of a level."""
        own = self.sets[level]
        return np.asarray(own[own >= 0])

    def without_rows(self) -> OwnPlaceMatrix:
        """Return the same without those of the data."""
        return replace(self, place=np.empty(0, dtype=np.intp))


def refuse_many_places(places: PlaceMatrix) -> None:
    """Refuse a dense covariance matrix of too many places."""
    if len(places.values) > MOST_PLACES:
        raise DataError(
            f"{places.term} has {len(places.values)} places; a covariance matrix of more than "
            f"{MOST_PLACES} is too large."
        )


def refuse_many_related(places: PlaceMatrix, levels: int, group: str) -> None:
    """Refuse effects of related levels at too many places, most of them those of others."""
    effects = levels * len(places.values)
    if effects > MOST_RELATED:
        raise DataError(
            f"{places.term} has {len(places.values)} places for {levels} levels of {group!r} that "
            f"are related, {effects} effects; more than {MOST_RELATED} are too many: round the "
            "places, so that levels share them."
        )


def _values(factors: tuple[CodedFactor, ...], rows: Rows) -> Array:
    """Return the values of numeric factors, or the codes of a single categorical one."""
    values = [np.asarray(rows.value_of(factor), dtype=float) for factor in factors]
    return np.column_stack([one.reshape(len(rows.index), -1) for one in values])


def _as_numbers(factor: CodedFactor) -> Array | None:
    """Return the levels of a factor as numbers, if they all are."""
    levels = [] if factor.categories is None else list(factor.categories)
    try:
        numbers = np.array([float(str(level)) for level in levels])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() and len(set(numbers)) == len(numbers) else None


def place_matrix(term: str, matrix: Matrix, needs: str, rows: Rows) -> PlaceMatrix:
    """Make the indicators of the places that occur.

    Parameters
    ----------
    term : str
        As the formula has it.
    matrix : CodedMatrix
        Of the left side of its bar, without an intercept.
    needs : {"order", "steps", "coordinates"}
        What the covariance structure looks at.
    rows : Rows
        The data.

    Raises
    ------
    FormulaError
        If the left side does not say where an observation is.
    DataError
        If the values do not fit the structure.
    """
    assert isinstance(matrix, CodedMatrix)
    factors = matrix.factors
    if any(len(piece.factors) != 1 for one in matrix.terms for piece in one.pieces):
        raise FormulaError(f"left of the bar of {term} are places: columns, not their products.")
    labelled = [factor for factor in factors if factor.categories is not None]
    if needs != "coordinates" and (len(factors) != 1 or factors[0].width != 1):
        raise FormulaError(f"left of the bar of {term} is a single time, as in ar1(0 + t | g).")
    if labelled and len(factors) != 1:
        raise FormulaError(f"{term}: coordinates are columns of numbers, unlike "
                           f"{labelled[0].label!r}.")  # fmt: skip
    values = np.unique(_values(factors, rows), axis=0)
    if labelled:
        if values.min(initial=0) < 0:  # the code of a missing label
            raise DataError(f"{term}: {labelled[0].label!r} has missing values.")
        return _of_categories(term, factors[0], values, needs)
    labels = tuple(",".join(f"{value:g}" for value in place) for place in values)
    if len(set(labels)) < len(labels):
        labels = tuple(",".join(repr(float(value)) for value in place) for place in values)
    name = ":".join(factor.label for factor in factors)
    names = tuple(f"{name}[{label}]" for label in labels)
    positions, origin, step = values, 0.0, 1.0
    if needs == "order":
        positions = np.arange(float(len(values)))[:, None]
    elif needs == "steps":
        try:
            origin, step = common_step(values)
        except OptionError as error:
            raise DataError(f"{term}: {error}") from error
        positions = np.rint((values - origin) / step)
    return PlaceMatrix(
        term, factors, values, positions, labels, names, origin, step, needs != "order"
    )


def _of_categories(term: str, factor: CodedFactor, codes: Array, needs: str) -> PlaceMatrix:
    """Make the indicators of categories; `codes` are those that occur."""
    numbers = _as_numbers(factor)
    at = codes[:, 0].astype(int)
    if numbers is not None:
        at = at[np.argsort(numbers[at])]
    elif needs == "coordinates":
        raise FormulaError(f"{term}: coordinates are columns of numbers, unlike {factor.label!r}.")
    assert factor.categories is not None
    labels = tuple(str(factor.categories[code]) for code in at)
    positions = np.arange(float(len(at)))[:, None]
    if needs == "coordinates" and numbers is not None:
        positions = numbers[at][:, None]
    names = tuple(f"{factor.label}[{label}]" for label in labels)
    return PlaceMatrix(term, (factor,), at[:, None].astype(float), positions, labels, names)
