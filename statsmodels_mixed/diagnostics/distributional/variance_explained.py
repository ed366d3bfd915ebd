"""Shares of variance of fits with parameters of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from ..._typing import Array
from ...errors import OptionError
from ...fitting.distributional.conditional_estimates import ConditionalEstimates
from ...fitting.distributional.curvature import logit_of_zeros
from ...fitting.distributional.row_parameters import DISPERSION
from ...fitting.distributional.variances import conditional_variance, variance
from ...fitting.families.spec import family_object
from ...frame.design import Design
from ..distribution_variance import (
    LATENT,
    distribution_variance,
    mean_without_fixed_effects,
    variance_of_logits,
)
from ..variance_explained import ICC, R2
from ..variance_explained import icc as _icc
from ..variance_explained import r2 as _r2

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["icc", "r2"]


_POSITIVE = ("counts", "not negative", "positive")
_KNOWN = (
    "R2 and ICC are for ordered categories (logit, probit, cloglog, loglog), beta and "
    "beta-binomial responses (logit), counts and positive responses (log) and numbers (identity), "
    "counts also with zero_inflation="
)


def r2(self: DistributionalFit, *, null_mean: str = "marginal") -> R2:
    """Return the marginal and the conditional R2 on the scale of the predictor of the mean.

    Parameters
    ----------
    null_mean : {"marginal", "conditional"}
        As for other models, for counts and positive responses with the log link.

    Returns
    -------
    R2
        ``marginal`` and ``conditional``: shares in the variance of the predictor and what the
        distribution adds. Of ordered categories that is the variance of the standard distribution
        behind the link; of beta responses the variance of their logit; of beta-binomial ones, whose
        probability of success is a beta variable, the sum of both; with the log link
        log(1 + v / lambda^2), v the variance and lambda the mean without fixed effects. With
        `zero_inflation=`, v is the mean over the rows of the variance with zeros, for negative
        binomials and ``"conditional"`` as the R package performance had it in version 0.10.

    Raises
    ------
    OptionError
        For families and links for which that is not known, and for hurdles, whose zeros have no
        part in the predictor of the mean.

    See Also
    --------
    DistributionalResults.icc

    References
    ----------
    Nakagawa, Johnson and Schielzeth (2017), Journal of the Royal Society Interface 14, 20170213.

    Examples
    --------
    >>> scores = datasets.load("sleepstudy").assign(slow=lambda d: pd.cut(d["reaction"], 3))
    >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
    >>> [round(share, 2) for share in fit.r2()]
    [0.27, 0.78]
    """
    if "nominal" in self.model.formulas:
        raise OptionError(
            "R2 is not defined with nominal=: its effects have another variance at each threshold. "
            "icc() has the share of the random effects."
        )
    return _r2(self._mean_part, null_mean=null_mean)


def icc(self: DistributionalFit, *, null_mean: str = "marginal") -> ICC:
    """Return intraclass correlations on the scale of the predictor of the mean.

    Parameters
    ----------
    null_mean : {"marginal", "conditional"}
        As for `r2`.

    Returns
    -------
    ICC
        ``adjusted``, ``unadjusted`` and a table ``by_group``. With `nominal=`, whose effects have
        another variance at each threshold, what is unadjusted is NaN.

    Raises
    ------
    OptionError
        As for `r2`.

    See Also
    --------
    DistributionalResults.r2

    References
    ----------
    Nakagawa, Johnson and Schielzeth (2017), Journal of the Royal Society Interface 14, 20170213.

    Examples
    --------
    >>> scores = datasets.load("sleepstudy").assign(slow=lambda d: pd.cut(d["reaction"], 3))
    >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
    >>> round(fit.icc().adjusted, 2)
    0.7
    """
    found = _icc(self._mean_part, null_mean=null_mean)
    if "nominal" not in self.model.formulas:
        return found
    return ICC(found.adjusted, np.nan, found.by_group.assign(unadjusted=np.nan))


@distribution_variance.register(ConditionalEstimates)
def _(estimates: ConditionalEstimates, design: Design, null_mean: str) -> float:
    spec = estimates.spec
    outer = estimates.rows.values(estimates.kappa)
    if spec.zeros == "hurdle" or spec.support == "positive counts":
        raise OptionError(
            "R2 and ICC are not defined with hurdle= and for truncated counts: the mean is not "
            "that of which the predictor is the logarithm."
        )
    if spec.family == "ordered_beta":
        raise OptionError(
            "R2 and ICC are not defined for the family ordered_beta: with one predictor its ends "
            "have logistic errors and what is between them the smaller ones of a beta variable."
        )
    match spec.family, spec.link, spec.zeros:
        case (("ordered" | "binomial"), link, "") if link in LATENT:
            return float(LATENT[link])
        case (("beta" | "beta_binomial"), "logit", ""):
            of_shares = variance_of_logits(design, estimates, np.exp(outer[:, DISPERSION]))
            return of_shares + (LATENT["logit"] if spec.family == "beta_binomial" else 0.0)
        case (("gaussian" | "student_t"), "identity", ""):
            return float(np.mean(conditional_variance(spec, estimates.eta, outer, design.weights)))
        case _, "log", _ if spec.support in _POSITIVE:
            return _of_logarithms(estimates, design, outer, null_mean)
    zeros = " with zero_inflation=" if spec.zeros else ""
    raise OptionError(
        f"the variance that the family {spec.family} with the link {spec.link}{zeros} adds to the "
        f"linear predictor is not known; {_KNOWN}."
    )


def _of_logarithms(
    estimates: ConditionalEstimates, design: Design, outer: Array, null_mean: str
) -> float:
    """Return log(1 + v / lambda^2), as of a lognormal variable."""
    spec = estimates.spec
    null = mean_without_fixed_effects(design, estimates, null_mean)
    if not spec.zeros:
        at = np.full(len(outer), np.log(null))
        return float(np.log1p(np.mean(conditional_variance(spec, at, outer, None)) / null**2))
    eta, rows = estimates.eta, outer.copy()
    rows[:, -1] = logit_of_zeros(design, estimates)
    v = variance(spec, eta, rows)
    if null_mean == "conditional" and spec.family != "poisson":
        p, mu = expit(rows[:, -1]), np.asarray(family_object(spec).link.inverse(eta))
        given = conditional_variance(spec, eta, rows, None)
        v = (1.0 - p) * given + mu**2 * (p**2 + p)
    return float(np.log1p(np.mean(v) / null**2))
