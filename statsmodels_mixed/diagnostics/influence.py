"""What single rows or groups do to a fit: each is left out and the model fitted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._typing import Array
from ..errors import OptionError
from ..fitting.fixed_effects.basis import OnBasis
from ..frame.row_groups import RowGroups
from ..plots.influence_plots import InfluencePlots
from ..results.base import MixedModelResults, unwrap
from ..results.not_identified import not_identified
from ..results.own_function import own_first
from ..results.parameters import CovarianceParameters
from ..results.progress import Progress
from ..results.row_labels import group_rows, row_labels
from ..tables.document import Document
from ..tables.shown import MOST_ROWS, Shown, table_of
from .deletion import fits_without

__all__ = ["Influence", "cases_to_delete", "influence"]


@dataclass(frozen=True, eq=False)
class Influence(Shown):
    """Fits without each of m cases, beside the fit to all rows.

    Everything is labelled by case: a row, or a level of what the rows were grouped by. NaN
    marks what cannot be estimated without a case, and what depends on covariance parameters that
    the data do not determine.

    Parameters
    ----------
    by : str
        What a case is: ``"obs"`` or the name of the groups.
    params : DataFrame, shape (m, p)
        Coefficients of the columns of X without the case.
    bse : DataFrame, shape (m, p)
        Their standard errors, given the covariance parameters without the case.
    covariance : ndarray, shape (m, rank, rank)
        Covariances of the coefficients that are estimable from all rows.
    theta : DataFrame, shape (m, n_theta)
        Covariance parameters.
    sd : DataFrame
        Standard deviations of the random effects.
    scale : Series, shape (m,)
        sigma of a linear model, the dispersion of a generalized one (1 if it has none).
    objective : Series, shape (m,)
        -2 log-likelihood or REML criterion of the rows that remain.
    converged : Series of bool, shape (m,)
        Whether the fit reached a stationary point; False where there is none.
    rows_deleted : Series of int, shape (m,)
        Rows of the case.
    full_params : Series, shape (rank,)
        Estimable coefficients of the fit to all rows.
    full_covariance : DataFrame, shape (rank, rank)
        Their covariance, given the covariance parameters, for any `cov_type` of the fit.
    difference : ndarray, shape (m, rank)
        Estimable coefficients from all rows less those without the case.
    on_basis : tuple of ndarray, shapes (m, rank), (m, rank, rank) and (rank, rank)
        `difference`, `covariance` and `full_covariance` on an orthonormal basis of X, in which
        they have all digits, in units of the scale of the last.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> influence = fit.influence("subj")
    >>> influence.params.shape, bool(influence.converged.all())
    ((18, 2), True)
    """

    by: str
    params: pd.DataFrame
    bse: pd.DataFrame
    covariance: Array
    theta: pd.DataFrame
    sd: pd.DataFrame
    scale: pd.Series
    objective: pd.Series
    converged: pd.Series
    rows_deleted: pd.Series
    full_params: pd.Series
    full_covariance: pd.DataFrame
    difference: Array
    on_basis: tuple[Array, Array, Array]

    def __repr__(self) -> str:
        failed = int((~self.converged).sum())
        return f"<Influence: {len(self.params)} cases by {self.by}, {failed} not converged>"

    def _document(self) -> Document:
        table = self.summary_frame().sort_values("cooks_distance", ascending=False)
        most = min(MOST_ROWS, len(table))
        notes = [f"The {most} cases of the largest Cook's distances, of {len(table)}."]
        return Document(f"Influence by {self.by}", [table_of(table, most=most)], notes)

    @property
    def plot(self) -> InfluencePlots:
        """Plots: `plot()` and `plot.cooks_distance()`, `plot.dfbetas()`."""
        return InfluencePlots(self)

    def _table(self, values: Array) -> pd.DataFrame:
        """Label values of the estimable coefficients, adding NaN for the other columns."""
        table = pd.DataFrame(values, index=self.params.index, columns=self.full_params.index)
        return table.reindex(columns=self.params.columns)

    def _by_case(self, values: Array, name: str) -> pd.Series:
        return pd.Series(values, index=self.params.index, name=name)

    def dfbeta(self) -> pd.DataFrame:
        """Return the coefficients from all rows less those without the case.

        As in the influence classes of statsmodels and R's `dfbeta` of a linear model; lme4's
        has the other sign.

        Returns
        -------
        DataFrame, shape (m, p)

        See Also
        --------
        Influence.dfbetas

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.influence("subj").dfbeta().head(2).round(3)
              Intercept   days
        subj
        S308     -0.424  0.665
        S309     -2.726 -0.483
        """
        return self._table(self.difference)

    def dfbetas(self) -> pd.DataFrame:
        """Return `dfbeta` over the standard errors without the case.

        Returns
        -------
        DataFrame, shape (m, p)

        See Also
        --------
        Influence.dfbeta

        References
        ----------
        Belsley, Kuh and Welsch (1980), Regression diagnostics.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.influence("subj").dfbetas().head(2).round(3)
              Intercept   days
        subj
        S308     -0.044  0.870
        S309     -0.314 -0.581
        """
        return self.dfbeta() / self.bse

    def cooks_distance(self) -> pd.Series:
        """Return d' V^-1 d / rank, with d the rows of `dfbeta` and V the covariance from all.

        Returns
        -------
        Series, shape (m,)
            NaN where a coefficient cannot be estimated without the case.

        See Also
        --------
        cooks_distance

        References
        ----------
        Cook (1977), Technometrics 19, 15-18.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.influence("subj").cooks_distance().nlargest(2).round(2).to_dict()
        {'S335': 0.53, 'S308': 0.39}
        """
        d, _, V = self.on_basis
        distances = np.einsum("mi,im->m", d, _solved(V, d.T)) / d.shape[1]
        return self._by_case(distances, "cooks_distance")

    def covratio(self) -> pd.Series:
        """Return ``|V_(i)| / |V|``: above 1 where the case adds precision (Belsley et al. 1980).

        Returns
        -------
        Series, shape (m,)

        See Also
        --------
        Influence.covtrace

        References
        ----------
        Belsley, Kuh and Welsch (1980), Regression diagnostics.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.influence("subj").covratio().head(2).round(3).to_dict()
        {'S308': 0.936, 'S309': 0.851}
        """
        with np.errstate(all="ignore"):  # NaN where there is no fit, zero beyond the range
            _, covariance, V = self.on_basis
            ratios = np.exp(np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(V)[1])
        return self._by_case(ratios, "covratio")

    def covtrace(self) -> pd.Series:
        """Return ``|tr(V^-1 V_(i)) - rank|`` (Christensen, Pearson and Johnson 1992).

        Returns
        -------
        Series, shape (m,)

        See Also
        --------
        Influence.covratio

        References
        ----------
        Christensen, Pearson and Johnson (1992), Technometrics 34, 38-45.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.influence("subj").covtrace().head(2).round(3).to_dict()
        {'S308': 0.061, 'S309': 0.133}
        """
        _, covariance, V = self.on_basis
        traces = np.trace(_solved(V, covariance), axis1=1, axis2=2)
        return self._by_case(np.abs(traces - len(V)), "covtrace")

    def summary_frame(self) -> pd.DataFrame:
        """Return a row for each case: dfbetas, Cook's distance, covratio, covtrace.

        Returns
        -------
        DataFrame, shape (m, p + 3)
            The columns of `dfbetas` begin with ``dfb_``, as statsmodels has it.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.influence("subj").summary_frame().head(2).round(3)
              dfb_Intercept  dfb_days  cooks_distance  covratio  covtrace
        subj
        S308         -0.044     0.870           0.386     0.936     0.061
        S309         -0.314    -0.581           0.336     0.851     0.133
        """
        rest = [self.cooks_distance(), self.covratio(), self.covtrace()]
        return pd.concat([self.dfbetas().add_prefix("dfb_"), *rest], axis=1)


def _solved(V: Array, right: Array) -> Array:
    """Return V^-1 times one or several matrices, (..., rank, m); NaN where V is singular.

    In units of standard errors; where these are below the smallest number there are none.
    """
    errors = np.sqrt(np.diag(V))
    if np.all(errors > 0):
        try:
            solved = np.linalg.solve(V / np.outer(errors, errors), right / errors[:, None])
        except np.linalg.LinAlgError:  # as of a fit that has not converged
            pass
        else:
            return np.asarray(solved / errors[:, None])
    return np.full(right.shape, np.nan)


@own_first
def influence(
    result: Any, by: str | ArrayLike = "obs", *, progress: bool | None = None
) -> Influence:
    """Fit the model again without each row, or without each group of rows.

    The refits are exact: coefficients and covariance parameters are estimated anew, by the
    criterion or the approximation of the fit, from the estimates of all rows on. A level that
    vanishes with a case does no harm. Bases of splines and centered columns stay as they are.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    by : "obs", str or array_like, shape (n,)
        ``"obs"`` leaves out one row at a time; the name of a grouping factor of the model
        (``"subj"``) or of another column of its formula leaves out the rows of one level at a
        time, and so do labels of the n rows of the fit, or a Series by the index of the data.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm; by default in terminals and
        notebooks, after a second.

    Returns
    -------
    Influence
        Estimates without each case, and Cook's distances and dfbetas from them.

    Raises
    ------
    OptionError
        If there is nothing of that name, labels do not go with the rows, or all rows belong
        to one case.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    cooks_distance, leverage

    References
    ----------
    Demidenko and Stukel (2005), Statistics in Medicine 24, 893-909; lme4's `influence`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.influence("subj").cooks_distance().idxmax()
    'S335'
    """
    result = unwrap(result, correlated=True)
    design, estimates = result.kept_design(), result.estimates
    groups = cases_to_delete(result, by)
    name, labels = groups.name, groups.levels
    if not len(estimates.beta):
        raise OptionError("influence on coefficients is asked for, and this model has none.")
    cases = groups.rows()
    components = CovarianceParameters.of_result(result)
    with Progress("influence", len(cases), progress) as shown:
        fits = fits_without(design, estimates, cases, components, shown.update)
    lost = not_identified(result, spread=False)
    covariance, full = fits.covariance, estimates.cov_conditional
    known = estimates.on_basis
    if known is None:
        known = OnBasis(fits.basis.inverse, fits.basis.R @ full @ fits.basis.R.T)
    on_basis = fits.change / np.sqrt(known.scale), fits.inner, known.matrix
    if result.undetermined is not None:
        changes = result.undetermined.covariances(np.eye(len(full)))
        covariance, full = (np.where(changes, np.nan, each) for each in (covariance, full))
        if changes.any():
            lacking = np.full_like(fits.inner, np.nan), np.full_like(full, np.nan)
            on_basis = fits.change, *lacking

    def table(values: Array, kind: str, names: Sequence[str]) -> pd.DataFrame:
        values = np.where([(kind, name) in lost for name in names], np.nan, values)
        return pd.DataFrame(values, index=labels, columns=list(names))

    def spread(values: Array, kind: str) -> pd.DataFrame:
        return table(values, kind, result.fixefnames).reindex(columns=result.coefnames)

    with np.errstate(invalid="ignore"):  # rounding may leave nothing of a variance
        errors = np.sqrt(np.einsum("mii->mi", covariance))
    names = result.fixefnames
    return Influence(
        by=name,
        params=spread(fits.beta, "beta"),
        bse=spread(errors, "se"),
        covariance=covariance,
        theta=table(fits.theta, "theta", components.theta_names),
        sd=table(fits.sd, "sd", components.sd_names),
        scale=pd.Series(fits.scale, labels, name=estimates.scale_name or "dispersion"),
        objective=pd.Series(fits.objective, labels, name="objective"),
        converged=pd.Series(fits.converged, labels, name="converged"),
        rows_deleted=pd.Series([len(rows) for rows in cases], labels, name="rows_deleted"),
        full_params=pd.Series(estimates.beta, names),
        full_covariance=pd.DataFrame(full, names, names),
        difference=fits.change @ fits.basis.inverse.T,
        on_basis=on_basis,
    )


def cases_to_delete(result: MixedModelResults, by: str | ArrayLike) -> RowGroups:
    """Return the groups of rows that are left out one at a time.

    Parameters
    ----------
    result : MixedModelResults
    by : "obs", str or array_like, shape (n,)
        As for `influence`.

    Raises
    ------
    OptionError
        If there is nothing of that name, labels do not go with the rows, or all rows belong
        to one case.
    """
    if isinstance(by, str) and by == "obs":
        groups = RowGroups(by, np.arange(result.layout.nobs), row_labels(result))
    else:
        groups = group_rows(result.model, by, "by")
    if len(groups.levels) < 2:
        raise OptionError(
            f"by={groups.name!r} has one case of all rows: nothing is left to be fitted."
        )
    return groups
