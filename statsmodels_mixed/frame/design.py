"""ModelFrame -> Design: the arrays that everything numeric works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._frozen import quickly_made
from .._typing import Array
from ..errors import DataError
from ..formula.terms import RandomTerm
from ..related import RelatedLevels
from ..structures import Structure
from .matrices.coding import Matrix
from .model_frame import ModelFrame
from .table.columns import column_squares, surely_finite
from .table.grouping import Refs
from .table.table import name_rows

if TYPE_CHECKING:
    from .own_places import OwnPlaces

__all__ = [
    "NEEDS_ROWS",
    "Design",
    "RandomBlock",
    "ReducedRows",
    "build_design",
]


NEEDS_ROWS = (
    "this needs all rows, and the data were read by batches and are not in memory: "
    "write_parquet() of the fit writes fitted values and residuals to a file, and predict() takes "
    "rows as new data."
)


@quickly_made
@dataclass(frozen=True, eq=False)
class RandomBlock:
    """The random effects of one grouping factor.

    Parameters
    ----------
    name : str
        The grouping factor, ``"subj"`` or ``"batch & cask"``, perhaps with the `part`.
    z : ndarray, shape (n, k), C order
        Row i of Z restricted to the columns of the level of row i.
    refs : ndarray of int32, shape (n,)
        That level, counted from 0.
    levels : pandas.Index, shape (l,)
        Labels of the levels, sorted; a MultiIndex for an interaction.
    names : tuple of str, length k
        Names of the random effects of a level.
    pattern : ndarray of bool, shape (k, k)
        Free elements of T, lower triangular.
    terms : tuple of RandomTerm
        The terms of the formula gathered here, in its order.
    structures : tuple of Structure
        Of each term its covariance structure, if any term of the model has one of its own; else
        empty.
    related : RelatedLevels, optional
        How the levels are related, unless they are independent.
    members : pandas.Index, shape (k,), optional
        Of multiple membership: the effects are those of members, which are no levels here.
    own_places : tuple of OwnPlaces
        Terms whose effects are at places of their own for every level. Their columns of `z` are
        functions of the parameters: indicators, unless the design is that of a fit.
    """

    name: str
    z: Array
    refs: Refs
    levels: pd.Index
    names: tuple[str, ...]
    pattern: NDArray[np.bool_]
    terms: tuple[RandomTerm, ...]
    structures: tuple[Structure, ...] = ()
    related: RelatedLevels | None = None
    members: pd.Index | None = None
    own_places: tuple[OwnPlaces, ...] = ()

    @cached_property
    def n_levels(self) -> int:
        """Number of levels l; pandas takes long to count those of a MultiIndex."""
        return len(self.levels)

    @property
    def part(self) -> str:
        """The part of the model that the effects belong to, empty for the mean."""
        return self.terms[0].part if self.terms else ""

    @property
    def has_independent_effects(self) -> bool:
        """Whether T is no full triangle."""
        k = len(self.names)
        return k > 1 and int(np.count_nonzero(self.pattern)) < k * (k + 1) // 2

    def of_rows(
        self,
        rows: NDArray[Any],
        refs: Refs,
        levels: pd.Index,
        whose: Refs | None = None,
    ) -> RandomBlock:
        """Return the random effects of some rows.

        Parameters
        ----------
        rows : ndarray
            Their numbers, or which they are.
        refs : ndarray of int32, shape (m,)
            Their levels among `levels`.
        levels : Index
        whose : ndarray of int32, shape (m,), optional
            Their levels among those here, if `levels` are others.
        """
        own = tuple([each.of_rows(rows) for each in self.own_places])
        some = replace(self, z=self.z[rows], refs=refs, levels=levels, own_places=own)
        if not own or whose is None:
            return some
        source = np.zeros(len(levels), dtype=np.intp)
        source[refs] = whose
        return some.at_places_of(source)

    def at_places_of(self, levels: NDArray[np.integer]) -> RandomBlock:
        """Return the same with the own places of these levels, whose rows they now have."""
        own = tuple([each.of_levels(levels) for each in self.own_places])
        at = {each.columns.start: each.structure for each in own}
        pairs = zip(self.slices, self.structures, strict=True)
        structures = tuple([at.get(columns.start, structure) for columns, structure in pairs])
        return replace(self, own_places=own, structures=structures)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Columns of each of the `structures`."""
        ends = np.cumsum([0, *(structure.k for structure in self.structures)]).tolist()
        return tuple(slice(start, stop) for start, stop in pairwise(ends))

    @property
    def level_sd(self) -> float:
        """A typical standard deviation of a level's effects before T: 1 unless related."""
        return 1.0 if self.related is None else self.related.typical_sd

    def column_sizes(self, weights: Array | None = None, nobs: int | None = None) -> Array:
        """Return the size of what every column of z adds where T is I, shape (k,).

        The root mean square of the column, 1 for one of zeros, times `level_sd`. The mean is over
        `nobs` rows, where those that are zero are left out.
        """
        z = self.z
        squares = column_squares(z) if weights is None else np.einsum("ij,ij,i->j", z, z, weights)
        size = np.sqrt(squares / (nobs or len(z)))
        return self.level_sd * np.where(size > 0, size, 1.0)


