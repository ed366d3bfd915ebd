"""The summary of a fit whose rows have parameters besides their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import OptionError
from ...fitting.distributional.means import NO_ZEROS
from ...fitting.distributional.optimum import NEAR_NONE
from ...fitting.families.limit_of_dispersion import limit_in_words
from ...tables.cell_formats import fixed, p_value, plain, significant
from ...tables.document import Document
from ...tables.table import Column, Table
from ..coefficient_statistics import coefficient_columns
from ..ratios import with_ratios
from ..summary import levels_of_groups, two_columns
from .conf_int import conf_int
from .ratios import names_of_ratios

if TYPE_CHECKING:
    from .base import DistributionalFit

__all__ = ["coefficient_tables", "coeftable", "facts", "header", "summary"]

# Degrees of freedom of Student's t that no data tell from infinitely many.
_MANY = 1e5
# Standard error of a logit or logarithm from which its likelihood is far from that of a normal
# variable: a factor of e.
_ROUGH = 1.0
# Powers of a Tweedie distribution from which it is gamma.
_GAMMA = 2.0 - 1e-6
_TITLES = {
    "zi": "Zero inflation (logit of the probability)",
    "hurdle": "Zeros (logit of the probability)",
    "disp": "Dispersion (logarithm)",
    "shape": "Shape",
    "cut": "Thresholds of the ends",
}


def coeftable(
    self: DistributionalFit, level: float | None = None, exponentiate: bool = False
) -> pd.DataFrame:
    """Return the coefficients of all parts with standard errors, z and two-sided p-values.

    Parameters
    ----------
    level : float, optional
        Give confidence intervals of this level too, such as 0.95.
    exponentiate : bool
        Give ratios, exp(coefficient), in place of coefficients: of rates, means or odds, of odds of
        zeros, of dispersions; with standard errors by the delta method and z and p of the
        coefficients.

    Returns
    -------
    DataFrame
        A row for each of `params`; of ratios none for thresholds and shapes.

    Raises
    ------
    OptionError
        If the level is not between 0 and 1, or the exponential of a coefficient is no ratio with
        the link of the mean.

    See Also
    --------
    DistributionalResults.summary

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().coeftable().round(2)
                   Coef.  Std. Error     z  Pr(>|z|)
    Intercept       0.55        0.16  3.40       0.0
    zi: Intercept  -3.48        0.59 -5.91       0.0
    """
    table = pd.DataFrame(coefficient_columns(self, level))
    if not exponentiate:
        return table
    ratios = names_of_ratios(self)
    table = table.loc[list(ratios)]
    kinds = set(ratios.values())
    name = kinds.pop() if len(kinds) == 1 else "ratio"
    return with_ratios(table, name)


def summary(
    self: DistributionalFit,
    yname: str | None = None,
    xname: Sequence[str] | None = None,
    title: str | None = None,
    alpha: float = 0.05,
    *,
    exponentiate: bool = False,
) -> Document:
    """Summarize the fit: criteria, coefficients by part, variance components, facts.

    Parameters
    ----------
    yname : str, optional
        Name to show for the response.
    xname : sequence of str, optional
        Names to show for the coefficients of the mean.
    title : str, optional
        First line instead of the one that names the kind of fit.
    alpha : float
        Intervals have level ``1 - alpha``.
    exponentiate : bool
        Show ratios, exp(coefficient), and their intervals in the parts that have them.

    Returns
    -------
    Document

    Raises
    ------
    OptionError
        If `xname` has not a name for each coefficient of the mean, or the exponential of a
        coefficient is no ratio with the link of the mean.

    See Also
    --------
    GeneralizedLinearMixedModelResults.summary

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> print(model.fit().summary().as_text().splitlines()[0].strip())
    Generalized linear mixed model fit by maximum likelihood
    """
    left, right = header(self, yname)
    head = two_columns(left, right, str(self.model.formula_full))
    ratios = names_of_ratios(self) if exponentiate else {}
    coefficients = coefficient_tables(self, xname, alpha, ratios)
    tables = [head, *coefficients, self._mean_part.varcorr.table("Random effects")]
    kind = "Ordinal" if self._ordered else "Generalized linear"
    first = title or f"{kind} mixed model fit by maximum likelihood"
    return Document(first, tables, facts(self))


def header(
    self: DistributionalFit, yname: str | None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return names and cells of the two columns at the head of a summary."""
    four = fixed(4)
    points = self.estimates.conditional.n_agq
    method = "Laplace" if points == 1 else f"AGQ, {points} points"
    left = [
        ("Dep. Variable:", yname or self.model.layout.response),
        ("Family:", self._spec.family.replace("_", " ")),
        ("Link:", getattr(self.model, "link_name", self._spec.link)),
        ("Method:", method),
        ("No. Observations:", str(self.nobs)),
        *levels_of_groups(self.model.layout),
        (
            "Converged:",
            f"{'yes' if self.converged else 'no'}, {self.report.evaluations} evaluations",
        ),
    ]
    right = [
        ("Log-Likelihood:", four(self.llf)),
        ("AIC:", four(self.aic)),
        ("BIC:", four(self.bic)),
        *((f"{name}:", significant(value)) for name, value in self.shape.items()),
    ]
    if self._spec.has_dispersion and isinstance(self.dispersion, float):
        right.append(("Dispersion:", significant(self.dispersion)))
    return left, right


