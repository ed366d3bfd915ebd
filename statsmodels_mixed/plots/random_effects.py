"""The random effects of a grouping factor against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from ..errors import OptionError
from ..results.base import unwrap
from .canvas import GREY, free_panels, new_figure, one_axes, scatter_style, tidy_axes
from .modes import Modes, modes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["random_effects"]

MOST_EFFECTS = 8


def random_effects(
    result: Any,
    *,
    groups: str | None = None,
    terms: str | Sequence[str] | None = None,
    levels: Any = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the conditional modes of the effects of a grouping factor against each other.

    On the diagonal are histograms with the normal density of the estimated variance; above
    it the estimated correlations, which those of the modes exceed or fall short of.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    groups : str, optional
        The grouping factor, by default the first that has most effects for a level.
    terms : str or sequence of str, optional
        Its random effects, all by default; with two of them `ax` has their scatter.
    levels : int or sequence, optional
        As in `caterpillar`.
    ax : Axes, optional
        Where to draw the histogram of one effect or the scatter of two.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If there is nothing of a name, or there are too many effects.

    See Also
    --------
    plots.caterpillar, plots.shrinkage

    References
    ----------
    Bates, Alday and Kokandakar, MixedModelsMakie.jl: `splom!`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.plot.random_effects()
    >>> figure.axes[1].texts[0].get_text()
    'r = 0.08'
    """
    result = unwrap(result, correlated=True, parts="mean")
    blocks = result.layout.blocks
    if groups is None and blocks:
        groups = max(blocks, key=lambda block: len(block.effects)).name
    modes = modes_of(result, groups=groups, terms=terms, levels=levels)[0]
    k = len(modes.terms)
    if k > MOST_EFFECTS:
        raise OptionError(
            f"{k} random effects of {modes.group} are too many to be drawn against each other: "
            f"choose up to {MOST_EFFECTS} by terms=."
        )
    covariance = result.varcorr[modes.group]
    if ax is not None:
        if k > 2:
            raise OptionError(
                f"ax= is for one or two effects, and there are {k}: choose by terms=."
            )
        axes = one_axes(ax)
        if k == 1:
            _histogram(axes, modes, 0, float(covariance.std_dev[modes.columns[0]]))
        else:
            _scatter(axes, modes, 0, 1)
            axes.set_ylabel(modes.terms[1])
        axes.set_xlabel(modes.terms[0])
        return axes
    size = 2.4 if k > 1 else 4.0
    figure, grid = new_figure(k, k, size * k, 0.9 * size * k, sharex="col")
    for row in range(k):
        for column in range(k):
            each = tidy_axes(grid[row, column])
            if row == column:
                _histogram(each, modes, row, float(covariance.std_dev[modes.columns[row]]))
            elif row > column:
                _scatter(each, modes, column, row)
            else:
                at = modes.columns[row], modes.columns[column]
                _correlation(each, float(covariance.correlation[at]))
            if row == k - 1:
                each.set_xlabel(modes.terms[column])
            if column == 0 and row > 0:
                each.set_ylabel(modes.terms[row])
    figure.suptitle(f"{modes.group}: conditional modes", fontsize=11)
    return free_panels(figure, ax)


def _histogram(ax: Axes, modes: Modes, column: int, deviation: float) -> None:
    values = modes.value[:, column]
    values = values[np.isfinite(values)]
    if len(values):
        ax.hist(values, bins="auto", density=True, color="C0", alpha=0.6)
    if deviation > 0 and np.isfinite(deviation):
        reach = max(3.0 * deviation, float(np.abs(values).max(initial=0.0)))
        x = np.linspace(-reach, reach, 200)
        ax.plot(x, norm.pdf(x, scale=deviation), color=GREY, linewidth=1.2)
    ax.set_yticks([])


def _scatter(ax: Axes, modes: Modes, x: int, y: int) -> None:
    ax.scatter(modes.value[:, x], modes.value[:, y], color="C0", **scatter_style(len(modes.at)))
    ax.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
    ax.axvline(0.0, color=GREY, linewidth=0.6, zorder=0)


def _correlation(ax: Axes, value: float) -> None:
    ax.spines[:].set_visible(False)
    ax.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    text = "r undefined" if np.isnan(value) else f"r = {value:.2f}"
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, fontsize=12)
