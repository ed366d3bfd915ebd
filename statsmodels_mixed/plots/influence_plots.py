"""What single rows or groups do to a fit: Cook's distances, and changes of coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import OptionError
from .accessor import Drawn, Plots
from .canvas import GREY, columns_for, one_axes, panels
from .modes import level_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["InfluencePlots", "cooks_distance", "dfbetas"]

# Cases up to this many are named along the axis.
MOST_NAMES = 30


def cooks_distance(influence: Any, *, label: int = 5, ax: Axes | None = None) -> Axes:
    """Draw Cook's distance of each case, naming the largest.

    Parameters
    ----------
    influence : Influence
        Fits without each case.
    label : int
        How many of the largest to name.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If no distance is known.

    See Also
    --------
    plots.dfbetas, Influence.cooks_distance

    References
    ----------
    Cook (1977), Technometrics 19, 15-18.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> ax = fit.influence("subj").plot(label=1)
    >>> ax.get_ylabel(), [text.get_text() for text in ax.texts]
    ("Cook's distance", ['S335'])
    """
    values = influence.cooks_distance()
    if values.isna().all():
        raise OptionError("no case has a Cook's distance: none can be left out.")
    ax = one_axes(ax, 7.0, 4.0)
    _stems(ax, values, influence.by)
    _name_largest(ax, values, label)
    ax.set_ylim(bottom=0.0)
    ax.margins(y=0.12)
    ax.set_ylabel("Cook's distance")
    return ax


def dfbetas(influence: Any, *, label: int = 3, ax: Axes | None = None) -> Axes | Figure:
    """Draw by how many standard errors each case moves each coefficient.

    Lines are at plus and minus 2 / sqrt(m) for m cases.

    Parameters
    ----------
    influence : Influence
        Fits without each case.
    label : int
        How many of the largest to name in each panel.
    ax : Axes, optional
        Where to draw a single coefficient.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If several panels are to go in one Axes.

    See Also
    --------
    plots.cooks_distance, Influence.dfbetas

    References
    ----------
    Belsley, Kuh and Welsch (1980), Regression diagnostics.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.influence("subj").plot.dfbetas()
    >>> [ax.get_title() for ax in figure.axes]
    ['Intercept', 'days']
    """
    table = influence.dfbetas()[list(influence.full_params.index)]
    titles = list(table)
    columns = min(columns_for(len(titles)), 3)
    advice = "draw them without it"
    figure, axes = panels(ax, titles, advice, columns=columns, width=4.0, height=3.0)
    usual = 2.0 / np.sqrt(len(table))
    for each, name in zip(axes, titles, strict=True):
        _stems(each, table[name], influence.by, MOST_NAMES // columns)
        for line in (-usual, usual):
            each.axhline(line, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
        _name_largest(each, table[name], label)
        each.margins(y=0.15)
        each.set_title(name, fontsize=10)
        each.set_ylabel("dfbetas")
    return figure if ax is None else ax


class InfluencePlots(Plots):
    """Plots of influence: `plot()`, `plot.cooks_distance()` and `plot.dfbetas()`.

    Parameters
    ----------
    shown : Influence

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.influence("subj").plot
    <Plots: plot(), plot.cooks_distance(), plot.dfbetas()>
    """

    cooks_distance = Drawn(cooks_distance)
    dfbetas = Drawn(dfbetas)

    def __call__(self, **options: Any) -> Axes:
        """Draw `cooks_distance`, with its options."""
        return cooks_distance(self._shown, **options)


def _stems(ax: Axes, values: pd.Series, by: str, most: int = MOST_NAMES) -> None:
    places = np.arange(len(values))
    few = len(values) <= 200
    ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=0)
    ax.vlines(places, 0.0, values.to_numpy(), color="C0", linewidth=1.2 if few else 0.6)
    ax.plot(places, values.to_numpy(), "o", color="C0", markersize=3.5 if few else 1.5)
    if len(values) <= most:
        names = [level_label(each) for each in values.index]
        ax.set_xticks(places, names, rotation=90, fontsize=8)
        ax.set_xlabel("row" if by == "obs" else by)
    else:
        ax.set_xlabel(f"{len(values)} {'rows' if by == 'obs' else f'levels of {by}'}")
        ax.set_xticks([])


def _name_largest(ax: Axes, values: pd.Series, count: int) -> None:
    size = values.abs().to_numpy()
    known = np.flatnonzero(np.isfinite(size))
    for at in known[np.argsort(-size[known], kind="stable")[: max(count, 0)]]:
        value = float(values.iloc[at])
        ax.annotate(
            level_label(values.index[at]),
            (at, value),
            (0, 4 if value >= 0 else -4),
            textcoords="offset points",
            ha="center",
            va="bottom" if value >= 0 else "top",
            fontsize=8,
        )
