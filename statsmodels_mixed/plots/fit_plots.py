"""The plots of a fit: `fit.plot.caterpillar()` and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..results.base import unwrap
from .accessor import Drawn, Plots
from .canvas import new_figure, tidy_axes
from .caterpillar import caterpillar, qq_caterpillar
from .coefficients import coefficients
from .fitted_lines import fitted_lines
from .influence_plots import cooks_distance, dfbetas
from .random_effects import random_effects
from .residual_plots import qq, residuals, scale_location
from .shrinkage import shrinkage
from .simulated_plots import both, uniform_against, uniform_qq

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FitPlots", "checks", "influence", "simulated_residuals"]


def influence(
    result: Any, by: Any = "obs", *, kind: str = "cooks_distance", ax: Axes | None = None
) -> Axes | Figure:
    """Draw what single rows or groups do to the coefficients, after fitting without each.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    by : "obs", str or array_like, shape (n,)
        What is left out, as in the method `influence`.
    kind : {"cooks_distance", "dfbetas"}
        Cook's distances, or the changes of the coefficients by their standard errors.
    ax : Axes, optional
        Where to draw a single panel.

    Returns
    -------
    Axes or Figure
        The Axes of Cook's distances; the figure of several coefficients, without `ax`.

    Raises
    ------
    OptionError
        If there is no such kind, or no such grouping.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.cooks_distance, plots.dfbetas

    References
    ----------
    Demidenko and Stukel (2005), Statistics in Medicine 24, 893-909.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.plot.influence("subj").get_xlabel()
    'subj'
    """
    kinds = {"cooks_distance": cooks_distance, "dfbetas": dfbetas}
    if kind not in kinds:
        raise OptionError(f"kind= is one of {', '.join(map(repr, kinds))}, not {kind!r}.")
    return kinds[kind](unwrap(result, correlated=True, parts="all").influence(by), ax=ax)


def simulated_residuals(
    result: Any,
    predictor: Any = None,
    *,
    kind: str | None = None,
    n: int = 250,
    seed: Any = None,
    re: str = "new",
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw the ranks of the responses among draws: uniform if the model holds, for any family.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    predictor : str, Series or array_like, shape (n,), optional
        A column of the formula by name, or any other; by default the mean of the draws.
    kind : {"qq", "against"}, optional
        Against uniform quantiles or a predictor. By default both side by side; with a
        predictor, or in one Axes, one of them.
    n, seed, re
        As in the method `simulated_residuals`.
    ax : Axes, optional

    Returns
    -------
    Axes or Figure
        The figure of both, or Axes.

    Raises
    ------
    OptionError
        If there is no such kind or column, or an option does not go with the model.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    plots.uniform_qq, plots.uniform_against

    References
    ----------
    Hartig, DHARMa: residual diagnostics for hierarchical (multi-level/mixed) regression models.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.plot.simulated_residuals("days", n=99, seed=1).get_xlabel()
    'days'
    """
    if kind not in (None, "qq", "against"):
        raise OptionError(f'kind= is "qq" or "against", not {kind!r}.')
    result = unwrap(result, correlated=True, parts="all")
    if isinstance(predictor, str):
        frame = result.model.frame
        if frame is None or predictor not in frame.table:
            known = "" if frame is None else f" ({', '.join(map(str, frame.table))})"
            raise OptionError(
                f"predictor={predictor!r} is no column of the formula{known}: give the values "
                "themselves, such as data[column]."
            )
        predictor = frame.table[predictor]
    if kind is None and predictor is not None:
        kind = "against"
    if kind is None and ax is not None:
        kind = "qq"
    simulated = result.simulated_residuals(n, seed=seed, re=re)
    if kind is None:
        return both(simulated)
    if kind == "qq":
        return uniform_qq(simulated, ax=ax)
    return uniform_against(simulated, predictor, ax=ax)


def checks(result: Any) -> Figure:
    """Draw four checks of a fit: three of residuals, and one of the random effects.

    Models with correlated residuals have the first three. Of models with parameters of rows, and
    of ordered categories, simulated residuals are drawn in place of the first two.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.

    Returns
    -------
    Figure

    See Also
    --------
    plots.residuals, plots.simulated_residuals

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> len(fit.plot().axes)
    4
    """
    result = unwrap(result, correlated=True, parts="all")
    figure, grid = new_figure(2, 2, 9.0, 7.5)
    for each in grid.flat:
        tidy_axes(each)
    if getattr(result, "stands_alone", False):
        simulated = result.simulated_residuals(seed=0)
        uniform_qq(simulated, ax=grid[0, 0])
        uniform_against(simulated, ax=grid[0, 1])
        if result._ordered:
            grid[1, 0].set_axis_off()
        else:
            scale_location(result, ax=grid[1, 0])
        _first_effect(result, grid[1, 1])
        return figure  # type: ignore[no-any-return]
    residuals(result, ax=grid[0, 0])
    scale_location(result, ax=grid[1, 0])
    if result.takes_correlated:
        qq(result, kind="normalized", ax=grid[0, 1])
        grid[1, 1].set_axis_off()
    else:
        qq(result, ax=grid[0, 1])
        _first_effect(result, grid[1, 1])
    return figure  # type: ignore[no-any-return]


def _first_effect(result: Any, ax: Axes) -> None:
    block = result.layout.blocks[0]
    qq_caterpillar(result, groups=block.name, terms=block.effects[0], ax=ax)


class FitPlots(Plots):
    """The plots of a fit, as methods: `fit.plot.caterpillar()`, `fit.plot.residuals()`.

    `fit.plot()` draws four of them that check the fit.

    Parameters
    ----------
    shown : LinearMixedModelResults or GeneralizedLinearMixedModelResults

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> ax = fit.plot.residuals()
    >>> ax.get_xlabel()
    'fitted value'
    """

    caterpillar = Drawn(caterpillar)
    qq_caterpillar = Drawn(qq_caterpillar)
    shrinkage = Drawn(shrinkage)
    random_effects = Drawn(random_effects)
    fitted_lines = Drawn(fitted_lines)
    coefficients = Drawn(coefficients)
    residuals = Drawn(residuals)
    qq = Drawn(qq)
    scale_location = Drawn(scale_location)
    influence = Drawn(influence)
    simulated_residuals = Drawn(simulated_residuals)

    def __call__(self) -> Figure:
        """Draw four checks: residuals, their quantiles and size, and the random effects."""
        return checks(self._shown)
