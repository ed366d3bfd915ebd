"""The fixed part of a model at given coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._typing import Array
from ..errors import DataError
from ..frame.table.alignment import align, align_names, common_index
from ..frame.table.columns import as_numbers
from ..frame.table.selection import total_offset
from ..results.notes import warn_not_estimable
from .statsmodels_data import FixedRows

if TYPE_CHECKING:
    from .base import MixedModel

__all__ = ["linear_predictor"]


def linear_predictor(
    model: MixedModel,
    params: ArrayLike,
    exog: ArrayLike | None,
    offset: Any,
    exposure: Any = None,
) -> Array:
    """Return X beta + offset + log(exposure), shape (m,).

    Rows of which the data do not determine the mean, because X of the fit is rank
    deficient, are NaN with a RankWarning.

    Parameters
    ----------
    model : MixedModel
    params : array_like, shape (p,) or (rank,)
        Coefficients of all columns of X, or of the estimable ones.
    exog : array_like, shape (m, p), optional
        Fixed-effects matrix; without it that of the model, with the model's offset
        unless another one is given.
    offset, exposure : array_like, shape (m,), optional
    """
    data = model.data
    own = [list(data.param_names), list(data.xnames)]
    beta = as_numbers(align_names(params, own, "params"), "params")
    labels = model.data.row_labels if exog is None else common_index([exog])
    if exog is None:
        design = model.kept_design()
        matrix = design.X
        if offset is None and exposure is None:
            offset = design.offset
    else:
        if offset is None and exposure is None and isinstance(exog, FixedRows):
            offset = exog.offset
        matrix = np.asarray(as_numbers(align_names(exog, own, "exog"), "exog"))
    if matrix.ndim != 2 or beta.ndim != 1:
        raise DataError("exog must be a matrix and params a vector of coefficients.")
    estimability, known = model.data.estimability, None
    if (
        estimability is not None
        and matrix.shape[1] == len(model.data.xnames)
        and len(beta) == len(estimability.kept)
    ):
        known = estimability.holds(matrix)
        matrix = matrix[:, estimability.kept]
    if len(beta) != matrix.shape[1]:
        raise DataError(
            f"{len(beta)} coefficients do not go with {matrix.shape[1]} columns of exog."
        )
    if offset is not None:
        offset = as_numbers(align(offset, labels, "offset="), "offset=")
    if exposure is not None:
        exposure = as_numbers(align(exposure, labels, "exposure="), "exposure=")
    for name, values in (("offset=", offset), ("exposure=", exposure)):
        if values is not None and values.shape not in ((), (len(matrix),)):
            raise DataError(f"{name} has shape {values.shape} for {len(matrix)} rows.")
    total = total_offset(offset, exposure)
    fixed: Array = matrix @ beta
    if known is not None and not known.all():
        fixed[~known] = np.nan
        warn_not_estimable(int(np.sum(~known)), "row")
    return fixed if total is None else fixed + total
