"""Resampled data of fits with correlated residuals: subjects with the places of their rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._typing import Array, Positions
from ..fitting.problem import FittingProblem, problem_of
from ..frame.design import Design
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.subjects import subjects_of
from ..simulation.simulator import Truth
from .cases import CaseRefitter, Cases, cases_of

__all__ = ["ResidualCaseRefitter", "residual_cases"]


def residual_cases(design: Design, estimates: ResidualEstimates, by: str | None) -> Cases:
    """Prepare the drawing of subjects, or of levels of a grouping factor.

    Subjects are drawn as levels of a factor without random effects, the last of the design.

    Parameters
    ----------
    design : Design
    estimates : ResidualEstimates
    by : str or None
        Name of the factor; None for the one that contains all others.

    Raises
    ------
    OptionError
        If there is no such factor, None does not say which, or it has one level.
    """
    subjects = subjects_of(estimates.cells)
    return cases_of(replace(design, blocks=(*design.blocks, subjects)), by)


class ResidualCaseRefitter(CaseRefitter):
    """Fits a model with correlated residuals to samples of subjects; see `CaseRefitter`."""

    def __init__(self, cases: Cases, estimates: ResidualEstimates, start: Truth) -> None:
        super().__init__(cases, estimates, start)
        self._own = estimates
        self._n_reported = len(estimates.natural.values)

    def _problem(self, design: Design, drawn: Positions) -> FittingProblem:
        *blocks, subjects = design.blocks
        rows, _ = self._cases.rows_of(drawn)
        cells = self._own.cells.of_copies(rows, subjects.refs.astype(np.intp))
        return problem_of(replace(design, blocks=tuple(blocks)), self._own.with_cells(cells))

    def _covariances(self, fitted: Any) -> tuple[Array, Array | None]:
        return fitted.natural.values, fitted.natural.values

    def _begin(self, problem: FittingProblem, kept: Positions) -> Array | None:
        return None if self._own.bounded else super()._begin(problem, kept)