def coefficient_tables(
    self: DistributionalFit,
    xname: Sequence[str] | None,
    alpha: float,
    ratios: Mapping[str, str],
) -> list[Table]:
    """Return a table of coefficients, or of ratios, for each part."""
    values = np.column_stack(
        [self.params, self.bse, self.tvalues, self.pvalues, conf_int(self, alpha)]
    )
    of_ratios = np.array([name in ratios for name in self._names])
    with np.errstate(over="ignore"):
        changed = values[of_ratios]
        changed[:, [0, 4, 5]] = np.exp(changed[:, [0, 4, 5]])
        changed[:, 1] *= changed[:, 0]
        values[of_ratios] = changed
    parts: dict[str, list[tuple[Any, ...]]] = {}
    headed: dict[str, str] = {}
    own = set(self.estimates.rows.names)
    of_mean = [name for name in self._names if name not in own]
    if xname is not None and len(xname) != len(of_mean):
        raise OptionError(f"xname= has {len(xname)} names for {len(of_mean)} coefficients.")
    shown_names = dict(zip(of_mean, of_mean if xname is None else xname, strict=True))
    for name, row in zip(self._names, values, strict=True):
        head, _, rest = name.partition(": ")
        if name not in own:
            title, shown = "Fixed effects", shown_names[name]
        elif self._ordered:
            own_effect = name.startswith("nominal: ")
            title, shown = ("Effects on thresholds", rest) if own_effect else ("Thresholds", name)
        else:
            title, shown = _TITLES[head], rest
        if name in ratios:
            title = title.partition(" (")[0]  # they are on the scale of the parameter
        parts.setdefault(title, []).append((shown, *map(float, row)))
        headed[title] = ratios.get(name, "coef")
    return [
        Table(_columns(headed[title], alpha), tuple(rows), title) for title, rows in parts.items()
    ]


def _columns(estimate: str, alpha: float) -> tuple[Column, ...]:
    """Return the columns of a table of coefficients, the first of numbers with this head."""
    return (
        Column("term", "", plain, "left"),
        Column("coef", estimate, significant, "point"),
        Column("std_err", "std err", significant, "point"),
        Column("statistic", "z", fixed(2), "point"),
        Column("p_value", "P>|z|", p_value),
        Column("lower", f"[{alpha / 2:g}", significant, "point"),
        Column("upper", f"{1 - alpha / 2:g}]", significant, "point"),
    )


def facts(self: DistributionalFit) -> list[str]:
    """Say what users have to know of the fit."""
    said = list(self.model.notes)
    if self.cov_type == "cluster":
        said.append(f"Standard errors: {self.cov_kind}.")
    said += filter(None, [self.cov_fact])
    if self.report.not_identified:
        said.append(f"Not identified: {'; '.join(self.report.not_identified)}.")
    if self.estimates.conditional.singular:
        said.append("Singular: a covariance matrix of random effects is not of full rank.")
    if self.separated:
        said.append(
            f"Separation: no finite estimate exists for the coefficients of "
            f"{', '.join(self.separated)}; they ran off until the fit stopped."
        )
    if self.without_zeros:
        said.append("Zero inflation: none; the estimate is at its boundary, probability 0.")
    elif self._zeros is not None and self._zeros.min() < NO_ZEROS:
        said.append(
            "Zero inflation: the probability is 0, its boundary, for some rows; "
            "coefficients that carry it there have no finite estimate."
        )
    said += _without_errors(self)
    if self.shape.get("df", 0.0) > _MANY:
        said.append("Shape: df is at its boundary, infinity, where the distribution is normal.")
    if self.shape.get("power", 0.0) > _GAMMA:
        said.append("Shape: the power is at its boundary, 2, where the distribution is gamma.")
    if self.limit is not None:
        said.append(f"Dispersion: {limit_in_words(self.limit)}.")
    said += _rough_intervals(self)
    if not self.converged:
        said.append(f"Not converged: {self.report.message}")
    elif self.report.message.startswith(NEAR_NONE):
        said.append(self.report.message)
    return said


def _without_errors(self: DistributionalFit) -> list[str]:
    """Say which coefficients of the mean have no standard errors, where nothing else does."""
    errors, own = self.bse, set(self.estimates.rows.names)
    if errors.isna().all():
        return ["Standard errors: none; the likelihood has no maximum in all directions here."]
    without = [
        name
        for name in errors.index[errors.isna()]
        if name not in own and name not in self.separated
    ]
    if not without:
        return []
    return [
        f"No standard errors: the likelihood does not change any more along the coefficients of "
        f"{', '.join(without)}; they have no finite estimate."
    ]


def _rough_intervals(self: DistributionalFit) -> list[str]:
    """Say which parameters that all rows share are near an edge, where Wald intervals fail."""
    rows, errors = self.estimates.rows, self.bse
    alone = [rows.alone(place) for place in range(len(rows.X))]
    names = [rows.names[at] for at in alone if at is not None]
    rough = [name for name in names if errors[name] > _ROUGH]
    if not rough:
        return []
    return [
        f"Intervals: those of {', '.join(rough)} are rough, near the edge of the range; "
        'conf_int(method="profile") has better ones.'
    ]
