"""Maximum likelihood, or REML, with correlated residuals: starts and minimum."""

from __future__ import annotations

import numpy as np

from .._core import one_blas_thread
from .._typing import Array
from ..errors import DataError
from ..fitting.linear.unbounded import is_constant_within
from ..fitting.search.trust_region import Minimum
from ..fitting.structured.several_starts import SETTLED, best_minimum
from ..fitting.taken_up import refuse_taken_up
from ..later import load
from ..structures.coordinates import INSIDE
from .at_minimum import estimates_at
from .estimates import ResidualEstimates
from .likelihood import BestCoefficients, MarginalLikelihood
from .other_starts import other_starts
from .parameters import coordinates_of
from .problem import ResidualProblem

__all__ = ["fit_residual", "search"]


def fit_residual(
    problem: ResidualProblem,
    *,
    reml: bool,
    start: Array | None = None,
    max_eval: int = 500,
) -> ResidualEstimates:
    """Fit a linear model with correlated residuals.

    Parameters
    ----------
    problem : ResidualProblem
    reml : bool
    start : ndarray, shape (m,), optional
        Covariance parameters, on the scale of their structures.
    max_eval : int
        Limit of evaluations; 0 for none.

    Raises
    ------
    OptionError
        If `start` does not go with the parameters.
    DataError
        If there is no likelihood at any start, or none has a maximum, or REML has no information
        on some variance.
    """
    if reml:
        effects = problem.model.effects
        refuse_taken_up(problem.design, [(part.block, part.columns, part.free) for part in effects])
    _refuse_constant_subjects(problem)
    spread = problem.cells.dispersion
    if spread is not None:
        refuse = load("fitting.linear.vanishing_strata:refuse_vanishing_strata")
        refuse(problem.design, spread.values, spread.names, problem.design.y_less_offset, reml=reml)
    with one_blas_thread():  # matrices are small, and several threads are slower
        likelihood = problem.likelihood(reml)
        x = None if start is None else coordinates_of(problem.model, start, "start=", INSIDE)
        minimum = search(problem, likelihood, x, max_eval)
        if x is None and likelihood.solve(problem.model.at(minimum.end)) is None:
            raise DataError(
                "the covariance of the residuals is not positive definite at any start that was "
                "tried: rows may be too many for a place, or too alike; take another structure, or "
                "give start=."
            )
        return estimates_at(problem, likelihood, minimum)


def _refuse_constant_subjects(problem: ResidualProblem) -> None:
    """Make sure that the response varies within some subject, if correlations may tend to 1."""
    design, cells = problem.design, problem.cells
    correlated = all(structure.correlated for structure in cells.structures)
    if cells.term is None or design.weights is not None or not correlated:
        return
    y = design.y_less_offset
    several = np.bincount(cells.subject, minlength=1).max() > 1
    if several and is_constant_within(y, cells.subject, cells.n_subjects):
        raise DataError(
            f"the response {design.response_name!r} does not vary within the subjects of "
            f"residual={cells.term.text!r}: their correlations tend to 1 and the likelihood has no "
            "maximum; take one row of each subject."
        )


def search(
    problem: ResidualProblem,
    likelihood: MarginalLikelihood,
    start: Array | None = None,
    max_eval: int = 500,
) -> Minimum:
    """Minimize from given coordinates, or else from several.

    Those of the problem are scaled to fit the data; the most likely one comes first. With few rows
    and a correlation at the end of its range, others follow, and so do large effects of columns
    that are nearly one.
    """
    if start is not None:
        return _least(problem, likelihood, [start], max_eval)
    usable, starts = [], problem.starts()
    for x in starts:
        scaled = _scaled(likelihood, x)
        if scaled is not None:
            usable.append(scaled)
    usable.sort(key=lambda pair: pair[0])
    points = [x for _, x in usable] or starts[:1]
    run = _least(problem, likelihood, points, max_eval)
    others: list[Array] = []
    if np.isfinite(run.value):
        term = problem.cells.term
        subject = "" if term is None else " & ".join(term.subject)
        others = other_starts(likelihood, run.end, points[0], subject)
    if others:
        run = run.or_lower(_least(problem, likelihood, [run.end, *others], max_eval))
    lower = load("fitting.structured.large_effects:lower_with_large_effects")
    found: Minimum = lower(
        run,
        points[:1],
        problem.nearly_one,
        lambda x: _scaled(likelihood, x),
        lambda x: _least(problem, likelihood, [x], max_eval),
    )
    return found


def _least(
    problem: ResidualProblem, likelihood: MarginalLikelihood, starts: list[Array], max_eval: int
) -> Minimum:
    """Return the least minimum from some starts.

    What is constant in the objective grows with the logarithm of the unit of the response, and
    rounding errors would be taken for larger with it.
    """

    def varying(x: Array) -> tuple[float, Array, Array]:
        value, gradient, hessian = likelihood(x)
        return value - likelihood.constant, gradient, hessian

    found = best_minimum(varying, starts, max_eval=max_eval, settled=SETTLED, units=problem.units)
    return found.raised(likelihood.constant)


def _scaled(likelihood: MarginalLikelihood, x: Array) -> tuple[float, Array] | None:
    """Return a start with all variances multiplied by what suits the data best."""
    model = likelihood.model
    solution = likelihood.solve(model.at(x))
    if solution is None:
        return None
    n = sum(batch.rows.size for batch in likelihood.batches)
    dof = n - likelihood.p if likelihood.reml else n
    # At x the quadratic form is not dof, as it is at the best scale.
    quadratic = _quadratic(likelihood, x, solution)
    out = x.copy()
    for part in model.parts:
        factor = float(np.sqrt(quadratic / dof))
        out[part.parameters] = part.free.rescaled(out[part.parameters], factor)
    return solution.value - dof * (quadratic / dof - 1.0 - np.log(quadratic / dof)), out


def _quadratic(likelihood: MarginalLikelihood, x: Array, solution: BestCoefficients) -> float:
    """Return (y - X beta)' V^-1 (y - X beta)."""
    c = np.append(-solution.gamma / likelihood.unit, 1.0)
    total = 0.0
    for own, inverse in zip(likelihood.forms, solution.inverses, strict=True):
        total += float(own.vector(likelihood.square * inverse[None], c)[0] @ c)
    return total
