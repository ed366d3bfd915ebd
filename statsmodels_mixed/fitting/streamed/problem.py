"""A generalized model whose rows were read in batches, after its fit: what needs them no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._typing import Array
from ...errors import DataError
from ...frame.design import NEEDS_ROWS, Design
from ..estimates import GeneralizedEstimates
from ..mixed_model_equations import Henderson, WithEquations
from .generalized import SolvedStream

__all__ = ["StreamedDesign", "StreamedProblem", "streamed_hessian"]


@dataclass(frozen=True, eq=False)
class StreamedDesign(Design):
    """Names, levels and sizes of a generalized model whose rows are read in batches.

    Each array for itself, X, y and the columns of a block, has the cross-products of all rows;
    together they have no likelihood.

    Parameters
    ----------
    solved : SolvedStream or None
        Of a fit; None before, and where it was copied.
    """

    solved: SolvedStream | None = None

    @property
    def has_rows(self) -> bool:
        """Whether the arrays have the likelihood of the model."""
        return False

    def what_is_solved(self) -> SolvedStream:
        """Return the fit.

        Raises
        ------
        DataError
            If there is none.
        """
        if self.solved is None:
            raise DataError(NEEDS_ROWS)
        return self.solved


def streamed_hessian(
    design: StreamedDesign, estimates: GeneralizedEstimates
) -> tuple[Array, Array]:
    """Return the Hessian at the estimates; see `approximation.hessian`."""
    return design.what_is_solved().hessian(estimates)


class StreamedProblem(WithEquations):
    """A generalized model after a fit, as a `FittingProblem`; what needs rows is refused.

    Parameters
    ----------
    design : StreamedDesign
    estimates : GeneralizedEstimates
    """

    def __init__(self, design: StreamedDesign, estimates: GeneralizedEstimates) -> None:
        self.design, self.estimates = design, estimates

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) given all parameters."""
        return self.design.what_is_solved().solution.condvar

    def mixed_model_equations(self) -> Henderson:
        """Solve the equations of the working linear model at the conditional modes."""
        solved = self.design.what_is_solved()
        return Henderson(
            solved.basis.R,
            solved.solution.xvx_inverse,
            solved.core.mode_slopes(),
            self.estimates.factors,
            1.0,
            solved.core.level_covariances,
        )

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise DataError(NEEDS_ROWS)

    of_rows = fit = refits = solved_at = _refuse
    parameters = reported = identification = separation = _refuse
    objective_without_random_effects = leverage = variances_of_rows = _refuse
