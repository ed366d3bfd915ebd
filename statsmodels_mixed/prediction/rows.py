"""The rows to predict: their fixed part, their random effects, and what they do not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.matrices.expressions import IN_FORMULA
from ..frame.new_data import NewData
from ..frame.table.sources import Source
from ..later import load
from .which_effects import Chosen

if TYPE_CHECKING:
    from ..results.base import MixedModelResults
    from ..results.fitted_model import FittedModel

__all__ = [
    "NEW_LEVELS",
    "PredictionRows",
    "check_positive",
    "left_out_variance",
    "open_new_data",
    "rows_of_new_data",
    "rows_to_predict",
]

Refs = NDArray[np.int32]

NEW_LEVELS = ("error", "population", "missing")


def open_new_data(
    model: FittedModel, exog: Any, transform: bool = True, **given: Any
) -> NewData | None:
    """Open new data of a model, at the door of all that predicts or simulates.

    Parameters
    ----------
    model : FittedModel
    exog : table, array_like, shape (m, p), or None
        None for the rows of the fit, for which nothing can be given.
    transform : bool
        Whether `exog` goes through the formula, if the model has one.
    **given
        Offset, exposure and weights of the rows, as the user gave them.

    Raises
    ------
    DataError
        If it is no table, or no matrix of this model.
    OptionError
        If something is given for the rows of the fit.
    """
    if exog is None:
        for name, value in given.items():
            if value is not None:
                raise OptionError(f"{name}= is for new data; the rows of the fit have theirs.")
        return None
    if transform and model.frame is not None:
        load("frame.computed:warn_of_whole_columns")(model.frame)
        return NewData.of_table(exog, model.frame, **given)
    return NewData.of_matrix(exog, model.layout.columns, **given)


@dataclass(frozen=True, eq=False)
class PredictionRows:
    """Rows of which the mean is predicted.

    Parameters
    ----------
    X : ndarray, shape (m, p)
        Fixed-effects matrix.
    fixed : ndarray, shape (m,)
        X beta + offset.
    z : tuple of ndarray, shape (m, k)
        Columns of each block, zero for random effects that are left out.
    refs : tuple of ndarray of int32, shape (m,)
        Level of every row; -1 for one the fit has not seen, and throughout a block that is
        left out.
    absent : ndarray of bool, shape (m,)
        Rows without a prediction: a grouping factor is missing, or a level is new and new
        levels were asked to be missing.
    labels : Index or None
        Labels of the rows.
    chosen : tuple of ndarray of bool, shape (k,)
        The random effects that take part.
    new : NewData or None
        Where the rows are from; None for those of the fit.
    kriged : ndarray, shape (m,), or None
        Variance of random effects at places that are not in the data, given those that are.
    """

    X: Array
    fixed: Array
    z: tuple[Array, ...]
    refs: tuple[Refs, ...]
    absent: NDArray[np.bool_]
    labels: pd.Index | None
    chosen: Chosen
    new: NewData | None
    kriged: Array | None = None

    def linear(self, modes: tuple[Array, ...]) -> Array:
        """Return X beta + offset + Z b, shape (m,), for modes (l, k) of each block."""
        total = np.zeros(len(self.fixed))
        for z, refs, b in zip(self.z, self.refs, modes, strict=True):
            part = np.einsum("ij,ij->i", z, b[refs])
            # A new level has b = 0, but a missing value in z is still missing.
            total += np.where(refs < 0, 0.0 * z.sum(axis=1), part)
        total[self.absent] = np.nan
        linear: Array = self.fixed + total
        return linear

    @property
    def some_random(self) -> bool:
        """Whether any random effect takes part."""
        return any(mask.any() for mask in self.chosen)

    @property
    def all_random(self) -> bool:
        """Whether every random effect takes part."""
        return all(mask.all() for mask in self.chosen)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Rows without missing values, shape (m,)."""
        known = np.isfinite(self.fixed) & np.isfinite(self.X).all(axis=1) & ~self.absent
        rows = [known, *(np.isfinite(z).all(axis=1) for z in self.z)]
        return np.asarray(np.logical_and.reduce(rows))


def rows_to_predict(
    result: MixedModelResults, new: NewData | None, chosen: Chosen, new_levels: str
) -> PredictionRows:
    """Take the rows of new data, or those of the fit.

    Parameters
    ----------
    result : MixedModelResults
    new : NewData or None
        None for the rows of the fit.
    chosen : tuple of ndarray of bool, shape (k,)
        The random effects that take part.
    new_levels : {"error", "population", "missing"}

    Raises
    ------
    DataError
        If the data of the result were removed, new data lack a column, an offset or an
        exposure, or a level is new and may not be.
    OptionError
        If random effects are asked for and new data have not the columns of a formula.
    """
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {', '.join(NEW_LEVELS)}, not {new_levels!r}.")
    if new is None:
        return _rows_of_fit(result, chosen)
    return rows_of_new_data(result, new, chosen, new_levels)


def _rows_of_fit(result: MixedModelResults, chosen: Chosen) -> PredictionRows:
    model, fixed = result.model, result._require(result.estimates.linear_predictor)
    design = result.kept_design()
    nowhere = np.full(len(fixed), -1, dtype=np.int32)
    pairs = list(zip(design.blocks, chosen, strict=True))
    return PredictionRows(
        design.X,
        fixed,
        tuple(block.z if mask.all() else np.where(mask, block.z, 0.0) for block, mask in pairs),
        tuple(block.refs if mask.any() else nowhere for block, mask in pairs),
        np.zeros(len(fixed), dtype=bool),
        model.data.row_labels if model.data.labelled else None,
        chosen,
        None,
    )


