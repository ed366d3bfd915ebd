"""Marginal means as a value: a table, and the contrasts of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import OptionError
from ..plots.marginal_plots import MeansPlots
from .contrasts import Contrasts, make_contrasts
from .estimated import Estimated, check_level
from .linear_functions import LinearFunctions
from .specs import names_of

__all__ = ["EstimatedMeans"]


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedMeans(Estimated):
    """Estimated marginal means, with standard errors and intervals.

    Attributes
    ----------
    estimate, std_error, df, lower, upper : ndarray, shape (m,)
        The columns of `to_frame()`.
    statistic, pvalue : ndarray, shape (m,)
        Tests that a mean is zero where the model is linear.
    labels : DataFrame
        The values of the variables that each mean is of.
    names : tuple of str
        These variables.
    by : tuple of str
        Those within whose values means are compared.
    averaged : tuple of str
        What was averaged over.
    reasons : list of str
        Why a mean is NaN.

    Examples
    --------
    >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit(
    ...     dof="satterthwaite"
    ... )
    >>> means = fit.emmeans("machine")
    >>> means.to_frame().round(2)
      machine  estimate  std_error    df  lower  upper
    0       A     52.36       2.05  7.15  47.54  57.17
    1       B     60.32       2.05  7.15  55.50  65.14
    2       C     66.27       2.05  7.15  61.45  71.09
    """

    names: tuple[str, ...]
    averaged: tuple[str, ...]
    method: str

    @property
    def plot(self) -> MeansPlots:
        """Plots of the means: `plot()`, `plot.interaction()` and `plot.estimates()`."""
        return MeansPlots(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the means as a table.

        Returns
        -------
        DataFrame
            The variables, then `estimate`, `std_error`, `df`, `lower`, `upper`.

        Examples
        --------
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
        >>> fit.emmeans("machine").to_frame().columns.tolist()
        ['machine', 'estimate', 'std_error', 'df', 'lower', 'upper']
        """
        return self._frame(("estimate", "std_error", "df", "lower", "upper"))

    def regrid(self) -> EstimatedMeans:
        """Return the means as they are on the scale of the response, so that contrasts are there.

        Contrasts of means that come back from a link or a transformation are ratios or stay on
        the scale where the model is linear; those of these means are differences of
        probabilities, of counts, of the response itself. Intervals are about the means on that
        scale; a contrast has the fewest degrees of freedom of its means.

        Returns
        -------
        EstimatedMeans

        Raises
        ------
        OptionError
            If the means were not asked for with ``type="response"``, or are on that scale.

        See Also
        --------
        inference.emmeans

        References
        ----------
        Lenth (2016), Journal of Statistical Software 69(1); its function of this name.

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
        >>> chances = fit.emmeans("urban", type="response").regrid()
        >>> chances.contrasts("revpairwise").to_frame()[["contrast", "estimate"]].round(3)
          contrast  estimate
        0    Y - N     0.155
        """
        if self.scale is None:
            raise OptionError(
                'regrid() takes means from a link to the response: ask for type="response", of a '
                "fit with a link or a transformed response."
            )
        slopes = self.scale.slope(self.functions.estimates)
        covariance = np.outer(slopes, slopes) * self.functions.covariance()
        functions = LinearFunctions.of_estimates(
            self.estimate, covariance, np.asarray(self.df), self.reasons
        )
        facts = tuple(line for line in self.facts if not line.startswith("Means are back from"))
        said = "Means, intervals and contrasts are on the scale of the response."
        return replace(self, functions=functions, scale=None, facts=(*facts, said))

    def contrasts(
        self,
        method: Any = None,
        *,
        by: str | Sequence[str] | None = None,
        adjust: str | None = None,
        level: float | None = None,
        ref: Any = None,
        max_degree: int | None = None,
    ) -> Contrasts:
        """Contrast the means.

        Parameters
        ----------
        method : str, mapping, array_like, or list of str
            ``"pairwise"`` (by default) or ``"revpairwise"`` differences; ``"trt.vs.ctrl"``,
            differences from a control (the first level, or `ref`); ``"poly"``, orthogonal
            polynomials of equidistant levels; ``"consec"``, changes between consecutive levels;
            ``"mean_chg"``, the mean of all later levels minus that of all earlier ones;
            ``"eff"`` and ``"del.eff"``, differences from the mean of all, and of all others;
            ``"identity"``, the means themselves. Or coefficients: a dict of name and
            coefficients of all means of a group, or a matrix with a contrast in each row. Several
            names give interaction contrasts: contrasts of contrasts, one kind for each factor.
        by : str or list of str, optional
            Variables within whose values to compare; by default those of the means, an empty
            list for none.
        adjust : str, optional
            Adjustment of p-values and intervals within each value of `by`: ``"tukey"``,
            ``"dunnett"``, ``"dunnettx"`` (what R has for it), ``"mvt"`` (single step),
            ``"scheffe"``, ``"sidak"``, ``"bonferroni"``, ``"holm"``, ``"hochberg"``,
            ``"hommel"``, ``"fdr"``, ``"by"`` or ``"none"``. By default Tukey's for pairwise
            differences, Dunnett's for those from a control, a single step for ``"consec"`` and
            ``"mean_chg"``, the false discovery rate for effects, none for others.
        level : float, optional
            Of the intervals; by default that of the means.
        ref : str or int, optional
            The control, as a level or a position from 0.
        max_degree : int, optional
            The highest degree of polynomials.

        Returns
        -------
        Contrasts

        Raises
        ------
        OptionError
            If there is no such method, adjustment or variable, or nothing to contrast.

        See Also
        --------
        inference.emmeans

        References
        ----------
        Genz and Bretz (2009), Computation of Multivariate Normal and t Probabilities. Dunnett
        (1955), Journal of the American Statistical Association 50, 1096-1121. Tukey (1949),
        Biometrics 5, 99-114. Scheffe (1953), Biometrika 40, 87-104.

        Examples
        --------
        >>> machines = datasets.load("machines")
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", machines).fit()
        >>> fit.emmeans("machine").contrasts("poly").to_frame()[["contrast", "estimate"]].round(2)
            contrast  estimate
        0     linear     13.92
        1  quadratic     -2.02
        """
        inner = list(self.by) if by is None else names_of(by, "by")
        unknown = [name for name in inner if name not in self.labels.columns]
        if unknown:
            raise OptionError(
                f"by= has {unknown[0]!r}; the means are of {', '.join(self.labels.columns)}."
            )
        options: dict[str, Any] = {"max_degree": max_degree} if max_degree is not None else {}
        if ref is not None:
            options["ref"] = ref
        return make_contrasts(
            self,
            list(self.labels.columns),
            method if method is not None else self.method or "pairwise",
            by=inner,
            adjust=adjust,
            level=self.level if level is None else check_level(level),
            scale=self.scale,
            **options,
        )

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.contrasts()}" if self.method else text

    def _repr_html_(self) -> str:
        html = super()._repr_html_()
        return f"{html}\n{self.contrasts()._repr_html_()}" if self.method else html
