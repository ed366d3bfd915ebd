"""Fitting a generalized linear mixed model: Laplace or quadrature, exact gradients.

The arithmetic is in C (``csrc/src/glmm.c``, which opens with its mathematics). The
objective is a function of theta, then beta unless it is profiled out (`fast`), then the
logarithm of the dispersion if there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ._core import (
    CoreDesign,
    CoreGeneralized,
    GeneralizedSolution,
    TermArrays,
    one_blas_thread,
)
from .basis import FixedBasis, orthonormal_basis
from .covariance import canonical, factors_of, is_singular, theta_of
from .design import Design
from .errors import DataError, OptionError
from .estimates import GeneralizedEstimates
from .families import FamilySpec, family_object
from .glm_start import glm_coefficients, start_dispersion, usable_coefficients
from .optimize import FitOptions, FitReport, minimize

__all__ = [
    "conditional_variances",
    "fit_generalized",
    "hessian",
    "objective_and_gradient",
]

Array = NDArray[np.float64]

# Step of the central differences of the gradient, in units of each parameter's size.
_DIFFERENCE = 1e-4
_MAX_NODES = 100_000
# How often theta is divided by ten when the start cannot be evaluated.
_SHRINKAGES = 4


@dataclass(frozen=True)
class _Problem:
    """A generalized model ready to be evaluated, in the basis Q of its fixed effects.

    Parameters
    ----------
    core : CoreGeneralized
    basis : FixedBasis
        Q'Q = n I; beta = R^-1 gamma.
    ntheta : int
    fast : bool
    """

    core: CoreGeneralized
    basis: FixedBasis
    ntheta: int
    fast: bool

    def to_working(self, parameters: Array) -> Array:
        """Return parameters with gamma = R beta in place of beta."""
        out = parameters.copy()
        if not self.fast:
            out[self._beta] = self.basis.R @ parameters[self._beta]
        return out

    def to_user(self, parameters: Array) -> Array:
        """Return parameters, one set or a row for each, with beta in place of gamma."""
        out = parameters.copy()
        gamma = parameters[..., self._beta]
        if gamma.size:
            out[..., self._beta] = np.linalg.solve(self.basis.R, gamma.T).T
        return out

    def gradient_to_user(self, gradient: Array) -> Array:
        """Return the gradient in beta for the gradient in gamma."""
        out = gradient.copy()
        if not self.fast:
            out[self._beta] = self.basis.R.T @ gradient[self._beta]
        return out

    @property
    def _beta(self) -> slice:
        """Where the coefficients stand; nowhere when they are profiled out."""
        return slice(self.ntheta, self.ntheta + (0 if self.fast else self.core.design.p))


def _check_options(design: Design, n_agq: int, kind: str) -> None:
    if kind not in ("expected", "observed"):
        raise OptionError(f"hessian={kind!r} is not possible; choose 'expected' or 'observed'.")
    if isinstance(n_agq, bool) or not isinstance(n_agq, (int, np.integer)) or n_agq < 1:
        raise OptionError(f"n_agq={n_agq!r} is not possible; give a number of points >= 1.")
    if n_agq == 1:
        return
    if len(design.blocks) > 1:
        names = ", ".join(block.name for block in design.blocks)
        raise OptionError(
            f"n_agq={n_agq} needs a single grouping factor, and there are {len(design.blocks)} "
            f"({names}); use n_agq=1, the Laplace approximation."
        )
    total = n_agq ** len(design.blocks[0].names)
    if total > _MAX_NODES:
        raise OptionError(
            f"n_agq={n_agq} in {len(design.blocks[0].names)} dimensions makes {total} nodes; "
            f"use fewer points, so that there are at most {_MAX_NODES}."
        )


def _prepare(design: Design, spec: FamilySpec, *, n_agq: int, fast: bool, hessian: str) -> _Problem:
    _check_options(design, n_agq, hessian)
    # columns of unit mean square, like those of Z in the minimizer's units
    unit = orthonormal_basis(design.X, None)
    root = np.sqrt(len(design.y))
    basis = FixedBasis(unit.columns, unit.Q * root, unit.R / root)
    if design.X.shape[0] <= len(basis.columns):
        raise DataError(
            f"There are {design.X.shape[0]} rows for {len(basis.columns)} fixed-effects "
            "coefficients; a model needs more rows than coefficients."
        )
    terms = [
        TermArrays(len(block.levels), block.refs, block.z, block.pattern) for block in design.blocks
    ]
    core = CoreGeneralized(
        CoreDesign(terms, basis.Q),
        spec.family,
        spec.link,
        design.y,
        weights=design.weights,
        offset=design.offset,
        power=spec.power,
        observed=hessian == "observed",
    )
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_agq)
    core.set_approximation(fast, nodes, np.log(weights / np.sqrt(2.0 * np.pi)))
    return _Problem(core, basis, core.design.ntheta, fast)


def _default_start(problem: _Problem, design: Design, spec: FamilySpec) -> tuple[Array, float]:
    """Parameters of the model without random effects, and T half as large as a row's error.

    Returns
    -------
    start : ndarray
    unit : float
        Typical size of a change in the linear predictor.
    """
    family, Q = family_object(spec), problem.basis.Q
    gamma, mu = glm_coefficients(Q, design.y, family, design.weights, design.offset)
    zeta = []
    if spec.has_dispersion:
        zeta = [np.log(start_dispersion(spec, design.y, mu, family))]
    with np.errstate(all="ignore"):
        level = float(family.link(np.mean(family.starting_mu(design.y))))
    gamma, unit = usable_coefficients(
        spec,
        Q,
        design.y,
        gamma,
        level,
        weights=design.weights,
        offset=design.offset,
        zeta=zeta[0] if zeta else 0.0,
    )
    if problem.fast:
        problem.core.set_beta(gamma)
        gamma = np.empty(0)
    problem.core.set_unit(unit)
    theta = [np.diag(0.5 * unit / size) for size in _column_sizes(design)]
    patterns = [block.pattern for block in design.blocks]
    return np.concatenate([theta_of(theta, patterns), gamma, zeta]), unit


def _column_sizes(design: Design) -> list[Array]:
    """Root mean square of every column of Z, by block; 1 for a column of zeros."""
    sizes = [np.sqrt(np.mean(block.z**2, axis=0)) for block in design.blocks]
    return [np.where(size > 0, size, 1.0) for size in sizes]


def fit_generalized(
    design: Design,
    spec: FamilySpec,
    *,
    n_agq: int = 1,
    fast: bool = False,
    hessian: str = "expected",
    start: Array | None = None,
    options: FitOptions | None = None,
) -> GeneralizedEstimates:
    """Fit a generalized linear mixed model by maximum likelihood.

    Parameters
    ----------
    design : Design
        y is a proportion and weights are trials for the binomial.
    spec : FamilySpec
    n_agq : int
        Points per dimension of adaptive Gauss-Hermite quadrature; 1 is Laplace's
        approximation. More need a single grouping factor.
    fast : bool
        Profile the coefficients out inside PIRLS (a joint mode; lme4's ``nAGQ=0``).
    hessian : str
        Information in the approximation: ``"expected"`` or ``"observed"``.
    start : array_like, optional
        theta alone, or all parameters: theta, beta of the estimable columns unless `fast`,
        log dispersion if there is one.
    options : FitOptions, optional

    Returns
    -------
    GeneralizedEstimates

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If there are too few rows.
    """
    with one_blas_thread():
        problem = _prepare(design, spec, n_agq=n_agq, fast=fast, hessian=hessian)
        begin, unit = _default_start(problem, design, spec)
    if start is not None:
        given = np.array(start, dtype=float)
        if given.shape not in ((problem.ntheta,), begin.shape) or not np.all(np.isfinite(given)):
            raise OptionError(
                f"start= must hold {problem.ntheta} finite numbers for theta, or "
                f"{len(begin)} for all parameters; it has shape {given.shape}."
            )
        if len(given) == len(begin):
            given = problem.to_working(given)
        begin[: len(given)] = given
    for _ in range(_SHRINKAGES):
        value, gradient = problem.core.value_and_gradient(begin)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            break
        begin[: problem.ntheta] *= 0.1  # links that bound eta bear small random effects
    else:
        raise OptionError(
            f"the likelihood of the {spec.family} family with the {spec.link} link cannot be "
            "evaluated at the start; give other values by start=, or use another link."
        )
    report = minimize(problem.core, begin, options or FitOptions())

    patterns = [block.pattern for block in design.blocks]
    factors = canonical(factors_of(report.end[: problem.ntheta], patterns), patterns)
    theta = theta_of(factors, patterns)
    if not np.array_equal(theta, report.end[: problem.ntheta]):
        # the same covariances, but u belongs to the factors: solve for these
        end = np.concatenate([theta, report.end[problem.ntheta :]])
        _, gradient = problem.core.value_and_gradient(end)
        report = replace(report, end=end, gradient=gradient)
    singular = is_singular(factors, [size / unit for size in _column_sizes(design)])
    return _estimates(problem, design, spec, factors, theta, report, n_agq, hessian, singular)


def _estimates(
    problem: _Problem,
    design: Design,
    spec: FamilySpec,
    factors: tuple[Array, ...],
    theta: Array,
    report: FitReport,
    n_agq: int,
    hessian: str,
    singular: bool,
) -> GeneralizedEstimates:
    """Carry a solution back to the units of the user's X."""
    solution: GeneralizedSolution = problem.core.solution()
    basis, shapes = problem.basis, problem.core.design.shapes
    ends = np.cumsum([levels * cols for levels, cols in shapes])[:-1]

    def by_block(values: Array) -> tuple[Array, ...]:
        parts = np.split(values, ends)
        return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))

    linear = basis.Q @ solution.beta
    if design.offset is not None:
        linear = linear + design.offset
    family = family_object(spec, solution.dispersion)
    trials = 1.0 if design.weights is None else design.weights
    with np.errstate(all="ignore"):
        fitted = np.asarray(family.link.inverse(solution.eta), dtype=float)
        unit = float(family.deviance(design.y, fitted, var_weights=trials))
    phi = 1.0 if spec.family == "negative_binomial" else solution.dispersion
    saturated = solution.loglik + 0.5 * unit / phi
    return GeneralizedEstimates(
        spec=spec,
        n_agq=int(n_agq),
        fast=problem.fast,
        hessian=hessian,
        theta=theta,
        factors=factors,
        columns=basis.columns,
        beta=basis.coefficients(solution.beta),
        cov_conditional=basis.covariance(solution.xvx_inverse),
        dispersion=solution.dispersion,
        objective=report.objective,
        deviance=report.objective + 2.0 * saturated,
        logdet_omega=solution.logdet_omega,
        u=by_block(solution.u),
        b=by_block(solution.b),
        linear_predictor=linear,
        eta=solution.eta,
        fitted=fitted,
        singular=singular,
        pirls_steps=solution.pirls_steps,
        report=replace(
            report,
            start=problem.to_user(report.start),
            end=problem.to_user(report.end),
            gradient=problem.gradient_to_user(report.gradient),
            fitlog_theta=problem.to_user(report.fitlog_theta),
        ),
    )


