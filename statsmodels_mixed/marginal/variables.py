"""The variables of a reference grid, and the values they have there.

A factor has its levels, in their order. A covariate has its mean, or both values if it has no
more than two, as an indicator has; or any values that are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..comparison.fixed_terms import columns_of, terms_of
from ..errors import DataError, OptionError
from ..frame.matrices.expressions import IN_FORMULA
from ..frame.table.columns import is_text

if TYPE_CHECKING:
    from ..frame.model_frame import ModelFrame

__all__ = ["Variable", "grid_variables", "is_numeric", "offset_columns"]

# A covariate with no more values than these keeps them.
FEW = 2
# A mean of less than this share of the standard deviation is a rounding error of zero.
ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable of a reference grid.

    Parameters
    ----------
    name : str
        The column of the data.
    values : Index, shape (l,)
        What it is in the grid.
    codes : ndarray of int, shape (n,), or None
        Position of the value of every row of the data, -1 for another one; None for a covariate,
        whose values need not be those of any row.
    template : Series
        The column itself, for its type.
    """

    name: str
    values: pd.Index
    codes: NDArray[np.intp] | None
    template: pd.Series

    @property
    def is_factor(self) -> bool:
        """Whether its values are levels that rows of the data have."""
        return self.codes is not None

    def column(self, positions: NDArray[np.intp]) -> pd.Series:
        """Return its values in the cells of a grid, as a column of new data."""
        taken = self.values.take(positions)
        if isinstance(self.template.dtype, pd.CategoricalDtype):
            return pd.Series(pd.Categorical(taken, dtype=self.template.dtype))
        if is_text(self.template.array):
            return pd.Series(taken.astype(object))
        return pd.Series(taken)


