"""Conditional modes with their intervals: levels in order, or against normal quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from .canvas import GREY, MOST_LABELS, free_panels, level_axis, panels
from .modes import Modes, modes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["caterpillar", "qq_caterpillar"]

ADVICE = "choose one by groups= and terms="


def caterpillar(
    result: Any,
    *,
    groups: str | Sequence[str] | None = None,
    terms: str | Sequence[str] | None = None,
    levels: Any = None,
    order: str | bool = True,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the conditional modes of the random effects, in order, with their intervals.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    groups : str or sequence of str, optional
        Grouping factors, all by default.
    terms : str or sequence of str, optional
        Random effects, all by default: each has a panel.
    levels : int or sequence, optional
        Levels to show: these, or a number of them spread over their range; all by default.
    order : bool or str
        Levels by the first effect shown, by the effect of that name, or as they are (False).
    level : float
        Of the intervals: modes plus and minus normal quantiles times the roots of their
        conditional variances, the parameters taken as known.
    ax : Axes, optional
        Where to draw a single panel.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If there is nothing of a name, or several panels are to go in one Axes.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.qq_caterpillar, plots.shrinkage

    References
    ----------
    Bates, Alday and Kokandakar, MixedModelsMakie.jl: `caterpillar`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.plot.caterpillar()
    >>> [ax.get_title() for ax in figure.axes]
    ['subj: Intercept', 'subj: days']
    """
    found = modes_of(result, groups=groups, terms=terms, levels=levels, level=level)
    tallest = max(len(modes.levels) for modes in found)
    height = float(np.clip(0.19 * tallest + 1.0, 2.2, 9.0 if tallest <= MOST_LABELS else 6.0))
    figure, axes = _panels(ax, found, height)
    places = iter(axes)
    for modes in found:
        at = modes.ordered(order if isinstance(order, str) else modes.terms[0] if order else None)
        for column, term in enumerate(modes.terms):
            each = next(places)
            _segments(each, modes, column, at, np.arange(len(at), dtype=float))
            each.set_title(f"{modes.group}: {term}", fontsize=11)
            each.set_xlabel(f"mode, {100 * level:g} % interval")
            level_axis(each, [modes.labels[i] for i in at], modes.group)
            if column and len(found) == 1 and ax is None:  # the same levels as beside it
                each.set_yticklabels([])
                each.set_ylabel("")
    return free_panels(figure, ax)


def qq_caterpillar(
    result: Any,
    *,
    groups: str | Sequence[str] | None = None,
    terms: str | Sequence[str] | None = None,
    levels: Any = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the conditional modes with their intervals against normal quantiles.

    On a straight line the modes are as those of normal random effects; a steep middle part
    whose intervals cover zero has levels that cannot be distinguished.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    groups, terms, levels, level, ax
        As in `caterpillar`; the order is that of each effect.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If there is nothing of a name, or several panels are to go in one Axes.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.caterpillar

    References
    ----------
    Bates, Alday and Kokandakar, MixedModelsMakie.jl: `qqcaterpillar`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.plot.qq_caterpillar(terms="days").axes[0].get_ylabel()
    'standard normal quantile'
    """
    found = modes_of(result, groups=groups, terms=terms, levels=levels, level=level)
    figure, axes = _panels(ax, found, 3.6)
    places = iter(axes)
    for modes in found:
        for column, term in enumerate(modes.terms):
            each = next(places)
            at = modes.ordered(term)
            quantiles = norm.ppf((np.arange(len(at)) + 0.5) / len(at))
            _segments(each, modes, column, at, quantiles)
            each.set_title(f"{modes.group}: {term}", fontsize=11)
            each.set_xlabel(f"mode, {100 * level:g} % interval")
            each.set_ylabel("standard normal quantile")
    return free_panels(figure, ax)


def _panels(ax: Axes | None, found: list[Modes], height: float) -> tuple[Figure, list[Axes]]:
    titles = [f"{modes.group}: {term}" for modes in found for term in modes.terms]
    return panels(ax, titles, ADVICE, columns=min(len(titles), 4), width=3.4, height=height)


def _segments(
    ax: Axes,
    modes: Modes,
    column: int,
    at: NDArray[np.intp],
    height: NDArray[np.float64],
) -> None:
    """Draw modes as points and intervals as lines, at the heights given."""
    value, half = modes.value[at, column], modes.half[at, column]
    few = len(at) <= 100
    ax.axvline(0.0, color=GREY, linewidth=0.8, zorder=0)
    ax.hlines(
        height,
        value - half,
        value + half,
        color="C0",
        linewidth=1.2 if few else 0.5,
        alpha=1.0 if few else 0.5,
    )
    ax.plot(value, height, "o", color="C0", markersize=3.5 if few else 1.5)
