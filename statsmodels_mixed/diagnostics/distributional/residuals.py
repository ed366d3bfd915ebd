"""Residuals of fits with parameters of rows, the random effects at their conditional modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..._core import row_derivatives
from ..._typing import Array
from ...errors import NotOfferedError, OptionError
from ...fitting.distributional.variances import variance
from ...fitting.families.spec import family_object
from ...results.row_labels import by_row

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["has_deviance_residuals", "residuals"]


KINDS = ("response", "pearson", "deviance", "score")
# Families of which a row is best fitted by the mean that equals its response.
_OF_DEVIANCE = (
    *("gaussian", "poisson", "binomial", "gamma", "inverse_gaussian", "negative_binomial"),
    *("tweedie", "conway_maxwell_poisson"),
)
# With a predictor this far out the mean is 0, or 1.
_FAR = 500.0


def residuals(self: DistributionalFit, kind: str = "response") -> pd.Series:
    """Return the residuals of the fit.

    Parameters
    ----------
    kind : {"response", "pearson", "deviance", "score"}
        ``"response"``: y less the mean, zeros included; ``"pearson"``: the same over the standard
        deviation of the response, which the dispersion, the shape and the part of zeros are in;
        ``"deviance"``: sign(y - mu) sqrt(2 (l(y) - l(mu))), l the log-likelihood of the row, for
        families for which the mean y is the best for y, without a part of zeros; ``"score"``:
        the derivative of the log-likelihood in the predictor of the mean, which ordered
        categories have as well.

    Returns
    -------
    Series, shape (n,)

    Raises
    ------
    OptionError
        If there is no such kind, or not for the family.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.simulated_residuals

    References
    ----------
    McCullagh and Nelder (1989), Generalized linear models, section 2.4. Franses and Paap (2001),
    Quantitative models in marketing research, section 6.3 (scores of ordered categories).

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().residuals("pearson").head(2).round(2).tolist()
    [-0.57, -0.57]
    """
    if kind not in KINDS:
        raise OptionError(f"kind={kind!r} is no kind of residuals; choose from {', '.join(KINDS)}.")
    if self._ordered and kind != "score":
        raise NotOfferedError(
            f"kind={kind!r} needs a mean, which ordered categories have not: "
            'kind="score" and simulated_residuals() do without.'
        )
    made = {"response": _response, "pearson": _pearson, "deviance": _deviance, "score": _score}
    return by_row(self._mean_part, made[kind](self), f"{kind} residual")


def _response(fit: DistributionalFit) -> Array:
    return np.asarray(fit.model.kept_design().y - fit._fitted)


def _pearson(fit: DistributionalFit) -> Array:
    estimates = fit.estimates
    weights = fit.model.kept_design().weights
    spread = variance(fit._spec, estimates.conditional.eta, estimates.outer_at_modes, weights)
    if not np.isfinite(spread).all():
        raise NotOfferedError(
            "the variance is infinite with 2 degrees of freedom or less: there are no Pearson "
            "residuals; simulated_residuals() has some that are uniform for any family."
        )
    # A truncated count that can only be 1: (y - mu) / sqrt(mu - 1) goes to 0 as mu goes to 1.
    left = _response(fit)
    certain = (left == 0.0) & (spread == 0.0)
    return np.asarray(left / np.sqrt(np.where(certain, 1.0, spread)))


def has_deviance_residuals(fit: DistributionalFit) -> bool:
    """Return whether a row of the family is best fitted by the mean that equals its response."""
    return not fit._spec.zeros and fit._spec.family in _OF_DEVIANCE


def _deviance(fit: DistributionalFit) -> Array:
    spec, y = fit._spec, fit.model.kept_design().y
    if not has_deviance_residuals(fit):
        what = "with a part of zeros" if spec.zeros else f"of the family {spec.family}"
        raise NotOfferedError(
            f'deviance residuals are not defined for models {what}: kind="pearson" is, and '
            "simulated_residuals() has some that are uniform for any family."
        )
    with np.errstate(all="ignore"):
        best = np.asarray(family_object(spec).link(y), dtype=float)
    best = np.clip(np.nan_to_num(best, nan=0.0, posinf=_FAR, neginf=-_FAR), -_FAR, _FAR)
    drop = _rows(fit, best)[:, 0] - _rows(fit, fit.estimates.conditional.eta)[:, 0]
    return np.asarray(np.sign(_response(fit)) * np.sqrt(2.0 * np.maximum(drop, 0.0)))


def _score(fit: DistributionalFit) -> Array:
    return _rows(fit, fit.estimates.conditional.eta)[:, 1]


def _rows(fit: DistributionalFit, eta: Array) -> Array:
    """Return log-likelihoods of rows and their derivatives at a predictor of the mean."""
    design, spec = fit.model.kept_design(), fit._spec
    in_eta, _ = row_derivatives(
        spec.family,
        spec.link,
        design.y,
        eta,
        fit.estimates.outer_at_modes,
        weights=design.weights,
        power=spec.power,
        zeros=spec.zeros,
    )
    return in_eta
