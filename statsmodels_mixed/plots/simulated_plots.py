"""Residuals that are uniform when the model holds: against uniform quantiles and predictors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from .accessor import Drawn, Plots
from .canvas import GREY, new_figure, one_axes, scatter_style, tidy_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SimulatedPlots", "both", "uniform_against", "uniform_qq"]

QUARTILES = (0.25, 0.5, 0.75)
# Rows in each of the intervals in which quartiles are taken, at least; and the most intervals.
FEWEST = 20
MOST_INTERVALS = 12
# Quantiles shown of a sample that is larger than this: more cannot be seen.
MOST_POINTS = 1000


def uniform_qq(simulated: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the ordered residuals against uniform quantiles, with the range of the draws.

    The band holds 95 % of the draws at each quantile, which are ranked as the response is.

    Parameters
    ----------
    simulated : SimulatedResiduals
        The residuals.
    ax : Axes, optional

    Returns
    -------
    Axes

    See Also
    --------
    plots.uniform_against, SimulatedResiduals.uniformity

    References
    ----------
    Hartig, DHARMa: residual diagnostics for hierarchical (multi-level/mixed) regression models.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> ax = fit.simulated_residuals(99, seed=1).plot.qq()
    >>> ax.get_xlabel()
    'uniform quantile'
    """
    ordered = np.sort(simulated.quantiles, axis=0)
    rows = len(ordered)
    shown = np.arange(rows)
    if rows > MOST_POINTS:
        shown = np.unique(np.linspace(0, rows - 1, MOST_POINTS).round().astype(int))
    ordered, places = ordered[shown], (shown + 0.5) / rows
    low, high = np.quantile(ordered[:, 1:], [0.025, 0.975], axis=1)
    ax = one_axes(ax, 4.5, 4.5)
    ax.fill_between(places, low, high, color=GREY, alpha=0.3, lw=0, label="95 % of the draws")
    ax.plot([0.0, 1.0], [0.0, 1.0], color=GREY, linewidth=0.8)
    size = 3.0 if len(ordered) <= 500 else 1.5
    ax.plot(places, ordered[:, 0], "o", color="C0", markersize=size, label="residuals")
    test = simulated.uniformity()
    ax.set_title(f"uniformity: p = {test.pvalue:.3g}", fontsize=10)
    ax.set_xlabel("uniform quantile")
    ax.set_ylabel("simulated residual")
    ax.legend(fontsize=8, frameon=False)
    return ax


def uniform_against(
    simulated: Any,
    predictor: ArrayLike | None = None,
    *,
    rank: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the residuals against a predictor, with their quartiles.

    When the model holds the quartiles are level, at 0.25, 0.5 and 0.75, for any predictor.

    Parameters
    ----------
    simulated : SimulatedResiduals
        The residuals.
    predictor : Series or array_like, shape (n,), optional
        Any column, in the model or not: numbers or categories. A Series with other labels
        than those of the rows is taken by them. By default the mean of the draws.
    rank : bool, optional
        Whether to draw against the ranks of a predictor of numbers, which fills the panel
        evenly; by default for the mean of the draws only.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If the predictor has not one value for each row.

    See Also
    --------
    plots.uniform_qq

    References
    ----------
    Hartig, DHARMa: residual diagnostics for hierarchical (multi-level/mixed) regression models.

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy")
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", sleep).fit()
    >>> ax = fit.simulated_residuals(99, seed=1).plot.against(sleep["days"])
    >>> ax.get_xlabel()
    'days'
    """
    y = simulated.residuals.to_numpy()
    values = simulated.fitted_predicted if predictor is None else _column(simulated, predictor)
    name = "mean of the draws" if predictor is None else str(values.name or "predictor")
    ax = one_axes(ax)
    numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numbers:
        x = values.to_numpy(dtype=float)
        if rank or (rank is None and predictor is None):
            x, name = values.rank().to_numpy() / len(values), f"{name}, rank"
    else:
        codes, categories = pd.factorize(values, sort=True)
        x = codes.astype(float)
        rotation = 90 if sum(len(str(each)) for each in categories) > 40 else 0
        ax.set_xticks(range(len(categories)), [str(each) for each in categories], rotation=rotation)
    ax.scatter(x, y, color="C0", **scatter_style(len(y)))
    for quartile in QUARTILES:
        ax.axhline(quartile, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    for line, quartile in zip(_quartiles(x, y), QUARTILES, strict=True):
        ax.plot(*line, color="C3", linewidth=1.5 if quartile == 0.5 else 1.0)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(name)
    ax.set_ylabel("simulated residual")
    return ax


def both(simulated: Any) -> Figure:
    """Draw the residuals against uniform quantiles, and against the mean of the draws.

    Parameters
    ----------
    simulated : SimulatedResiduals
        The residuals.

    Returns
    -------
    Figure

    See Also
    --------
    plots.uniform_qq, plots.uniform_against

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.simulated_residuals(99, seed=1).plot()
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['uniform quantile', 'mean of the draws, rank']
    """
    figure, grid = new_figure(1, 2, 9.0, 4.3)
    left, right = grid[0]
    uniform_qq(simulated, ax=tidy_axes(left))
    uniform_against(simulated, ax=tidy_axes(right))
    return figure  # type: ignore[no-any-return]


class SimulatedPlots(Plots):
    """Plots of simulated residuals: `plot()`, `plot.qq()` and `plot.against(column)`.

    Parameters
    ----------
    shown : SimulatedResiduals

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.simulated_residuals(9, seed=1).plot
    <Plots: plot(), plot.against(), plot.qq()>
    """

    qq = Drawn(uniform_qq)
    against = Drawn(uniform_against)

    def __call__(self) -> Figure:
        """Draw both: against uniform quantiles, and against the mean of the draws."""
        return both(self._shown)


def _column(simulated: Any, given: ArrayLike) -> pd.Series:
    """Return a predictor with a value for each row.

    Raises
    ------
    OptionError
        If it has not.
    """
    index = simulated.residuals.index
    if isinstance(given, pd.Series) and len(given) != len(index) and given.index.is_unique:
        given = given.reindex(index)
    values = given if isinstance(given, pd.Series) else np.asarray(given)
    if values.ndim != 1:
        raise OptionError(f"the predictor has {values.ndim} dimensions: give a value for each row.")
    if len(values) != len(index):
        raise OptionError(
            f"the predictor has {len(values)} values for the {len(index)} rows of the fit."
        )
    return pd.Series(values)


def _quartiles(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return quartiles of y within intervals of x of about equally many rows."""
    good = np.isfinite(x)
    x, y = x[good], y[good]
    count = int(np.clip(len(x) // FEWEST, 1, MOST_INTERVALS))
    values = np.unique(x)
    if len(values) <= count:
        which = np.searchsorted(values, x)
    else:
        edges = np.unique(np.quantile(x, np.linspace(0.0, 1.0, count + 1)[1:-1]))
        which = np.searchsorted(edges, x)
    groups = [np.flatnonzero(which == i) for i in np.unique(which)]
    middle = np.array([np.mean(x[rows]) for rows in groups])
    return [(middle, np.array([np.quantile(y[rows], q) for rows in groups])) for q in QUARTILES]
