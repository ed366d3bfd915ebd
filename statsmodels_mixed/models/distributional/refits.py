"""Models with parameters of rows fitted to other responses, and to many drawn from a fit."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._typing import Array
from ...errors import DataError, OptionError
from ...fitting.approximation import generalized_structure
from ...fitting.crossprod import SharedStructure
from ...fitting.distributional import DistributionalEstimates, fit_distributional
from ...fitting.row_parameters import RowParameters
from ...fitting.row_problem import rows_from
from ...frame.design import Design
from ...results.parameters import check_count
from ...results.progress import Progress
from ...simulation.streams import Seed
from .draws import drawn_responses
from .separation import warn_of_infinite, with_infinite

if TYPE_CHECKING:
    from .results import DistributionalResults

__all__ = ["RowBootstrap", "bootstrap", "refit", "start_of"]


_METHODS = ("percentile", "basic")


@dataclass(frozen=True, eq=False)
class RowBootstrap:
    """Fits of a model to responses drawn from it.

    Parameters
    ----------
    formula : str
        Of the model.
    estimates : Series
        What the fit estimates, by kind and name: ``beta`` are the coefficients of all parts,
        ``sd`` standard deviations of random effects.
    frame : DataFrame
        The same of every replicate; NaN where the model could not be fitted.
    converged : ndarray of bool
        Whether each fit ended at a maximum.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().bootstrap(5, seed=1)
    <RowBootstrap: ticks ~ 1 + (1 | brood); 5 replicates, 0 could not be fitted>
    """

    formula: str
    estimates: pd.Series
    frame: pd.DataFrame
    converged: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Whether the model could not be fitted to a replicate, shape (m,)."""
        return np.asarray(self.frame.isna().all(axis=1))

    def __repr__(self) -> str:
        failed = int(self.failed.sum())
        return (
            f"<RowBootstrap: {self.formula}; {len(self)} replicates, {failed} could not be fitted>"
        )

    def conf_int(self, alpha: float = 0.05, method: str = "percentile") -> pd.DataFrame:
        """Return intervals by quantiles of the replicates.

        Parameters
        ----------
        alpha : float
            The level is ``1 - alpha``.
        method : {"percentile", "basic"}
            Quantiles, or twice the estimate less the opposite quantiles.

        Returns
        -------
        DataFrame
            ``estimate``, ``lower``, ``upper`` and ``replicates``, the number that they are from.

        Raises
        ------
        OptionError
            If an option is not possible.
        """
        if method not in _METHODS:
            raise OptionError(f"method= is {' or '.join(map(repr, _METHODS))}, not {method!r}.")
        if not 0 < alpha < 1:
            raise OptionError(f"alpha= is a number between 0 and 1, not {alpha!r}.")
        with np.errstate(invalid="ignore"):  # between infinite estimates there is no quantile
            lower, upper = (self.frame.quantile(p) for p in (alpha / 2, 1 - alpha / 2))
            if method == "basic":
                lower, upper = 2 * self.estimates - upper, 2 * self.estimates - lower
        endless = ~np.isfinite(self.estimates)
        lower, upper = lower.mask(endless), upper.mask(endless)
        return pd.DataFrame(
            {
                "estimate": self.estimates,
                "lower": lower,
                "upper": upper,
                "replicates": self.frame.notna().sum(),
            }
        )


def bootstrap(
    self: DistributionalResults,
    n: int = 1000,
    *,
    seed: Seed = None,
    re: str = "new",
    progress: bool | None = None,
) -> RowBootstrap:
    """Fit the model to responses drawn from the fit.

    Parameters
    ----------
    n : int
        Number of replicates.
    seed : int, sequence of int, SeedSequence or Generator, optional
        Replicate r is the fit to column r of `simulate` with the same seed.
    re : {"new", "conditional"}
        Draw new random effects, or keep them at their conditional modes.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm.

    Returns
    -------
    RowBootstrap

    Raises
    ------
    OptionError, DataError
        As for `simulate`.

    See Also
    --------
    DistributionalResults.simulate

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> replicates = model.fit().bootstrap(5, seed=1)
    >>> replicates.conf_int().loc["beta"].index.tolist()
    ['Intercept', 'zi: Intercept']
    """
    responses = drawn_responses(self, check_count(n, "replicates"), seed, re)
    y = self.model.kept_design().y
    estimates = _values(self, self.estimates, *with_infinite(self, self.estimates, y))
    structure = generalized_structure(self.model.kept_design())
    rows, converged = [], np.zeros(responses.shape[1], dtype=bool)
    with Progress("bootstrap", responses.shape[1], progress) as shown:
        for at, y in enumerate(responses.T):
            try:
                found = _fit_to(self, y, structure)
            except DataError:  # such a response has no maximum that can be reached
                rows.append(pd.Series(np.nan, index=estimates.index))
            else:
                converged[at] = found.report.converged
                beta, kappa = with_infinite(self, found, y)
                rows.append(_values(self, found, beta, kappa).reindex(estimates.index))
            shown.update(1)
    frame = pd.DataFrame(rows).reset_index(drop=True)
    frame.index.name = "replicate"
    return RowBootstrap(str(self.model.formula_full), estimates, frame, converged)


