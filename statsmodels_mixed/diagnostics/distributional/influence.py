"""What single rows or groups do to a fit with parameters of rows: fits without each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from ..._typing import Array
from ...bootstrap.distributional.refit import fit_to_rows
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.fixed_effects.basis import OnBasis
from ...frame.row_groups import design_of_rows
from ...results.parameters import CovarianceParameters
from ...results.progress import Progress
from ..influence import Influence, cases_to_delete

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["cooks_distance", "influence"]

RowNumbers = NDArray[np.intp]


def influence(
    self: DistributionalFit, by: str | ArrayLike = "obs", *, progress: bool | None = None
) -> Influence:
    """Fit the model again without each row, or without each group of rows.

    The refits are exact: the parameters of all parts are estimated anew.

    Parameters
    ----------
    by : "obs", str or array_like, shape (n,)
        What is left out, as for other models.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm.

    Returns
    -------
    Influence
        With the coefficients of all parts; NaN where a model could not be fitted, or the rows
        that remain do not determine its parts, as where a category is gone.

    Raises
    ------
    OptionError
        If there is nothing of that name, labels do not go with the rows, or all rows belong
        to one case.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    GeneralizedLinearMixedModelResults.influence

    References
    ----------
    Demidenko and Stukel (2005), Statistics in Medicine 24, 893-909.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> influence = model.fit().influence(ticks["year"])
    >>> influence.params["zi: Intercept"].round(1).to_dict()
    {'95': -4.4, '96': -2.4, '97': -3.4}
    """
    self.model.kept_design()  # refused once the data were removed
    groups = cases_to_delete(self._mean_part, by)
    labels = groups.levels
    cases, components = groups.rows(), CovarianceParameters.of(self.model.layout)
    count, m = len(cases), len(self._names)
    params, covariance = np.full((count, m), np.nan), np.full((count, m, m), np.nan)
    inner, root = np.full((count, m, m), np.nan), _root(self)
    theta = np.full((count, len(self.theta)), np.nan)
    scale, objective = np.full(count, np.nan), np.full(count, np.nan)
    converged = np.zeros(count, dtype=bool)
    with Progress("influence", count, progress) as shown:
        for at, case in enumerate(cases):
            found = _fit_without(self, case)
            shown.update(1)
            if found is None:
                continue
            params[at], known = _of_all_parts(self, found)
            covariance[at], inner[at] = known.covariance, _beside(root, known)
            theta[at], objective[at] = found.conditional.theta, found.objective
            converged[at] = found.report.converged
            scale[at] = self._dispersion_of(found)
    names = self._names
    full = self.estimates.covariance[np.ix_(self._order, self._order)]
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.einsum("mii->mi", covariance))
    difference = self.params.to_numpy() - params
    change = solve_triangular(root, difference.T, lower=True, check_finite=False).T
    return Influence(
        by=groups.name,
        params=pd.DataFrame(params, labels, names),
        bse=pd.DataFrame(errors, labels, names),
        covariance=covariance,
        theta=pd.DataFrame(theta, labels, components.theta_names),
        sd=pd.DataFrame(components.deviations(theta, 1.0), labels, components.sd_names),
        scale=pd.Series(scale, labels, name="dispersion"),
        objective=pd.Series(objective, labels, name="objective"),
        converged=pd.Series(converged, labels, name="converged"),
        rows_deleted=pd.Series([len(case) for case in cases], labels, name="rows_deleted"),
        full_params=self.params,
        full_covariance=pd.DataFrame(full, names, names),
        difference=difference,
        on_basis=(change, inner, np.eye(m)),
    )


def _root(fit: DistributionalFit) -> Array:
    """Return the lower-triangular root of the covariance of `params`; NaN if it is singular.

    In combinations of coefficients that are independent columns far from zero keep their digits.
    """
    known = fit.estimates.on_basis.taken(fit._order).standardized()
    nothing = np.full((len(known.inverse),) * 2, np.nan)
    if not known.known.all():
        return nothing
    root = np.asarray(np.linalg.qr(np.sqrt(known.scale) * known.inverse.T, mode="r")).T
    # A standard error that is lost beside others is none.
    return root if root.shape == nothing.shape and np.diag(root).all() else nothing


def _beside(root: Array, known: OnBasis) -> Array:
    """Return a covariance of coefficients in the combinations of a root, where there is one."""
    known = known.standardized()
    inverse = solve_triangular(root, known.inverse, lower=True, check_finite=False)
    return np.asarray(known.scale * (inverse @ known.matrix @ inverse.T))


def cooks_distance(self: DistributionalFit, *, progress: bool | None = None) -> pd.Series:
    """Return Cook's distance of every row, by fits without each.

    It is (d'C^-1 d) / p with d the change of all p coefficients, of every part, and C their
    covariance. Leverages are of the mean alone, and the formula of other models with them; so
    there is a fit for each row, as `influence` has it.

    Parameters
    ----------
    progress : bool, optional
        Show a progress bar, which needs the package tqdm.

    Returns
    -------
    Series, shape (n,)
        NaN where the model could not be fitted without the row, and everywhere where there are
        parameters without standard errors, as of zeros that are none.

    Raises
    ------
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.influence

    References
    ----------
    Cook (1977), Technometrics 19, 15-18.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks").head(60)
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> len(model.fit().cooks_distance())
    60
    """
    distances: pd.Series = influence(self, progress=progress).cooks_distance()
    return distances


def _fit_without(fit: DistributionalFit, case: RowNumbers) -> DistributionalEstimates | None:
    """Fit the model to the other rows; None if that is not possible."""
    design = fit.model.kept_design()
    kept = np.delete(np.arange(len(design.y)), case)
    return fit_to_rows(fit, design_of_rows(design, kept), kept)


def _of_all_parts(fit: DistributionalFit, found: DistributionalEstimates) -> tuple[Array, OnBasis]:
    """Return coefficients and covariance in the order of `params`; NaN for lost columns."""
    own = fit.estimates
    nt, total = len(own.conditional.theta), len(own.covariance)
    known = np.isin(own.conditional.columns, found.conditional.columns)
    at = np.concatenate([nt + np.flatnonzero(known), np.arange(nt + len(known), total)])
    values, inverse = (
        np.full(total, np.nan),
        np.full((total, found.on_basis.inverse.shape[1]), np.nan),
    )
    values[at] = np.concatenate([found.conditional.beta, found.kappa])
    inverse[at] = found.on_basis.inverse[nt:]
    order = fit._order
    return values[order], replace(found.on_basis, inverse=inverse[order])
