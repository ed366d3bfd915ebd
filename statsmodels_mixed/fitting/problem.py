"""What can be done with a model once it was fitted: one interface for both kinds of model.

A fit says how a model was fitted, by its `Estimates`; together with a design, its own or
another, that is a problem which can be solved again. `LinearProblem` and `GeneralizedProblem`
are the two kinds; nothing outside of this room needs to know which one it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..frame.design import Design
from ..later import load
from .estimates import Estimates, GeneralizedEstimates, LinearEstimates
from .generalized.problem import GeneralizedProblem
from .identification import Identification
from .linear.problem import LinearProblem
from .mixed_model_equations import Henderson
from .refits import Refits
from .separation import Separation, SolvedRows

__all__ = ["FittingProblem", "problem_of", "solved"]


class FittingProblem(Protocol):
    """A model of a design, to be solved as a given fit was."""

    @property
    def design(self) -> Design:
        """Whose response, X and Z they are."""

    @property
    def estimates(self) -> Estimates:
        """Of the fit that says how."""

    # Of any design.

    def parameters(self, theta: Array, beta: Array, scale: float) -> Array:
        """Return what the objective is a function of, in the units of the data.

        Parameters
        ----------
        theta : ndarray, shape (n_theta,)
        beta : ndarray, shape (rank,)
        scale : float
            sigma, or the dispersion.
        """

    def fit(self, start: Array | None = None) -> Estimates:
        """Fit the model.

        Parameters
        ----------
        start : ndarray, optional
            Parameters as `parameters` returns them, or theta alone.

        Raises
        ------
        DataError
            If no such model can be fitted to the data.
        """

    def reported(self, theta: Array) -> Array:
        """Return covariance parameters on the scale on which replicates of them are shown."""

    def refits(self, theta: Array, beta: Array, scale: float) -> Refits:
        """Prepare fits to other responses or fewer rows, which start at these parameters."""

    def objective_without_random_effects(self) -> float:
        """Return the minimum of the objective over models without random effects."""

    def identification(self) -> Identification:
        """Find the flat directions of the covariance parameters."""

    def separation(
        self,
        X: Array,
        y: Array,
        covariance: Array,
        *,
        converged: bool,
        rows: SolvedRows | None = None,
    ) -> Separation:
        """Return the direction in which a response separates; see `separation`."""

    def of_rows(self, keep: NDArray[np.bool_]) -> FittingProblem:
        """Return the problem of some of the rows, to be solved in the same way."""

    # Of the design of the fit.

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return the conditional covariances of the random effects, (l, k, k) by block."""

    def leverage(self) -> Array:
        """Return the diagonal of the hat matrix, shape (n,)."""

    def variances_of_rows(self) -> Array:
        """Return Var(X beta + Z b), both estimated, of the rows, shape (n,)."""

    def error_variances(
        self, X: Array, z: Sequence[Array], refs: Sequence[NDArray[np.int32]]
    ) -> Array:
        """Return Var(x'(beta^ - beta) + z'(b^ - b)) of rows, shape (m,).

        Parameters
        ----------
        X : ndarray, shape (m, rank)
            Estimable columns.
        z, refs : sequence of ndarray
            Columns (m, k) and levels (m,) of each block, -1 for a level the fit has not seen.
        """

    def mixed_model_equations(self) -> Henderson:
        """Solve Henderson's mixed-model equations at the estimates.

        For a generalized model these are the equations of the working linear model at the
        conditional modes, with the expected information: the joint curvature of
        log-likelihood - |u|^2 / 2 in beta and u.
        """

    def solved_at(self, covariances: Sequence[Array], dispersion: float) -> Estimates:
        """Return the estimates at other values of the covariance parameters.

        Parameters
        ----------
        covariances : sequence of ndarray, shape (k, k)
            Of the random effects of each block, positive definite.
        dispersion : float
            The residual variance, or phi or alpha.

        Returns
        -------
        Estimates
            With these parameters and the coefficients, their covariance and the conditional
            modes that go with them; all else is that of the fit.
        """


def problem_of(design: Design, estimates: Estimates) -> FittingProblem:
    """Return the problem that a fit poses with a design.

    Parameters
    ----------
    design : Design
        That of the fit, or another one with a block for each of its factors.
    estimates : Estimates
    """
    return solved(estimates, design)


@singledispatch
def solved(estimates: Estimates, design: Design) -> FittingProblem:
    """Return the problem, by the kind of estimates."""
    raise NotImplementedError(type(estimates).__name__)


@solved.register(LinearEstimates)
def _(estimates: LinearEstimates, design: Design) -> FittingProblem:
    if not design.has_rows:
        summed: FittingProblem = load("fitting.summed.problem:SummedProblem")(design, estimates)
        return summed
    return LinearProblem(design, estimates)


@solved.register(GeneralizedEstimates)
def _(estimates: GeneralizedEstimates, design: Design) -> FittingProblem:
    if not design.has_rows:
        problem: FittingProblem = load("fitting.streamed.problem:StreamedProblem")(
            design, estimates
        )
        return problem
    return GeneralizedProblem(design, estimates)
