"""Power of tests of the coefficients of all parts of a fit, by simulation."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from ..._typing import Array, Numbers
from ...comparison.hypotheses import term_hypotheses
from ...errors import DataError, OptionError
from ...fitting.fixed_effects.basis import OnBasis
from ...fitting.generalized.approximation import generalized_structure
from ...fitting.refits import Flag
from ...results.parameters import check_count, quantile_levels
from ...simulation.distributional.hypothesized import hypothesized_fit
from ...simulation.distributional.simulate import simulator_of_fit
from ...simulation.simulator import Values
from ...simulation.streams import Seed
from ..power import Power, check_rows, pvalues_of, read_rows
from ..refitters import Worker
from ..replicate_tests import Hypothesis
from .refit import fit_to
from .under_hypothesis import ROUNDING, under_hypothesis

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["power"]


def power(
    self: DistributionalFit,
    n: int = 1000,
    *,
    beta: Values = None,
    theta: Values = None,
    dispersion: float | None = None,
    hypotheses: str | Mapping[str, Numbers] = "coefficients",
    test: str = "wald",
    alpha: float = 0.05,
    seed: Seed = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> Power:
    """Estimate the power of tests of the coefficients of all parts by simulation.

    Responses are drawn from the model with hypothesized parameters, and it is fitted to each.
    Ctrl-C ends a run early and returns what is done so far.

    Parameters
    ----------
    n : int
        Number of responses to draw.
    beta, theta, dispersion : optional
        Parameters to draw from, as for `simulate`: ``beta={"x": 0.5, "zi: x": 0.0}``.
    hypotheses : {"coefficients", "terms"} or mapping
        What is tested: that each coefficient of each part is zero, by ``"lrt"`` without thresholds,
        which have an order; that the type III contrasts of
        each term of the mean are; or combinations by name: arrays of shape (k,) or (m, k) over
        the k coefficients of `params`.
    test : {"wald", "lrt"}
        ``"wald"``: with the standard errors of each fit, from the Hessian of all parameters.
        ``"lrt"``: likelihood-ratio tests of coefficients of one part; each hypothesis takes
        another fit of every response.
    alpha : float
        Level of the tests.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same result, for any number of threads; the responses
        are those of `simulate` with that seed.
    threads : int, optional
        Number of threads; by default the number of processors this process may use.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm; by default in terminals and
        notebooks, after a second.

    Returns
    -------
    Power
        Its `table()` has the rates of rejection with Monte Carlo errors. A fit that says nothing
        of a coefficient, such as that of zeros where there are none, or that did not reach a
        maximum, has no p-value for it; the table counts those that have.

    Raises
    ------
    OptionError
        If an option does not go with the model.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.simulate, DistributionalResults.bootstrap

    References
    ----------
    Green and MacLeod (2016), Methods in Ecology and Evolution 7, 493-498.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ cheight + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> rates = model.fit().power(5, beta={"cheight": -0.05}, seed=1)
    >>> rates.pvalues.columns.tolist()
    ['Intercept', 'cheight', 'zi: Intercept']
    """
    n = check_count(n, "replicates")
    quantile_levels(alpha)
    if test not in ("wald", "lrt"):
        raise OptionError(
            f"test={test!r} is not offered for models with formulas of zeros or dispersion, or of "
            'families with thresholds or shapes: test="wald" and test="lrt" are.'
        )
    self.model.kept_design()  # refused once the data were removed
    tested = _hypotheses(self, hypotheses, thresholds=test == "wald")
    truth = hypothesized_fit(self, beta=beta, theta=theta, dispersion=dispersion)
    frame, converged, root = pvalues_of(
        partial(_likelihood_ratios if test == "lrt" else _wald_tests, truth, tested),
        simulator_of_fit(truth, "new"),
        [one.name for one in tested],
        n,
        seed,
        threads,
        progress,
    )
    return Power(test, alpha, n, frame, converged, root)


def _wald_tests(truth: DistributionalFit, tested: list[Hypothesis]) -> Worker:
    """Return what fits to responses and tests in one thread."""
    structure, order = generalized_structure(truth.model.kept_design()), truth._order

    def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
        pvalues = np.full((len(responses), len(tested)), np.nan)
        converged = np.zeros(len(responses), dtype=bool)
        for r, y in enumerate(responses):
            if stop[0]:
                return pvalues[:r], converged[:r]
            try:
                found = fit_to(truth, y, structure)
            except DataError:  # such a response has no maximum that can be reached
                continue
            own = found.conditional
            if len(found.covariance) != len(truth.estimates.covariance):
                continue  # as where no share is at an end, which has a threshold
            values = np.concatenate([own.theta, own.beta, found.kappa])[order]
            covariance = found.on_basis.taken(order)
            pvalues[r] = [_pvalue(values, covariance, one.contrasts) for one in tested]
            converged[r] = own.report.converged
        return pvalues, converged

    return work


def _likelihood_ratios(truth: DistributionalFit, tested: list[Hypothesis]) -> Worker:
    """Return what fits to responses, with and without each hypothesis, in one thread."""
    structure = generalized_structure(truth.model.kept_design())
    smaller = [under_hypothesis(truth, one) for one in tested]

    def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
        pvalues = np.full((len(responses), len(tested)), np.nan)
        converged = np.zeros(len(responses), dtype=bool)
        for r, y in enumerate(responses):
            if stop[0]:
                return pvalues[:r], converged[:r]
            try:
                whole = fit_to(truth, y, structure)
            except DataError:
                continue
            converged[r] = whole.report.converged
            for at, (one, model) in enumerate(zip(tested, smaller, strict=True)):
                with suppress(DataError):
                    found = model.fit_to(y)
                    ratio = max(found.objective - whole.objective, 0.0)
                    pvalues[r, at] = chdtrc(len(one.contrasts), ratio)
                    converged[r] &= found.report.converged
        return pvalues, converged

    return work


def _pvalue(values: Array, covariance: OnBasis, L: Array) -> float:
    """Return the upper tail of Wald's statistic; NaN where a coefficient has no error."""
    used = np.abs(L).max(axis=0) > ROUNDING
    V = covariance.taken(used).combined(L[:, used]).covariance
    if not np.isfinite(V).all():
        return float("nan")
    d = L[:, used] @ values[used]
    return float(chdtrc(len(L), d @ np.linalg.solve(V, d)))


