"""Models with parameters of rows fitted to other responses, or to some of their rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..._typing import Array, Positions
from ...errors import DataError
from ...fitting.crossprod import SharedStructure
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.distributional.fit import fit_distributional
from ...fitting.distributional.problem import rows_from
from ...fitting.distributional.row_parameters import RowParameters
from ...fitting.distributional.start import coefficients_to_begin_with
from ...fitting.generalized.approximation import generalized_structure
from ...frame.design import Design
from ...results.distributional.separation import warn_of_infinite

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit, Fit

__all__ = ["fit_to", "fit_to_rows", "refit", "start_of"]


def refit(self: Fit, y: ArrayLike) -> Fit:
    """Fit the model to another response.

    Parameters
    ----------
    y : array_like, shape (nobs,)
        A response for each row used, as `simulate` gives it; a Series goes by the labels of its
        rows.

    Returns
    -------
    DistributionalResults

    Raises
    ------
    OptionError
        If y has not one value for each row, or one that the model cannot have.
    DataError
        If the data of the fit were removed, y has labels of other rows, or the model cannot be
        fitted to y.

    See Also
    --------
    DistributionalResults.simulate

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> fit = model.fit()
    >>> fit.refit(fit.simulate(seed=1)).params.index.tolist()
    ['Intercept', 'zi: Intercept']
    """
    model = self.model.with_response(y)
    structure = generalized_structure(model.kept_design())
    refitted = type(self)(model, fit_to(self, model.kept_design().y, structure))
    warn_of_infinite(refitted)
    return refitted


def fit_to(fit: DistributionalFit, y: Array, structure: SharedStructure) -> DistributionalEstimates:
    """Fit the model to a response, from the estimates of the fit where they have its form.

    Where the response has no likelihood there, as of counts beyond the end of an underdispersed
    distribution, it begins where any fit does.

    Parameters
    ----------
    fit : DistributionalResults
    y : ndarray, shape (n,)
    structure : SharedStructure
        Of the design of the model.

    Raises
    ------
    DataError
        If no maximum of the likelihood can be reached.
    """
    design: Design = replace(fit.model.kept_design(), y=np.ascontiguousarray(y, dtype=float))
    conditional, usual = fit.estimates.conditional, fit.model._rows(design)
    spec, gamma = conditional.spec, structure.basis.R @ conditional.beta
    fit_rows = partial(
        fit_distributional, design, spec, n_agq=conditional.n_agq, structure=structure
    )
    try:
        return fit_rows(start_of(fit, usual), gamma)
    except DataError:
        return fit_rows(usual, coefficients_to_begin_with(design, spec, structure.basis))


def start_of(fit: DistributionalFit, rows: RowParameters) -> RowParameters:
    """Return parameters of rows that begin with the estimates of a fit, where they have its form.

    Parameters
    ----------
    fit : DistributionalResults
    rows : RowParameters
    """
    return rows_from(fit.estimates.conditional, rows)


def fit_to_rows(
    fit: DistributionalFit, part: Design, kept: Positions
) -> DistributionalEstimates | None:
    """Fit the model to some rows; None if that is not possible.

    Parameters
    ----------
    fit : DistributionalResults
    part : Design
        Of the rows.
    kept : ndarray of int
        Their numbers in the design of the fit, in any number of copies.
    """
    mean = fit.estimates.conditional
    rows = start_of(fit, fit.estimates.rows).of(kept)
    if not _determined(rows) or _lost_category(fit, fit.model.kept_design().y, part.y):
        return None
    structure = generalized_structure(part)
    columns = structure.basis.columns
    at = np.searchsorted(mean.columns, columns)
    gamma = structure.basis.R @ mean.beta[at]
    try:
        return fit_distributional(
            part, mean.spec, rows, gamma, n_agq=mean.n_agq, structure=structure
        )
    except DataError:  # these rows have no maximum that can be reached
        return None


def _determined(rows: RowParameters) -> bool:
    """Return whether the columns of each parameter are independent in these rows."""
    for X in rows.X:
        if X is not None:
            own = X[:, (X != 0).any(axis=0)]
            whole = np.where(np.isfinite(own), own, 0.0)
            if np.linalg.matrix_rank(whole) < whole.shape[1]:
                return False
    return True


def _lost_category(fit: DistributionalFit, y: Array, part: Array) -> bool:
    """Return whether a category, or a response at an end, is found in no row that remains."""
    if fit._ordered:
        return len(np.unique(part)) < len(np.unique(y))
    ends = (0.0, 1.0) if fit._spec.family == "ordered_beta" else (0.0,) if fit._spec.zeros else ()
    return any((y == end).any() and not (part == end).any() for end in ends)
