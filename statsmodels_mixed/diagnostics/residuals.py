"""Residuals of every kind, of linear and generalized fits.

All are given the random effects at their conditional modes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._typing import Array
from ..errors import OptionError
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.row_labels import by_row
from .leverage import leverage_and_rest

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["residuals"]


KINDS = ("response", "pearson", "deviance", "working", "anscombe", "likelihood")
# Those that have variance phi, more or less, in a model that holds.
OF_UNIT_VARIANCE = ("pearson", "deviance", "anscombe", "likelihood")


@own_first
def residuals(
    result: Any, kind: str = "response", *, scaled: bool = False, standardized: bool = False
) -> pd.Series:
    """Return the residuals of a fit.

    With w prior weights, V the variance function, g the link and h the leverages, the kinds
    are:

    ``"response"``
        y - mu.
    ``"pearson"``
        sqrt(w / V(mu)) (y - mu).
    ``"deviance"``
        The signed square roots of the contributions to the deviance given b.
    ``"working"``
        (y - mu) g'(mu), on the scale of the linear predictor.
    ``"anscombe"``
        As statsmodels has them: the response and the mean transformed towards normality.
    ``"likelihood"``
        sign(y - mu) sqrt(d^2 + p^2 h / (1 - h)) for deviance residuals d and Pearson ones p,
        which approximates the change of the deviance when the row is left out (Williams
        1987).

    V is 1 and g the identity for linear models: their Pearson, deviance and Anscombe residuals
    are sqrt(w) (y - mu).

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    kind : {"response", "pearson", "deviance", "working", "anscombe", "likelihood"}
        What is asked for.
    scaled : bool
        Divide by sigma, or the square root of the dispersion. For kinds of unit variance:
        Pearson, deviance, Anscombe and likelihood.
    standardized : bool
        Divide by sqrt(1 - h) as well ("internally studentized"): Pearson, deviance and
        Anscombe. For a linear model these are the likelihood residuals, scaled, and lme4's
        `rstudent`.

    Returns
    -------
    Series, shape (n,)
        NaN where a leverage is 1 and one is to divide by 1 - h.

    Raises
    ------
    OptionError
        If there is no such kind, or it is not one to be scaled or standardized.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    simulated_residuals, leverage

    References
    ----------
    Williams (1987), Applied Statistics 36, 181-191.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.residuals("pearson", scaled=True).head(2).round(3).tolist()
    [-1.375, -1.418]
    """
    if kind not in KINDS:
        raise OptionError(f"kind={kind!r} is no kind of residuals; choose from {', '.join(KINDS)}.")
    if scaled and kind not in OF_UNIT_VARIANCE:
        raise OptionError(
            f'scaled=True does not go with kind={kind!r}: choose kind="pearson" or "deviance".'
        )
    if standardized and kind not in OF_UNIT_VARIANCE[:-1]:
        raise OptionError(
            f"standardized=True does not go with kind={kind!r}: choose kind='pearson' or "
            "'deviance'."
        )
    result = unwrap(result)
    needs_h = standardized or kind == "likelihood"
    rest = leverage_and_rest(result)[1] if needs_h else np.ones(1)
    rest = np.where(rest > 0, rest, np.nan)
    if kind == "likelihood":
        d, p = raw_residuals(result, "deviance"), raw_residuals(result, "pearson")
        values = np.sign(d) * np.sqrt(d**2 + p**2 * (1.0 - rest) / rest)
    else:
        values = raw_residuals(result, kind)
    if standardized:
        values = values / np.sqrt(rest)
    if scaled or standardized:
        values = values / np.sqrt(result.scale)
    return by_row(result, values, f"{kind} residual")


def raw_residuals(result: MixedModelResults, kind: str) -> Array:
    """Return residuals of a kind that needs no leverages, shape (n,)."""
    response = np.asarray(result.resid)
    if result.estimates.linear:
        weights = result.kept_design().weights
        if weights is None or kind in ("response", "working"):
            return response
        return np.asarray(np.sqrt(weights) * response)
    if kind in ("response", "pearson", "deviance"):
        return np.asarray(getattr(result, f"resid_{kind}"))
    mu, family = np.asarray(result.fittedvalues), result.family
    if kind == "working":
        return np.asarray(response * family.link.deriv(mu))
    return np.asarray(
        family.resid_anscombe(result.kept_design().y, mu, var_weights=result._weights)
    )
