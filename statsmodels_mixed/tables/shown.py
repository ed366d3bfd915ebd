"""How values that hold tables show themselves: printed as text, in notebooks as HTML."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..options import ChecksOptions
from .cell_formats import fixed, p_value, plain, significant
from .document import Document
from .table import Column, Table

__all__ = ["LevelTables", "Shown", "table_of"]

# Rows of a long table that are shown.
MOST_ROWS = 10
# Significant digits of a number of middling size in its column.
DIGITS = 4
MOST_DECIMALS = 8
# Numbers whose sizes differ by more than this have each their own decimals.
SPREAD = 1e3


class Shown(ChecksOptions):
    """What has a document to show, for classes that make one.

    The representation in a console is up to the class.
    """

    def _document(self) -> Document:
        """Return what is shown."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self._document().as_text()

    def _repr_html_(self) -> str:
        return self._document().as_html()


class LevelTables(dict[str, pd.DataFrame]):
    """Tables by grouping factor: a dict that notebooks show as tables.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> list(fit.ranef()), "<table" in fit.ranef()._repr_html_()
    (['subj'], True)
    """

    def _repr_html_(self) -> str:
        parts = []
        for name, table in self.items():
            parts.append(f"<h4>{html.escape(name)}: {len(table)} levels</h4>")
            styles = {
                column: _number_format(str(column), table[column].to_numpy()) for column in table
            }
            parts.append(table.to_html(max_rows=2 * MOST_ROWS, formatters=styles))
        return "\n".join(parts)


def table_of(frame: pd.DataFrame, *, title: str = "", most: int | None = None) -> Table:
    """Return a frame as a table: its index as text, the numbers of a column alike.

    Parameters
    ----------
    frame : DataFrame
    title : str
    most : int, optional
        Show the first of its rows only.
    """
    if most is not None:
        frame = frame.head(most)
    levels = [frame.index.get_level_values(i) for i in range(frame.index.nlevels)]
    names = ["" if level.name is None else str(level.name) for level in levels]
    columns = [Column(f"index_{i}", name, plain, align="left") for i, name in enumerate(names)]
    cells: list[list[Any]] = [[str(value) for value in level] for level in levels]
    for name in frame.columns:
        values = frame[name]
        number = pd.api.types.is_float_dtype(values)
        style = _number_format(str(name), values.to_numpy()) if number else plain
        columns.append(Column(str(name), str(name), style))
        cells.append(values.tolist())
    return Table(tuple(columns), tuple(zip(*cells, strict=True)), title)


def _number_format(name: str, values: NDArray[np.float64]) -> Callable[[float], str]:
    """Return how to write the numbers of a column: with as many decimals, if they go together."""
    if name == "pvalue":
        return p_value
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or sizes.max() > SPREAD * sizes.min() or sizes.max() >= 1e7:
        return significant
    return fixed(int(np.clip(DIGITS - 1 - np.floor(np.log10(np.median(sizes))), 0, MOST_DECIMALS)))
