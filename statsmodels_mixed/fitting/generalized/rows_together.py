"""Rows of a generalized model that are alike, fitted as one whose weight is their number.

The log-likelihood of a row with weight m is that of m rows, constants included, for counts and for
outcomes that are 0 or 1: trials of few conditions are then few rows, however many there were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.alike import alike_rows
from ...frame.design import Design
from ...frame.row_groups import design_of_rows
from ..crossprod import SharedStructure
from ..estimates import GeneralizedEstimates
from ..families.spec import FamilySpec
from .fit import fit_generalized

__all__ = ["RowsTogether", "fit_rows_together", "rows_together"]

# Fewer rows than this are not worth the search.
FEW_ROWS = 100
# The share of the rows that distinct ones may be.
SHARE = 0.5


@dataclass(frozen=True, eq=False)
class RowsTogether:
    """The distinct rows of a design.

    Parameters
    ----------
    design : Design
        Of these, with the sums of weights.
    which : ndarray of int32, shape (n,)
        Among them the one that each row is like.
    """

    design: Design
    which: NDArray[np.int32]

    def of_all_rows(self, estimates: GeneralizedEstimates) -> GeneralizedEstimates:
        """Return estimates from the distinct rows as those of all rows.

        Parameters
        ----------
        estimates : GeneralizedEstimates
        """
        return replace(
            estimates,
            linear_predictor=estimates.linear_predictor[self.which],
            eta=estimates.eta[self.which],
            fitted=estimates.fitted[self.which],
        )


def rows_together(design: Design, spec: FamilySpec) -> RowsTogether | None:
    """Find the distinct rows of a design; None where they are not much fewer, or do not serve.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    """
    n, p = design.X.shape
    single = spec.family == "binomial" and design.weights is None
    if not (single or spec.family == "poisson") or n < FEW_ROWS or design.is_structured:
        return None
    parts = [design.y, design.X, *[block.z for block in design.blocks]]
    if design.offset is not None:
        parts.append(design.offset)
    found = alike_rows(parts, [block.refs for block in design.blocks], int(SHARE * n))
    if found is None or len(found[0]) <= p:
        return None
    first, which = found
    few = design_of_rows(design, first)
    return RowsTogether(replace(few, weights=_sums(which, design.weights)), which)


def _sums(which: NDArray[np.int32], weights: Any) -> NDArray[np.float64]:
    return np.bincount(which, weights).astype(np.float64)


def fit_rows_together(
    design: Design,
    spec: FamilySpec,
    structure: Callable[[], SharedStructure | None],
    **options: Any,
) -> GeneralizedEstimates:
    """Fit a generalized model, by its distinct rows where these are much fewer.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    structure : callable
        Returns that of the design, if all rows are fitted.
    **options
        Of `fit_generalized`.
    """
    together = rows_together(design, spec)
    if together is None:
        return fit_generalized(design, spec, structure=structure(), **options)
    few = fit_generalized(together.design, spec, rows=len(design.y), **options)
    return together.of_all_rows(few)