def rows_of_new_data(
    result: MixedModelResults, new: NewData, chosen: Chosen, new_levels: str
) -> PredictionRows:
    """Take the rows of new data; see `rows_to_predict`."""
    X = new.fixed()
    linear = fixed_predictor(result, new, X)
    absent = np.zeros(new.n_rows, dtype=bool)
    z = [np.zeros((new.n_rows, len(mask))) for mask in chosen]
    refs = [np.full(new.n_rows, -1, dtype=np.int32) for _ in chosen]
    kriged = np.zeros(new.n_rows)
    for i, mask in enumerate(chosen):
        if mask.any():
            if new.frame is None:
                raise OptionError(
                    "re= needs a model made from a formula and new data with its columns."
                )
            instead: dict[Any, Any] = {}
            if result.estimates.structured is not None:
                kriging = load("prediction.kriging:")
                instead = kriging.kriged_places(new.frame, result.estimates.structured, i)
            z[i] = new.random(i, mask, instead)
            for places in instead.values():
                kriged = kriged + new.made(kriging.KrigingVariance(places))[:, 0]
            refs[i], without = _known_levels(new, i, new_levels)
            absent |= without
            if result.layout.blocks[i].own_places:  # few models have any
                at_own_places = load("prediction.own_places:at_own_places")
                kriged = kriged + at_own_places(result, new, i, refs[i], z[i], mask)
    return PredictionRows(X, linear, tuple(z), tuple(refs), absent, new.labels, chosen, new, kriged)


def fixed_predictor(result: Any, new: NewData, X: Array) -> Array:
    """Return X beta + offset of new rows, shape (m,); NaN where it cannot be estimated.

    Parameters
    ----------
    result : object
        With a `model` and its `params`.
    new : NewData
    X : ndarray, shape (m, p)
        Of all columns.
    """
    model = result.model
    in_formula = model.frame is not None and IN_FORMULA in model.frame.known
    offset = model.sources.offset
    if in_formula and new.frame is None:  # a matrix has no columns for offset(...)
        offset = Source("offset", needed=True, column=None)
    linear: Array = model._linear_predictor(
        result.params, X, new.values_of(offset), new.values_of(model.sources.exposure)
    )
    if in_formula and new.frame is not None:
        linear = linear + new.computed(IN_FORMULA)
    return linear


def _known_levels(new: NewData, i: int, new_levels: str) -> tuple[Refs, NDArray[np.bool_]]:
    """Return the levels of a block and the rows for which there is no prediction."""
    levels = new.levels(i)
    refs = levels.known
    # With "population" a level that is missing has the mean of all levels too.
    if new_levels == "population" or not (refs < 0).any():
        return refs, np.zeros(len(refs), dtype=bool)
    if new_levels == "error":
        levels.refuse_unseen('"population" or "missing"')
    return refs, levels.missing | levels.unseen


def check_positive(weights: Array | None) -> None:
    """Refuse weights of new rows, shape (m,), that no response can have.

    Raises
    ------
    DataError
        If one is not positive; those that are missing are NaN.
    """
    if weights is not None and np.any(weights <= 0):
        raise DataError("weights of new rows must be positive.")


def left_out_variance(result: MixedModelResults, rows: PredictionRows, residual: Array) -> Array:
    """Return what random effects that are left out add to the variance of a response, (m,).

    That is z'Sigma z of these, and at a level that the fit has not seen, whose other effects
    have their whole variance too, twice the covariance with them.

    Parameters
    ----------
    residual : ndarray, shape (m,)
        What sigma^2 is multiplied with in the variance of a new response, to which this is
        added. Where the data do not determine the sum of both, the variance is NaN.

    Raises
    ------
    DataError
        If new data lack a column of these effects.
    OptionError
        If new data are a matrix, which says nothing of random effects.
    """
    total: Array | float = 0.0
    identification = result.estimates.identification
    shares = np.zeros((len(residual), len(identification.size)))
    shares[:, len(identification.elements) :] = residual[:, None]
    for i, (mask, T) in enumerate(zip(rows.chosen, result.estimates.factors, strict=True)):
        if mask.all():
            continue
        _refuse_related_levels(result)
        z = _left_out_columns(result, rows, i, mask)
        out = z @ T
        unseen = (rows.refs[i] < 0)[:, None]
        together = np.where(unseen, out * (rows.z[i] @ T), 0.0)
        total = total + (np.square(out) + 2.0 * together).sum(axis=1)
        whole = z + np.where(unseen, rows.z[i], 0.0)
        for at, e in enumerate(identification.elements):
            if e.block == i:
                shares[:, at] = len(e.places) * whole[:, e.row] * whole[:, e.column]
    known = np.asarray(np.isfinite(shares).all(axis=1))
    known[known] = identification.known(shares[known])
    return np.where(known, result.estimates.effects_scale**2 * total, np.nan)


def _refuse_related_levels(result: MixedModelResults) -> None:
    """Refuse intervals without all random effects where levels are related; needs no data."""
    for block in result.layout.blocks:
        if block.related:
            raise OptionError(
                "an interval without all random effects needs independent levels; those of "
                f"{block.name!r} are related by {block.related}=."
            )


def _left_out_columns(
    result: MixedModelResults, rows: PredictionRows, i: int, mask: NDArray[np.bool_]
) -> Array:
    """Return the columns of a block that are left out, shape (m, k), zero for the others."""
    if rows.new is None:
        return np.where(mask, 0.0, result.kept_design().blocks[i].z)
    if rows.new.frame is None:
        raise OptionError(
            "intervals of new responses need a model made from a formula and new data with "
            "its columns, from which the random effects are made."
        )
    return rows.new.random(i, ~mask)
