"""A linear fit whose crossed factors are too large for a dense matrix.

beta, u and everything else that is a solution of equations comes from conjugate gradients
(`schur_complement`), as exact as they converge; log|Omega| and the traces of the gradient come from
random probes (`stochastic_trace`). The probes are fixed, so that a fit can be repeated, and Newton
steps with the average information make the gradient that they give vanish. How far another set of
probes would have ended from here is the Monte Carlo error, which is reported.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._core import FitOptions
from ..._typing import Array
from ...errors import OptionError
from ...frame.design import Design
from ..estimates import LinearEstimates
from ..predictors import predictors
from ..search.monte_carlo import MonteCarlo
from ..search.optimize import refuse_other_options
from ..search.probe_newton import ProbedRun, minimize_probed
from ..summed.level_products import LevelPattern, LevelProducts
from ..summed.point_estimates import point_estimates, point_report
from ..taken_up import refuse_taken_up
from .criterion import Criterion, Point
from .sparse_products import form_sparse_products
from .trace import signs

__all__ = [
    "TAKEN",
    "error_of_mean",
    "few_of",
    "fit_iteratively",
    "probes_of",
]


# Options of the search that an iterative fit takes.
TAKEN = ("max_eval", "solver", "probes", "seed")
# Probes that a run begins with.
FEW = 4


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def probes_of(products: LevelProducts | LevelPattern, options: FitOptions) -> Array:
    """Return the probes that the options ask for, (q2, probes).

    Raises
    ------
    OptionError
        If their number or their seed is not possible.
    """
    if not _is_whole(options.probes) or options.probes < 2:
        raise OptionError(
            f"probes={options.probes!r} is not possible; give a whole number from 2 on."
        )
    if not _is_whole(options.seed) or options.seed < 0:
        raise OptionError(f"seed={options.seed!r} is not possible; give a whole number from 0 on.")
    size = sum(levels * columns for levels, columns in products.shapes[1:])
    return signs(options.seed, size, options.probes)


def fit_iteratively(
    design: Design,
    *,
    reml: bool = False,
    sigma: float | None = None,
    start: Array | None = None,
    options: FitOptions | None = None,
) -> LinearEstimates:
    """Fit a linear mixed model of two terms or more by conjugate gradients and random probes.

    Parameters
    ----------
    design : Design
    reml : bool
        Minimize the REML criterion rather than the ML deviance.
    sigma : float, optional
        Fixed residual standard deviation; estimated when omitted.
    start : ndarray, shape (n_theta,), optional
        Where to start; the identity T when omitted.
    options : FitOptions, optional
        `max_eval` limits the steps; Monte Carlo errors fall with the root of `probes`.

    Returns
    -------
    LinearEstimates

    Raises
    ------
    OptionError
        If the number of probes, or their seed, is not possible.
    DataError
        If REML has no information on some variance.
    CoreError
        If conjugate gradients do not converge.

    References
    ----------
    Ubaru, Chen and Saad (2017), SIAM Journal on Matrix Analysis and Applications 38, 1075-1099.
    Pandolfi, Papaspiliopoulos and Zanella (2025), conjugate gradient methods for crossed
    random effects.
    """
    options = options or FitOptions()
    refuse_other_options(options, TAKEN, "iterative fits")
    if reml:
        refuse_taken_up(design, [(i, slice(None), None) for i in range(len(design.blocks))])
    products = form_sparse_products(design)
    patterns = [np.asarray(block.pattern, dtype=bool) for block in design.blocks]
    coordinates = products.coordinates
    scale = 1.0 / products.column_sizes
    working = None if sigma is None else sigma / products.y_scale
    criterion = Criterion(products, patterns, reml, working, probes_of(products.Z, options))
    begin = np.zeros_like(scale)
    begin[coordinates.diagonal] = scale[coordinates.diagonal]
    begin = begin if start is None else coordinates.inward(np.asarray(start))
    point = Point(criterion, begin, few_of(criterion.probes))
    run = minimize_probed(point, patterns, options.max_eval)
    return _estimates(design, run, sigma, options)


def few_of(probes: Array) -> Array:
    """Return the probes that a run begins with."""
    return probes if probes.shape[1] <= 2 * FEW else probes[:, :FEW].copy()


def error_of_mean(values: Array) -> Array:
    """Return the standard error of the mean over probes, the first axis."""
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def _monte_carlo(point: Point, options: FitOptions) -> MonteCarlo:
    products = point.criterion.products
    moved = np.array([point.newton(each) for each in point.gradients - point.gradient])
    beta, log_sigma = moved @ point.beta_slopes.T, moved @ point.log_sigma_slopes
    return MonteCarlo(
        probes=options.probes,
        seed=options.seed,
        objective=float(error_of_mean(point.final_values)),
        theta=error_of_mean(products.coordinates.outward(moved)),
        beta=products.y_scale * error_of_mean(products.basis.coefficients(beta.T).T),
        scale=products.y_scale * float(np.sqrt(point.r2 / point.dof) * error_of_mean(log_sigma)),
    )


def _estimates(
    design: Design,
    run: ProbedRun,
    sigma: float | None,
    options: FitOptions,
) -> LinearEstimates:
    """Carry a solved point to the user's units."""
    point = run.point
    assert isinstance(point, Point)
    products, reml = point.criterion.products, point.criterion.reml
    final = point.final_values
    report = point_report(
        run,
        optimizer=f"{options.optimizer}, iterative",
        constant=products.constant(reml),
        objective=float(final.mean()),
        outward=products.coordinates.outward,
        gradient=products.coordinates.gradient_outward(point.gradient),
    )
    logdet = float(np.mean(point.traces.logdet + final - point.values))
    estimates = point_estimates(point, report, sigma, logdet)
    linear, fitted = predictors(design, estimates.columns, estimates.beta, estimates.b)
    return replace(
        estimates,
        linear_predictor=linear,
        fitted=fitted,
        monte_carlo=_monte_carlo(point, options),
    )
