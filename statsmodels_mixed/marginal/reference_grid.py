"""The reference grid of a fit: all combinations of the values of its variables.

Each cell has a row of the fixed-effects matrix, made by the formula of the model, an offset, and
the number of rows of the data that have its levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from ..comparison.fixed_terms import columns_of, terms_of
from ..errors import DataError, OptionError
from ..frame.computed import warn_of_whole_columns
from ..frame.matrices.expressions import IN_FORMULA
from ..frame.new_data import NewData
from .averaging import Averaging, average_over
from .nesting import Nesting, find_nesting
from .variables import Variable, grid_variables, offset_columns

if TYPE_CHECKING:
    from ..frame.model_frame import ModelFrame
    from ..results.base import MixedModelResults

__all__ = ["ReferenceGrid", "reference_grid"]

Codes = NDArray[np.intp]

# Cells of the largest grid.
MOST_CELLS = 100_000


@dataclass(frozen=True, eq=False)
class ReferenceGrid:
    """The cells, and what is known of them.

    Parameters
    ----------
    frame : ModelFrame
        The model.
    variables : tuple of Variable
        In the order of the formula.
    weight : ndarray, shape (cells,)
        Number of rows of the data in every cell.
    offset : float
        Offset of every cell, without what the formula computes for it.
    computes_offset : bool
        Whether the formula computes an offset for every cell.
    terms : tuple of frozenset of str
        The variables in each term of the fixed part.
    """

    frame: ModelFrame
    variables: tuple[Variable, ...]
    weight: Array
    offset: float
    computes_offset: bool
    terms: tuple[frozenset[str], ...]

    @cached_property
    def codes(self) -> dict[str, Codes]:
        """Position of the value of every variable in each cell; the first varies fastest."""
        return _codes(self.variables)

    @cached_property
    def nesting(self) -> Nesting:
        """Which factors are nested in others."""
        codes = {v.name: self.codes[v.name] for v in self.variables if len(v.values) > 1}
        return find_nesting(codes, self.weight, self.terms)

    @cached_property
    def data(self) -> pd.DataFrame:
        """The cells as new data."""
        columns = {v.name: v.column(self.codes[v.name]) for v in self.variables}
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.weight)))

    def matrix(self, **columns: Any) -> Array:
        """Return the fixed-effects matrix, shape (cells, p), with other values of columns."""
        warn_of_whole_columns(self.frame)
        new = NewData.of_table(self.data.assign(**columns), self.frame)
        return new.fixed()

    @cached_property
    def offsets(self) -> Array:
        """Offset of every cell, shape (cells,)."""
        total = np.full(len(self.weight), self.offset)
        if self.computes_offset:
            total = total + NewData.of_table(self.data, self.frame).computed(IN_FORMULA)
        return total

    def average(self, wanted: Sequence[str], weights: str | ArrayLike) -> Averaging:
        """Average over all variables but some; see `average_over`."""
        return average_over(self.codes, self.weight, wanted, weights, self.nesting)

    def values(self, averaging: Averaging) -> pd.DataFrame:
        """Return the values of the variables in the groups of an average."""
        found = {v.name: v for v in self.variables}
        columns = {
            name: found[name].column(codes).to_numpy() for name, codes in averaging.keys.items()
        }
        return pd.DataFrame(columns)

    def named(self, names: Sequence[str]) -> list[str]:
        """Return names of variables for what a user wrote: columns, or factors such as C(x)."""
        return [self._named(name) for name in names]

    def _named(self, name: str) -> str:
        known = [v.name for v in self.variables]
        if name in known:
            return name
        written = "".join(name.split())
        for term in terms_of(self.frame.fixed):
            for factor in (*term.factors, *term.numbers):
                columns = columns_of(factor, self.frame.table)
                label = getattr(factor, "label", str(factor))
                if "".join(label.split()) == written and len(columns) == 1:
                    return columns[0]
        grouping = {factor for part in self.frame.random for factor in part.factors}
        what = (
            "is a grouping factor of random effects, which have mean zero"
            if name in grouping
            else "is no variable of the fixed part"
        )
        raise OptionError(f"{name!r} {what}; there are {', '.join(known) or 'none'}.")


def frame_of_grid(result: MixedModelResults) -> ModelFrame | None:
    """Return the frame whose rows say which levels there are and what numbers are on average."""
    described = result.model.described
    return result.model.frame if described is None else described.frame


def reference_grid(
    result: MixedModelResults,
    at: Mapping[str, Any] | None = None,
    *,
    offset: float | None = None,
    spread: float = 0.0,
) -> ReferenceGrid:
    """Make the reference grid of a fit.

    Parameters
    ----------
    result : MixedModelResults
        The fit of a model made from a formula.
    at : mapping of str to values, optional
        See `grid_variables`.
    offset : float, optional
        Offset of every cell; by default the mean of the offset of the rows. Where `at` gives
        values of what the formula computes the offset of, it is computed for every cell.
    spread : float
        See `grid_variables`.

    Raises
    ------
    OptionError
        If the model was made from arrays, the grid would be too large, or `at` is not possible.
    """
    frame, described = frame_of_grid(result), result.model.described
    if frame is None:
        raise OptionError("marginal means need a model made from a formula.")
    if described is not None and any(map(callable, (at or {}).values())):
        raise OptionError("at= takes no functions of data that were read by batches: give numbers.")
    means = None if described is None else described.means
    variables = tuple(grid_variables(frame, at, spread, means))
    cells = int(np.prod([float(len(v.values)) for v in variables]))
    if cells > MOST_CELLS:
        sizes = ", ".join(f"{v.name} {len(v.values)}" for v in variables if len(v.values) > 1)
        raise OptionError(
            f"the reference grid has {cells} cells, more than {MOST_CELLS}: give some of the "
            f"values by at= ({sizes})."
        )
    if described is None:
        design = result.kept_design()
        rows, own = np.ones(len(design.y)), design.offset
    else:
        rows, own = described.counts, np.full(1, described.mean_offset)
    table = frame.table
    terms = tuple(
        frozenset(name for factor in (*t.factors, *t.numbers) for name in columns_of(factor, table))
        for t in terms_of(frame.fixed)
    )
    weight = _rows_of_cells(variables, rows, cells)
    computes = offset is None and not offset_columns(frame).isdisjoint(at or {})
    if offset is None:
        own = np.zeros(1) if own is None else own
        if computes and described is not None:
            raise DataError("at= has a variable of the offset: the data were read by batches.")
        if computes:
            own = own - NewData.of_table(table, frame).computed(IN_FORMULA)
        offset = float(np.mean(own))
    return ReferenceGrid(frame, variables, weight, float(offset), computes, terms)


def _codes(variables: Sequence[Variable]) -> dict[str, Codes]:
    sizes = [len(v.values) for v in variables]
    position = np.arange(int(np.prod(sizes)))
    found = {}
    for variable, size in zip(variables, sizes, strict=True):
        found[variable.name] = position % size
        position = position // size
    return found


def _rows_of_cells(variables: Sequence[Variable], rows: Array, cells: int) -> Array:
    """Return how many rows of the data have the levels of every cell, of rows that count so."""
    n = len(rows)
    factors = [v for v in variables if v.codes is not None]
    codes = _codes(variables)
    place, cell_place, size = np.zeros(n, dtype=np.intp), np.zeros(cells, dtype=np.intp), 1
    inside = np.ones(n, dtype=bool)
    for variable in factors:
        assert variable.codes is not None
        inside &= variable.codes >= 0
        place += size * variable.codes
        cell_place += size * codes[variable.name]
        size *= len(variable.values)
    if not factors:
        return np.ones(cells)
    counts = np.bincount(place[inside], rows[inside], minlength=size)
    return np.asarray(counts[cell_place])
