"""What a model knows of its data before they become matrices: plain values, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._frozen import quickly_made
from .._typing import Array
from ..errors import FormulaError, OptionError
from ..formula.terms import MixedFormula, RandomTerm
from ..later import load
from ..related import RelatedLevels
from ..structures import Diagonal, Structure, kind_of, make
from .matrices.coding import Matrix
from .matrices.factors import Rows
from .membership import MembershipMatrix
from .places import OwnPlaceMatrix, PlaceMatrix
from .table.grouping import Refs

if TYPE_CHECKING:
    from .own_places import OwnPlaces

__all__ = ["ModelFrame", "RandomPart", "RowSample", "RowSummary", "structure_of"]


def _is_diagonal(term: RandomTerm) -> bool:
    structure = term.structure
    return not term.correlated or (
        structure is not None and issubclass(kind_of(structure.name), Diagonal)
    )


def structure_of(term: RandomTerm) -> Structure:
    """Return the covariance structure of a term, not yet bound to its effects."""
    if term.structure is None:
        return make("us" if term.correlated else "diag")
    return make(term.structure.name, **dict(term.structure.options))


@lru_cache(maxsize=128)
def _pattern(terms: tuple[tuple[int, bool], ...]) -> NDArray[np.bool_]:
    """Return the free elements of T for the widths of terms, and whether each is diagonal."""
    size, start = sum(width for width, _ in terms), 0
    pattern = np.zeros((size, size), dtype=bool)
    for width, diagonal in terms:
        stop = start + width
        pattern[start:stop, start:stop] = (np.eye if diagonal else np.tri)(width, dtype=bool)
        start = stop
    pattern.flags.writeable = False  # many models share it
    return pattern


# What of a `RandomPart` does not depend on rows and is computed when asked for.
_OF_EFFECTS = ("names", "pattern", "members", "is_structured", "own_places")


@quickly_made
@dataclass(frozen=True, eq=False)
class RandomPart:
    """All random-effects terms with one grouping factor.

    Parameters
    ----------
    name : str
        The grouping factor, ``"subj"`` or ``"batch & cask"``; of other parts of the model than its
        mean with these, ``"zi: subj"``.
    factors : tuple of str
        Its columns.
    terms : tuple of RandomTerm
        The terms, in formula order.
    matrices : tuple of Matrix
        How the columns of each term are made.
    refs : ndarray of int32, shape (n,)
        Level of every row.
    levels : pandas.Index, shape (l,)
        Labels of the levels, sorted; of related levels all, in the order they were given.
    related : RelatedLevels, optional
        How the levels are related, unless they are independent.
    """

    name: str
    factors: tuple[str, ...]
    terms: tuple[RandomTerm, ...]
    matrices: tuple[Matrix, ...]
    refs: Refs
    levels: pd.Index
    related: RelatedLevels | None = None

    @property
    def part(self) -> str:
        """The part of the model that the effects belong to, empty for the mean."""
        return self.terms[0].part

    @cached_property
    def members(self) -> pd.Index | None:
        """Labels of the members, of multiple membership."""
        matrix = self.matrices[0]
        return matrix.labels if isinstance(matrix, MembershipMatrix) else None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the k random effects of a level."""
        return tuple(name for matrix in self.matrices for name in matrix.names)

    @cached_property
    def pattern(self) -> NDArray[np.bool_]:
        """Free elements of T, shape (k, k): a triangle or a diagonal for each term."""
        return _pattern(
            tuple(
                (len(matrix.names), _is_diagonal(term) or isinstance(matrix, OwnPlaceMatrix))
                for matrix, term in zip(self.matrices, self.terms, strict=True)
            )
        )

    @cached_property
    def is_structured(self) -> bool:
        """Whether a term has a covariance structure of its own."""
        return any(term.structure is not None for term in self.terms)

    @cached_property
    def structures(self) -> tuple[Structure, ...]:
        """The covariance structure of each term, for its effects."""
        found = []
        for term, matrix in zip(self.terms, self.matrices, strict=True):
            structure = structure_of(term)
            try:
                if isinstance(matrix, OwnPlaceMatrix):
                    found.append(structure.bind_sets(matrix.names, matrix.positions))
                elif isinstance(matrix, PlaceMatrix):
                    found.append(structure.bind(matrix.labels, matrix.positions))
                else:
                    found.append(structure.bind(matrix.names))
            except OptionError as error:
                raise FormulaError(f"{term}: {error}") from error
        return tuple(found)

    @cached_property
    def own_places(self) -> tuple[OwnPlaces, ...]:
        """The terms whose effects are at places of their own for every level."""
        found, start = [], 0
        for i, matrix in enumerate(self.matrices):
            stop = start + len(matrix.names)
            if isinstance(matrix, OwnPlaceMatrix):
                columns = slice(start, stop)
                made = load("frame.own_places:OwnPlaces")  # few models have any
                found.append(made(columns, self.structures[i], matrix))
            start = stop
        return tuple(found)

    def for_rows(self, refs: Refs, levels: pd.Index) -> RandomPart:
        """Return the same effects for the levels of other rows."""
        part = object.__new__(RandomPart)
        for name in _OF_EFFECTS:  # is found out here, once for all
            getattr(self, name)
        vars(part).update(vars(self), refs=refs, levels=levels)
        return part

    def without_rows(self) -> RandomPart:
        """Return the same without what belongs to rows of the data."""
        made = tuple(
            each.without_rows() if isinstance(each, OwnPlaceMatrix) else each
            for each in self.matrices
        )
        return replace(self, refs=np.empty(0, dtype=np.int32), matrices=made)


