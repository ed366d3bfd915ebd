"""A generalized fit whose crossed factors are too large for a dense matrix; see `iterative`."""

from __future__ import annotations

import numpy as np

from ..._core import FitOptions, TermCoordinates, one_blas_thread
from ..._typing import Array
from ...errors import CoreError, DataError
from ...frame.design import Design
from ..covariance import canonical, factors_of, is_singular, signs_changed, theta_of
from ..estimates import GeneralizedEstimates
from ..families.deviance import deviance_residuals
from ..families.spec import FamilySpec, family_object
from ..fixed_effects.basis import FixedBasis, OnBasis, refuse_few_rows
from ..generalized.approximation import check_options, working_basis
from ..generalized.start import default_start, given_coefficients, given_parameters
from ..linear.unbounded import POWERS, with_small_dispersion
from ..search.edge_of_range import with_means_at_the_edge
from ..search.monte_carlo import MonteCarlo
from ..search.optimize import refuse_other_options
from ..search.probe_newton import ProbedRun, minimize_probed
from ..search.warm_start import generalized_theta, inside_dispersion
from ..summed.level_products import by_term
from ..summed.point_estimates import point_report
from .laplace import LaplaceCriterion, LaplacePoint
from .linear import TAKEN, error_of_mean, few_of, probes_of
from .modes import GeneralizedRows
from .sparse_products import level_pattern

__all__ = ["fit_generalized_iteratively"]


class _Units:
    """Parameters of the run and of the user: coordinates of Z, a basis of X."""

    def __init__(
        self, coordinates: TermCoordinates, basis: FixedBasis, criterion: LaplaceCriterion
    ) -> None:
        self.coordinates, self.basis, self.beta = coordinates, basis, criterion.beta

    def inward(self, parameters: Array) -> Array:
        """Return the parameters of the run."""
        out = self.coordinates.inward(parameters.copy())
        if self.beta.stop > self.beta.start:
            out[self.beta] = self.basis.R @ parameters[self.beta]
        return out

    def outward(self, parameters: Array) -> Array:
        """Return the parameters of the user, one set or a row for each."""
        out = self.coordinates.outward(parameters.copy())
        if self.beta.stop > self.beta.start:
            gamma = parameters[..., self.beta]
            out[..., self.beta] = np.linalg.solve(self.basis.R, gamma.T).T
        return out

    def gradient(self, gradient: Array) -> Array:
        """Return the gradient in the parameters of the user."""
        out = self.coordinates.gradient_outward(gradient.copy())
        if self.beta.stop > self.beta.start:
            out[self.beta] = self.basis.R.T @ gradient[self.beta]
        return out


def fit_generalized_iteratively(
    design: Design,
    spec: FamilySpec,
    *,
    n_agq: int,
    fast: bool,
    hessian: str,
    start: Array | None,
    coefficients: Array | None,
    options: FitOptions,
) -> GeneralizedEstimates:
    """Fit a generalized model of two terms or more by conjugate gradients and random probes.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    n_agq, fast, hessian, start, coefficients
        As for `fit_generalized`; the approximation is Laplace's.
    options : FitOptions
        `max_eval` limits the evaluations; Monte Carlo errors fall with the root of `probes`.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If there are too few rows, or no maximum can be reached.
    """
    check_options(design, n_agq, hessian)
    refuse_other_options(options, TAKEN, "iterative fits")
    with one_blas_thread():
        basis = working_basis(design)
        refuse_few_rows(len(design.y), len(basis.columns), design.x_names)
        pattern, coordinates = level_pattern(design, None)
        gamma, zeta, unit, *_ = default_start(basis.Q, design, spec)
    patterns = [np.asarray(block.pattern, dtype=bool) for block in design.blocks]
    sizes = unit / coordinates.column_sizes()
    criterion = LaplaceCriterion(
        GeneralizedRows(
            spec, hessian == "observed", design.y, design.weights, design.offset, basis.Q, pattern
        ),
        patterns,
        bool(fast),
        probes_of(pattern, options),
        np.concatenate([sizes, np.full(0 if fast else len(gamma), unit), np.ones(len(zeta))]),
    )
    units = _Units(coordinates, basis, criterion)
    if coefficients is not None:
        gamma = given_coefficients(basis, coefficients)
    theta = coordinates.inward(generalized_theta(coordinates, unit))
    begin = np.concatenate([theta, gamma[: 0 if fast else None], zeta])
    if start is not None:
        given = given_parameters(start, units.beta.start, len(begin))
        begin = _started(given, begin, units, design, spec)
    effects = np.zeros(sum(levels * columns for levels, columns in pattern.shapes))
    point = LaplacePoint(criterion, begin, effects, gamma, few_of(criterion.probes))
    try:
        if point.modes is None:
            raise CoreError("The conditional modes cannot be found at the start.")
        run = minimize_probed(point, patterns, options.max_eval)
        return _estimates(design, run, units, hessian, options, unit)
    except CoreError as error:
        raise DataError(
            f"no maximum of the likelihood of the {spec.family} family with the {spec.link} link "
            "could be reached by the iterative solution; look for a response that separates, or "
            f"try another link or start= ({str(error).rstrip('.')})."
        ) from error


