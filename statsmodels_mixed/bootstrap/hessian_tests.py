"""Hypotheses tested in fits to many responses with errors from the Hessian of all parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .._typing import Array
from ..fitting.estimates import GeneralizedEstimates
from ..fitting.problem import problem_of
from ..fitting.separation import SolvedRows
from ..frame.design import Design
from ..simulation.simulator import Truth
from ..standard_errors.choice import Choice, refer
from .refitters import Worker
from .replicate_tests import Hypothesis, one_by_one

__all__ = ["hessian_tests"]


def hessian_tests(
    design: Design,
    estimates: GeneralizedEstimates,
    truth: Truth,
    hypotheses: list[Hypothesis],
) -> Callable[[], Worker]:
    """Return what makes a worker that gives p-values of Wald tests of a generalized model.

    Parameters
    ----------
    design, estimates
        Of the fit that is repeated.
    truth : Truth
        What responses are drawn from, and where fits start.
    hypotheses : list of Hypothesis

    Returns
    -------
    callable
        Rows of what its workers return hold a p-value for each hypothesis: NaN where one of its
        coefficients has no finite estimate.
    """
    choice = Choice(None, "hessian")

    def test(y: Array) -> tuple[list[float], bool]:
        drawn = replace(design, y=y)
        problem = problem_of(drawn, estimates)
        fitted: Any = problem.fit(truth.theta)
        tests = refer(choice, fitted, design=drawn, df_resid=np.inf).tests
        infinite = problem.separation(
            drawn.X[:, fitted.columns],
            y,
            fitted.cov_conditional,
            converged=fitted.report.converged,
            rows=SolvedRows(fitted.eta, drawn.weights, fitted.dispersion),
        ).found
        pvalues = [
            np.nan
            if (one.contrasts[:, infinite] != 0).any()
            else tests.f_test(one.contrasts).pvalue
            for one in hypotheses
        ]
        return pvalues, fitted.report.converged

    return one_by_one(test, len(hypotheses))
