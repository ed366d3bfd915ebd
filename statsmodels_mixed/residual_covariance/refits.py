"""Fits of one model with correlated residuals to other responses, or without some rows.

See `fitting.refits.Refits`. Subjects, places and patterns of rows are those of the first fit.
Covariance parameters of these fits are on the scale on which they are reported.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import CoreError
from ..fitting.fixed_effects.basis import FixedBasis
from ..fitting.refits import Fits, Fitter, Flag, Refit, RowNumbers
from .at_minimum import is_singular_at
from .fit import search
from .natural import natural_parameters
from .problem import ResidualProblem

__all__ = ["ResidualRefits"]


class ResidualRefits:
    """A model with correlated residuals ready to be fitted again.

    Parameters
    ----------
    problem : ResidualProblem
    reml : bool
    x : ndarray, shape (m,)
        Coordinates of the fit to all rows.
    start : ndarray, shape (m,), or None
        Coordinates where fits start; None to look for them in each.
    beta : ndarray, shape (rank,)
        The coefficients of the fixed part that responses are given without.
    """

    # Nothing is factored that would pay for threads of BLAS.
    tail_size = 0

    def __init__(
        self, problem: ResidualProblem, *, reml: bool, x: Array, start: Array | None, beta: Array
    ) -> None:
        self._problem, self._reml, self._x, self._start = problem, reml, x, start
        self._beta = beta

    @property
    def basis(self) -> FixedBasis:
        """X = Q R of the estimable columns."""
        return self._problem.basis

    @cached_property
    def full(self) -> Array:
        """Coefficients on the basis of the fit to all rows, less those of least squares."""
        solved = self._problem.likelihood(self._reml).solve(self._problem.model.at(self._x))
        if solved is None:
            raise CoreError("the likelihood cannot be evaluated at the estimates.")
        return solved.gamma

    @cached_property
    def _of_residual(self) -> ResidualProblem:
        """The problem of the residual of least squares, which has all digits wherever y is."""
        problem = self._problem
        roots = 1.0 if problem.roots is None else problem.roots
        return replace(problem, design=replace(problem.design, offset=None)).with_response(
            problem.residual / roots
        )

    def _solution(self, problem: ResidualProblem) -> Refit:
        likelihood, basis = problem.likelihood(self._reml), problem.basis
        run = search(problem, likelihood, self._start)
        solved = likelihood.solve(problem.model.at(run.end)) if np.isfinite(run.value) else None
        if solved is None:
            raise CoreError("the likelihood cannot be evaluated for these data.")
        change = np.linalg.solve(basis.R.T, self.basis.R.T).T  # to the basis of all rows
        return Refit(
            basis.coefficients(problem.split[0] + solved.gamma),
            basis.covariance(solved.M),
            natural_parameters(problem.model, problem.cells, run.end).values,
            1.0,
            solved.value,
            run.converged,
            change @ (problem.split[0] + solved.gamma),
            change @ solved.M @ change.T,
            is_singular_at(problem, problem.model.at(run.end)),
        )

    # Other responses.

    def fitter(self) -> Fitter:
        """Return what fits to responses without their fixed part, in one thread."""
        problem = self._of_residual
        width = len(natural_parameters(problem.model, problem.cells, self._x).names)

        def fit(responses: NDArray[Any], stop: Flag) -> Fits:
            out = Fits.unknown(len(responses), len(self._beta), width, width)
            for r, response in enumerate(responses):
                if stop[0]:
                    return out.first(r)
                try:
                    one = self._solution(problem.with_response(response))
                except CoreError:
                    continue
                out.objective[r], out.scale[r] = one.objective, one.scale
                out.beta[r], out.covariance[r] = self._beta + one.beta, one.covariance
                out.theta[r], out.converged[r] = one.theta, one.converged
                assert out.reported is not None
                out.reported[r] = np.append(one.theta, float(one.singular))
            return out

        return fit

    # Fewer rows.

    def for_thread(self) -> Self:
        """Return the same: nothing of it changes."""
        return self

    def share_without(self, rows: RowNumbers) -> Array:
        """Return what is left of Q'Q = I, Q weighted, without these rows."""
        Q = self.basis.Q[rows]
        return np.asarray(np.eye(Q.shape[1]) - Q.T @ Q)

    def without(self, rows: RowNumbers) -> Refit:
        """Fit the model without some rows, which leave all coefficients estimable."""
        keep = np.ones(len(self._problem.design.y), dtype=bool)
        keep[rows] = False
        fit = self._solution(self._of_residual.of_rows(keep, self.basis.columns))
        assert fit.gamma is not None
        beta = self.basis.coefficients(self._problem.split[0] + fit.gamma)
        return replace(fit, beta=beta)
