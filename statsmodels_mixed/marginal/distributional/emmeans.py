"""Marginal means of the predictor of the mean, in models whose rows have other parameters too."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..._typing import Numbers
from ...errors import OptionError
from ...fitting.distributional.row_parameters import threshold_matrix
from ...frame.matrices.coding import CodedMatrix
from ..emmeans import TYPES
from ..emmeans import emmeans as of_predictor
from ..joint_tests import joint_tests as of_terms
from ..means import EstimatedMeans
from ..response_scale import response_scale
from ..trends import emtrends as trends_of
from .ordered import Cuts, ordered_means
from .response_means import means_of_response

if TYPE_CHECKING:
    from ...results.base import MixedModelResults
    from ...results.distributional.base import DistributionalFit

__all__ = ["emmeans", "emtrends", "joint_tests"]


_NOT_OF_CATEGORIES = "not for ordered categories: mode= says what there are means of"
_TITLES = {"zi": "probability of zeros", "disp": "dispersion"}


def emmeans(
    self: DistributionalFit,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
    type: str = "link",
    mode: str | None = None,
    component: str = "cond",
    bias_adjust: bool = False,
    population: bool = False,
    level: float = 0.95,
    offset: float | None = None,
) -> EstimatedMeans | pd.DataFrame:
    """Compute marginal means of the predictor of the mean, or of ordered categories.

    Parameters
    ----------
    specs : str or list of str
        The variables whose means are asked for.
    by, at, weights, level, offset : optional
        As for other models.
    type : {"link", "response"}
        The scale of the linear predictor, or its inverse link: the mean without the part of zeros,
        of a truncated distribution that before truncation. Of ordered categories ``"response"``
        are their probabilities.
    mode : str, optional
        For ordered categories: ``"latent"`` (the default), means of the latent variable less the
        mean of the thresholds; ``"linear.predictor"``, thresholds less the linear predictor;
        ``"cum.prob"`` and ``"exc.prob"``, probabilities up to a cut and beyond it; ``"prob"``,
        those of the categories; or ``"mean.class"``, the mean of their numbers. `specs` and `by`
        may then name the response, ``"temp | rating"``, or ``"cut"``. All but the first two are
        averaged as probabilities.
    component : {"cond", "zi", "disp", "response"}
        What there are means of: the mean without the part of zeros; zeros (of `hurdle=` too), on
        the scale of the logit or as probabilities; the dispersion; or the response itself, the
        mean with its zeros, averaged on its own scale.
    bias_adjust, population : bool
        As for other models, for ``"cond"`` and ``"zi"``: means that account for random effects
        not being zero.

    Returns
    -------
    EstimatedMeans
        With standard errors from the Hessian of all parameters.

    Raises
    ------
    OptionError
        As for other models, and if `mode` is not possible.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.predict

    References
    ----------
    Searle, Speed and Milliken (1980), The American Statistician 34, 216-221; the R package emmeans
    for models of ordinal.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().emmeans("year").to_frame()[["year", "estimate", "std_error"]].round(2)
      year  estimate  std_error
    0   95      0.40       0.24
    1   96      1.72       0.20
    2   97     -0.52       0.25
    >>> ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
    >>> fit = mixedordinal2("many ~ year + (1 | brood)", ticks).fit()
    >>> fit.emmeans("year | many", mode="prob").to_frame().head(3)[["year", "estimate"]].round(2)
      year  estimate
    0   95      0.26
    1   96      0.02
    2   97      0.62
    """
    if self._ordered:
        if bias_adjust or population:
            raise OptionError(f"bias_adjust= and population= are {_NOT_OF_CATEGORIES}.")
        _refuse_other_parts(component)
        if type not in TYPES:
            raise OptionError(f"type= is one of {', '.join(TYPES)}, not {type!r}.")
        return ordered_means(
            self._mean_part,
            _cuts(self),
            specs,
            by=by,
            at=at,
            weights=weights,
            type=type,
            mode=mode or ("prob" if type == "response" else "latent"),
            level=level,
            offset=offset,
        )
    if mode is not None:
        raise OptionError("mode= is for ordered categories.")
    if component == "response":
        if bias_adjust or population:
            raise OptionError(
                'bias_adjust= and population= are for component="cond" and "zi": means of the '
                "response are at random effects of zero."
            )
        return means_of_response(
            self, specs, by=by, at=at, weights=weights, level=level, offset=offset
        )
    part = self._component(component)
    if bias_adjust or population:
        part = _averaged_over(part, component)
    means = of_predictor(
        part,
        specs,
        by=by,
        at=at,
        weights=weights,
        type=type,
        bias_adjust=bias_adjust,
        level=level,
        population=population,
        offset=offset,
    )
    if component == "cond" or not isinstance(means, EstimatedMeans):
        return means
    return replace(means, title=f"{means.title}: {_TITLES[component]}")


def _refuse_other_parts(component: str) -> None:
    if component != "cond":
        raise OptionError(f"component= is {_NOT_OF_CATEGORIES}.")


def _cuts(fit: DistributionalFit) -> Cuts:
    """Return the thresholds of a fit, with the covariance of all coefficients."""
    model = fit.model
    J, _ = threshold_matrix(model.categories, model.threshold)
    scale = response_scale(fit._mean_part)
    assert scale is not None
    named = replace(scale, name=model.link_name)
    order = fit._order  # thresholds, then the coefficients of the mean
    covariance = fit._on_basis.taken(order)
    whole = _with_nominal(fit) if model.formulas else fit._mean_part
    return Cuts(J, fit.estimates.kappa, covariance, named, model.categories, whole)


def _with_nominal(fit: DistributionalFit) -> MixedModelResults:
    """Return the part of the mean with the columns of effects that differ between thresholds."""
    frame = fit.model.frame
    matrices = [] if frame is None else [frame.fixed, *fit.model.matrices.values()]
    coded = [matrix for matrix in matrices if isinstance(matrix, CodedMatrix)]
    if len(coded) < len(matrices):
        raise OptionError(
            "marginal means with nominal= need the formula engine patsy: set "
            'statsmodels.formula.options.formula_engine = "patsy".'
        )
    names = tuple(name for matrix in coded for name in matrix.names)
    joined = CodedMatrix(names, tuple(term for matrix in coded for term in matrix.terms))
    X = np.hstack([fit.model.kept_design().X, *(W for W, _ in fit.model._pieces.values())])
    part: MixedModelResults = fit._with_columns(joined, X, names)
    return part


def joint_tests(
    self: DistributionalFit,
    by: str | Sequence[str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
    component: str = "cond",
) -> pd.DataFrame:
    """Test the effects of factors on the predictor of the mean, of zeros or of the dispersion.

    Parameters
    ----------
    by, at, weights : optional
        As for other models.
    component : {"cond", "zi", "disp"}
        The formula whose effects are tested.

    Returns
    -------
    DataFrame
        As for other models; Wald's chi-squared is `df_num` times the statistic.

    Raises
    ------
    OptionError, DataError
        As for `emmeans`.

    See Also
    --------
    DistributionalResults.emmeans

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().joint_tests()[["term", "df_num", "statistic"]].round(1)
       term  df_num  statistic
    0  year       2       25.3
    """
    return of_terms(self._component(component), by, at=at, weights=weights)


def emtrends(
    self: DistributionalFit,
    specs: str | Sequence[str],
    var: str,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
    mode: str | None = None,
    component: str = "cond",
    level: float = 0.95,
) -> EstimatedMeans:
    """Estimate slopes of a covariate in the predictor of the mean, of zeros or of the dispersion.

    Parameters
    ----------
    specs, var, by, at, weights, level
        As for other models.
    mode : {"latent", "linear.predictor"}, optional
        For ordered categories: slopes of the latent variable less the mean of the thresholds (the
        default), or of each threshold less the linear predictor. With `nominal=` they have the
        effects that differ between thresholds.
    component : {"cond", "zi", "disp"}
        The formula whose slopes these are.

    Returns
    -------
    EstimatedMeans

    Raises
    ------
    OptionError, DataError
        As for `emmeans`.

    See Also
    --------
    DistributionalResults.emmeans

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ cheight + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().emtrends("1", "cheight").to_frame()[["estimate", "std_error"]].round(3)
       estimate  std_error
    0    -0.025      0.003
    """
    if self._ordered:
        _refuse_other_parts(component)
        return ordered_means(
            self._mean_part,
            _cuts(self),
            specs,
            by=by,
            at=at,
            weights=weights,
            type="link",
            mode=mode or "latent",
            level=level,
            offset=0.0,
            var=var,
        )
    if mode is not None:
        raise OptionError("mode= is for ordered categories.")
    part = self._component(component)
    return trends_of(part, specs, var, by=by, at=at, weights=weights, level=level)


def _averaged_over(part: Any, name: str) -> Any:
    """Return a part of a fit whose random effects are its own, those of others being zero.

    Parameters
    ----------
    part : GeneralizedLinearMixedModelResults
        What `DistributionalResults._component` returns.
    name : str
        As there.
    """
    blocks = part.layout.blocks
    own = [bool(block.part) == (name == "zi") and name != "disp" for block in blocks]
    factors = tuple(
        T if mine else np.zeros_like(T) for T, mine in zip(part.estimates.factors, own, strict=True)
    )
    other = copy.copy(part)
    other.estimates = replace(part.estimates, factors=factors)
    return other
