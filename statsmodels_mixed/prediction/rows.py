"""The rows to predict: their fixed part, their random effects, and what they do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, OptionError
from ..frame.alignment import align
from ..frame.build import (
    computed_values,
    fixed_matrix,
    known_levels,
    own_levels,
    random_columns,
)
from ..frame.expressions import IN_FORMULA
from ..frame.table import as_numbers, open_table, tidy, unknown_columns
from .which_effects import Chosen

if TYPE_CHECKING:
    from ..frame.model_frame import ModelFrame
    from ..results.base import MixedModelResults
    from ..results.fitted_model import FittedModel

__all__ = [
    "NEW_LEVELS",
    "PredictionRows",
    "as_table",
    "fixed_part",
    "left_out_variance",
    "new_rows",
    "new_values",
    "rows_of_fit",
]

Array = NDArray[np.float64]
Refs = NDArray[np.int32]

NEW_LEVELS = ("error", "population", "missing")
_NONE = {
    "offset": "0 for none",
    "exposure": "1 for none",
    "weights": "numbers of trials if the family is binomial, else 1 for none",
}


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
    """

    X: Array
    fixed: Array
    z: tuple[Array, ...]
    refs: tuple[Refs, ...]
    absent: NDArray[np.bool_]
    labels: pd.Index | None

    def linear(self, modes: tuple[Array, ...]) -> Array:
        """Return X beta + offset + Z b, shape (m,), for modes (l, k) of each block."""
        total = np.zeros(len(self.fixed))
        for z, refs, b in zip(self.z, self.refs, modes, strict=True):
            part = np.einsum("ij,ij->i", z, b[refs])
            # a new level has b = 0, but a missing value in z is still missing
            total += np.where(refs < 0, 0.0 * z.sum(axis=1), part)
        total[self.absent] = np.nan
        linear: Array = self.fixed + total
        return linear

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Rows without missing values, shape (m,)."""
        known = np.isfinite(self.fixed) & np.isfinite(self.X).all(axis=1) & ~self.absent
        rows = [known, *(np.isfinite(z).all(axis=1) for z in self.z)]
        return np.asarray(np.logical_and.reduce(rows))


def rows_of_fit(result: MixedModelResults, chosen: Chosen) -> PredictionRows:
    """Take the rows of the fit.

    Raises
    ------
    DataError
        If the data of the result were removed.
    """
    model, fixed = result.model, result._require(result.estimates.linear_predictor)
    design = result._design()
    nowhere = np.full(len(fixed), -1, dtype=np.int32)
    pairs = list(zip(design.blocks, chosen, strict=True))
    return PredictionRows(
        design.X,
        fixed,
        tuple(block.z if mask.all() else np.where(mask, block.z, 0.0) for block, mask in pairs),
        tuple(block.refs if mask.any() else nowhere for block, mask in pairs),
        np.zeros(len(fixed), dtype=bool),
        model.data.row_labels if model.data.labelled else None,
    )


def new_rows(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    chosen: Chosen,
    new_levels: str,
    offset: Any,
    exposure: Any,
) -> PredictionRows:
    """Make rows of new data.

    Raises
    ------
    DataError
        If a column, an offset or an exposure is missing, or a level is new and may not be.
    OptionError
        If random effects are asked for and new data have not the columns of a formula.
    """
    model = result.model
    exog = as_table(model, exog)
    X, labels = fixed_part(model, exog, transform)
    m, frame = len(X), model.frame if transform else None
    in_formula = model.frame is not None and IN_FORMULA in model.frame.known
    needs_offset = model.has_offset or (in_formula and frame is None)
    linear = model._linear_predictor(
        result.params,
        X,
        new_values(exog, m, "offset", offset, needs_offset, model.offset_name, frame),
        new_values(exog, m, "exposure", exposure, model.has_exposure, model.exposure_name, frame),
    )
    if in_formula and frame is not None:
        linear = linear + computed_values(frame, IN_FORMULA, exog)
    absent = np.zeros(m, dtype=bool)
    z = [np.zeros((m, len(mask))) for mask in chosen]
    refs = [np.full(m, -1, dtype=np.int32) for _ in chosen]
    if any(mask.any() for mask in chosen):
        if not transform or model.frame is None:
            raise OptionError("re= needs a model made from a formula and new data with its columns")
        for i, mask in enumerate(chosen):
            if mask.any():
                z[i], refs[i], without = _random_rows(model.frame, i, exog, mask, new_levels)
                absent |= without
    return PredictionRows(X, linear, tuple(z), tuple(refs), absent, labels)


def _random_rows(
    frame: ModelFrame, i: int, exog: Any, mask: NDArray[np.bool_], new_levels: str
) -> tuple[Array, Refs, NDArray[np.bool_]]:
    """Return columns and levels of a block and the rows for which there is no prediction."""
    z, refs = random_columns(frame, i, exog, mask), known_levels(frame, i, exog)
    unseen = refs < 0
    if not unseen.any():
        return z, refs, unseen
    if new_levels == "population":  # a level that is missing has the mean of all levels too
        return z, refs, np.zeros(len(refs), dtype=bool)
    missing = own_levels(frame, i, exog)[0] < 0
    unseen &= ~missing
    if unseen.any() and new_levels == "error":
        raise DataError(
            f"{int(unseen.sum())} rows of the new data have levels of {frame.random[i].name} that "
            'the fit has not seen; pass new_levels="population" or "missing"'
        )
    return z, refs, missing | unseen if new_levels == "missing" else missing


def left_out_variance(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    chosen: Chosen,
    rows: PredictionRows,
    residual: Array,
) -> Array:
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
    model, total = result.model, 0.0
    identification = result.estimates.identification
    shares = np.zeros((len(residual), len(identification.size)))
    shares[:, len(identification.elements) :] = residual[:, None]
    for i, (mask, T) in enumerate(zip(chosen, result.estimates.factors, strict=True)):
        if mask.all():
            continue
        if exog is None:
            z = np.where(mask, 0.0, result._design().blocks[i].z)
        elif not transform or model.frame is None:
            raise OptionError(
                "intervals of new responses need a model made from a formula and new data with "
                "its columns, from which the random effects are made"
            )
        else:
            z = random_columns(model.frame, i, as_table(model, exog), ~mask)
        out = z @ T
        new = (rows.refs[i] < 0)[:, None]
        together = np.where(new, out * (rows.z[i] @ T), 0.0)
        total = total + (np.square(out) + 2.0 * together).sum(axis=1)
        whole = z + np.where(new, rows.z[i], 0.0)
        for at, e in enumerate(identification.elements):
            if e.block == i:
                shares[:, at] = len(e.places) * whole[:, e.row] * whole[:, e.column]
    known = np.asarray(np.isfinite(shares).all(axis=1))
    known[known] = identification.known(shares[known])
    return np.where(known, result._effects_scale**2 * total, np.nan)


def as_table(model: FittedModel, exog: Any) -> Any:
    """Return new data, a series as the frame it stands for."""
    if not isinstance(exog, pd.Series):
        return exog
    # One row, unless it is the one column of a matrix.
    one_column = model.frame is None and len(model.layout.columns) == 1
    return exog.to_frame() if one_column else exog.to_frame().T.infer_objects()


def fixed_part(
    model: FittedModel, exog: Any, transform: bool = True
) -> tuple[Array, pd.Index | None]:
    """Return the fixed-effects matrix of new data, shape (m, p), and its row labels."""
    exog = as_table(model, exog)
    labels = exog.index if isinstance(exog, pd.DataFrame) else None
    if transform and model.frame is not None:
        return fixed_matrix(model.frame, exog), labels
    matrix = as_numbers(exog, "the new data")
    width = len(model.layout.columns)
    if matrix.ndim == 1:
        matrix = matrix[:, None] if width == 1 else matrix[None, :]
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise DataError(
            f"new data must have {width} columns, one per coefficient, not shape {matrix.shape}"
        )
    return matrix, labels


def new_values(
    exog: Any,
    m: int,
    option: str,
    given: Any,
    needed: bool,
    name: str | None,
    frame: ModelFrame | None = None,
) -> Array | None:
    """Return offset, exposure or weights of new rows, shape (m,).

    Parameters
    ----------
    exog : table
        The new data.
    m : int
        Its rows.
    option : str
        ``"offset"``, ``"exposure"`` or ``"weights"``.
    given : array_like, column name or None
        What the caller says.
    needed : bool
        Whether the model has one.
    name : str or None
        The column the model took it from, or the expression.
    frame : ModelFrame, optional
        What computes expressions, where new data have columns.

    Raises
    ------
    DataError
        If it is needed and not there, or has not one value for every row.
    """
    if given is None and not needed:
        return None
    article = "an " if option[0] in "aeiou" else "" if option[-1] == "s" else "a "
    absent = DataError(
        f"the model has {article}{option}: give {option}= for the new rows, {_NONE[option]}"
    )
    if given is None and name is None:
        raise absent
    if given is not None and not isinstance(given, str):
        labels = exog.index if isinstance(exog, pd.DataFrame) else None
        if isinstance(exog, Mapping):
            labels = open_table(exog).index
        values = as_numbers(align(given, labels, f"{option}="), f"{option}=")
        if values.shape not in ((), (m,)):
            raise DataError(f"{option}= has shape {values.shape} for {m} new rows")
        return np.broadcast_to(values, (m,))
    if not (isinstance(exog, Mapping | pd.DataFrame) or hasattr(exog, "columns")):
        raise absent
    column: Any = given or name
    if frame is not None and option in frame.known and column == name:
        return computed_values(frame, option, exog)
    table = open_table(exog)
    if column not in table.names:
        raise unknown_columns([column], table.names)
    return as_numbers(tidy(table.read([column])[column]), f"{option}={column!r}")
