"""A fit with correlated residuals as a problem that can be solved again; see `fitting.problem`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._typing import Array, Positions
from ..errors import OptionError
from ..fitting.identification import Identification
from ..fitting.problem import FittingProblem, solved
from ..fitting.separation import NeverSeparated
from ..frame.design import Design
from ..structures.coordinates import INSIDE
from .best_prediction import EffectsOfRows
from .conditional import conditional_variances
from .estimates import ResidualEstimates
from .fit import fit_residual
from .leverage import deletion_distances, deletion_residuals, leverages
from .natural import natural_parameters
from .problem import ResidualProblem
from .refits import ResidualRefits

__all__ = ["SolvedResidual"]


@dataclass(frozen=True, eq=False)
class SolvedResidual(NeverSeparated):
    """A design and a fit with correlated residuals; the methods are those of `FittingProblem`.

    Parameters
    ----------
    design : Design
        Of the rows of the fit, perhaps with other columns or random effects.
    estimates : ResidualEstimates
        Say where its rows are, and how they were fitted.
    """

    design: Design
    estimates: ResidualEstimates

    @property
    def problem(self) -> ResidualProblem:
        """The same without estimates."""
        return ResidualProblem(self.design, self.estimates.cells)

    def parameters(self, theta: Array, beta: Array, scale: float) -> Array:
        """Return theta."""
        return theta

    def fit(self, start: Array | None = None) -> ResidualEstimates:
        """Fit the model, from theta or from where a search begins."""
        return fit_residual(self.problem, reml=self.estimates.reml, start=start)

    def reported(self, theta: Array) -> Array:
        """Return covariance parameters on the scale on which they are reported."""
        model, own = self.problem.model, self.estimates
        x = own.coordinates(model, theta, "theta=")
        return natural_parameters(model, own.cells, x).values

    def refits(self, theta: Array, beta: Array, scale: float) -> ResidualRefits:
        """Prepare fits to other responses or fewer rows.

        They start at theta, unless an estimate is at a bound, where derivatives vanish.
        """
        problem, own = self.problem, self.estimates
        start = None if own.bounded else own.coordinates(problem.model, theta, "theta=", INSIDE)
        return ResidualRefits(problem, reml=own.reml, x=own.x, start=start, beta=beta)

    def of_rows(self, keep: NDArray[np.bool_]) -> FittingProblem:
        """Return the problem of some rows."""
        part = self.problem.of_rows(keep)
        return SolvedResidual(part.design, self.estimates.with_cells(part.cells))

    def objective_without_random_effects(self) -> float:
        """Return the minimum of the objective over models without random effects."""
        bare = self.problem.without_random_effects()
        return fit_residual(bare, reml=self.estimates.reml).objective

    def identification(self) -> Identification:
        """Return that of the fit."""
        return self.estimates.identification

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return the conditional covariances of the random effects, (l, k, k) by block."""
        return conditional_variances(self.problem, self.estimates.x)

    def leverage(self) -> Array:
        """Return the derivatives of the fitted values in their own responses."""
        return leverages(self.problem, self.estimates.x)

    def deletion_distances(self) -> Array:
        """Return Cook's distances of rows times the number of coefficients."""
        return deletion_distances(self.problem, self.estimates.x)

    def deletion_residuals(self) -> Array:
        """Return the standardized differences of rows from their predictions by all others."""
        return deletion_residuals(self.problem, self.estimates.x)

    def within(self, X: Array, groups: Positions) -> tuple[Array, Array]:
        """Return coefficients of columns beside fixed effects of groups, and their covariance.

        Those are by generalized least squares with the covariance of the fit; what random
        intercepts of the groups add to it makes no difference then.

        Parameters
        ----------
        X : ndarray, shape (n, p)
            Columns that vary within groups.
        groups : ndarray of int, shape (n,)
        """
        problem, own = self.problem, self.estimates
        _, group = np.unique(groups, return_inverse=True)
        dummies = np.eye(int(group.max()) + 1)[group]
        sizes = np.linalg.norm(X, axis=0)
        columns = np.column_stack([X / sizes, dummies])
        y = self.design.y_less_offset
        # What groups add is fitted anyway, and digits of a response far from zero would go with it.
        y = y - (np.bincount(group, y) / np.bincount(group))[group]
        if problem.roots is not None:
            columns, y = columns * problem.roots[:, None], y * problem.roots
        solution = problem.likelihood(False, columns, y).solve(problem.model.at(own.x))
        if solution is None:
            raise OptionError("the coefficients beside fixed effects of groups are not estimable.")
        p = X.shape[1]
        return solution.gamma[:p] / sizes, solution.M[:p, :p] / np.outer(sizes, sizes)

    def variances_of_rows(self) -> Array:
        """Return the variances of the errors of X beta + Z b, shape (n,)."""
        blocks, X = self.design.blocks, self.design.X[:, self.estimates.columns]
        return self.error_variances(
            X, [block.z for block in blocks], [block.refs for block in blocks]
        )

    def error_variances(
        self, X: Array, z: Sequence[Array], refs: Sequence[NDArray[np.int32]]
    ) -> Array:
        """Return Var(x'(beta^ - beta) + z'(b^ - b)) of rows, shape (m,)."""
        own = self.estimates
        effects = EffectsOfRows.of(self.problem, own.x, list(z), list(refs))
        return effects.error_variances(own.x, own.columns, own.on_basis, X)

    def mixed_model_equations(self) -> Any:
        """Refuse."""
        _refuse("Henderson's equations")

    def solved_at(self, covariances: Sequence[Array], dispersion: float) -> Any:
        """Refuse."""
        _refuse("a solution at other covariances")


def _refuse(what: str) -> NoReturn:
    raise OptionError(
        f"{what} are not offered for models with residual= or dispersion=: a row is no case of "
        "its own where residuals are correlated; influence() leaves out rows and subjects."
    )


@solved.register(ResidualEstimates)
def _(estimates: ResidualEstimates, design: Design) -> FittingProblem:
    return SolvedResidual(design, estimates)
