"""Predictions of means, their parts and probabilities, of rows with all of their parameters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..._typing import Array
from ...errors import DataError, OptionError
from ...fitting.distributional.means import part_of_mean
from ...fitting.distributional.row_parameters import DISPERSION, ZEROS
from ...frame.new_data import NewData
from ...frame.other_formulas import values_of_rows
from ..rows import open_new_data

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = [
    "all_predictors",
    "default_of",
    "effects_on_zeros",
    "of_part",
    "parameters_of_rows",
    "predict",
    "predictors_of",
    "slope_at",
    "thresholds_of_rows",
    "trials_for",
    "value_at",
    "weights_of_rows",
]


# Step of central differences in the predictors.
_STEP = 1e-4
_WHICH = ("mean", "conditional", "zero_probability", "inflation", "dispersion", "linear")
_WHICH_ORDERED = ("probabilities", "class", "linear")


def predict(
    self: DistributionalFit,
    exog: Any = None,
    transform: bool = True,
    *,
    which: str | None = None,
    re: bool | str | Sequence[str] = False,
    new_levels: str = "error",
    offset: Any = None,
    exposure: Any = None,
) -> Array | pd.Series | pd.DataFrame:
    """Predict the mean, one of its parts, the dispersion, or probabilities of categories.

    Parameters
    ----------
    exog : frame, optional
        New data; without it, the rows of the fit.
    transform : bool
        Whether `exog` goes through the formulas; otherwise it is the fixed-effects matrix of the
        mean, of a model whose other parameters have no columns.
    which : str, optional
        ``"mean"`` (the default), ``"conditional"`` (the mean without the part of zeros),
        ``"zero_probability"`` (of no success in all the trials of a row, where weights are
        trials), ``"inflation"`` (the probability of zeros besides those of the distribution),
        ``"dispersion"`` (which is `fit.dispersion` for rows of the fit) or ``"linear"``. For
        ordered categories ``"probabilities"`` (the default), ``"class"`` (the most probable) or
        ``"linear"``.
    re : bool, str or list of str
        Random effects to add, as for other models: all, those of a grouping factor in the part
        of the mean, ``"g"``, or in that of zeros, ``"zi: g"`` or ``"hurdle: g"``.
    new_levels : {"error", "population", "missing"}
        As for other models.
    offset, exposure : str or array_like, optional
        Of the new data, as for other models.

    Returns
    -------
    ndarray, Series or DataFrame
        A frame with a column for each category for ``"probabilities"``.

    Raises
    ------
    OptionError
        If `which` is not possible.
    DataError
        If a column is missing.

    See Also
    --------
    GeneralizedLinearMixedModelResults.predict

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> fit = model.fit()
    >>> fit.predict(ticks.head(1), which="zero_probability").round(3).tolist()
    [0.2]
    """
    known = _WHICH_ORDERED if self._ordered else _WHICH
    which = default_of(self) if which is None else which
    if which not in known:
        raise OptionError(f"which={which!r} is not possible; choose one of {', '.join(known)}.")
    if which == "inflation" and self._spec.zeros != "inflation":
        raise OptionError("which='inflation' is for models with zero_inflation=.")
    if which == "dispersion" and not self._spec.has_dispersion:
        raise OptionError(f"the family {self._spec.family} has no dispersion to predict.")
    predictors, index = all_predictors(
        self, exog, transform, re=re, new_levels=new_levels, offset=offset, exposure=exposure
    )
    values = value_at(self, which, predictors, trials_for(self, which, exog))
    if values.ndim == 2:
        table = pd.DataFrame(values, columns=list(self.model.categories), index=index)
        return table if which == "probabilities" else _most_probable(table)
    return values if index is None else pd.Series(values, index=index)


def default_of(fit: DistributionalFit) -> str:
    """Return what is predicted where nothing else is asked for."""
    return (_WHICH_ORDERED if fit._ordered else _WHICH)[0]


def all_predictors(
    fit: DistributionalFit, exog: Any, *options: Any, **named: Any
) -> tuple[Array, pd.Index | None]:
    """Return all that predictions are functions of, a row for each row, and labels.

    It is linear in coefficients and random effects: the linear predictor, shape (m, 1), beside
    the other parameters, or beside thresholds less it, which are of size one wherever it is.

    Parameters
    ----------
    fit : DistributionalResults
    exog, options, named
        As for `predictors_of`.
    """
    eta, outer, index = predictors_of(fit, exog, *options, **named)
    if fit._ordered:
        outer = thresholds_of_rows(fit, exog, len(eta)) - eta[:, None]
    return np.column_stack([eta, outer]), index


def value_at(fit: DistributionalFit, which: str, predictors: Array, trials: Array | None) -> Array:
    """Return a prediction as a function of what `all_predictors` returns.

    Parameters
    ----------
    fit : DistributionalResults
    which : str
        As for `predict`; probabilities for ``"class"``.
    predictors : ndarray
    trials : ndarray, shape (m,), or None
        Of `trials_for`.
    """
    eta, rest = predictors[:, 0], predictors[:, 1:]
    if which == "linear":
        return eta
    if fit._ordered:
        return np.asarray(fit.model._probabilities(np.zeros(len(eta)), rest))
    if which == "dispersion":
        return np.exp(fit.model.dispersion_sign * rest[:, DISPERSION])
    return part_of_mean(which, fit._spec, eta, rest, trials)


def slope_at(
    fit: DistributionalFit,
    which: str,
    predictors: Array,
    direction: Array,
    trials: Array | None,
) -> Array:
    """Return the derivative of `value_at` along a direction of the predictors.

    Parameters
    ----------
    fit, which, predictors, trials
        As for `value_at`.
    direction : ndarray
        The same for all rows, or one for each.
    """
    directions = np.broadcast_to(direction, predictors.shape)
    is_mean = fit._spec.support == "real" and fit._spec.link == "identity"
    if which == "linear" or (which == "mean" and is_mean):
        return directions[:, 0]
    # Ordered categories depend on thresholds less the linear predictor alone.
    used = directions[:, 1:] if fit._ordered else directions
    size = np.abs(used).max(axis=1, keepdims=True)
    step = _STEP * directions / np.where(size > 0, size, 1.0)
    above, below = (value_at(fit, which, predictors + s, trials) for s in (step, -step))
    slope = (above - below) / (2.0 * _STEP)
    return np.asarray(slope * (size if slope.ndim == 2 else size[:, 0]))


def _most_probable(table: pd.DataFrame) -> pd.Series:
    """Return the category with the largest probability, missing where none is known."""
    known = table.notna().all(axis=1)
    return table[known].idxmax(axis=1).reindex(table.index) if len(table) else table.iloc[:, 0]


def predictors_of(
    fit: DistributionalFit,
    exog: Any,
    transform: bool,
    *,
    re: bool | str | Sequence[str],
    new_levels: str,
    offset: Any,
    exposure: Any,
) -> tuple[Array, Array, pd.Index | None]:
    """Return the linear predictor of the mean, the other parameters of the rows, and their labels.

    Parameters
    ----------
    fit : DistributionalResults
    exog, transform, re, new_levels, offset, exposure
        As for `predict`.

    Raises
    ------
    OptionError
        If a matrix is given for formulas that need a table.
    """
    if exog is not None and not transform and fit.model.formulas:
        named = ", ".join(f"{name}=" for name in fit.model.formulas)
        raise OptionError(f"transform=False gives no columns for {named}: give a table.")
    linear = of_part(fit, "").predict(
        exog,
        transform,
        which="linear",
        re=re,
        new_levels=new_levels,
        offset=offset,
        exposure=exposure,
    )
    index = linear.index if isinstance(linear, pd.Series) else None
    eta = np.asarray(linear, dtype=float)
    outer = fit.estimates.outer if exog is None else parameters_of_rows(fit, exog, len(eta))
    if fit.estimates.zeros is not None:
        outer = outer.copy()
        outer[:, ZEROS] += effects_on_zeros(fit, exog, re, new_levels)
    return eta, outer, index


def of_part(fit: DistributionalFit, part: str) -> Any:
    """Return the part of the mean with the random effects of one part alone, others being zero.

    Parameters
    ----------
    fit : DistributionalResults
    part : str
        Empty for the mean.

    Returns
    -------
    GeneralizedLinearMixedModelResults
    """
    blocks, estimates = fit.model.layout.blocks, fit.estimates.conditional
    if all(block.part == part for block in blocks):
        return fit._mean_part
    b = tuple(
        modes if block.part == part else np.zeros_like(modes)
        for block, modes in zip(blocks, estimates.b, strict=True)
    )
    eta = estimates.eta
    if part:
        shift = fit.estimates.outer_at_modes[:, ZEROS] - fit.estimates.outer[:, ZEROS]
        eta = estimates.linear_predictor + shift
    mean = copy.copy(fit._mean_part)
    mean.estimates = replace(estimates, b=b, eta=eta)
    return mean


def effects_on_zeros(fit: DistributionalFit, exog: Any, re: Any, new_levels: str) -> Array:
    """Return what random effects add to the logit of the probability of zeros.

    Parameters
    ----------
    fit : DistributionalResults
    exog, re, new_levels
        As for `predict`.
    """
    zeros = of_part(fit, "hurdle" if "hurdle" in fit.model.formulas else "zi")
    both = [
        np.asarray(zeros.predict(exog, which="linear", re=each, new_levels=new_levels))
        for each in (re, False)
    ]
    return np.asarray(both[0] - both[1], dtype=float)


def trials_for(fit: DistributionalFit, which: str, exog: Any) -> Array | None:
    """Return the numbers of trials of rows where a prediction depends on them, None elsewhere.

    Parameters
    ----------
    fit : DistributionalResults
    which, exog
        As for `predict`.

    Raises
    ------
    DataError
        If those of new rows are not known.
    """
    if which != "zero_probability" or fit._spec.support != "trials":
        return None
    source = fit.model.sources.weights
    if exog is not None and source.needed and source.column is None:
        raise DataError(
            "the probability of 0 depends on the number of trials of each row: give the model the "
            'name of their column, weights="trials".'
        )
    return weights_of_rows(fit, exog)


def weights_of_rows(fit: DistributionalFit, exog: Any) -> Array | None:
    """Return the weights of rows, those of the fit where `exog` is None."""
    if exog is None:
        return fit.model.kept_design().weights
    new = open_new_data(fit.model, exog)
    assert new is not None
    given = new.values_of(fit.model.sources.weights)
    return None if given is None else np.asarray(given, dtype=float)


def parameters_of_rows(fit: DistributionalFit, data: Any, n: int) -> Array:
    """Return the parameters of new rows.

    Parameters
    ----------
    fit : DistributionalResults
    data : frame
    n : int
        Its number of rows.
    """
    out = np.tile(fit.estimates.outer[0], (n, 1))
    frame = fit.model.frame
    assert frame is not None
    new = NewData.of_table(data, frame)
    matrices = {} if fit._ordered else fit.model.matrices
    for name, matrix in matrices.items():
        X = values_of_rows(name, matrix, new)
        label, place, sign = fit.model._place_of(name)
        coefficients = fit.params[[each for each in fit._names if each.startswith(label)]]
        out[:, place] = sign * (X @ np.asarray(coefficients))
    return out


def thresholds_of_rows(fit: DistributionalFit, data: Any, n: int) -> Array:
    """Return the thresholds between ordered categories, shape (n, categories - 1).

    Parameters
    ----------
    fit : DistributionalResults
    data : frame or None
        New data; the rows of the fit without it.
    n : int
        The number of rows.
    """
    W, frame = np.empty((n, 0)), fit.model.frame
    assert frame is not None
    for name, matrix in fit.model.matrices.items():
        if data is None:
            W = fit.model._pieces[name][0]
        else:
            W = values_of_rows(name, matrix, NewData.of_table(data, frame))
    return np.asarray(fit.model._thresholds(fit.estimates.kappa, W))