def is_numeric(column: pd.Series) -> bool:
    """Return whether a column of data holds numbers; truth values are labels."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def grid_variables(
    frame: ModelFrame,
    at: Mapping[str, Any] | None,
    spread: float = 0.0,
    means: Mapping[str, float] | None = None,
) -> list[Variable]:
    """Return the variables of the fixed part with their values in the grid.

    Parameters
    ----------
    frame : ModelFrame
        With its data.
    at : mapping of str to values, or None
        Values that are asked for: some levels of a factor, any numbers for a covariate, or a
        function of its column such as ``np.median``.
    spread : float
        Covariates that are at their means are at the mean minus and plus this, if it is not 0.
    means : mapping of str to float, optional
        Means of covariates with many values, where the rows of the frame do not have them.

    Raises
    ------
    OptionError
        If `at` names no variable of the fixed part, or no level.
    DataError
        If the data were removed.
    """
    at = dict(at or {})
    names = list(frame.fixed.columns)
    names += [name for name in at if name in offset_columns(frame) and name not in names]
    written = frame.formula.text.partition("~")[2] or str(frame.formula)
    names.sort(key=lambda name: _place(name, written))
    unknown = [name for name in at if name not in names]
    if unknown:
        raise OptionError(
            f"at= has {unknown[0]!r}, which is no variable of the fixed part; these are "
            f"{', '.join(names) or 'none'}."
        )
    if names and not len(frame.index):
        raise DataError(
            "the data of this result were removed; keep them to ask for marginal means."
        )
    coded = _coded_columns(frame)
    return [_variable(frame, name, coded, at, spread, means or {}) for name in names]


def offset_columns(frame: ModelFrame) -> frozenset[str]:
    """Return the columns of the data that the offset in the formula is computed of."""
    return frozenset(frame.known[IN_FORMULA].columns if IN_FORMULA in frame.known else ())


def _place(name: str, written: str) -> int:
    """Return where a name is in a formula."""
    match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", written)
    return len(written) if match is None else match.start()


def _variable(
    frame: ModelFrame,
    name: str,
    coded: Mapping[str, Any],
    at: Mapping[str, Any],
    spread: float,
    means: Mapping[str, float],
) -> Variable:
    template = frame.table[name]
    factor = coded.get(name)
    if factor is not None and name not in at and _is_coarser(factor, template):
        return _of_classes(frame, name, factor, template)
    if factor is not None and _is_coarser(factor, template):
        factor = None
    if factor is not None or not (is_numeric(template) or template.dtype.kind in "mM"):
        refs, found = frame.rows.factorized(name)
        known = getattr(factor, "categories", None)
        levels, codes = _in_order_of(known, found, refs.astype(np.intp))
        if name in at:
            levels, codes = _some_levels(name, _asked(at[name], template), levels, codes)
        return Variable(name, levels, codes, template)
    if name in at:
        return Variable(name, _numbers(name, _asked(at[name], template)), None, template)
    values = np.unique(np.asarray(template))
    if len(values) <= FEW and name not in means:
        places = np.searchsorted(values, np.asarray(template)).astype(np.intp)
        return Variable(name, pd.Index(values), places, template)
    middle = means.get(name, template.mean())
    if abs(middle) < ROUNDING * template.std():
        middle = 0.0  # of a centered column
    if spread:
        return Variable(name, pd.Index([middle - spread, middle + spread]), None, template)
    return Variable(name, pd.Index([middle]), None, template)


def _coded_columns(frame: ModelFrame) -> dict[str, Any]:
    """Return for each column that alone makes a categorical factor the finest of these."""
    table = frame.table
    found: dict[str, Any] = {}
    for term in terms_of(frame.fixed):
        for factor in term.factors:
            columns = columns_of(factor, table)
            if len(columns) == 1:
                before = found.setdefault(columns[0], factor)
                if len(_categories(factor)) > len(_categories(before)):
                    found[columns[0]] = factor
    # A column that is also a covariate stays one, unless each of its values is a level.
    for term in terms_of(frame.fixed):
        for number in term.numbers:
            for name in columns_of(number, table):
                if name in found and _is_coarser(found[name], table[name]):
                    del found[name]
    return found


def _categories(factor: Any) -> Any:
    known = getattr(factor, "categories", None)
    return () if known is None else known


def _is_coarser(factor: Any, column: pd.Series) -> bool:
    """Return whether a factor, such as ``x > 3``, has several values of a number in one level."""
    return is_numeric(column) and 0 < len(_categories(factor)) < column.nunique()


def _of_classes(frame: ModelFrame, name: str, factor: Any, template: pd.Series) -> Variable:
    """Return a covariate with one value, a middle one, for each level of a factor made of it."""
    codes = np.asarray(frame.rows.value_of(factor), dtype=np.intp)
    inside = [np.unique(template[codes == at]) for at in range(len(factor.categories))]
    values = pd.Index([each[(len(each) - 1) // 2] for each in inside if len(each)])
    place = np.cumsum([len(each) > 0 for each in inside]) - 1
    return Variable(name, values, place[codes], template)


def _in_order_of(
    known: pd.Index | None, levels: pd.Index, codes: NDArray[np.intp]
) -> tuple[pd.Index, NDArray[np.intp]]:
    """Return levels in the order that the model has them in, when it has the same ones."""
    if known is None:
        return levels, codes
    kept = [level for level in known if level in levels]
    if len(kept) != len(levels):
        return levels, codes
    order = levels.get_indexer(pd.Index(kept))
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return levels[order], place[codes]


def _asked(given: Any, column: pd.Series) -> list[Any]:
    """Return the values that `at` gives for a variable."""
    if callable(given):
        given = given(column)
    if isinstance(given, str) or np.ndim(given) == 0:
        return [given]
    return list(given)


def _some_levels(
    name: str, wanted: list[Any], levels: pd.Index, codes: NDArray[np.intp]
) -> tuple[pd.Index, NDArray[np.intp]]:
    found = levels.get_indexer(pd.Index(wanted, dtype=object))
    if (found < 0).any():
        # Users often write numbers for levels that are text.
        found = pd.Index([str(level) for level in levels]).get_indexer([str(x) for x in wanted])
    if not wanted or (found < 0).any():
        missing = repr(wanted[int(np.argmin(found))]) if wanted else "no level"
        raise OptionError(
            f"at= has {missing} for {name!r}, whose levels are "
            f"{', '.join(map(repr, levels[:12]))}{', ...' if len(levels) > 12 else ''}."
        )
    place = np.full(len(levels) + 1, -1, dtype=np.intp)
    place[found] = np.arange(len(found))
    return levels[found], place[codes]


def _numbers(name: str, wanted: list[Any]) -> pd.Index:
    try:
        values = np.asarray(wanted, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise OptionError(f"at= needs finite numbers for the covariate {name!r}, not {wanted!r}.")
    return pd.Index(values)
