"""Shares of variance: Nakagawa's R2 and intraclass correlations.

On the scale of the linear predictor the variance of a response is taken apart into that of the
fixed part, sample variance of X beta; that of the random effects, for each grouping factor the
mean over rows of z'Sigma z (Johnson 2014), times the variance that the relationship gives the
level where levels are related; and the rest. The rest is the mean over rows of the
variance of the residual, sigma^2 / w for linear models with weights w. Weights of counts are
numbers of rows.
For generalized ones it is what the distribution adds on that scale (Nakagawa, Johnson and
Schielzeth 2017), and the variance of a grouping factor that has a level for each
row, which represents overdispersion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..errors import OptionError, SeparationWarning, warn_caller
from ..frame.design import Design
from ..results.base import unwrap
from ..results.own_function import own_first
from .distribution_variance import (
    distribution_variance,
    random_variances,
    rows_counted,
    variances_of_levels,
)

__all__ = ["ICC", "R2", "icc", "r2"]


NULL_MEANS = ("marginal", "conditional")


class R2(NamedTuple):
    """Shares of explained variance.

    Attributes
    ----------
    marginal : float
        Of the fixed effects.
    conditional : float
        Of fixed and random effects.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> shares = fit.r2()
    >>> round(shares.marginal, 3), round(shares.conditional, 3)
    (0.288, 0.698)
    """

    marginal: float
    conditional: float

    def to_frame(self) -> pd.DataFrame:
        """Return the shares as a table.

        Returns
        -------
        DataFrame, shape (1, 2)

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.r2().to_frame().round(3)
            marginal  conditional
        R2     0.288        0.698
        """
        return pd.DataFrame([self], columns=list(self._fields), index=["R2"])

    def __str__(self) -> str:
        return str(self.to_frame().to_string(float_format="{:.4f}".format))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.4f}".format, border=0))


class ICC(NamedTuple):
    """Intraclass correlations.

    Attributes
    ----------
    adjusted : float
        Share of the random effects in the variance that the fixed effects leave.
    unadjusted : float
        Their share in the whole variance.
    by_group : DataFrame
        Both for each grouping factor by itself.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.icc().by_group.round(3)
          adjusted  unadjusted
    subj     0.576        0.41
    """

    adjusted: float
    unadjusted: float
    by_group: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the correlations as a table.

        Returns
        -------
        DataFrame, shape (1 + groups, 2)
            Of all random effects together, then of each grouping factor.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.icc().to_frame().round(3)
              adjusted  unadjusted
        all      0.576        0.41
        subj     0.576        0.41
        """
        together = pd.DataFrame(
            {"adjusted": [self.adjusted], "unadjusted": [self.unadjusted]}, index=["all"]
        )
        return pd.concat([together, self.by_group])

    def __str__(self) -> str:
        return str(self.to_frame().to_string(float_format="{:.4f}".format))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.4f}".format, border=0))


@dataclass(frozen=True, eq=False)
class _Parts:
    """The variance on the scale of the linear predictor, taken apart.

    Parameters
    ----------
    fixed : float
    random : Series
        By grouping factor, without one that has a level for each row.
    explained : float
        The sum of these.
    total : float
        All together. Each is NaN if the data do not determine it.
    """

    fixed: float
    random: pd.Series
    explained: float
    total: float


@own_first
def r2(result: Any, *, null_mean: str = "marginal") -> R2:
    """Return the marginal and the conditional R2 of Nakagawa and Schielzeth.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data: a linear model, or one of the families gaussian with the
        identity link; binomial or ordered categories with logit, probit, cloglog or loglog;
        Poisson with log or square root; negative binomial of both kinds, generalized and
        Conway-Maxwell-Poisson, lognormal and gamma with log; beta with logit, whose added variance
        is that of the logit of a response at the mean of the model without fixed effects; and
        beta-binomial with logit, which adds that of the logit of a share and of a binary response.
    null_mean : {"marginal", "conditional"}
        For counts with the log link, whose added variance is log(1 + v / lambda^2), v their
        variance, lambda + alpha lambda^2 of a negative binomial: lambda is the mean count of the
        model without fixed effects but the intercept b0, which is fitted here.
        ``"marginal"`` averages over its random effects, exp(b0 + variance / 2), as the paper
        has it; ``"conditional"`` is exp(b0), as the R package performance had it in
        version 0.10. With an offset both are multiplied by the mean of its exponential.

    Returns
    -------
    R2
        ``marginal`` and ``conditional``.

    Raises
    ------
    OptionError
        If the variance of the family and link is not known, or an option is not possible.
    DataError
        If the data of the fit were removed, or the model without fixed effects does not
        converge.

    See Also
    --------
    icc

    References
    ----------
    Nakagawa, Johnson and Schielzeth (2017), Journal of the Royal Society Interface 14,
    20170213. Johnson (2014), Methods in Ecology and Evolution 5, 944-946.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> [round(share, 3) for share in fit.r2()]
    [0.288, 0.698]
    """
    parts = _take_apart(unwrap(result, correlated=True), null_mean)
    return R2(parts.fixed / parts.total, (parts.fixed + parts.explained) / parts.total)


