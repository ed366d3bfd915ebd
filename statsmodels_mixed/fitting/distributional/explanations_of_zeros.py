"""Other starts where zeros are inflated, as their likelihood may have several maxima.

A zero may be one of inflation, of small means or of overdispersion, and a likelihood of rows of any
kind may have a maximum for each explanation. Where it has, the data hardly tell the parameters
apart at its maxima: the Hessian with a diagonal of ones has an eigenvalue near zero, or some rows
have no inflation at all. Other fits are left alone. Runs are few and short, and only one that is
lower goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from ..._typing import Array
from ..search.optimize import FitOptions, FitReport
from ..search.runs import LOWER, BestOfRuns, descend, joined
from ..search.second_start import may_be_repeated
from .likelihood import RowLikelihood
from .row_parameters import DISPERSION, ZEROS, RowParameters

__all__ = ["OtherExplanations"]


# Least eigenvalue below which there may be several maxima. Of 312 simulated fits at the highest
# maximum a fifth had a smaller one, of 17 that were not 12.
TOLD_APART = 0.07
# Evaluations of a run that is not lower yet.
SHORT = 15
# Factor of theta, and how far the dispersion and coefficients of its and zeros' columns are moved.
FAR = 2.0
# The logit of a probability of next to no zeros.
HARDLY = -6.0
# The largest share of zeros that overdispersion is to explain.
MOST = 0.99
# Columns of formulas whose coefficients are moved.
COLUMNS = 2


@dataclass(frozen=True)
class OtherExplanations:
    """Where else a search with inflated zeros may begin.

    Parameters
    ----------
    likelihood : RowLikelihood
    begin : ndarray, shape (m,)
        The usual start.
    """

    likelihood: RowLikelihood
    begin: Array

    @property
    def rows(self) -> RowParameters:
        """Their own parameters."""
        return self.likelihood.rows

    def needed(self, report: FitReport, least: float, ends: bool, options: FitOptions) -> bool:
        """Return whether there may be a lower end than that of a search.

        Parameters
        ----------
        report : FitReport
        least : float
            The least eigenvalue of the Hessian at its end, with a diagonal of ones.
        ends : bool
            Whether some coefficients have no finite estimate.
        options : FitOptions
        """
        if self.rows.zeros != "inflation" or options.optimizer != "newton":
            return False
        # With random effects of zeros Laplace's approximation itself may have no maximum.
        random = any(block.part for block in self.likelihood.design.blocks)
        partly = ends and self.rows.alone(ZEROS) is None
        doubtful = least < TOLD_APART or partly if report.converged else not random
        return doubtful and may_be_repeated(report, options, self.rows.n)

    def improve(
        self,
        report: FitReport,
        options: FitOptions,
        go_on: Callable[[Array], FitReport | None],
        splits: Callable[[FitReport], bool],
    ) -> FitReport:
        """Return the best end of a search and of others.

        Parameters
        ----------
        report : FitReport
        options : FitOptions
        go_on : callable
            Minimizes from a start to the end; None where that fails.
        splits : callable
            Whether an end at which the core is solved is one of the approximation only.
        """
        core = self.likelihood.core
        runs = BestOfRuns(report, lambda run: not splits(run))
        for start in self._starts(report.end):
            run = descend(core, start, replace(options, max_eval=SHORT))
            if run is None:
                continue
            if run.status == "MAXEVAL_REACHED" and run.objective < runs.report.objective - LOWER:
                runs.report = joined(runs.report, run, taken=False)
                run = go_on(run.end) or run
            runs.take(run)
        return runs.report

    def _starts(self, end: Array) -> Iterator[Array]:
        yield self._without_inflation(end)
        larger = self.begin.copy()
        larger[: self.likelihood.problem.ntheta] *= FAR
        yield larger
        dispersed = self.rows.X[DISPERSION] is not None
        constant = self._constant(DISPERSION if dispersed else ZEROS)
        for size in (FAR, -FAR) if dispersed else (FAR,):
            yield self._moved(size * constant)
        for column in self._columns():
            for size in (FAR, -FAR):
                yield self._moved(size * column)

    def _constant(self, place: int) -> Array:
        """Return the coefficients of a parameter of the rows that is 1."""
        X = self.rows.X[place]
        return np.zeros(len(self.rows.start)) if X is None else X.mean(axis=0)

    def _columns(self) -> list[Array]:
        """Return unit vectors of coefficients of columns that are not constant."""
        found = []
        for place in (ZEROS, DISPERSION):
            X = self.rows.X[place]
            if X is not None:
                found += [row for row in np.eye(X.shape[1]) if np.ptp(X @ row) > 1e-9]
        return found[:COLUMNS]

    def _moved(self, change: Array) -> Array:
        start = self.begin.copy()
        start[len(start) - len(change) :] += change
        return start

    def _without_inflation(self, end: Array) -> Array:
        """Return parameters with the same means and variances of rows without random effects."""
        rows, problem = self.rows, self.likelihood.problem
        first = len(end) - len(rows.start)
        own = rows.values(end[first:])
        pi = np.minimum(expit(own[:, ZEROS]), MOST)
        Q, gamma = problem.basis.Q, end[problem.beta]
        start = end.copy()
        start[problem.beta] = gamma + _coefficients(Q, np.log1p(-pi))
        if self.likelihood.spec.link == "log" and self.likelihood.spec.has_dispersion:
            offset = 0.0 if self.likelihood.design.offset is None else self.likelihood.design.offset
            mu, phi = np.exp(np.minimum(Q @ gamma + offset, 30.0)), np.exp(own[:, DISPERSION])
            quadratic = self.likelihood.spec.family == "negative_binomial"
            phi = (phi + pi) / (1.0 - pi) if quadratic else phi + pi * mu
            own[:, DISPERSION] = np.log(phi)
            self._set(start[first:], DISPERSION, own[:, DISPERSION])
        self._set(start[first:], ZEROS, np.full(rows.n, HARDLY))
        return start

    def _set(self, kappa: Array, place: int, values: Array) -> None:
        """Give a parameter of the rows the coefficients nearest to some values."""
        X = self.rows.X[place]
        if X is not None:
            own = X.any(axis=0)
            kappa[own] = X[:, own].T @ (values - self.rows.constant[place]) / self.rows.n


def _coefficients(Q: Array, values: Array) -> Array:
    """Return the coefficients of the columns of an orthogonal basis nearest to some values."""
    return np.asarray(Q.T @ values / np.sum(Q**2, axis=0))