def objective_and_gradient(
    design: Design,
    spec: FamilySpec,
    theta: Array,
    beta: Array,
    dispersion: float = 1.0,
    *,
    n_agq: int = 1,
    hessian: str = "expected",
) -> tuple[float, Array]:
    """Return -2 log-likelihood and its exact gradient.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    theta : array_like, shape (n_theta,)
    beta : array_like, shape (rank,)
        Coefficients of the estimable columns.
    dispersion : float
        phi or alpha; ignored by no family that has it, unused by those without.
    n_agq, hessian
        As for `fit_generalized`.

    Returns
    -------
    value : float
        NaN where PIRLS does not settle.
    gradient : ndarray
        With respect to theta, beta and, if there is one, the log dispersion.
    """
    problem = _prepare(design, spec, n_agq=n_agq, fast=False, hessian=hessian)
    zeta = [np.log(dispersion)] if spec.has_dispersion else []
    parameters = np.concatenate([np.asarray(theta, float), np.asarray(beta, float), zeta])
    value, gradient = problem.core.value_and_gradient(problem.to_working(parameters))
    return value, problem.gradient_to_user(gradient)


def hessian(design: Design, estimates: GeneralizedEstimates) -> Array:
    """Return the Hessian of the objective at the estimates, by differencing its gradient.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates

    Returns
    -------
    ndarray
        Symmetric, with respect to theta, beta and, if there is one, the log dispersion.
    """
    spec = estimates.spec
    problem = _prepare(design, spec, n_agq=estimates.n_agq, fast=False, hessian=estimates.hessian)
    zeta = [np.log(estimates.dispersion)] if spec.has_dispersion else []
    gamma = problem.basis.R @ estimates.beta
    center = np.concatenate([estimates.theta, gamma, zeta])
    problem.core.value_and_gradient(center)
    size = (
        1.0 / np.sqrt(np.maximum(np.diag(problem.core.curvature()), 1e-12))
        if np.all(np.concatenate([np.diag(T) for T in estimates.factors]) != 0)
        else np.ones(len(center))
    )
    rows = []
    for i, step in enumerate(_DIFFERENCE * size):
        shift = np.zeros(len(center))
        shift[i] = step
        _, above = problem.core.value_and_gradient(center + shift)
        _, below = problem.core.value_and_gradient(center - shift)
        rows.append((above - below) / (2.0 * step))
    working = np.array(rows)
    working = (working + working.T) / 2.0
    change = np.eye(len(center))
    beta = slice(problem.ntheta, problem.ntheta + len(gamma))
    change[beta, beta] = problem.basis.R
    full: Array = change.T @ working @ change
    return full


def conditional_variances(design: Design, estimates: GeneralizedEstimates) -> tuple[Array, ...]:
    """Return Var(b_j | y) of every level of every block, given all parameters.

    The curvature at the modes with the expected information, of shape (l, k, k) by block.
    """
    spec = estimates.spec
    problem = _prepare(design, spec, n_agq=1, fast=False, hessian=estimates.hessian)
    zeta = [np.log(estimates.dispersion)] if spec.has_dispersion else []
    gamma = problem.basis.R @ estimates.beta
    problem.core.value_and_gradient(np.concatenate([estimates.theta, gamma, zeta]))
    return problem.core.solution().condvar
