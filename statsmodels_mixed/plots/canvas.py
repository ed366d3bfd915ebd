"""Where plots are drawn: Axes that are given or made, in one look; matplotlib is loaded here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GREY",
    "MOST_LABELS",
    "columns_for",
    "free_panels",
    "level_axis",
    "new_figure",
    "one_axes",
    "panels",
    "pyplot",
    "scatter_style",
    "tidy_axes",
]


GREY = "0.55"
# Labels of levels are drawn as long as there are no more than this; beyond, they overlap.
MOST_LABELS = 60
# Points from which a picture keeps them as pixels: a file of vectors would be too large.
MANY_POINTS = 5000


def pyplot() -> Any:
    """Return matplotlib's pyplot, which is loaded with the first plot and not before.

    Raises
    ------
    OptionError
        If matplotlib is not installed.
    """
    try:
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise OptionError(
            "plots need matplotlib, which is not installed: run "
            "pip install 'statsmodels_mixed[plots]'."
        ) from error


def new_figure(rows: int, columns: int, width: float, height: float, **options: Any) -> Any:
    """Return a figure and its Axes, shape (rows, columns); sizes in inches."""
    return pyplot().subplots(
        rows,
        columns,
        figsize=(width, height),
        squeeze=False,
        layout="constrained",
        **options,
    )


def one_axes(ax: Axes | None, width: float = 6.0, height: float = 4.0) -> Axes:
    """Return the Axes that are given, or new ones.

    Raises
    ------
    OptionError
        If `ax` is something else, such as a figure.
    """
    if ax is None:
        made: Axes = new_figure(1, 1, width, height)[1][0, 0]
        return tidy_axes(made)
    pyplot()
    if not (hasattr(ax, "plot") and hasattr(ax, "set_xlabel")):
        raise OptionError(f"ax= is one Axes of matplotlib, not {type(ax).__name__}.")
    return ax


def panels(
    ax: Axes | None,
    titles: Sequence[str],
    advice: str,
    *,
    columns: int,
    width: float,
    height: float,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure and one Axes for each title: those that are given, if it is one.

    Parameters
    ----------
    ax : Axes or None
        Given by the user.
    titles : sequence of str
        What the panels show.
    advice : str
        How to choose one of them, for the message.
    columns : int
        Panels side by side.
    width, height : float
        Of a panel, in inches.
    options
        Handed to `matplotlib.pyplot.subplots`.

    Raises
    ------
    OptionError
        If one Axes is given and there are several panels.
    """
    if ax is not None:
        if len(titles) > 1:
            raise OptionError(
                f"ax= is for one panel, and there are {len(titles)} ({', '.join(titles)}): "
                f"{advice}."
            )
        axes = one_axes(ax)
        return axes.figure, [axes]  # type: ignore[return-value]
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    figure, grid = new_figure(rows, columns, width * columns, height * rows, **options)
    made = list(grid.flat)
    for spare in made[len(titles) :]:
        spare.set_axis_off()
    for each in made:
        tidy_axes(each)
    return figure, made[: len(titles)]


def free_panels(figure: Figure, ax: Axes | None) -> Axes | Figure:
    """Return what a function of several panels hands back: the Axes it was given, or all."""
    return figure if ax is None else ax


def tidy_axes(ax: Axes) -> Axes:
    """Take away the lines above and to the right."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def columns_for(count: int, most: int = 6) -> int:
    """Return how many of `count` panels to put side by side."""
    return min(most, math.ceil(math.sqrt(count)))


def scatter_style(count: int) -> dict[str, Any]:
    """Return size and opacity of points: the more there are, the lighter."""
    return {
        "s": 20 if count <= 500 else 8,
        "alpha": float(np.clip(30.0 / math.sqrt(max(count, 1)), 0.05, 0.8)),
        "linewidths": 0,
        "rasterized": count > MANY_POINTS,
    }


def level_axis(ax: Axes, labels: Sequence[str], name: str) -> None:
    """Name the levels along a vertical axis, or say how many there are."""
    count = len(labels)
    ax.set_ylim(-0.8, count - 0.2)
    if count > MOST_LABELS:
        ax.set_yticks([])
        ax.set_ylabel(f"{name} ({count} levels)")
        return
    ax.set_yticks(range(count), labels, fontsize=9 if count <= 30 else 6)
    ax.set_ylabel(name)