@dataclass(frozen=True, eq=False)
class RowSample:
    """Some of the rows that are not in memory, which show how columns depend on one another.

    Parameters
    ----------
    frame : ModelFrame
        Of these rows: every row of X is a combination of theirs.
    root : ndarray, shape (p, p)
        Upper triangular, R of the QR decomposition of X, of all rows.
    """

    frame: ModelFrame
    root: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowSummary:
    """What is known of rows that are not in memory.

    Parameters
    ----------
    frame : ModelFrame
        Of one row for each combination of levels, numbers at their means.
    counts : ndarray, shape (n,)
        How many rows of the data each is.
    means : mapping of str to float
        Of numbers with more than two values.
    mean_offset : float
    """

    frame: ModelFrame
    counts: NDArray[np.float64]
    means: Mapping[str, float]
    mean_offset: float


@quickly_made
@dataclass(frozen=True, eq=False)
class ModelFrame:
    """The data of a model, before they become matrices.

    It can be pickled (functions that cannot are lost, with a clear error when they are
    needed), and without its rows (`without_rows`) it still serves new data.

    Parameters
    ----------
    formula : MixedFormula
        The model.
    engine : str
        The formula engine that read the bar-free parts.
    rows : Rows
        The needed columns of the rows used.
    n_dropped : int
        Rows dropped because a needed column or expression was missing there.
    y : ndarray, shape (n,)
        Response; for labels their codes, 0 being the first level. Shape (n, m) if the
        left side of the formula makes m columns.
    response_name : str
        Its name.
    response_levels : tuple or None
        Levels of a response of labels or truth values.
    fixed : Matrix
        How the fixed-effects matrix is made; its `slices` are the columns of each term.
    random : tuple of RandomPart
        One per grouping factor, by decreasing number of random effects.
    weights, offset : ndarray, shape (n,), or None
        Prior weights and offset (log exposure included) of the rows used.
    missing : {"drop", "raise", "none"}
        What was done about missing values.
    known : mapping of str to Matrix
        How weights, offset, exposure and ``offset(...)`` are made where they are computed.
    without_value : mapping of str to int
        In how many rows an expression had no value although its columns had, by expression.
    response : Matrix or None
        How the response is made of its columns, where this is known.
    """

    formula: MixedFormula
    engine: str
    rows: Rows
    n_dropped: int
    y: Array
    response_name: str
    response_levels: tuple[Any, ...] | None
    fixed: Matrix
    random: tuple[RandomPart, ...]
    weights: Array | None
    offset: Array | None
    missing: str
    known: Mapping[str, Matrix] = field(default_factory=dict)
    without_value: Mapping[str, int] = field(default_factory=dict)
    response: Matrix | None = None

    @property
    def index(self) -> pd.Index:
        """The user's labels of the rows used."""
        return self.rows.index

    @property
    def x_names(self) -> tuple[str, ...]:
        """Names of the fixed-effects columns."""
        return self.fixed.names

    @property
    def term_slices(self) -> dict[str, slice]:
        """Columns of the fixed-effects matrix that belong to each term."""
        return self.fixed.slices

    @cached_property
    def table(self) -> pd.DataFrame:
        """The needed columns of the rows used, as one pandas frame."""
        return pd.DataFrame(dict(self.rows.columns), index=self.index)

    def without_rows(self) -> ModelFrame:
        """Return a copy that holds no data, yet can make matrices from new data."""
        return replace(
            self,
            rows=Rows({}, self.index[:0]),
            y=self.y[:0].copy(),
            random=tuple(part.without_rows() for part in self.random),
            weights=None,
            offset=None,
        )