@dataclass(frozen=True)
class ReducedRows:
    """What rows of a linear model no longer say that were replaced by few with their products.

    Parameters
    ----------
    n : int
        Number of rows that were replaced; those that are missing among the few are zero in Z, X
        and y.
    log_weights : float
        Sum of the logarithms of their prior weights.
    in_use : tuple of ndarray of int, shape (k,)
        In how many of them each column of random effects is not zero, by block.
    k_constant : int
        1 when the columns of X span a constant, else 0.
    """

    n: int
    log_weights: float
    in_use: tuple[NDArray[np.int64], ...]
    k_constant: int


@quickly_made
@dataclass(frozen=True, eq=False)
class Design:
    """The arrays of a model; none is shared with the user's data.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Response. Labels are given by their codes; see `response_levels`. Shape (n, m) when
        the left side of the formula makes m columns; no model is fitted to such a design.
    X : ndarray, shape (n, p), C order
        Fixed-effects matrix as the formula gives it, perhaps rank deficient.
    weights, offset : ndarray, shape (n,), or None
        Prior weights, all positive, and offset (log exposure included).
    blocks : tuple of RandomBlock
        By decreasing number of random effects; the order of theta and of all output.
    response_name : str
        Name of the response.
    x_names : tuple of str, length p
        Names of the columns of X.
    response_levels : tuple or None
        Levels of a response of labels or truth values, in the order of their codes.
    reduced : ReducedRows or None
        Of rows that stand for more rows with the same cross-products.
    """

    y: Array
    X: Array
    weights: Array | None
    offset: Array | None
    blocks: tuple[RandomBlock, ...]
    response_name: str
    x_names: tuple[str, ...]
    response_levels: tuple[Any, ...] | None = None
    reduced: ReducedRows | None = None

    @property
    def has_rows(self) -> bool:
        """Whether the arrays have the likelihood of the model."""
        return True

    @property
    def y_less_offset(self) -> Array:
        """The response less the offset, shape (n,)."""
        return self.y if self.offset is None else self.y - self.offset

    @property
    def nobs(self) -> int:
        """Number of rows of the data."""
        return len(self.y) if self.reduced is None else self.reduced.n

    @property
    def counted(self) -> int | None:
        """Number of rows of the data where the arrays have fewer; else None."""
        return None if self.reduced is None else self.reduced.n

    @property
    def log_weights(self) -> float:
        """Sum of the logarithms of the prior weights of the rows of the data."""
        if self.reduced is not None:
            return self.reduced.log_weights
        return 0.0 if self.weights is None else float(np.log(self.weights).sum())

    @property
    def is_structured(self) -> bool:
        """Whether a term has a covariance structure of its own."""
        return any([block.structures for block in self.blocks])

    @property
    def is_related(self) -> bool:
        """Whether the levels of a grouping factor are related."""
        return any([block.related is not None for block in self.blocks])


def build_design(frame: ModelFrame) -> Design:
    """Make the matrices of a model.

    Parameters
    ----------
    frame : ModelFrame
        The data of the model.

    Raises
    ------
    DataError
        If the response or a column of a matrix is infinite or NaN.
    """
    n = len(frame.y)
    checked = frame.y.reshape(n, -1)
    _check_finite(checked, (frame.response_name,) * checked.shape[1], frame)
    X = np.empty((n, len(frame.fixed.names)))
    _fill(frame.fixed, frame, X)
    structured = any(part.is_structured for part in frame.random)
    blocks = []
    for part in frame.random:
        names = part.names
        z = np.empty((n, len(names)))
        start = 0
        for matrix in part.matrices:
            _fill(matrix, frame, z[:, start : start + len(matrix.names)])
            start += len(matrix.names)
        for own in part.own_places:
            z[:, own.columns] = own.indicators()
        blocks.append(
            RandomBlock(
                part.name,
                z,
                part.refs,
                part.levels,
                names,
                part.pattern,
                part.terms,
                part.structures if structured else (),
                part.related,
                part.members,
                part.own_places,
            )
        )
    frame.rows.forget()
    return Design(
        frame.y,
        X,
        frame.weights,
        frame.offset,
        tuple(blocks),
        frame.response_name,
        frame.x_names,
        frame.response_levels,
    )


def _fill(matrix: Matrix, frame: ModelFrame, out: Array) -> None:
    matrix.fill(frame.rows, out)
    _check_finite(out, matrix.names, frame)


def _check_finite(values: Array, names: tuple[str, ...], frame: ModelFrame) -> None:
    if surely_finite(values):
        return
    for column, name in zip(values.T, names, strict=True):
        infinite = np.isinf(column)
        if infinite.any():
            raise DataError(f"{name!r} is infinite in {name_rows(infinite, frame.index)}.")
        absent = np.isnan(column)
        if absent.any():
            where = f"{name!r} is NaN in {name_rows(absent, frame.index)}"
            if frame.missing == "none":
                raise DataError(f'{where}: pass missing="drop" to leave such rows out.')
            raise DataError(
                f"{where} although the data are not missing there: leave these rows out with "
                "subset=, or mend the expression."
            )
