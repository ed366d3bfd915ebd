"""A table of estimates with standard errors, tests and intervals: marginal means, contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._typing import Array, Positions
from ..errors import OptionError
from ..options import ChecksOptions
from ..results.no_attribute import no_attribute
from ..tables.cell_formats import fixed, p_value, plain
from ..tables.document import Document
from ..tables.table import Column, Table
from .adjustment import Family
from .linear_functions import LinearFunctions
from .response_scale import ResponseScale

__all__ = ["Estimated", "check_level", "groups_of"]


# Significant digits of the smallest standard error.
DIGITS = 3
MOST_DECIMALS = 8

# What the R package emmeans, statsmodels and pandas call things.
ELSEWHERE = {
    **dict.fromkeys(("pairs", "contrast"), 'contrasts("pairwise") of marginal means has them'),
    **dict.fromkeys(("conf_int", "confint"), "lower and upper, and to_frame(), have the intervals"),
    **dict.fromkeys(("summary", "summary_frame"), "it prints as a table, and to_frame() has it"),
    "pvalues": "write pvalue",
    "tvalues": "write statistic",
    **dict.fromkeys(("se", "bse"), "write std_error"),
    "to_markdown": "write as_markdown()",
}


def check_level(level: float) -> float:
    """Return the level of intervals.

    Raises
    ------
    OptionError
        If it is not between 0 and 1.
    """
    if isinstance(level, bool) or not isinstance(level, float | np.floating) or not 0 < level < 1:
        raise OptionError(f"level= must be between 0 and 1, not {level!r}.")
    return float(level)


def groups_of(table: pd.DataFrame, by: list[str]) -> list[Positions]:
    """Return the rows of each combination of values, in the order in which they come."""
    if not by:
        return [np.arange(len(table))]
    codes = table.groupby(by, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    return [np.flatnonzero(codes == at) for at in range(int(codes.max(initial=-1)) + 1)]


@dataclass(frozen=True, eq=False, repr=False)
class Estimated(ChecksOptions):
    """Estimates of functions of the coefficients, and what they are.

    Parameters
    ----------
    labels : DataFrame, shape (m, c)
        What each estimate is of.
    by : tuple of str
        Columns of these within which estimates belong together.
    functions : LinearFunctions
        On the scale on which the model is linear.
    scale : ResponseScale or None
        Transforms to another scale; None for no transformation.
    adjust : str
        Adjustment for several tests and intervals.
    family_size : tuple of int
        Number of means that are compared in each group.
    level : float
        Of the intervals.
    title : str
    facts : tuple of str
        Sentences for the reader.
    """

    labels: pd.DataFrame
    by: tuple[str, ...]
    functions: LinearFunctions
    scale: ResponseScale | None
    adjust: str
    family_size: tuple[int, ...]
    level: float
    title: str
    facts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def _families(self) -> list[tuple[Positions, Family]]:
        functions = self.functions
        t, df = self.statistic, self.df
        found = []
        groups = groups_of(self.labels, list(self.by))
        for rows, size in zip(groups, self.family_size, strict=True):
            part = functions.taken(rows)
            known = part.known
            rank = int(np.linalg.matrix_rank(part.reduced[known])) if known.any() else 0
            found.append(
                (rows, Family(self.adjust, size, max(rank, 1), t[rows], df[rows], part.correlation))
            )
        return found

    # The numbers of each estimate.

    @cached_property
    def estimate(self) -> Array:
        """The estimates, shape (m,); NaN where there is none."""
        values = self.functions.estimates
        return values if self.scale is None else self.scale.inverse(values)

    @cached_property
    def std_error(self) -> Array:
        """Their standard errors, shape (m,), by the delta method on the scale of the response."""
        errors = self.functions.errors
        if self.scale is None:
            return errors
        return np.abs(self.scale.slope(self.functions.estimates)) * errors

    @cached_property
    def df(self) -> Array:
        """Degrees of freedom of their tests, shape (m,); inf for normal ones."""
        return self.functions.df

    @cached_property
    def statistic(self) -> Array:
        """Estimates divided by standard errors, where the model is linear, shape (m,)."""
        functions = self.functions
        errors = functions.errors
        positive = np.where(errors > 0, errors, np.nan)
        return np.asarray(functions.estimates / positive)

    @cached_property
    def pvalue(self) -> Array:
        """Adjusted two-sided p-values, shape (m,)."""
        out = np.full(len(self), np.nan)
        for rows, family in self._families:
            out[rows] = family.pvalues()
        return out

    @cached_property
    def _limits(self) -> tuple[Array, Array]:
        multiple = np.full(len(self), np.nan)
        for rows, family in self._families:
            multiple[rows] = family.critical(self.level)
        half = multiple * self.functions.errors
        low, high = self.functions.estimates - half, self.functions.estimates + half
        if self.scale is None:
            return low, high
        low, high = self.scale.inverse(low), self.scale.inverse(high)
        return np.minimum(low, high), np.maximum(low, high)

    @property
    def lower(self) -> Array:
        """Lower limits of the intervals, adjusted, shape (m,)."""
        return self._limits[0]

    @property
    def upper(self) -> Array:
        """Upper limits of the intervals, adjusted, shape (m,)."""
        return self._limits[1]

    @property
    def reasons(self) -> list[str]:
        """Why an estimate or its standard error is NaN; empty where it is not."""
        return self.functions.reasons

    @property
    def notes(self) -> list[str]:
        """The sentences that are printed below the table."""
        words = next((family.words for _, family in self._families if family.words), "")
        found = list(self.facts)
        if words:
            found.append(f"P-values and intervals are adjusted by {words}.")
            if self.adjust in ("holm", "hochberg", "hommel", "fdr", "by"):
                found[-1] = f"P-values are adjusted by {words}, intervals by Bonferroni's."
        found += [f"NaN: {reason}." for reason in dict.fromkeys(self.reasons) if reason]
        return found

    if not TYPE_CHECKING:  # type checkers see the attributes that exist

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name, ELSEWHERE)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        raise NotImplementedError

    def _frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Return the labels with some of the numbers; a label of the same name gets a ``_``."""
        clashes = {name: f"{name}_" for name in self.labels.columns if name in names}
        return self.labels.rename(columns=clashes).assign(
            **{name: getattr(self, name) for name in names}
        )

    # Display.

    def _document(self) -> Document:
        frame = self.to_frame()
        errors = self.std_error[np.isfinite(self.std_error) & (self.std_error > 0)]
        decimals: int | None = DIGITS
        if len(errors):
            decimals = max(0, DIGITS - 1 - int(np.floor(np.log10(errors.min()))))
            decimals = None if decimals > MOST_DECIMALS else decimals
        formats = {
            "df": fixed(1),
            "statistic": fixed(3),
            "pvalue": p_value,
        }
        headings = {"std_error": "std error", "pvalue": "p-value"}
        columns, cells = [], []
        for at, name in enumerate(frame.columns):
            if at < self.labels.shape[1]:
                columns.append(Column(name, str(name), plain, align="left"))
                cells.append([_shown(value) for value in frame[name]])
                continue
            columns.append(
                Column(name, headings.get(name, name), formats.get(name, fixed(decimals)))
            )
            cells.append(frame[name].tolist())
        rows = tuple(zip(*cells, strict=True))
        return Document(self.title, [Table(tuple(columns), rows)], self.notes)

    def __str__(self) -> str:
        return self._document().as_text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._document().as_html()

    def as_latex(self) -> str:
        r"""Render as LaTeX (needs the booktabs package).

        Returns
        -------
        str

        Examples
        --------
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
        >>> r"\begin{tabular}" in fit.emmeans("machine").as_latex()
        True
        """
        return self._document().as_latex()

    def to_latex(self) -> str:
        r"""Render as LaTeX under the name that pandas uses; the same as `as_latex`.

        Returns
        -------
        str

        Examples
        --------
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
        >>> means = fit.emmeans("machine")
        >>> means.contrasts().to_latex() == means.contrasts().as_latex()
        True
        """
        return self.as_latex()

    def as_markdown(self) -> str:
        """Render as Markdown.

        Returns
        -------
        str

        Examples
        --------
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
        >>> fit.emmeans("machine").as_markdown().splitlines()[0]
        '### Estimated marginal means of score'
        """
        return self._document().as_markdown()


def _shown(value: object) -> str:
    """Return the text of a level or a value of a covariate."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
