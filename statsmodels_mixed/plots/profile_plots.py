"""Profiles: zeta, whose straightness shows how near to normal, and the density it implies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from ..errors import OptionError
from .accessor import Drawn, Plots
from .canvas import GREY, columns_for, free_panels, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ProfilePlots", "density", "zeta"]

LEVELS = (0.5, 0.8, 0.95)
POINTS = 200
ADVICE = "choose one by kinds= and names="


def zeta(
    profile: Any,
    *,
    kinds: str | Sequence[str] | None = None,
    names: str | Sequence[str] | None = None,
    levels: Sequence[float] = LEVELS,
    absolute: bool = False,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the signed root of the rise in deviance as a function of each parameter.

    A straight line is that of a quadratic likelihood, for which Wald intervals hold. Bars
    mark the intervals of the levels given.

    Parameters
    ----------
    profile : Profile
        The profiles.
    kinds : str or sequence of str, optional
        Some of ``"beta"``, ``"sigma"``, ``"dispersion"``, ``"sd"``, ``"corr"``, ``"theta"``;
        by default all but theta, which `sd` and `corr` say in other words.
    names : str or sequence of str, optional
        Parameters by name.
    levels : sequence of float
        Of the intervals.
    absolute : bool
        Whether to draw the absolute values.
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
    plots.density, Profile.conf_int

    References
    ----------
    Bates and Watts (1988), Nonlinear regression analysis and its applications, chapter 6.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.profile("beta").plot.zeta()
    >>> [ax.get_title() for ax in figure.axes]
    ['Intercept', 'days']
    """
    curves = _chosen(profile, kinds, names)
    figure, axes = _panels(ax, curves)
    for each, curve in zip(axes, curves, strict=True):
        x, y = _points(curve)
        each.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
        each.plot(x, np.abs(y) if absolute else y, color="C0")
        for level in levels:
            _interval(each, curve, level, absolute)
        _name(each, curve)
        each.set_ylabel("|ζ|" if absolute else "ζ")
    return free_panels(figure, ax)


def density(
    profile: Any,
    *,
    kinds: str | Sequence[str] | None = None,
    names: str | Sequence[str] | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the density that each parameter has if zeta is standard normal.

    It shows the shape of the likelihood: skewness, and a bound that cuts it off. The shaded
    part is the profile interval.

    Parameters
    ----------
    profile : Profile
        The profiles.
    kinds, names, ax
        As in `zeta`.
    level : float
        Of the shaded interval.

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
    plots.zeta

    References
    ----------
    Bates, Maechler, Bolker and Walker, lme4: `densityplot` of a profile.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> figure = fit.profile("sd").plot.density()
    >>> figure.axes[0].get_title()
    'subj.Intercept'
    """
    curves = _chosen(profile, kinds, names)
    figure, axes = _panels(ax, curves)
    for each, curve in zip(axes, curves, strict=True):
        x, y = _points(curve)
        each.axvline(curve.estimate, color=GREY, linewidth=0.8, zorder=0)
        if len(x) > 1:
            height = norm.pdf(y) * np.gradient(y, x)
            each.plot(x, height, color="C0")
            limits = _limits(curve, level)
            low = x[0] if limits[0] is None else limits[0]
            high = x[-1] if limits[1] is None else limits[1]
            inside = (x >= low) & (x <= high)
            each.fill_between(x[inside], 0.0, height[inside], color="C0", alpha=0.25, lw=0)
        _name(each, curve)
        each.set_ylim(bottom=0.0)
        each.set_yticks([])
        each.set_ylabel("density")
    return free_panels(figure, ax)


class ProfilePlots(Plots):
    """Plots of a profile: `plot()` and `plot.zeta()`, `plot.density()`.

    Parameters
    ----------
    shown : Profile

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.profile("beta").plot
    <Plots: plot(), plot.density(), plot.zeta()>
    """

    zeta = Drawn(zeta)
    density = Drawn(density)

    def __call__(self, **options: Any) -> Axes | Figure:
        """Draw `zeta`, with its options."""
        return zeta(self._shown, **options)


def _chosen(profile: Any, kinds: Any, names: Any) -> list[Any]:
    """Return the curves that are asked for.

    Raises
    ------
    OptionError
        If there is none of a kind or name, or none at all.
    """
    present = list(dict.fromkeys(curve.kind for curve in profile.curves))
    wanted = [kind for kind in present if kind != "theta"] or present
    if kinds is not None:
        wanted = [kinds] if isinstance(kinds, str) else list(kinds)
        unknown = [kind for kind in wanted if kind not in present]
        if unknown:
            raise OptionError(f"kinds= {unknown[0]!r} is not profiled: {', '.join(present)} are.")
    found = [curve for kind in wanted for curve in profile.curves if curve.kind == kind]
    if names is not None:
        asked = [names] if isinstance(names, str) else list(names)
        there = [_title(curve) for curve in found]
        unknown = [name for name in asked if name not in there]
        if unknown:
            raise OptionError(f"names= {unknown[0]!r} is not among {', '.join(there)}.")
        found = [curve for curve in found if _title(curve) in asked]
    if not found:
        raise OptionError("there is no curve to draw: the data determine none of the parameters.")
    return found


def _title(curve: Any) -> str:
    """Return the name of a parameter; sigma and the dispersion are known by their kind."""
    return str(curve.name or curve.kind)


def _panels(ax: Axes | None, curves: list[Any]) -> tuple[Figure, list[Axes]]:
    titles = [_title(curve) for curve in curves]
    columns = columns_for(len(curves), 5)
    return panels(ax, titles, ADVICE, columns=columns, width=3.0, height=2.6)


def _points(curve: Any) -> tuple[Any, Any]:
    """Return places along the values of a parameter and zeta there."""
    if len(curve.value) < 2:
        return curve.value, curve.zeta
    x = np.unique(
        np.concatenate([np.linspace(curve.value[0], curve.value[-1], POINTS), curve.value])
    )
    return x, curve.zeta_at(x)


def _limits(curve: Any, level: float) -> tuple[float | None, float | None]:
    """Return the ends of an interval; None where the points do not go so far."""
    ends: list[float | None] = []
    for side in (norm.ppf((1.0 - level) / 2.0), norm.ppf((1.0 + level) / 2.0)):
        try:
            ends.append(float(curve.value_at(side)))
        except OptionError:
            ends.append(None)
    low, high = ends
    return low, high


def _interval(ax: Axes, curve: Any, level: float, absolute: bool) -> None:
    """Draw the ends of an interval as lines down to zero."""
    for end in _limits(curve, level):
        if end is None or not np.isfinite(end):
            continue
        height = float(curve.zeta_at([end])[0])
        ax.vlines(end, 0.0, abs(height) if absolute else height, color="C1", linewidth=1.0)


def _name(ax: Axes, curve: Any) -> None:
    ax.set_title(_title(curve), fontsize=10)
    ax.set_xlabel(curve.kind)
    ax.tick_params(labelsize=8)