@own_first
def icc(result: Any, *, null_mean: str = "marginal") -> ICC:
    """Return intraclass correlations, of all random effects and by grouping factor.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data; see `r2` for the families.
    null_mean : {"marginal", "conditional"}
        As in `r2`.

    Returns
    -------
    ICC
        ``adjusted``, ``unadjusted`` and a table ``by_group``.

    Raises
    ------
    OptionError, DataError
        As `r2`, and where a model with correlated residuals has no random effects.

    See Also
    --------
    r2

    References
    ----------
    Nakagawa, Johnson and Schielzeth (2017), as for `r2`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> round(fit.icc().adjusted, 3)
    0.576
    """
    result = unwrap(result, correlated=True)
    if not result.layout.blocks:
        raise OptionError(
            "the model has no random effects, so that there is no share of them: "
            "residual_correlation has the correlations of the residuals of a subject."
        )
    parts = _take_apart(result, null_mean)
    left = parts.total - parts.fixed
    table = pd.DataFrame(
        {"adjusted": parts.random / left, "unadjusted": parts.random / parts.total}
    )
    return ICC(parts.explained / left, parts.explained / parts.total, table)


def _take_apart(result: Any, null_mean: str) -> _Parts:
    if null_mean not in NULL_MEANS:
        raise OptionError(f"null_mean={null_mean!r} is not one of {', '.join(NULL_MEANS)}.")
    design, estimates = result.kept_design(), result.estimates
    rows = rows_counted(design, estimates)
    linear = design.X[:, estimates.columns] @ estimates.beta
    if estimates.linear and not result.takes_correlated:
        # Shares have no unit, and squares in that of the response may be beyond the range of
        # numbers.
        linear, estimates = linear / estimates.sigma, replace(estimates, sigma=1.0)
    _warn_of_separation(result)
    mean = np.nan if result.separated else np.average(linear, weights=rows)
    fixed = float(np.sum(rows * (linear - mean) ** 2) / (rows.sum() - 1.0))
    random = random_variances(design, estimates.factors, estimates.effects_scale, rows)
    if result.takes_correlated:
        rest = float(np.mean(estimates.residual_variances))
    else:
        rest = distribution_variance(estimates, design, null_mean)
    if not estimates.linear:
        levels = {block.name: len(block.levels) for block in design.blocks}
        by_row = [name for name in random.index if levels[name] == rows.sum()]
        rest += float(random[by_row].sum())
        random = random.drop(by_row)
    parts = _Parts(
        fixed,
        random,
        float(random.sum()),
        fixed + float(random.sum()) + rest,
    )
    return parts if result.undetermined is None else _known_parts(parts, result, design)


def _known_parts(parts: _Parts, result: Any, design: Design) -> _Parts:
    """Return NaN for what depends on covariance parameters that are not identified."""
    identification = result.estimates.identification
    by_element = [
        len(e.places)
        * float(np.mean(variances_of_levels(block) * block.z[:, e.row] * block.z[:, e.column]))
        for e in identification.elements
        for block in [design.blocks[e.block]]
    ]
    rows = np.zeros((len(design.blocks), len(identification.size)))
    for at, (e, value) in enumerate(zip(identification.elements, by_element, strict=True)):
        rows[e.block, at] = value
    names = [block.name for block in design.blocks]
    kept = np.isin(names, parts.random.index)
    everything = rows.sum(axis=0)
    everything[len(identification.elements) :] = 1.0  # sigma^2
    known = dict(zip(names, identification.known(rows).tolist(), strict=True))
    explained, total = identification.known(np.array([rows[kept].sum(axis=0), everything]))
    fixed = not result.undetermined.estimates(np.eye(len(result.params))).any()
    return _Parts(
        parts.fixed if fixed else np.nan,
        parts.random.where([known[name] for name in parts.random.index]),
        parts.explained if explained else np.nan,
        parts.total if total and fixed else np.nan,
    )


def _warn_of_separation(result: Any) -> None:
    if result.separated:
        warn_caller(
            f"R2 and ICC are NaN: no finite estimate exists for the coefficients of "
            f"{', '.join(result.separated)}, nor for the variance of the fixed part.",
            SeparationWarning,
        )