def refit(self: DistributionalResults, y: ArrayLike) -> DistributionalResults:
    """Fit the model to another response.

    Parameters
    ----------
    y : array_like, shape (nobs,)
        A response for each row used, as `simulate` gives it.

    Returns
    -------
    DistributionalResults

    Raises
    ------
    OptionError
        If y has not one value for each row, or one that the model cannot have.
    DataError
        If the data of the fit were removed, or the model cannot be fitted to y.

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
    n = len(self.model.kept_design().y)
    given = np.asarray(y)
    given = given[:, 0] if given.shape == (n, 1) else given
    if given.shape != (n,):
        raise OptionError(f"y must have one value for each of the {n} rows used.")
    if self._ordered:
        codes = pd.Index(self.model.categories).get_indexer(given)
        if (codes < 0).any():
            raise OptionError(f"y must hold the categories of the model: {self.model.categories}.")
        model = _of_codes(self.model, codes.astype(float))
    else:
        try:
            numbers = given.astype(float)
        except (TypeError, ValueError) as error:
            raise OptionError("y must hold numbers, as simulate gives them.") from error
        model = self.model.with_response(numbers)
    structure = generalized_structure(model.kept_design())
    refitted = type(self)(model, _fit_to(self, model.kept_design().y, structure))
    warn_of_infinite(refitted)
    return refitted


def _of_codes(model: Any, codes: Array) -> Any:
    """Return an ordinal model of other codes of the same categories."""
    other = copy.copy(model)
    design = replace(model.kept_design(), y=codes)
    other.design, other.endog = design, codes
    other.data = copy.copy(model.data)
    other.other_response = True
    return other


def _fit_to(
    fit: DistributionalResults, y: Array, structure: SharedStructure
) -> DistributionalEstimates:
    """Fit the model to a response, from the estimates of the fit where they have its form."""
    design: Design = replace(fit.model.kept_design(), y=np.ascontiguousarray(y, dtype=float))
    rows = start_of(fit, fit.model._rows(design))
    conditional = fit.estimates.conditional
    gamma = structure.basis.R @ conditional.beta
    return fit_distributional(
        design, conditional.spec, rows, gamma, n_agq=conditional.n_agq, structure=structure
    )


def start_of(fit: DistributionalResults, rows: RowParameters) -> RowParameters:
    """Return parameters of rows that begin with the estimates of a fit, where they have its form.

    Parameters
    ----------
    fit : DistributionalResults
    rows : RowParameters
    """
    return rows_from(fit.estimates.conditional, rows)


def _values(
    fit: DistributionalResults, estimates: DistributionalEstimates, mean: Array, kappa: Array
) -> pd.Series:
    """Return coefficients of all parts and standard deviations of random effects."""
    blocks = fit.model.kept_design().blocks
    beta = [fit.model.layout.columns[i] for i in estimates.conditional.columns]
    own = list(estimates.rows.names)
    values = np.concatenate([mean, kappa])
    names = [("beta", name) for name in beta + own]
    for block, T in zip(blocks, estimates.conditional.factors, strict=True):
        values = np.concatenate([values, np.sqrt(np.sum(T**2, axis=1))])
        names += [("sd", f"{block.name}.{name}") for name in block.names]
    return pd.Series(values, index=pd.MultiIndex.from_tuples(names, names=["kind", "name"]))
