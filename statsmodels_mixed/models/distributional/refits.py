"""Models with parameters of rows fitted to other responses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..._typing import Array
from ...errors import DataError
from ...fitting.approximation import generalized_structure
from ...fitting.crossprod import SharedStructure
from ...fitting.distributional import DistributionalEstimates, fit_distributional
from ...fitting.distributional_start import coefficients_to_begin_with
from ...fitting.row_parameters import RowParameters
from ...fitting.row_problem import rows_from
from ...frame.design import Design
from .separation import warn_of_infinite

if TYPE_CHECKING:
    from .results import DistributionalResults

__all__ = ["fit_to", "refit", "start_of"]


def refit(self: DistributionalResults, y: ArrayLike) -> DistributionalResults:
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


def fit_to(
    fit: DistributionalResults, y: Array, structure: SharedStructure
) -> DistributionalEstimates:
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


def start_of(fit: DistributionalResults, rows: RowParameters) -> RowParameters:
    """Return parameters of rows that begin with the estimates of a fit, where they have its form.

    Parameters
    ----------
    fit : DistributionalResults
    rows : RowParameters
    """
    return rows_from(fit.estimates.conditional, rows)