def _started(given: Array, begin: Array, units: _Units, design: Design, spec: FamilySpec) -> Array:
    """Return a start that was given: theta alone, or all parameters."""
    if len(given) == len(begin):
        return inside_dispersion(spec, design.y, units.inward(given), design.weights)
    return np.concatenate([units.coordinates.inward(given), begin[units.beta.start :]])


def _monte_carlo(point: LaplacePoint, units: _Units, options: FitOptions) -> MonteCarlo:
    moved = point.displacements(point.deviations())
    beta = moved @ point.mode_slopes[1].T
    dispersion = 0.0
    if point.criterion.rows.spec.has_dispersion:
        dispersion = float(np.exp(point.zeta) * error_of_mean(moved[:, -1]))
    count = point.criterion.n_theta
    return MonteCarlo(
        probes=options.probes,
        seed=options.seed,
        objective=float(error_of_mean(point.final_values)),
        theta=error_of_mean(units.coordinates.outward(moved[:, :count])),
        beta=error_of_mean(beta @ units.basis.inverse.T),
        scale=dispersion,
    )


def _estimates(
    design: Design,
    run: ProbedRun,
    units: _Units,
    hessian: str,
    options: FitOptions,
    unit: float,
) -> GeneralizedEstimates:
    """Carry the end of a run to the user's units."""
    point = run.point
    assert isinstance(point, LaplacePoint)
    assert point.modes is not None
    criterion, modes = point.criterion, point.modes
    spec, shapes, patterns = criterion.rows.spec, criterion.rows.pattern.shapes, criterion.patterns
    report = point_report(
        run,
        optimizer=f"{options.optimizer}, iterative",
        constant=0.0,
        objective=float(point.final_values.mean()),
        outward=units.outward,
        gradient=units.gradient(point.gradient),
    )
    raw = factors_of(report.end[: criterion.n_theta], patterns)
    factors = canonical(raw, patterns)
    flips = signs_changed(raw, factors)
    u = tuple(part * flip for part, flip in zip(by_term(modes.u, shapes), flips, strict=True))
    basis = units.basis
    beta = basis.coefficients(modes.beta)
    linear = basis.Q @ modes.beta
    if design.offset is not None:
        linear = linear + design.offset
    dispersion = float(np.exp(point.zeta)) if spec.has_dispersion else 1.0
    family = family_object(spec, dispersion)
    with np.errstate(all="ignore"):
        fitted = np.asarray(family.link.inverse(modes.eta), dtype=float)
    logdet = float(np.mean(point.traces.logdet + point.final_values - point.values))
    report = with_means_at_the_edge(report, design, spec, fitted)
    if spec.family in POWERS:
        report = with_small_dispersion(report, design, spec, fitted, dispersion)
    in_units = point.parameters[: criterion.n_theta] / criterion.scale[: criterion.n_theta]
    return GeneralizedEstimates(
        spec=spec,
        n_agq=1,
        fast=criterion.fast,
        hessian=hessian,
        theta=theta_of(factors, patterns),
        factors=factors,
        columns=basis.columns,
        beta=beta,
        cov_conditional=basis.covariance(point.expected.xvx_inverse),
        on_basis=OnBasis(basis.inverse, point.expected.xvx_inverse),
        dispersion=dispersion,
        objective=report.objective,
        deviance=_deviance(design, spec, fitted, dispersion) + float(modes.u @ modes.u) + logdet,
        logdet_omega=logdet,
        u=u,
        b=tuple(part @ T.T for part, T in zip(u, factors, strict=True)),
        linear_predictor=linear,
        eta=modes.eta,
        fitted=fitted,
        singular=is_singular(factors_of(in_units, patterns)),
        pirls_steps=sum(each.steps for each in run.log if isinstance(each, LaplacePoint)),
        several_modes=False,
        report=report,
        monte_carlo=_monte_carlo(point, units, options),
    )


def _deviance(design: Design, spec: FamilySpec, fitted: Array, dispersion: float) -> float:
    """Return the squared deviance residuals summed; NaN for families that have none."""
    if spec.own:
        return np.nan
    weights = 1.0 if design.weights is None else design.weights
    parts = deviance_residuals(spec, design.y, fitted, dispersion, weights) ** 2
    return float(parts.sum()) / (dispersion if spec.scaled else 1.0)
