"""Kenward and Roger's method where levels are related: with V as a dense matrix.

Rows of related levels depend on one another, so that V has no blocks by level. A model with
independent residuals of one variance is one with correlated residuals, whose V and its
derivatives are dense among the rows that are connected.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..fitting.estimates import LinearEstimates
from ..frame.design import Design
from ..residual_covariance.cells import independent_cells
from ..residual_covariance.fit import fit_residual
from ..residual_covariance.problem import ResidualProblem, structured_terms
from ..structures import Unstructured
from .kenward_roger import KenwardRoger
from .residual_small_samples import kenward_roger_residual

__all__ = ["prepare_kenward_roger_related"]


def prepare_kenward_roger_related(
    design: Design, estimates: LinearEstimates, *, linear: bool = False
) -> KenwardRoger:
    """Compute what the tests of all contrasts share.

    Parameters
    ----------
    design : Design
        Of the fit, in which levels of some grouping factor are related.
    estimates : LinearEstimates
        The fit, by REML.
    linear : bool
        Without second derivatives of V, where it is not linear in its parameters.

    Raises
    ------
    OptionError
        After a fit by maximum likelihood or with a given sigma, if too many rows are connected,
        or the adjusted covariance is not positive definite.
    """
    if not estimates.reml:
        raise OptionError(
            "Kenward and Roger's method is for fits by REML: refit with reml=True, or use "
            "dof='satterthwaite'."
        )
    if estimates.sigma_fixed:
        raise OptionError(
            "Kenward and Roger's method is not offered for related levels and a given sigma: use "
            "dof='satterthwaite'."
        )
    problem = ResidualProblem(design, independent_cells(design.nobs))
    same = fit_residual(problem, reml=True, start=_parameters(design, estimates))
    return kenward_roger_residual(design, same, "expected", second_order="" if linear else "sas")


def _parameters(design: Design, estimates: LinearEstimates) -> Array:
    """Return sigma and the parameters of all structures, as models of residuals have them."""
    found = [np.array([estimates.sigma])]
    if estimates.structured is not None:
        return np.concatenate([*found, estimates.structured.phi])
    for block, T in zip(design.blocks, estimates.factors, strict=True):
        for at, structure in structured_terms(block):
            assert isinstance(structure, Unstructured)
            found.append(estimates.sigma * T[at, at][structure.places(structure.k)])
    return np.concatenate(found)
