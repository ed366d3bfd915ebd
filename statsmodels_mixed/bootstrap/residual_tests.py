"""Hypotheses tested in fits of models with correlated residuals to many responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._typing import Array
from ..frame.design import Design
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.fit import fit_residual
from ..residual_covariance.problem import ResidualProblem
from ..simulation.simulator import Truth
from ..standard_errors.residual_choice import ResidualChoice, refer_residual
from .refitters import Worker
from .replicate_tests import Hypothesis, fixed_part, one_by_one

__all__ = ["residual_tests"]


def residual_tests(
    design: Design,
    estimates: ResidualEstimates,
    truth: Truth,
    hypotheses: list[Hypothesis],
    method: str,
    information: str,
) -> Callable[[], Worker]:
    """Return what makes a worker that gives p-values of t and F tests.

    Parameters
    ----------
    design, estimates
        Of the fit that is repeated.
    truth : Truth
        What responses are drawn from.
    hypotheses : list of Hypothesis
    method : str
        How degrees of freedom are found, as `dof=` has it.
    information : {"observed", "expected"}

    Returns
    -------
    callable
        Rows of what its workers return hold a p-value for each hypothesis.
    """
    problem = ResidualProblem(design, estimates.cells)
    mean = fixed_part(design, estimates, truth)
    start = None if estimates.bounded else estimates.theta
    choice = ResidualChoice(method, "nonrobust", information)
    df_resid = float(len(mean) - len(truth.beta))

    def test(response: Array) -> tuple[list[float], bool]:
        y = response + mean
        fitted = fit_residual(problem.with_response(y), reml=estimates.reml, start=start)
        reference = refer_residual(choice, fitted, design=replace(design, y=y), df_resid=df_resid)
        tested = [reference.tests.f_test(one.contrasts).pvalue for one in hypotheses]
        return tested, fitted.report.converged

    return one_by_one(test, len(hypotheses))
