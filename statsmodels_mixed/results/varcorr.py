"""Estimated covariances of the random effects, as a value that prints as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array
from ..errors import OptionError
from ..options import ChecksOptions
from ..tables.cell_formats import common_decimals, fixed, significant
from ..tables.table import Column, Table
from .group_covariance import GroupCovariance

__all__ = ["VarCorr"]


STRUCTURAL_ZERO = " . "


@dataclass(frozen=True)
class VarCorr(ChecksOptions):
    """Variances, standard deviations and correlations of the random effects.

    Printing gives a table with as many decimals as six significant digits of the
    most demanding number need; a dot marks a correlation the model fixes at zero
    and NaN one that is undefined because a standard deviation is zero.

    Parameters
    ----------
    groups : tuple of GroupCovariance
        One per grouping factor, in the order of all output.
    sigma : float or None
        Residual standard deviation; None for a model without one.
    structures : tuple of (str, str, str, float)
        Grouping factor, covariance structure, parameter and estimate of all parameters of
        structures, if a term has one of its own.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.varcorr
    Variance components:
             Column     Variance Std.Dev. Corr.
    subj     Intercept 565.51537 23.78057
             days       32.68220  5.71683 +0.08
    Residual           654.94103 25.59182
    """

    groups: tuple[GroupCovariance, ...]
    sigma: float | None
    structures: tuple[tuple[str, str, str, float], ...] = ()

    def __getitem__(self, name: str) -> GroupCovariance:
        for group in self.groups:
            if group.name == name:
                return group
        names = ", ".join(group.name for group in self.groups)
        raise OptionError(f"there is no grouping factor {name!r}; the model has {names}.")

    def __str__(self) -> str:
        text = self.table("Variance components:").as_text()
        if not self.structures:
            return text
        return f"{text}\n{self.structures_table('Covariance structures:').as_text()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.table().as_html()

    def as_markdown(self) -> str:
        """Render as a Markdown table.

        Returns
        -------
        str

        See Also
        --------
        VarCorr.to_frame, VarCorr.table

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> print(fit.varcorr.as_markdown())
        |  | Column | Variance | Std.Dev. | Corr. |
        | :--- | :--- | ---: | ---: | ---: |
        | subj | Intercept | 565.51537 | 23.78057 |  |
        |  | days | 32.68220 | 5.71683 | +0.08 |
        | Residual |  | 654.94103 | 25.59182 |  |
        """
        return self.table().as_markdown()

    def to_latex(self) -> str:
        r"""Render as a LaTeX table.

        Returns
        -------
        str

        See Also
        --------
        VarCorr.to_frame, VarCorr.as_markdown

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> print(fit.varcorr.to_latex().splitlines()[0])
        \begin{tabular}{llrrr}
        """
        return self.table().as_latex()

    def std_dev(self, name: str) -> pd.Series:
        """Return the standard deviations of the random effects of a grouping factor.

        Parameters
        ----------
        name : str
            The grouping factor.

        Returns
        -------
        Series, shape (k,)

        See Also
        --------
        VarCorr.covariance, VarCorr.correlation

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.varcorr.std_dev("subj").round(3).to_dict()
        {'Intercept': 23.781, 'days': 5.717}
        """
        group = self[name]
        return pd.Series(group.std_dev, index=list(group.columns), name=name)

    def covariance(self, name: str) -> pd.DataFrame:
        """Return the covariance matrix of the random effects of a grouping factor.

        Parameters
        ----------
        name : str
            The grouping factor.

        Returns
        -------
        DataFrame, shape (k, k)

        See Also
        --------
        VarCorr.std_dev, VarCorr.correlation

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.varcorr.covariance("subj").round(2)
                   Intercept   days
        Intercept     565.52  11.06
        days           11.06  32.68
        """
        return _square(self[name].covariance, self[name].columns)

    def correlation(self, name: str) -> pd.DataFrame:
        """Return the correlation matrix of the random effects of a grouping factor.

        Parameters
        ----------
        name : str
            The grouping factor.

        Returns
        -------
        DataFrame, shape (k, k)

        See Also
        --------
        VarCorr.std_dev, VarCorr.covariance

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.varcorr.correlation("subj").round(3)
                   Intercept   days
        Intercept      1.000  0.081
        days           0.081  1.000
        """
        return _square(self[name].correlation, self[name].columns)

    def to_frame(self) -> pd.DataFrame:
        """Return variances, standard deviations and correlations as a table.

        Returns
        -------
        DataFrame
            One row per random effect, indexed by grouping factor and column. Columns ``variance``
            and ``std_dev``, then ``corr_1``, ``corr_2``, ...: the correlations with the first,
            second, ... random effect of the same grouping factor. The last row, indexed
            ``("Residual", "")``, is the residual one.

        See Also
        --------
        VarCorr.table

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.varcorr.to_frame().round(2)
                            variance  std_dev  corr_1
        group    column
        subj     Intercept    565.52    23.78     NaN
                 days          32.68     5.72    0.08
        Residual              654.94    25.59     NaN
        """
        index: list[tuple[str, str]] = []
        rows: list[list[float]] = []
        for group in self.groups:
            for i, column in enumerate(group.columns):
                index.append((group.name, column))
                sd = float(group.std_dev[i])
                rows.append([sd * sd, sd, *map(float, group.correlation[i, :i])])
        if self.sigma is not None:
            index.append(("Residual", ""))
            rows.append([self.sigma**2, self.sigma])
        width = self._most_columns + 1
        labels = ["variance", "std_dev", *(f"corr_{j}" for j in range(1, width - 1))]
        filled = [row + [np.nan] * (width - len(row)) for row in rows]
        levels = pd.MultiIndex.from_tuples(index, names=["group", "column"])
        return pd.DataFrame(filled, index=levels, columns=labels)

    def structures_frame(self) -> pd.DataFrame:
        """Return the parameters of covariance structures as a table.

        Returns
        -------
        DataFrame
            Columns ``group``, ``structure``, ``parameter``, ``estimate``; empty without
            structures.

        See Also
        --------
        VarCorr.structures_table

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep).fit()
        >>> fit.varcorr.structures_frame().round(3)
          group structure parameter  estimate
        0  subj       ar1        sd    46.083
        1  subj       ar1       rho     0.879
        """
        columns = ["group", "structure", "parameter", "estimate"]
        return pd.DataFrame(list(self.structures), columns=columns)

    def structures_table(self, title: str = "") -> Table:
        """Return the table of the parameters of covariance structures that is printed.

        Parameters
        ----------
        title : str
            First line of the table.

        Returns
        -------
        Table

        See Also
        --------
        VarCorr.structures_frame

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep).fit()
        >>> print(fit.varcorr.structures_table().as_text())
             Structure Parameter Estimate
        subj ar1       sd         46.0829
                       rho       0.878912
        """
        columns = (
            Column("group", "", align="left"),
            Column("structure", "Structure", align="left"),
            Column("parameter", "Parameter", align="left"),
            Column("estimate", "Estimate", significant),
        )
        rows, before = [], ("", "")
        for group, structure, name, value in self.structures:
            new = (group, structure) != before
            shown = (group if group != before[0] else None, structure if new else None)
            rows.append((*shown, name, value))
            before = (group, structure)
        return Table(columns, tuple(rows), title, stretch=None)

    @property
    def _most_columns(self) -> int:
        return max((len(group.columns) for group in self.groups), default=1)

    def table(self, title: str = "") -> Table:
        """Return the table that is printed.

        Parameters
        ----------
        title : str
            First line of the table.

        Returns
        -------
        Table
            With `as_text()`, `as_html()`, `as_latex()`, `as_markdown()` and `as_csv()`.

        See Also
        --------
        VarCorr.to_frame

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> print(fit.varcorr.table("Random effects").as_text())
        Random effects
                 Column     Variance Std.Dev. Corr.
        subj     Intercept 565.51537 23.78057
                 days       32.68220  5.71683 +0.08
        Residual           654.94103 25.59182
        """
        deviations = [float(sd) for group in self.groups for sd in group.std_dev]
        if self.sigma is not None:
            deviations.append(self.sigma)
        number = fixed(common_decimals([*deviations, *(sd * sd for sd in deviations)]))
        n_corr = max((len(group.shown) for group in self.groups), default=1) - 1
        rows: list[tuple[Any, ...]] = []
        for group in self.groups:
            before: list[int] = []
            for i, column in group.shown:
                sd = float(group.std_dev[i])
                cells: list[str | None] = [_correlation_cell(group, i, j) for j in before]
                cells += [None] * (n_corr - len(before))
                rows.append((None if before else group.name, column, sd * sd, sd, *cells))
                before.append(i)
        if self.sigma is not None:
            rows.append(("Residual", None, self.sigma**2, self.sigma, *[None] * n_corr))
        columns = [
            Column("group", "", align="left"),
            Column("column", "Column", align="left"),
            Column("variance", "Variance", number),
            Column("std_dev", "Std.Dev.", number),
            *(Column(f"corr_{j}", "Corr." if j == 1 else "") for j in range(1, n_corr + 1)),
        ]
        return Table(tuple(columns), tuple(rows), title, stretch=None)


def _correlation_cell(group: GroupCovariance, i: int, j: int) -> str:
    """Return the printed correlation of effects i and j."""
    if not group.estimated[i, j]:
        return STRUCTURAL_ZERO
    value = float(group.correlation[i, j])
    return "+NaN" if np.isnan(value) else f"{value:+.2f}"


def _square(matrix: Array, names: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(matrix, index=list(names), columns=list(names))
