"""Bootstrap replicates: densities of the parameters, one below the other or by panel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import gaussian_kde

from .._typing import Array
from ..errors import MixedModelWarning, OptionError
from .accessor import Drawn, Plots
from .canvas import GREY, columns_for, free_panels, one_axes, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BootstrapPlots", "densities", "ridge"]


POINTS = 200
# Ridges rise into the row above by this much.
OVERLAP = 1.3


def ridge(
    replicates: Any,
    *,
    kinds: str | Sequence[str] = "beta",
    names: str | Sequence[str] | None = None,
    intercept: bool = True,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw the densities of replicates of parameters, one below the other on one scale.

    Below each are the shortest interval, the estimate and the part of the density inside.

    Parameters
    ----------
    replicates : Bootstrap
        The replicates.
    kinds : str or sequence of str
        Some of ``"beta"``, ``"sigma"``, ``"dispersion"``, ``"sd"``, ``"corr"``, ``"theta"``.
    names : str or sequence of str, optional
        Parameters by name.
    intercept : bool
        Whether to show the intercept too, whose size often hides the others.
    level : float
        Of the shaded intervals.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If there is nothing of a name.

    See Also
    --------
    plots.densities, Bootstrap.conf_int

    References
    ----------
    Bates, Alday and Kokandakar, MixedModelsMakie.jl: `ridgeplot`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> ax = fit.bootstrap(50, seed=1).plot.ridge(intercept=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['days']
    """
    table = _intervals(replicates, kinds, names, level)
    if not intercept:
        table = table[[name not in ("Intercept", "const") for _, name in table.index]]
    if not len(table):
        raise OptionError("no parameter is left to be shown: name some by kinds= and names=.")
    ax = one_axes(ax, 6.0, float(np.clip(0.55 * len(table) + 1.0, 2.2, 12.0)))
    for row, (label, limits) in enumerate(table.iterrows()):
        curve = _density(replicates, label)
        if curve is None:
            continue
        x, height = curve
        height = height / height.max() * OVERLAP
        inside = (x >= limits["lower"]) & (x <= limits["upper"])
        ax.fill_between(x, row, row - height, color="C0", alpha=0.15, lw=0, zorder=row)
        ax.fill_between(
            x[inside], row, row - height[inside], color="C0", alpha=0.4, lw=0, zorder=row
        )
        ax.plot(x, row - height, color="C0", linewidth=1.0, zorder=row)
        ax.plot(limits["estimate"], row, "|", color="black", markersize=8, zorder=row + 1)
    ax.set_yticks(range(len(table)), _names(table))
    ax.set_ylim(len(table) - 0.7, -OVERLAP - 0.2)  # the first on top
    ax.set_xlabel(f"{len(replicates)} replicates, {100 * level:g} % shortest interval")
    return ax


def densities(
    replicates: Any,
    *,
    kinds: str | Sequence[str] | None = None,
    names: str | Sequence[str] | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the density of the replicates of each parameter in a panel of its own.

    The line is the estimate, the shaded part the shortest interval.

    Parameters
    ----------
    replicates : Bootstrap
        The replicates.
    kinds : str or sequence of str, optional
        As in `ridge`; by default all but theta, which `sd` and `corr` say in other words.
    names : str or sequence of str, optional
        Parameters by name.
    level : float
        Of the shaded intervals.
    ax : Axes, optional
        Where to draw a single parameter.

    Returns
    -------
    Figure or Axes
        The figure, or the Axes given.

    Raises
    ------
    OptionError
        If there is nothing of a name, or several panels are to go in one Axes.

    See Also
    --------
    plots.ridge, Bootstrap.conf_int

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.bootstrap(50, seed=1).plot()
    >>> [ax.get_title() for ax in figure.axes]
    ['Intercept', 'days', 'sigma', 'subj.Intercept']
    """
    if kinds is None:
        kinds = [kind for kind in replicates.kinds if kind != "theta"]
    table = _intervals(replicates, kinds, names, level)
    titles = _names(table)
    columns = columns_for(len(titles), 5)
    advice = "choose one by kinds= and names="
    figure, axes = panels(ax, titles, advice, columns=columns, width=3.0, height=2.6)
    for each, title, (label, limits) in zip(axes, titles, table.iterrows(), strict=True):
        curve = _density(replicates, label)
        if curve is not None:
            x, height = curve
            inside = (x >= limits["lower"]) & (x <= limits["upper"])
            each.plot(x, height, color="C0")
            each.fill_between(x[inside], 0.0, height[inside], color="C0", alpha=0.25, lw=0)
        each.axvline(limits["estimate"], color=GREY, linewidth=0.8, zorder=0)
        each.set_title(title, fontsize=10)
        each.set_xlabel(label[0])
        each.set_ylabel("density")
        each.set_ylim(bottom=0.0)
        each.set_yticks([])
        each.tick_params(labelsize=8)
    return free_panels(figure, ax)


class BootstrapPlots(Plots):
    """Plots of bootstrap replicates: `plot()`, `plot.densities()` and `plot.ridge()`.

    Parameters
    ----------
    shown : Bootstrap

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.bootstrap(5, seed=1).plot
    <Plots: plot(), plot.densities(), plot.ridge()>
    """

    densities = Drawn(densities)
    ridge = Drawn(ridge)

    def __call__(self, **options: Any) -> Axes | Figure:
        """Draw `densities`, with its options."""
        return densities(self._shown, **options)


def _intervals(replicates: Any, kinds: Any, names: Any, level: float) -> Any:
    """Return estimates and shortest intervals of the parameters that are asked for.

    Raises
    ------
    OptionError
        If there is nothing of a name.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)  # limits that are NaN are not drawn
        table = replicates.conf_int(1.0 - level, method="shortest", kinds=kinds)
    if names is None:
        return table
    asked = [names] if isinstance(names, str) else list(names)
    there = _names(table)
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise OptionError(f"names= {unknown[0]!r} is not among {', '.join(there)}.")
    return table[[name in asked for name in there]]


def _names(table: Any) -> list[str]:
    """Return names of parameters; sigma and the dispersion are known by their kind."""
    return [name or kind for kind, name in table.index]


def _density(replicates: Any, label: Any) -> tuple[Array, Array] | None:
    """Return places and the kernel estimate there; None where replicates do not vary."""
    values = replicates.frame[label].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < 2 or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return None
    low, high = values.min(), values.max()
    kind = label[0]
    margin = 0.1 * (high - low)
    # Deviations end at zero and correlations at one, and so do their densities.
    low, high = low - margin, high + margin
    if kind in ("sd", "sigma", "dispersion"):
        low = max(low, 0.0)
    if kind == "corr":
        low, high = max(low, -1.0), min(high, 1.0)
    x = np.linspace(low, high, POINTS)
    return x, gaussian_kde(values)(x)
