"""What may be wrong with a fit, as a value that prints as sentences."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

__all__ = ["Problem", "Report"]

WIDTH = 88


@dataclass(frozen=True)
class Problem:
    """One thing that may be wrong with a fit, and what to try.

    Parameters
    ----------
    code : str
        What kind of thing, in one word for programs: ``"singular"``, ``"few_levels"``.
    where : str
        The term, grouping factor or columns concerned; empty for the whole fit.
    message : str
        A sentence that says what was found.
    advice : str
        What to try.
    formula : str or None
        A simpler formula that does not have the problem, where there is one to suggest.

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy").query("subj in ['S308', 'S309', 'S310', 'S330']")
    >>> problem = mixedlm2("reaction ~ days + (1 | subj)", sleep).fit().check().problems[0]
    >>> problem.code, problem.where
    ('few_levels', 'subj')
    """

    code: str
    where: str
    message: str
    advice: str
    formula: str | None = None

    def __str__(self) -> str:
        text = f"{self.message} {self.advice}"
        return text if self.formula is None else f"{text}\nTry: {self.formula}"


@dataclass(frozen=True)
class Report:
    """What `check` found; it prints as sentences, and is false when there is nothing to say.

    Parameters
    ----------
    fit : str
        The formula and the method of the fit.
    problems : list of Problem
        The most serious first.
    looked_for : tuple of str
        What was looked for.
    hint : str
        What else could be checked; may be empty.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> report = fit.check()
    >>> len(report), report.ok
    (0, True)
    """

    fit: str
    problems: list[Problem]
    looked_for: tuple[str, ...]
    hint: str = ""

    def __len__(self) -> int:
        return len(self.problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    @property
    def _opening(self) -> str:
        if self.ok:
            return f"Nothing to say against this fit. Looked for: {', '.join(self.looked_for)}."
        count = len(self.problems)
        return f"{count} thing{'' if count == 1 else 's'} to know about this fit:"

    def __str__(self) -> str:
        lines = [self.fit, *textwrap.wrap(self._opening, WIDTH)]
        for number, problem in enumerate(self.problems, 1):
            lead = f"{number}. "
            text = f"{problem.message} {problem.advice}"
            indent = " " * len(lead)
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False
            )
            if problem.formula is not None:
                lines.append(f"{indent}Try: {problem.formula}")
        return "\n".join([*lines, *textwrap.wrap(self.hint, WIDTH)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        items = []
        for problem in self.problems:
            text = html.escape(f"{problem.message} {problem.advice}")
            if problem.formula is not None:
                text += f"<br>Try: <code>{html.escape(problem.formula)}</code>"
            items.append(f"<li>{text}</li>")
        listed = f"<ol>{''.join(items)}</ol>" if items else ""
        hint = f"<p>{html.escape(self.hint)}</p>" if self.hint else ""
        head = f"<h3>{html.escape(self.fit)}</h3>\n<p>{html.escape(self._opening)}</p>"
        return f"{head}\n{listed}{hint}"

    def to_frame(self) -> pd.DataFrame:
        """Return the problems as a table.

        Returns
        -------
        DataFrame
            Columns ``code``, ``where``, ``message``, ``advice`` and ``formula``.

        See Also
        --------
        inference.check

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> list(fit.check().to_frame())
        ['code', 'where', 'message', 'advice', 'formula']
        """
        columns = ["code", "where", "message", "advice", "formula"]
        rows = [[getattr(problem, name) for name in columns] for problem in self.problems]
        return pd.DataFrame(rows, columns=columns)
