"""Marginal means and their contrasts, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .accessor import Drawn, Plots
from .canvas import GREY, columns_for, free_panels, one_axes, panels
from .modes import choose_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ContrastPlots", "MeansPlots", "estimates", "interaction"]

# The lines of a panel stand beside each other over this part of the room between two levels.
ROOM = 0.25


def interaction(
    means: Any,
    x: str | None = None,
    trace: str | None = None,
    *,
    intervals: bool = True,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw marginal means along a variable, a line for each value of another.

    Lines that are not parallel show an interaction. Values of further variables have panels.

    Parameters
    ----------
    means : EstimatedMeans
        The means.
    x : str, optional
        The variable along the axis, by default the first.
    trace : str, optional
        The variable that has lines, by default the second if there is one.
    intervals : bool
        Whether to draw the intervals of the means.
    ax : Axes, optional
        Where to draw a single panel.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If the means are not of such a variable, or several panels are to go in one Axes.

    See Also
    --------
    plots.estimates, inference.emmeans

    References
    ----------
    Lenth, emmeans: `emmip`.

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> means = mixedlm2("score ~ machine + (1 | worker)", machines).fit().emmeans("machine")
    >>> ax = means.plot().axes[0]
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['A', 'B', 'C']
    """
    frame, names = means.to_frame(), [str(name) for name in means.labels.columns]
    x = names[0] if x is None else names[choose_names(x, names, "x=")[0]]
    others = [name for name in names if name != x]
    if trace is not None:
        trace = others[choose_names(trace, others, "trace=")[0]]
    elif others:
        trace = others[0]
    further = [name for name in others if name != trace]
    places, ticks = _places(frame[x])
    groups = _groups(frame, further)
    titles = [title for title, _ in groups]
    columns = len(titles) if len(titles) <= 4 else columns_for(len(titles), 4)
    width = 4.0 if len(titles) > 1 else 5.5
    shown = {"sharey": True} if ax is None else {}
    advice = "take the means by fewer variables"
    figure, axes = panels(ax, titles, advice, columns=columns, width=width, height=3.8, **shown)
    values = [None] if trace is None else list(dict.fromkeys(frame[trace]))
    gap = float(np.diff(np.unique(places)).min()) if len(np.unique(places)) > 1 else 1.0
    for each, (title, rows) in zip(axes, groups, strict=True):
        for number, value in enumerate(values):
            at = rows if trace is None else rows[(frame[trace].iloc[rows] == value).to_numpy()]
            at = at[np.argsort(places[at], kind="stable")]
            shift = ROOM * gap * ((number + 0.5) / len(values) - 0.5)
            _line(each, places[at] + shift, frame.iloc[at], f"C{number % 10}", value, intervals)
        each.set_xlabel(x)
        each.set_title(title, fontsize=11)
        if ticks is not None:
            rotation = 90 if sum(map(len, ticks)) > 45 else 0
            each.set_xticks(range(len(ticks)), ticks, rotation=rotation)
            each.set_xlim(-0.5, len(ticks) - 0.5)
    axes[0].set_ylabel("marginal mean")
    if trace is not None and len(axes) == 1:
        axes[0].legend(title=trace, fontsize=9, frameon=False)
    elif trace is not None:
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, title=trace, loc="outside right upper", fontsize=9, frameon=False)
    return free_panels(figure, ax)


def estimates(estimated: Any, *, ax: Axes | None = None) -> Axes:
    """Draw marginal means or contrasts one below the other, with their intervals.

    Contrasts have a line at the value they have under the hypothesis: zero, or one for ratios.

    Parameters
    ----------
    estimated : EstimatedMeans or Contrasts
        The means or contrasts; intervals are adjusted as theirs are.
    ax : Axes, optional

    Returns
    -------
    Axes

    See Also
    --------
    plots.interaction, inference.emmeans

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> means = mixedlm2("score ~ machine + (1 | worker)", machines).fit().emmeans("machine")
    >>> ax = means.contrasts("pairwise").plot()
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['A - B', 'A - C', 'B - C']
    """
    frame = estimated.to_frame()
    labels = [", ".join(map(str, row)) for row in estimated.labels.itertuples(index=False)]
    longest = max(map(len, labels), default=0)
    height = float(np.clip(0.3 * len(labels) + 1.0, 2.0, 14.0))
    ax = one_axes(ax, 5.0 + min(0.07 * longest, 3.0), height)
    if "pvalue" in frame:
        null = 0.0 if estimated.scale is None else float(estimated.scale.inverse(np.zeros(1))[0])
        ax.axvline(null, color=GREY, linewidth=0.8, zorder=0)
    at = np.arange(len(labels))
    ax.hlines(at, frame["lower"], frame["upper"], color="C0", linewidth=1.5)
    ax.plot(frame["estimate"], at, "o", color="C0", markersize=4.5)
    ax.set_yticks(at, labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)  # the first on top
    ax.set_xlabel(f"estimate, {100 * estimated.level:g} % interval")
    return ax


class MeansPlots(Plots):
    """Plots of marginal means: `plot()`, `plot.interaction()` and `plot.estimates()`.

    Parameters
    ----------
    shown : EstimatedMeans

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> mixedlm2("score ~ machine + (1 | worker)", machines).fit().emmeans("machine").plot
    <Plots: plot(), plot.estimates(), plot.interaction()>
    """

    interaction = Drawn(interaction)
    estimates = Drawn(estimates)

    def __call__(
        self, x: str | None = None, trace: str | None = None, **options: Any
    ) -> Axes | Figure:
        """Draw `interaction`, with its options."""
        return interaction(self._shown, x, trace, **options)


class ContrastPlots(Plots):
    """Plots of contrasts: `plot()`, which is `plot.estimates()`.

    Parameters
    ----------
    shown : Contrasts

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> means = mixedlm2("score ~ machine + (1 | worker)", machines).fit().emmeans("machine")
    >>> means.contrasts("pairwise").plot
    <Plots: plot(), plot.estimates()>
    """

    estimates = Drawn(estimates)

    def __call__(self, *, ax: Axes | None = None) -> Axes:
        """Draw `estimates`."""
        return estimates(self._shown, ax=ax)


def _places(column: pd.Series) -> tuple[Any, list[str] | None]:
    """Return where values are along an axis, and the names of categories."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=float), None
    values = list(dict.fromkeys(column))
    return np.array([values.index(each) for each in column], dtype=float), [str(v) for v in values]


def _groups(frame: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, Any]]:
    """Return title and rows of each combination of values, in the order in which they come."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(zip(*(frame[name] for name in names), strict=True) if names else []):
        found.setdefault(key, []).append(row)
    if not names:
        return [("", np.arange(len(frame)))]
    titled = [
        (", ".join(f"{name} = {value}" for name, value in zip(names, key, strict=True)), rows)
        for key, rows in found.items()
    ]
    return [(title, np.array(rows, dtype=np.intp)) for title, rows in titled]


def _line(ax: Axes, x: Any, rows: pd.DataFrame, color: str, label: Any, intervals: bool) -> None:
    if intervals:
        ax.vlines(x, rows["lower"], rows["upper"], color=color, linewidth=1.2, alpha=0.7)
    name = None if label is None else str(label)
    ax.plot(x, rows["estimate"], "o-", color=color, markersize=4.5, label=name)
