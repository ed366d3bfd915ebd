"""The fitted lines of levels over their data: a lattice of panels, or all in one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..results.base import unwrap
from .canvas import free_panels, new_figure, one_axes, pyplot, scatter_style, tidy_axes
from .level_lines import LevelLines, choose_column, level_lines
from .modes import choose_blocks, choose_levels, level_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fitted_lines"]

MOST_PANELS = 24
MOST_COLUMNS = 6


def fitted_lines(
    result: Any,
    x: str | None = None,
    *,
    groups: str | None = None,
    levels: Any = None,
    order: bool = True,
    together: bool = False,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the fitted line of each level of a grouping factor over its data.

    Beside it goes the line without random effects, that of a typical level. Along the lines
    other columns have the mean of the level, or its most frequent value, and the random
    effects of other grouping factors are zero.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data, of a model made from a formula.
    x : str, optional
        A column of the formula; by default one that has random slopes, else the first that
        varies within levels.
    groups : str, optional
        The grouping factor, by default the first.
    levels : int or sequence, optional
        Levels to show: these, or a number of them spread over the order of their first
        random effect; by default 24 in panels of their own, and all of them together.
    order : bool
        Whether panels are in the order of the first random effect, or of the levels.
    together : bool
        Whether to draw all lines in one panel.
    ax : Axes, optional
        Where to draw them together.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If there is nothing of a name, or no column varies within levels.
    DataError
        If the data of the fit were removed, or the model was made from arrays.

    See Also
    --------
    plots.shrinkage, plots.caterpillar

    References
    ----------
    Sarkar (2008), Lattice: multivariate data visualization with R, chapter 2.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.plot.fitted_lines(levels=["S308", "S335"])
    >>> [ax.get_title() for ax in figure.axes]
    ['S335', 'S308']
    """
    result = unwrap(result, correlated=True, parts="all")
    if getattr(result, "_ordered", False):
        raise OptionError("fitted_lines() draws means, and ordered categories have none.")
    if groups is None and result.layout.blocks:
        groups = result.layout.blocks[0].name
    block = choose_blocks(result, groups)[0]
    column = choose_column(result, block, x)
    together = together or ax is not None
    index = result.layout.blocks[block].levels
    first = np.asarray(result.estimates.b[block])[:, 0]
    wanted = MOST_PANELS if levels is None and not together else levels
    at = choose_levels(index, wanted, first)
    if order:
        at = at[np.argsort(first[at], kind="stable")]
    lines = level_lines(result, block, column, at)
    labels = level_labels(index[at])
    y = np.asarray(result.kept_design().y)
    count = f"{len(at)} of {len(index)} levels of {groups}"
    title = count if len(at) < len(index) else f"levels of {groups}"
    if together:
        each = one_axes(ax)
        _together(each, lines, y)
        _label(each, lines, column, result.layout.response)
        each.set_title(title, fontsize=11)
        return each.figure if ax is None else each  # type: ignore[return-value]
    figure = _lattice(lines, labels, y, column, result.layout.response)
    figure.suptitle(title, fontsize=11)
    return free_panels(figure, ax)


def _lattice(lines: LevelLines, labels: list[str], y: Any, column: str, response: str) -> Figure:
    columns = min(MOST_COLUMNS, max(len(labels), 1)) if len(labels) > 4 else min(len(labels), 4)
    rows = math.ceil(len(labels) / columns)
    size = (max(1.7 * columns, 4.5), 1.75 * rows + 0.8)
    figure, grid = new_figure(rows, columns, *size, sharex=True, sharey=True)
    for number, each in enumerate(grid.flat):
        if number >= len(labels):
            each.set_axis_off()
            continue
        tidy_axes(each)
        points = lines.points[number]
        each.scatter(lines.x[points], y[points], color="0.35", **scatter_style(len(points)))
        each.plot(lines.at[number], lines.population[number], color="C1", linestyle="--", lw=1.0)
        each.plot(lines.at[number], lines.level[number], color="C0", lw=1.5)
        each.set_title(labels[number], fontsize=9)
        each.tick_params(labelsize=8)
        if number + columns >= len(labels):  # nothing is below it
            each.tick_params(labelbottom=True)
            _ticks(each, lines)
    figure.supxlabel(column, fontsize=10)
    figure.supylabel(response, fontsize=10)
    handles = grid.flat[0].lines
    figure.legend(
        [handles[1], handles[0]],
        ["level", "without random effects"],
        loc="outside upper right",
        fontsize=8,
        ncols=2,
        frameon=False,
    )
    return figure  # type: ignore[no-any-return]


def _together(ax: Axes, lines: LevelLines, y: Any) -> None:
    shown = np.concatenate(lines.points)
    ax.scatter(lines.x[shown], y[shown], color="0.6", zorder=1, **scatter_style(len(shown)))
    segments = [np.column_stack(pair) for pair in zip(lines.at, lines.level, strict=True)]
    collection = pyplot().matplotlib.collections.LineCollection(
        segments,
        color="C0",
        linewidths=1.0 if len(segments) <= 50 else 0.5,
        alpha=float(np.clip(12.0 / math.sqrt(len(segments)) / 2.0, 0.15, 0.9)),
        zorder=2,
        label="levels",
    )
    ax.add_collection(collection)
    at, mean = np.concatenate(lines.at), np.concatenate(lines.population)
    places, which = np.unique(at, return_inverse=True)
    if len(places) <= 200:
        means = np.bincount(which, mean) / np.bincount(which)
        ax.plot(places, means, color="C1", linewidth=2.5, zorder=3, label="without random effects")
    ax.legend(fontsize=8, frameon=False)
    ax.autoscale_view()


def _ticks(ax: Axes, lines: LevelLines) -> None:
    if lines.categories is not None:
        rotation = 0 if sum(map(len, lines.categories)) <= 12 else 90
        ax.set_xticks(range(len(lines.categories)), lines.categories, rotation=rotation)


def _label(ax: Axes, lines: LevelLines, column: str, response: str) -> None:
    ax.set_xlabel(column)
    ax.set_ylabel(response)
    _ticks(ax, lines)
