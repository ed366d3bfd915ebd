"""How the model draws the estimates of single levels towards their common mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..results.base import unwrap
from .canvas import GREY, free_panels, level_axis, panels, pyplot
from .modes import Modes, modes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["shrinkage", "within_levels"]


# The least eigenvalue of the information of a level, over the largest, for it to be estimable.
SINGULAR = 1e-10


def within_levels(result: Any, block: int) -> Array:
    """Return the random effects that the rows of each level ask for by themselves.

    Weighted least squares in each level, with everything else of the model as it was
    estimated: b + (Z'WZ)^-1 Z'W r with r the residuals and W the weights of the last step
    of the fit. For a linear model that is exact; for a generalized one it is a step of
    Fisher's scoring away from the modes, finite also where all responses of a level are zero.

    Parameters
    ----------
    result : MixedModelResults
    block : int
        Number of the grouping factor.

    Returns
    -------
    ndarray, shape (l, k)
        NaN in levels whose rows do not determine all their effects.
    """
    design = result.kept_design()
    random = design.blocks[block]
    weights = np.ones(len(design.y)) if design.weights is None else design.weights
    score = np.asarray(result.resid) * weights
    if not result.estimates.linear:
        mu, family = np.asarray(result.fittedvalues), result.family
        rate = 1.0 / (family.variance(mu) * family.link.deriv(mu))
        score, weights = score * rate, weights * rate / family.link.deriv(mu)
    b = np.asarray(result.estimates.b[block])
    count, k = b.shape
    z = random.z
    information, right = np.empty((count, k, k)), np.empty((count, k))
    for i in range(k):
        right[:, i] = np.bincount(random.refs, z[:, i] * score, count)
        for j in range(k):
            product = z[:, i] * z[:, j] * weights
            information[:, i, j] = np.bincount(random.refs, product, count)
    sizes = np.sqrt(np.einsum("lkk->lk", information))
    safe = np.where(sizes > 0, sizes, 1.0)
    scaled = information / (safe[:, :, None] * safe[:, None, :])
    known = np.linalg.eigvalsh(scaled)[:, 0] > SINGULAR
    steps = np.full((count, k), np.nan)
    solved = np.linalg.solve(scaled[known], (right / safe)[known][:, :, None])[:, :, 0]
    steps[known] = solved / safe[known]
    return np.asarray(b + steps)


def shrinkage(
    result: Any,
    *,
    groups: str | Sequence[str] | None = None,
    terms: str | Sequence[str] | None = None,
    levels: Any = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw arrows from what each level says by itself to its conditional modes.

    By itself: weighted least squares in the rows of a level, the rest of the model as it
    was estimated. Two random effects of a level span a panel; a single one is drawn by level.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    groups, terms, levels
        As in `caterpillar`.
    ax : Axes, optional
        Where to draw a single panel.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If there is nothing of a name, several panels are to go in one Axes, or no level
        determines its random effects.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.caterpillar, plots.fitted_lines

    References
    ----------
    Bates, Alday and Kokandakar, MixedModelsMakie.jl: `shrinkageplot`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> ax = fit.plot.shrinkage().axes[0]
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('Intercept', 'days')
    """
    result = unwrap(result)
    found = modes_of(result, groups=groups, terms=terms, levels=levels)
    drawn: list[tuple[Modes, Array, tuple[int, ...]]] = []
    for modes in found:
        free = within_levels(result, modes.block)
        if result.layout.blocks[modes.block].members is not None:  # columns of a single level
            free = free.T
        free = free[modes.at][:, modes.columns]
        if np.isnan(free).all():
            continue
        k = len(modes.terms)
        pairs = combinations(range(k), 2) if k > 1 else [(0,)]
        drawn += [(modes, free, tuple(pair)) for pair in pairs]
    if not drawn:
        names = ", ".join(modes.group for modes in found)
        raise OptionError(f"no level of {names} determines its random effects by itself.")
    titles = [f"{m.group}: {', '.join(m.terms[i] for i in pair)}" for m, _, pair in drawn]
    tall = any(len(pair) == 1 for _, _, pair in drawn)
    most = max(len(modes.levels) for modes in found)
    height = float(np.clip(0.19 * most + 1.0, 4.2, 9.0)) if tall else 4.2
    columns = min(len(titles), 3)
    advice = "choose one by groups= and terms="
    figure, axes = panels(ax, titles, advice, columns=columns, width=4.6, height=height)
    for each, (modes, free, pair) in zip(axes, drawn, strict=True):
        if len(pair) == 1:
            _by_level(each, modes, free[:, 0])
        else:
            _in_plane(each, modes, free, pair)
        each.set_title(modes.group, fontsize=11)
    axes[0].legend(loc="best", fontsize=8, frameon=False)
    return free_panels(figure, ax)


def _in_plane(ax: Axes, modes: Modes, free: Array, pair: tuple[int, ...]) -> None:
    x, y = pair
    few = len(modes.levels) <= 100
    _arrows(ax, free[:, [x, y]], modes.value[:, [x, y]], few)
    size = 4.0 if few else 2.0
    ax.plot(
        free[:, x], free[:, y], "o", color="C1", markersize=size, label="within the level", zorder=2
    )
    ax.plot(
        modes.value[:, x],
        modes.value[:, y],
        "o",
        color="C0",
        markersize=size,
        label="conditional mode",
        zorder=3,
    )
    ax.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
    ax.axvline(0.0, color=GREY, linewidth=0.6, zorder=0)
    ax.margins(0.1)
    ax.set_xlabel(modes.terms[x])
    ax.set_ylabel(modes.terms[y])
    if len(modes.levels) <= 20:
        for label, point in zip(modes.labels, free[:, [x, y]], strict=True):
            if np.isfinite(point).all():
                ax.annotate(
                    label, point, (3, 3), textcoords="offset points", fontsize=7, color="0.3"
                )


def _by_level(ax: Axes, modes: Modes, free: Array) -> None:
    at = modes.ordered(modes.terms[0])
    few = len(at) <= 100
    height = np.arange(len(at), dtype=float)
    ends = np.column_stack([modes.value[at, 0], height])
    _arrows(ax, np.column_stack([free[at], height]), ends, few)
    size = 4.0 if few else 2.0
    ax.plot(free[at], height, "o", color="C1", markersize=size, label="within the level", zorder=2)
    ax.plot(
        modes.value[at, 0],
        height,
        "o",
        color="C0",
        markersize=size,
        label="conditional mode",
        zorder=3,
    )
    ax.axvline(0.0, color=GREY, linewidth=0.6, zorder=0)
    ax.set_xlabel(modes.terms[0])
    level_axis(ax, [modes.labels[i] for i in at], modes.group)


def _arrows(ax: Axes, start: Array, end: Array, few: bool) -> None:
    way = end - start
    good = np.isfinite(way).all(axis=1)
    if not few:  # heads of arrows would hide each other
        lines = np.stack([start[good], end[good]], axis=1)
        segments = pyplot().matplotlib.collections.LineCollection
        ax.add_collection(segments(lines, color="0.6", linewidths=0.5, alpha=0.6, zorder=1))
        return
    ax.quiver(
        *start[good].T,
        *way[good].T,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        width=0.003,
        color="0.6",
        zorder=1,
    )