def _hypotheses(
    fit: DistributionalFit, asked: str | Mapping[str, Numbers], *, thresholds: bool
) -> list[Hypothesis]:
    """Return the hypotheses that are asked for, over the coefficients in the order of `params`."""
    names, k = fit._names, len(fit._names)
    if isinstance(asked, Mapping):
        pairs = [
            (str(name), check_rows(name, read_rows(name, given, [names]), k))
            for name, given in asked.items()
        ]
    elif asked == "coefficients":
        first = 0 if thresholds or not fit._ordered else _number_of_thresholds(fit)
        units = zip(names[first:], np.eye(k)[first:], strict=True)
        pairs = [(name, row[None, :]) for name, row in units]
    elif asked == "terms":
        first = len(fit.theta)
        last = first + len(fit.estimates.conditional.beta)
        at = np.flatnonzero((fit._order >= first) & (fit._order < last))
        pairs = []
        for name, rows in term_hypotheses(fit._mean_part):
            if len(rows):
                whole = np.zeros((len(rows), k))
                whole[:, at] = rows
                pairs.append((name, whole))
    else:
        raise OptionError(
            f'hypotheses= is "coefficients", "terms" or contrasts by name, not {asked!r}.'
        )
    if not pairs:
        raise OptionError("there is nothing to test: the model has no coefficients for it.")
    return [Hypothesis.of(name, rows, np.ones(k)) for name, rows in pairs]


def _number_of_thresholds(fit: DistributionalFit) -> int:
    """Return how many coefficients are thresholds, which come first."""
    return sum(not name.startswith("nominal: ") for name in fit.estimates.rows.names)
