"""Hypotheses on the coefficients, tested in the fits to many responses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from .._typing import Array
from ..errors import CoreError, DataError
from ..fitting.covariance import factors_of
from ..fitting.estimates import Estimates, LinearEstimates
from ..fitting.refits import Fits, Flag
from ..frame.design import Design
from ..results.parameters import CovarianceParameters
from ..simulation.simulator import Truth
from ..standard_errors.kenward_roger import prepare_kenward_roger
from ..standard_errors.satterthwaite import prepare_satterthwaite
from .refitters import Refitter, ResponseRefitter, Worker

__all__ = [
    "Hypothesis",
    "fixed_part",
    "likelihood_ratio_tests",
    "one_by_one",
    "small_sample_tests",
    "wald_tests",
]


# Singular values of contrasts below this share of the largest are zero.
DEPENDENT = 1e-9


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """L beta = 0.

    Parameters
    ----------
    name : str
    contrasts : ndarray, shape (m, rank)
        Independent rows that span those of L.
    free : ndarray, shape (rank, rank - m)
        Columns that span the coefficients for which it holds.
    """

    name: str
    contrasts: Array
    free: Array

    @classmethod
    def of(cls, name: str, rows: Array, sizes: Array) -> Hypothesis:
        """Make a hypothesis of rows, perhaps dependent, in units of sizes (rank,) of beta."""
        _, values, right = np.linalg.svd(rows * sizes)
        m = int(np.sum(values > DEPENDENT * values[0]))
        return cls(name, right[:m] / sizes, sizes[:, None] * right[m:].T)


def wald_tests(refitter: Refitter, hypotheses: list[Hypothesis]) -> Callable[[], Worker]:
    """Return what makes a worker that gives p-values of Wald tests.

    Parameters
    ----------
    refitter : Refitter
    hypotheses : list of Hypothesis

    Returns
    -------
    callable
        Rows of what its workers return hold a p-value for each hypothesis.
    """

    def worker() -> Worker:
        fit = refitter.fitter()

        def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            fits = fit(responses, stop)
            pvalues = [_wald_pvalues(fits, one.contrasts) for one in hypotheses]
            return np.column_stack(pvalues), fits.converged

        return work

    return worker


def _wald_pvalues(fits: Fits, contrasts: Array) -> Array:
    """Return the upper tail of d'V^-1 d, d = L beta and V its covariance, shape (m,).

    NaN where one of the coefficients has no finite estimate, as the test of such a fit has.
    """
    distance = fits.beta @ contrasts.T
    variance = contrasts @ fits.covariance @ contrasts.T
    out = np.full(len(distance), np.nan)
    infinite = fits.separated[:, (contrasts != 0).any(axis=0)] != 0
    known = np.isfinite(variance).all(axis=(1, 2)) & ~infinite.any(axis=1)
    solved = np.linalg.solve(variance[known], distance[known][:, :, None])[:, :, 0]
    out[known] = chdtrc(len(contrasts), np.einsum("mi,mi->m", distance[known], solved))
    return out


def likelihood_ratio_tests(
    design: Design,
    estimates: Estimates,
    truth: Truth,
    components: CovarianceParameters,
    hypotheses: list[Hypothesis],
) -> Callable[[], Worker]:
    """Return what makes a worker that gives p-values of likelihood-ratio tests.

    Parameters
    ----------
    design, estimates
        Of the fit that is repeated.
    truth : Truth
        What responses are drawn from, and where fits start.
    components : CovarianceParameters
    hypotheses : list of Hypothesis

    Returns
    -------
    callable
        See `wald_tests`.
    """
    full = ResponseRefitter(design, estimates, truth, components)
    X = design.X[:, estimates.columns]
    mean = X @ truth.beta
    smaller = []
    for one in hypotheses:
        reduced = np.ascontiguousarray(X @ one.free)
        nearest: Array = np.linalg.lstsq(reduced, mean, rcond=None)[0].astype(float)
        names = tuple(f"column {i}" for i in range(reduced.shape[1]))
        refitter = ResponseRefitter(
            replace(design, X=reduced, x_names=names),
            estimates,
            replace(truth, beta=nearest),
            components,
        )
        # Responses of linear models come without the fixed part.
        rest = mean - reduced @ nearest if estimates.linear else np.zeros(len(mean))
        smaller.append((refitter, rest))

    def worker() -> Worker:
        fit = full.fitter()
        fit_smaller = [(refitter.fitter(), rest) for refitter, rest in smaller]

        def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            fits = fit(responses, stop)
            restricted = [one(responses + rest, stop) for one, rest in fit_smaller]
            # An interruption leaves more of some than of others.
            done = min(len(some.objective) for some in (fits, *restricted))
            converged, pvalues = fits.converged[:done], []
            for one, some in zip(hypotheses, restricted, strict=True):
                ratio = some.objective[:done] - fits.objective[:done]
                pvalues.append(chdtrc(len(one.contrasts), np.maximum(ratio, 0.0)))
                converged = converged & some.converged[:done]
            return np.column_stack(pvalues), converged

        return work

    return worker


def one_by_one(
    test: Callable[[Array], tuple[list[float], bool]], count: int
) -> Callable[[], Worker]:
    """Return what makes a worker that fits and tests one response after the other.

    Parameters
    ----------
    test : callable
        A response -> the p-value of each hypothesis, and whether the fit converged.
    count : int
        Number of hypotheses.

    Returns
    -------
    callable
        See `wald_tests`; p-values of responses to which there is no fit are NaN.
    """

    def worker() -> Worker:
        def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            pvalues = np.full((len(responses), count), np.nan)
            converged = np.zeros(len(responses), dtype=bool)
            for r, response in enumerate(responses):
                if stop[0]:
                    return pvalues[:r], converged[:r]
                with suppress(CoreError, DataError, np.linalg.LinAlgError):
                    pvalues[r], converged[r] = test(response)
            return pvalues, converged

        return work

    return worker


def fixed_part(design: Design, estimates: Estimates, truth: Truth) -> Array:
    """Return X beta + offset, without which responses of linear models are drawn, shape (n,)."""
    mean = design.X[:, estimates.columns] @ truth.beta
    return np.asarray(mean if design.offset is None else mean + design.offset)


def small_sample_tests(
    design: Design,
    estimates: LinearEstimates,
    truth: Truth,
    components: CovarianceParameters,
    hypotheses: list[Hypothesis],
    method: str,
) -> Callable[[], Worker]:
    """Return what makes a worker that gives p-values of t and F tests of a linear model.

    Parameters
    ----------
    design, estimates, truth, components, hypotheses
        See `likelihood_ratio_tests`.
    method : {"satterthwaite", "kenward-roger"}

    Returns
    -------
    callable
        See `wald_tests`.
    """
    refitter = ResponseRefitter(design, estimates, truth, components)
    mean = fixed_part(design, estimates, truth)
    patterns = [block.pattern for block in design.blocks]
    dof = len(mean) - (len(truth.beta) if estimates.reml else 0)
    prepare = prepare_satterthwaite if method == "satterthwaite" else prepare_kenward_roger

    def test(response: Array, fits: Fits, r: int) -> list[float]:
        sigma, theta = float(fits.scale[r]), fits.theta[r]
        fitted = replace(
            estimates,
            theta=theta,
            factors=factors_of(theta, patterns),
            beta=fits.beta[r],
            sigma=sigma,
            cov_unscaled=fits.covariance[r] / sigma**2,
            pwrss=sigma**2 * dof,
        )
        prepared = prepare(replace(design, y=response + mean), fitted)
        return [prepared.f_test(one.contrasts).pvalue for one in hypotheses]

    def worker() -> Worker:
        fit = refitter.fitter()

        def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            fits = fit(responses, stop)
            pvalues = np.full((len(fits.objective), len(hypotheses)), np.nan)
            for r in np.flatnonzero(np.isfinite(fits.objective)).tolist():
                if stop[0]:
                    return pvalues[:r], fits.converged[:r]
                with suppress(CoreError, DataError, np.linalg.LinAlgError):
                    pvalues[r] = test(responses[r], fits, r)
            return pvalues, fits.converged

        return work

    return worker
