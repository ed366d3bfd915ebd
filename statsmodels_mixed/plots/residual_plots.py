"""Residuals: against fitted values, against normal quantiles, and their size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from .._typing import Array
from ..errors import OptionError
from ..results.base import unwrap
from .canvas import GREY, one_axes, scatter_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["against", "qq", "residuals", "scale_location", "smooth"]


# Quantiles shown of a sample that is larger than this: more cannot be seen.
MOST_QUANTILES = 5000
SCALES = ("response", "link")


def residuals(
    result: Any, *, kind: str = "pearson", scale: str = "response", ax: Axes | None = None
) -> Axes:
    """Draw the residuals against the fitted values, with a smooth curve through them.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    kind : str
        Of the residuals, as in the method `residuals`.
    scale : {"response", "link"}
        Fitted means, or the linear predictor; both with the random effects.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If there is no such kind or scale.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.qq, plots.scale_location, plots.simulated_residuals

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> ax = fit.plot.residuals()
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('fitted value', 'pearson residual')
    """
    result = unwrap(result, correlated=True, parts="all")
    x, label = _fitted(result, scale)
    y = result.residuals(kind).to_numpy()
    ax = one_axes(ax)
    against(ax, x, y)
    ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=0)
    ax.set_xlabel(label)
    ax.set_ylabel(f"{kind} residual")
    return ax


def scale_location(
    result: Any, *, kind: str = "pearson", scale: str = "response", ax: Axes | None = None
) -> Axes:
    """Draw the root of the absolute residuals against the fitted values.

    A curve that rises or falls says that the variance depends on the mean otherwise than
    the model has it.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    kind : {"pearson", "deviance", "anscombe", "likelihood", "normalized"}
        Of the residuals, which are divided by the residual standard deviation; ``"normalized"``
        ones are those of models with correlated residuals.
    scale : {"response", "link"}
        As in `residuals`.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If there is no such kind or scale.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.residuals

    References
    ----------
    Cleveland (1993), Visualizing data.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.plot.scale_location().get_xlabel()
    'fitted value'
    """
    result = unwrap(result, correlated=True, parts="all")
    x, label = _fitted(result, scale)
    y = np.sqrt(np.abs(_scaled(result, kind)))
    ax = one_axes(ax)
    against(ax, x, y)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(label)
    ax.set_ylabel(f"√|scaled {kind} residual|")
    return ax


def qq(result: Any, *, kind: str = "pearson", ax: Axes | None = None) -> Axes:
    """Draw the ordered residuals against normal quantiles, with a line through the quartiles.

    Residuals of counts and proportions are not normal when the model holds: for these see
    `simulated_residuals`.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    kind : {"pearson", "deviance", "anscombe", "likelihood", "normalized"}
        Of the residuals, which are divided by the residual standard deviation; ``"normalized"``
        ones are those of models with correlated residuals.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If there is no such kind.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.residuals, plots.simulated_residuals

    References
    ----------
    Wilk and Gnanadesikan (1968), Biometrika 55, 1-17.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> points = fit.plot.qq().lines[0]
    >>> len(points.get_xdata())
    180
    """
    ordered = np.sort(_scaled(unwrap(result, correlated=True, parts="all"), kind))
    ordered = ordered[np.isfinite(ordered)]
    normal = norm.ppf((np.arange(len(ordered)) + 0.5) / len(ordered))
    ax = one_axes(ax, 4.5, 4.5)
    shown = np.arange(len(ordered))
    if len(ordered) > MOST_QUANTILES:  # all of both tails, some of the middle
        places = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, MOST_QUANTILES))
        shown = np.unique((places * (len(ordered) - 1)).round().astype(int))
    few = len(ordered) <= 500
    ax.plot(normal[shown], ordered[shown], "o", color="C0", markersize=4 if few else 2)
    quartiles = norm.ppf([0.25, 0.75])
    low, high = np.quantile(ordered, [0.25, 0.75])
    slope = (high - low) / (quartiles[1] - quartiles[0])
    ax.axline((0.0, (low + high) / 2.0), slope=slope, color=GREY, linewidth=1.0, zorder=0)
    ax.set_xlabel("standard normal quantile")
    ax.set_ylabel(f"scaled {kind} residual")
    return ax


def _scaled(result: Any, kind: str) -> Array:
    """Return residuals over the residual standard deviation."""
    if result.unit_residuals:
        return np.asarray(result.residuals(kind))
    return np.asarray(result.residuals(kind, scaled=True))


def _fitted(result: Any, scale: str) -> tuple[Array, str]:
    """Return fitted values on a scale, and what to call them.

    Raises
    ------
    OptionError
        If there is no such scale.
    """
    if scale not in SCALES:
        raise OptionError(f'scale= is "response" or "link", not {scale!r}.')
    if scale == "link":
        return np.asarray(result._conditional_predictor), "linear predictor"
    linear = result.estimates.linear
    return np.asarray(result.fittedvalues), "fitted value" if linear else "fitted mean"


def against(ax: Axes, x: Array, y: Array) -> None:
    """Draw points and a smooth curve through them."""
    ax.scatter(x, y, color="C0", **scatter_style(len(x)))
    curve = smooth(x, y)
    if curve is not None:
        ax.plot(*curve, color="C3", linewidth=1.5)


def smooth(x: Array, y: Array) -> tuple[Array, Array] | None:
    """Return a curve through points, by lowess; None where there are too few places for one."""
    # Imported with the first plot that has such a curve.
    from statsmodels.nonparametric.smoothers_lowess import lowess  # noqa: PLC0415

    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if len(np.unique(x)) < 10:
        return None
    # Between points nearer than a hundredth of the range the curve is interpolated.
    iterations = 2 if len(x) <= 2000 else 0
    found = lowess(y, x, frac=2 / 3, it=iterations, delta=0.01 * float(np.ptp(x)))
    return found[:, 0], found[:, 1]
