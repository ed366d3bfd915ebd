"""A linear fit whose crossed factors are too large for a dense matrix.

beta, u and everything else that is a solution of equations comes from conjugate gradients
(`schur_complement`), as exact as they converge; log|Omega| and the traces of the gradient come from
random probes (`stochastic_trace`). The probes are fixed, so that a fit can be repeated, and Newton
steps with the average information make the gradient that they give vanish. How far another set of
probes would have ended from here is the Monte Carlo error, which is reported.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._core import FitOptions
from ..errors import OptionError
from ..frame.design import Design
from .covariance import canonical, factors_of, is_singular, theta_of
from .estimates import LinearEstimates, MonteCarlo
from .optimize import FitReport
from .predictors import predictors
from .sparse_products import form_sparse_products
from .stochastic_criterion import Criterion, Point
from .stochastic_trace import signs

__all__ = ["can_iterate", "fit_iteratively"]

Array = NDArray[np.float64]

# The run has converged when the model promises less than this: far below the Monte Carlo error.
PROMISE = 1e-7
MOST_STEPS = 60
MOST_HALVINGS = 12
# No element of theta, in units of its column, changes by more in one step ...
LONGEST_STEP = 2.0
# ... and no diagonal element comes nearer to zero, where the gradient says nothing.
NEAR_ZERO = 1e-5


def _keep_off_zero(theta: Array, patterns: list[NDArray[np.bool_]], scale: Array) -> Array:
    out = theta.copy()
    at = 0
    for pattern in patterns:
        columns, rows = np.nonzero(pattern.T)
        own = np.flatnonzero(rows == columns) + at
        small = np.abs(out[own]) < NEAR_ZERO * scale[own]
        out[own] = np.where(small, NEAR_ZERO * scale[own], out[own])
        at += len(rows)
    return out


def _step(point: Point, scale: Array) -> Point | None:
    """Return a better point, None when there is none.

    The objective and the gradient have Monte Carlo errors of their own: near the end, where the
    objective rises within its error, the gradient decides.
    """
    step = -point.newton(point.gradient)
    longest = np.max(np.abs(step / scale))
    length = min(1.0, LONGEST_STEP / longest) if longest > 0 else 1.0
    slack = 3.0 * point.values.std() / np.sqrt(point.criterion.probes.shape[1])
    for _ in range(MOST_HALVINGS):
        theta = _keep_off_zero(point.theta + length * step, point.criterion.patterns, scale)
        trial = Point(point.criterion, theta)
        rise = np.mean(trial.values - point.values)
        if rise < 0 or (rise <= slack and trial.promise < 0.5 * point.promise):
            return trial
        length *= 0.4
    return None


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def can_iterate(design: Design) -> bool:
    """Return whether a design has crossed factors that this solution is made for."""
    return len(design.blocks) > 1 and not (design.is_structured or design.is_related)


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
        If the model has one term, which needs no iteration, or covariance structures.
    CoreError
        If conjugate gradients do not converge.

    References
    ----------
    Ubaru, Chen and Saad (2017), SIAM Journal on Matrix Analysis and Applications 38, 1075-1099.
    Pandolfi, Papaspiliopoulos and Zanella (2025), conjugate gradient methods for crossed
    random effects.
    """
    options = options or FitOptions()
    if not can_iterate(design):
        raise OptionError(
            'solver="iterative" is for models with two or more grouping factors, without '
            "covariance structures and related levels; this one is fitted directly."
        )
    if not _is_whole(options.probes) or options.probes < 2:
        raise OptionError(
            f"probes={options.probes!r} is not possible; give a whole number from 2 on."
        )
    if not _is_whole(options.seed) or options.seed < 0:
        raise OptionError(f"seed={options.seed!r} is not possible; give a whole number from 0 on.")
    products = form_sparse_products(design)
    patterns = [np.asarray(block.pattern, dtype=bool) for block in design.blocks]
    coordinates = products.coordinates
    scale = 1.0 / coordinates.column_sizes(design.nobs)
    working = None if sigma is None else sigma / products.y_scale
    z = signs(options.seed, len(products.ZXy) - products.Z.split, options.probes)
    criterion = Criterion(products, patterns, reml, working, z)
    begin = np.zeros_like(scale)
    begin[coordinates.diagonal] = scale[coordinates.diagonal]
    point = Point(criterion, begin if start is None else coordinates.inward(np.asarray(start)))
    log = [point]
    status = "MAXEVAL_REACHED"
    while len(log) < (options.max_eval or MOST_STEPS):
        if point.promise <= PROMISE:
            status = "GTOL_REACHED"
            break
        following = _step(point, scale)
        if following is None:
            status = "ROUNDOFF_LIMITED"
            break
        _forget(point)
        point = following
        log.append(point)
    return _estimates(design, point, log, status, sigma, options)


