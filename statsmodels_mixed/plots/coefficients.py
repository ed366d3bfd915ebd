"""Coefficients of one or several fits, side by side, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..results.base import unwrap
from .canvas import GREY, one_axes
from .modes import choose_names, normal_quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["coefficients"]

# Height that the fits of one coefficient share.
ROOM = 0.6
INTERCEPTS = ("Intercept", "const", "1")


def coefficients(
    result: Any,
    *others: Any,
    names: Sequence[str] | None = None,
    terms: str | Sequence[str] | None = None,
    intercept: bool = True,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw the coefficients with their confidence intervals, of several fits side by side.

    The intervals are those of `conf_int`: their standard errors and degrees of freedom are
    those of each fit.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        A fit.
    others : results
        Further fits to compare with it, also of OLS, GLM and other models of statsmodels.
    names : sequence of str, optional
        What the fits are called in the legend.
    terms : str or sequence of str, optional
        Coefficients to show, in this order; by default all, in the order of the fits.
    intercept : bool
        Whether to show the intercept too, whose size often hides the others.
    level : float
        Of the intervals.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If a coefficient is in none of the fits, or there are not as many names as fits.

    See Also
    --------
    plots.caterpillar

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy")
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
    >>> other = mixedlm2("reaction ~ days + (1 | subj)", sleep).fit()
    >>> ax = fit.plot.coefficients(other, names=["slopes", "intercepts"], intercept=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['days']
    """
    normal_quantile(level)  # the level is possible
    unwrap(result, correlated=True, parts="all")
    fits = [result, *others]
    tables = [_table(fit, 1.0 - level) for fit in fits]
    present = list(dict.fromkeys(name for table in tables for name in table))
    shown = [present[i] for i in choose_names(terms, present, "terms=")]
    if not intercept:
        shown = [name for name in shown if name not in INTERCEPTS]
    if not shown:
        raise OptionError("no coefficient is left to be shown: name some by terms=.")
    labels = [f"model {i + 1}" for i in range(len(fits))] if names is None else list(names)
    if len(labels) != len(fits):
        raise OptionError(f"names= has {len(labels)} names for {len(fits)} fits.")
    longest = max(map(len, shown))
    rows = len(shown) * (1.0 + 0.35 * (len(fits) - 1))
    height = float(np.clip(0.3 * rows + 1.0, 2.0, 12.0))
    ax = one_axes(ax, 5.0 + min(0.07 * longest, 3.0), height)
    ax.axvline(0.0, color=GREY, linewidth=0.8, zorder=0)
    for number, (table, label) in enumerate(zip(tables, labels, strict=True)):
        places = [i for i, name in enumerate(shown) if name in table]
        values = np.array([table[shown[i]] for i in places]).reshape(-1, 3)
        shift = ROOM * ((number + 0.5) / len(fits) - 0.5)
        at, color = np.array(places) + shift, f"C{number % 10}"
        ax.hlines(at, values[:, 1], values[:, 2], color=color, linewidth=1.5)
        ax.plot(values[:, 0], at, "o", color=color, markersize=4.5, label=label)
    ax.set_yticks(range(len(shown)), shown)
    ax.set_ylim(len(shown) - 0.4, -0.6)  # the first on top
    ax.set_xlabel(f"estimate, {100 * level:g} % interval")
    if len(fits) > 1:
        ax.legend(fontsize=9, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _table(fit: Any, alpha: float) -> dict[str, tuple[float, float, float]]:
    """Return estimate and limits of each coefficient by name.

    Raises
    ------
    OptionError
        If it is no fit with coefficients.
    """
    results = getattr(fit, "_results", fit)
    try:
        names = list(getattr(results, "fixefnames", None) or results.model.exog_names)
        limits = np.asarray(results.conf_int(alpha=alpha))
        values = np.asarray(results.params)
    except AttributeError as error:
        raise OptionError(
            f"coefficients() compares fits of models, not {type(fit).__name__}."
        ) from error
    rows = zip(names, values, *limits[: len(names)].T, strict=False)
    return {name: (float(a), float(b), float(c)) for name, a, b, c in rows}
