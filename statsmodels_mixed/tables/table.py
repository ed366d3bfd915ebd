"""A table is built once, of typed cells, and rendered as text, Markdown, HTML, LaTeX or CSV."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from .cell_formats import plain
from .escapes import csv_cell, latex_escape, latex_row

__all__ = ["Column", "Table"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    key : str
        Stable name, the column label of `Table.to_frame`.
    label : str
        What is printed above the column.
    format : callable
        Turns a cell that is neither text nor None into text.
    align : {"left", "right", "point"}
        ``"point"`` lines the decimal points up (in text; elsewhere as ``"right"``).
    """

    key: str
    label: str
    format: Callable[[Any], str] = plain
    align: str = "right"


@dataclass(frozen=True)
class Table:
    """Rows of typed cells under columns.

    Parameters
    ----------
    columns : tuple of Column
        The columns. When every label is empty the table has no header line.
    rows : tuple of tuple
        Cells: None (empty), text (printed as it is) or a value for the column's format.
    title : str
        Printed above the table.
    stretch : int or None
        The column that takes up spare width, if any does.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> table = fit.varcorr.table()
    >>> table.header, len(table.rows)
    (['', 'Column', 'Variance', 'Std.Dev.'], 2)
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    title: str = ""
    stretch: int | None = 0

    def __str__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()

    @property
    def header(self) -> list[str]:
        """The column labels, empty when the table has no header line."""
        labels = [column.label for column in self.columns]
        return labels if any(labels) else []

    def cells(self) -> list[list[str]]:
        """Return every cell as text, unpadded.

        Returns
        -------
        list of list of str

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> table.cells()[0]
        ['subj', 'Intercept', '1296.8700', '36.0121']
        """
        return [
            [
                "" if cell is None else cell if isinstance(cell, str) else column.format(cell)
                for column, cell in zip(self.columns, row, strict=True)
            ]
            for row in self.rows
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return the unformatted cells as a frame with the columns' keys.

        Returns
        -------
        DataFrame

        See Also
        --------
        Table.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> table.to_frame().shape
        (2, 4)
        """
        return pd.DataFrame(list(self.rows), columns=[column.key for column in self.columns])

    def as_text(self, *, width: int = 0, rules: bool = False, gap: int = 1) -> str:
        """Render as aligned text.

        Parameters
        ----------
        width : int
            Width to fill, by the `stretch` column and by the rule.
        rules : bool
            Whether to draw a line under the header.
        gap : int
            Spaces between columns.

        Returns
        -------
        str

        See Also
        --------
        Table.as_markdown

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> print(table.as_text(rules=True))
                 Column     Variance Std.Dev.
        -------------------------------------
        subj     Intercept 1296.8700  36.0121
        Residual            954.5278  30.8954
        """
        padded = list(self._padded_columns)
        total = sum(len(column[0]) for column in padded) + gap * (len(padded) - 1)
        if padded and total < width and self.stretch is not None:
            spare = " " * (width - total)
            padded[self.stretch] = [cell + spare for cell in padded[self.stretch]]
        lines = [(" " * gap).join(row).rstrip() for row in zip(*padded, strict=True)]
        if self.header and rules:
            lines.insert(1, "-" * max(total, width))
        title = self.title
        if width:
            title = textwrap.fill(title, width, subsequent_indent="    ", break_long_words=False)
        return "\n".join([title, *lines] if title else lines)

    def text_width(self, gap: int = 1) -> int:
        """Return the number of characters of the longest line of `as_text`.

        Parameters
        ----------
        gap : int
            Spaces between columns.

        Returns
        -------
        int

        See Also
        --------
        Table.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> table.text_width()
        37
        """
        padded = self._padded_columns
        return sum(len(column[0]) for column in padded) + gap * (len(padded) - 1)

    @cached_property
    def _padded_columns(self) -> list[list[str]]:
        """The columns, header first, every cell of a column of equal length."""
        body = list(zip(*self.cells(), strict=True)) or [() for _ in self.columns]
        result = []
        for column, texts in zip(self.columns, body, strict=True):
            cells = _align_points(texts) if column.align == "point" else list(texts)
            if self.header:
                cells.insert(0, column.label)
            longest = max(map(len, cells), default=0)
            pad = str.ljust if column.align == "left" else str.rjust
            result.append([pad(cell, longest) for cell in cells])
        return result

    def as_markdown(self) -> str:
        """Render as a Markdown pipe table.

        Returns
        -------
        str

        See Also
        --------
        Table.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> print(table.as_markdown())
        |  | Column | Variance | Std.Dev. |
        | :--- | :--- | ---: | ---: |
        | subj | Intercept | 1296.8700 | 36.0121 |
        | Residual |  | 954.5278 | 30.8954 |
        """
        marks = [":---" if column.align == "left" else "---:" for column in self.columns]
        lines = [self.header or ["" for _ in self.columns], marks, *self.cells()]
        escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
        table = "\n".join("| " + " | ".join(line) + " |" for line in escaped)
        return f"**{self.title}**\n\n{table}" if self.title else table

    def as_html(self) -> str:
        """Render as an HTML table of statsmodels' class ``simpletable``.

        Returns
        -------
        str

        See Also
        --------
        Table.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> table.as_html().startswith("<table")
        True
        """
        lines = ['<table class="simpletable">']
        if self.title:
            lines.append(f"<caption>{html.escape(self.title)}</caption>")
        if self.header:
            labels = "".join(
                f'<th style="text-align: {_side(column)}">{html.escape(label)}</th>'
                for column, label in zip(self.columns, self.header, strict=True)
            )
            lines.append(f"<tr>{labels}</tr>")
        for row in self.cells():
            cells = "".join(
                f'<{tag} style="text-align: {_side(column)}">{html.escape(cell)}</{tag}>'
                for column, cell, tag in zip(
                    self.columns, row, ["th"] + ["td"] * (len(row) - 1), strict=True
                )
            )
            lines.append(f"<tr>{cells}</tr>")
        return "\n".join([*lines, "</table>"])

    def as_latex(self) -> str:
        """Render as a LaTeX tabular with booktabs rules.

        Returns
        -------
        str

        See Also
        --------
        Table.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> len(table.as_latex().splitlines())
        8
        """
        aligns = "".join("l" if column.align == "left" else "r" for column in self.columns)
        lines = [f"\\begin{{tabular}}{{{aligns}}}", "\\toprule"]
        if self.header:
            lines += [latex_row(self.header), "\\midrule"]
        lines += [latex_row(row) for row in self.cells()]
        lines += ["\\bottomrule", "\\end{tabular}"]
        if self.title:
            lines.insert(0, f"\\textbf{{{latex_escape(self.title)}}}\\\\[0.5ex]")
        return "\n".join(lines)

    def as_csv(self) -> str:
        """Render as comma-separated text, one line per row.

        Returns
        -------
        str

        See Also
        --------
        Table.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> table = fit.varcorr.table()
        >>> print(table.as_csv())
        ,Column,Variance,Std.Dev.
        subj,Intercept,1296.8700,36.0121
        Residual,,954.5278,30.8954
        """
        lines = [*([self.header] if self.header else []), *self.cells()]
        return "\n".join(",".join(csv_cell(cell) for cell in line) for line in lines)


def _side(column: Column) -> str:
    return "left" if column.align == "left" else "right"


def _align_points(texts: Sequence[str]) -> list[str]:
    """Pad on the right so that the decimal points line up."""
    tails = [len(text) - (text.find(".") if "." in text else len(text)) for text in texts]
    longest = max(tails, default=0)
    return [
        text + " " * (longest - tail) if text else text
        for text, tail in zip(texts, tails, strict=True)
    ]
