"""Standard errors and intervals of predictions of models with parameters of rows."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from .._typing import Array
from ..errors import OptionError
from .generalized_results import GeneralizedLinearMixedModelResults

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["get_prediction"]


# Step of central differences, in standard errors of each coefficient.
_STEP = 1e-3
_OF_SHARES = ("shares", "trials", "shares and ends")


def get_prediction(
    self: DistributionalResults,
    exog: Any = None,
    *,
    which: str | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Predict with standard errors and intervals, the random effects being zero.

    Parameters
    ----------
    exog : table, optional
        New rows; by default those of the fit.
    which : str, optional
        As for `predict`, but ``"class"``.
    alpha : float
        The level of intervals is ``1 - alpha``.

    Returns
    -------
    DataFrame
        ``predicted``, ``se``, ``lower`` and ``upper`` for each row; for probabilities of ordered
        categories the columns are pairs, the category and these. Standard errors are by the delta
        method in the coefficients of all parts; intervals are symmetric on the scale of the
        linear predictor, on that of the logarithm for positive means and of the logit for
        probabilities.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If a column is missing, or data that are needed were removed.

    See Also
    --------
    DistributionalResults.predict

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().get_prediction(ticks.head(1)).round(2)
       predicted    se  lower  upper
    0       1.69  0.27   1.23   2.32
    """
    if which == "class":
        raise OptionError('a class has no standard error: which="probabilities" has them.')
    if not 0 < alpha < 1:
        raise OptionError(f"alpha= is a number between 0 and 1, not {alpha!r}.")
    center = self.predict(exog, which=which)
    value = np.asarray(center, dtype=float)
    columns = value.reshape(len(value), -1)
    slopes, covariance = _slopes(self, exog, which, columns)
    variance = np.einsum("irj,jk,irk->ir", slopes, covariance, slopes)
    se = np.sqrt(np.maximum(variance, 0.0))
    lower, upper = _limits(columns, se, norm.isf(alpha / 2), _scale(self, which))
    index = getattr(center, "index", None)
    tables = [
        pd.DataFrame(
            {
                "predicted": columns[:, r],
                "se": se[:, r],
                "lower": lower[:, r],
                "upper": upper[:, r],
            },
            index=index,
        )
        for r in range(columns.shape[1])
    ]
    if value.ndim == 1:
        return tables[0]
    return pd.concat(tables, axis=1, keys=list(self.model.categories))


def _scale(fit: DistributionalResults, which: str | None) -> str:
    """Return the scale on which an interval is symmetric."""
    support = fit._spec.support
    if which == "linear":
        return "identity"
    if fit._ordered or which == "zero_probability" or support in _OF_SHARES:
        return "logit"
    return "identity" if support == "real" else "log"


def _limits(value: Array, se: Array, z: float, scale: str) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):
        if scale == "log":
            half = z * se / value
            return value * np.exp(-half), value * np.exp(half)
        if scale == "logit":
            half, middle = z * se / (value * (1.0 - value)), logit(value)
            return np.asarray(expit(middle - half)), np.asarray(expit(middle + half))
    return value - z * se, value + z * se


def _slopes(
    fit: DistributionalResults, exog: Any, which: str | None, columns: Array
) -> tuple[Array, Array]:
    """Return derivatives by the coefficients that have standard errors, and their covariance."""
    mean = fit.estimates.conditional
    first = len(mean.theta)
    covariance = fit._covariance[first:, first:]
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    known = np.flatnonzero(np.isfinite(errors))
    psi = np.concatenate([mean.beta, fit.estimates.kappa])
    out = np.zeros((*columns.shape, len(known)))
    for at, j in enumerate(known):
        shift = np.zeros(len(psi))
        shift[j] = _STEP * max(float(errors[j]), 1e-8)
        ends = [
            np.asarray(_moved(fit, psi + sign * shift).predict(exog, which=which), dtype=float)
            for sign in (1.0, -1.0)
        ]
        out[..., at] = (ends[0] - ends[1]).reshape(columns.shape) / (2.0 * shift[j])
    return out, covariance[np.ix_(known, known)]


def _moved(fit: DistributionalResults, psi: Array) -> DistributionalResults:
    """Return the fit with other coefficients."""
    estimates, design = fit.estimates, fit.model.kept_design()
    rank = len(estimates.conditional.beta)
    linear = design.X[:, list(estimates.conditional.columns)] @ psi[:rank]
    if design.offset is not None:
        linear = linear + design.offset
    mean = replace(estimates.conditional, beta=psi[:rank], linear_predictor=linear)
    kappa, outer = psi[rank:], estimates.outer
    if len(kappa):
        inner: Array = np.asarray(np.linalg.solve(estimates.rows.back, kappa), dtype=float)
        outer = estimates.rows.values(inner)
    other = copy.copy(fit)
    other.estimates = replace(estimates, conditional=mean, kappa=kappa, outer=outer)
    other._mean_part = GeneralizedLinearMixedModelResults(fit.model, mean, fit.model.layout)
    return other