def _forget(point: Point) -> None:
    """Drop what takes memory and is not needed of points in the log."""
    kept = ("values", "criterion", "theta")
    for name in [name for name in vars(point) if name not in kept]:
        del point.__dict__[name]


def _report(point: Point, log: list[Point], status: str, options: FitOptions) -> FitReport:
    products = point.criterion.products
    constant = products.constant(point.criterion.reml)
    outward = products.coordinates.outward
    messages = {
        "GTOL_REACHED": "The gradient vanished.",
        "ROUNDOFF_LIMITED": "No step decreases the objective beyond its Monte Carlo error.",
        "MAXEVAL_REACHED": "The limit of steps was reached.",
    }
    return FitReport(
        optimizer=f"{options.optimizer}, iterative",
        status=status,
        message=messages[status],
        converged=point.promise < 1e-4,
        start=outward(log[0].theta),
        end=outward(point.theta),
        initial_objective=float(log[0].values.mean()) + constant,
        objective=float(point.final_values.mean()) + constant,
        evaluations=len(log),
        gradient=products.coordinates.gradient_outward(point.gradient),
        gradient_norm=point.promise,
        hessian_min_eigenvalue=float(point.spectrum[0][0]),
        failed_evaluations=0,
        fitlog_theta=outward(np.array([each.theta for each in log])),
        # The log has the values that the steps were judged by.
        fitlog_objective=np.array([each.values.mean() for each in log]) + constant,
    )


def _monte_carlo(point: Point, seed: int) -> MonteCarlo:
    probes = point.criterion.probes.shape[1]
    moved = np.array([point.newton(each) for each in point.gradients - point.gradient])
    outward = point.criterion.products.coordinates.outward
    root = np.sqrt(probes)
    return MonteCarlo(
        probes=probes,
        seed=seed,
        objective=float(point.final_values.std(ddof=1) / root),
        theta=outward(moved).std(axis=0, ddof=1) / root,
    )


def _estimates(
    design: Design,
    point: Point,
    log: list[Point],
    status: str,
    sigma: float | None,
    options: FitOptions,
) -> LinearEstimates:
    """Carry a solved point to the user's units."""
    products, reml = point.criterion.products, point.criterion.reml
    report = _report(point, log, status, options)
    patterns = point.criterion.patterns
    raw = factors_of(report.end, patterns)
    factors = canonical(raw, patterns)
    # u belongs to the factors: where columns of T changed sign, so does u.
    flips = [
        np.where(np.diagonal(T) * np.diagonal(old) < 0, -1.0, 1.0)
        for T, old in zip(factors, raw, strict=True)
    ]
    scale, basis = products.y_scale, products.basis
    u = tuple(
        scale * part * flip for part, flip in zip(products.by_term(point.u), flips, strict=True)
    )
    b = tuple(part @ T.T for part, T in zip(u, factors, strict=True))
    beta = basis.coefficients(products.gamma + scale * point.beta)
    covariance = basis.covariance(point.inverse)
    linear, fitted = predictors(design, basis.columns, beta, b)
    estimated = scale * float(np.sqrt(point.r2 / point.dof))
    return LinearEstimates(
        reml=reml,
        theta=theta_of(factors, patterns),
        factors=factors,
        columns=basis.columns,
        beta=beta,
        cov_unscaled=covariance,
        errors_unscaled=np.sqrt(np.diag(covariance)),
        sigma=estimated if sigma is None else sigma,
        sigma_fixed=sigma is not None,
        pwrss=point.r2 * scale**2,
        logdet_omega=float(np.mean(point.traces.logdet + point.final_values - point.values)),
        logdet_xvx=point.logdet_xvx + basis.logdet,
        objective=report.objective,
        u=u,
        b=b,
        linear_predictor=linear,
        fitted=fitted,
        singular=is_singular(
            factors_of(point.theta * products.coordinates.column_sizes(design.nobs), patterns)
        ),
        report=report,
        monte_carlo=_monte_carlo(point, options.seed),
    )
