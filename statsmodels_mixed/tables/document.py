"""A summary of several tables, which statsmodels users can treat as its own.

`Document` is statsmodels' `Summary`: what works on one works on the other, tables can
be added, and there is `as_markdown` besides.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable

from .escapes import latex_escape
from .table import Table

__all__ = ["Document"]


class _RenderedTable(SimpleTable):  # type: ignore[misc]
    """A `SimpleTable` that keeps the cells for programs and the look of a `Table`."""

    def __init__(self, table: Table) -> None:
        cells = table.cells()
        self.table = table
        super().__init__(
            [row[1:] for row in cells],
            headers=table.header[1:] or None,
            stubs=[row[0] for row in cells],
            title=table.title,
        )

    def as_text(self, **fmt_dict: Any) -> str:
        return self.table.as_text(rules=True, **fmt_dict)

    def as_html(self, **fmt_dict: Any) -> str:
        return self.table.as_html(**fmt_dict)

    def as_csv(self, **fmt_dict: Any) -> str:
        return self.table.as_csv(**fmt_dict)

    def as_latex_tabular(self, center: bool = True, **fmt_dict: Any) -> str:
        latex = self.table.as_latex(**fmt_dict)
        return f"\\begin{{center}}\n{latex}\n\\end{{center}}" if center else latex

    def as_markdown(self) -> str:
        return self.table.as_markdown()


def _unwrapped(table: Any) -> Any:
    return table.table if isinstance(table, _RenderedTable) else table


class Document(Summary):  # type: ignore[misc]
    """A summary made of tables: statsmodels' `Summary` that also knows Markdown.

    Parameters
    ----------
    title : str
        First line.
    tables : sequence of Table
        Rendered one below the other.
    notes : sequence of str
        Sentences printed last.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> print(fit.summary().tables[-1].as_text())
    Random effects
             Column     Variance Std.Dev.
    -------------------------------------
    subj     Intercept 1296.8700  36.0121
    Residual            954.5278  30.8954
    """

    def __init__(self, title: str, tables: Sequence[Table], notes: Sequence[str] = ()) -> None:
        self._own = tuple(tables)
        super().__init__()
        self._tables: list[Any] | None = None
        self.title = title
        if notes:
            self.add_extra_txt(notes)

    @property
    def tables(self) -> list[Any]:
        """Tables as statsmodels has them, with the cells for programs; made when asked for."""
        if self._tables is None:
            self._tables = [_RenderedTable(table) for table in self._own]
        return self._tables

    @tables.setter
    def tables(self, tables: list[Any]) -> None:
        self._tables = tables

    @property
    def notes(self) -> list[str]:
        """The sentences printed last."""
        return self.extra_txt.split("\n") if self.extra_txt else []

    def as_text(self) -> str:
        """Render as text, all tables as wide as the widest.

        Returns
        -------
        str

        See Also
        --------
        Document.as_markdown

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> print(fit.summary().as_text().splitlines()[0].strip())
        Linear mixed model fit by maximum likelihood
        """
        shown = self._own if self._tables is None else [_unwrapped(each) for each in self._tables]
        widths = (table.text_width(2) for table in shown if isinstance(table, Table))
        width = max([len(self.title), *widths])
        parts = [self.title.center(width).rstrip(), "=" * width]
        for table in shown:
            if isinstance(table, Table):
                parts.append(table.as_text(rules=True, width=width, gap=2))
            else:
                parts.append(table.as_text())
            parts.append("=" * width)
        return "\n".join([*parts, *self.notes])

    def as_html(self) -> str:
        """Render as HTML.

        Returns
        -------
        str

        See Also
        --------
        Document.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.summary().as_html().count("<table")
        3
        """
        parts = [f"<h3>{html.escape(self.title)}</h3>", *(t.as_html() for t in self.tables)]
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "\n".join(parts)

    def as_latex(self) -> str:
        r"""Render as LaTeX: one tabular per table (needs the booktabs package).

        Returns
        -------
        str

        See Also
        --------
        Document.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> r"\begin{tabular}" in fit.summary().as_latex()
        True
        """
        parts = [f"\\textbf{{{latex_escape(self.title)}}}\\\\"]
        parts += [table.as_latex_tabular() for table in self.tables]
        return "\n\n".join([*parts, *map(latex_escape, self.notes)])

    def as_csv(self) -> str:
        """Render as comma-separated text, tables separated by empty lines.

        Returns
        -------
        str

        See Also
        --------
        Document.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> [line for line in fit.summary().as_csv().splitlines() if line.startswith("days")]
        ['days,10.4673,0.801735,13.06,<1e-38,8.89591,12.0387']
        """
        return "\n\n".join([self.title, *(table.as_csv() for table in self.tables), *self.notes])

    def as_markdown(self) -> str:
        """Render as Markdown.

        Returns
        -------
        str

        See Also
        --------
        Document.as_text

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> [line for line in fit.summary().as_markdown().splitlines() if "days" in line][-1]
        '| days | 10.4673 | 0.801735 | 13.06 | <1e-38 | 8.89591 | 12.0387 |'
        """
        parts = [f"### {self.title}"]
        for table in self.tables:
            if isinstance(table, _RenderedTable):
                parts.append(table.as_markdown())
            else:
                parts.append(f"```\n{table.as_text()}\n```")
        return "\n\n".join([*parts, *self.notes])

    def __repr__(self) -> str:
        return f"<Summary: {self.title}>"
