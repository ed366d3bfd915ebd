"""Fitting a model whose rows have parameters besides their mean, by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .._core import CoreDesign, CoreGeneralized, one_blas_thread, row_derivatives
from .._typing import Array
from ..errors import CoreError, DataError, OptionError
from ..frame.design import Design
from .approximation import Approximation, check_options, generalized_structure, has_one_factor
from .conditional_estimates import ConditionalEstimates
from .covariance import canonical, factors_of, is_singular, theta_of
from .crossprod import SharedStructure
from .distributional_optimum import minimize_rows
from .families import FamilySpec, family_object
from .optimize import FitOptions, FitReport
from .quadrature import gauss_hermite
from .row_parameters import ZEROS, RowParameters
from .warm_start import generalized_theta

__all__ = ["DistributionalEstimates", "fit_distributional", "model_of_rows"]


_SHRINKAGES = 6
# Step of the central differences of the gradient, in units of each parameter's size.
_DIFFERENCE = 1e-4
# Curvature relative to what is expected of it that may be the error of the difference.
_FAINT = 1e-3
# How many times as long a step tells.
_WIDER = 10.0
# Curvature of a parameter that data say nothing of, relative to the largest.
_FLAT = 1e-10
# The same relative to what is expected of it: an end that is off by the root of a fit's tolerance
# leaves a few millionths along a circle on which the objective is level.
_UNSEEN = 1e-5
# Information on a coefficient of the rows' parameters that is none: an error of 100 or more.
_NO_INFORMATION = 1e-4


@dataclass(frozen=True)
class DistributionalEstimates:
    """What such a fit estimates.

    Parameters
    ----------
    conditional : ConditionalEstimates
        The part of the mean, random effects included, and how the fit went.
    kappa : ndarray, shape (K,)
        Coefficients of the row parameters as the user's columns have them.
    outer : ndarray, shape (n, 4)
        The parameters of the rows, without random effects.
    covariance : ndarray
        Of theta, beta and kappa, from the Hessian of the objective; NaN for parameters that the
        data do not determine.
    rows : RowParameters
    zeros : ndarray, shape (n,), or None
        The logit of the probability of zeros at the modes, where it has random effects.
    """

    conditional: ConditionalEstimates
    kappa: Array
    outer: Array
    covariance: Array
    rows: RowParameters
    zeros: Array | None = None

    @property
    def outer_at_modes(self) -> Array:
        """The parameters of the rows, random effects at their modes."""
        if self.zeros is None:
            return self.outer
        outer = self.outer.copy()
        outer[:, ZEROS] = self.zeros
        return outer

    @property
    def report(self) -> FitReport:
        """What happened during the fit."""
        return self.conditional.report

    linear = False

    @property
    def b(self) -> tuple[Array, ...]:
        """Conditional modes of the random effects, (l, k) by block."""
        return self.conditional.b

    @property
    def objective(self) -> float:
        """-2 log-likelihood of the approximation, all constants included."""
        return self.conditional.objective


def fit_distributional(
    design: Design,
    spec: FamilySpec,
    rows: RowParameters,
    gamma: Array,
    *,
    n_agq: int = 1,
    options: FitOptions | None = None,
    structure: SharedStructure | None = None,
) -> DistributionalEstimates:
    """Fit a model with row parameters by maximum likelihood.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    rows : RowParameters
    gamma : ndarray, shape (rank,)
        Coefficients to begin with, in the basis of the structure.
    n_agq : int
        Points of adaptive Gauss-Hermite quadrature; 1 is Laplace's approximation.
    options : FitOptions, optional
    structure : SharedStructure, optional

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If the likelihood cannot be evaluated at the start or has no maximum that can be reached.
    """
    check_options(design, n_agq, "observed")
    if design.is_structured:
        raise OptionError(
            "formulas for zeros or dispersion, families with shapes and ordered categories do not "
            "go with covariance structures, such as those of ar1() or mm()."
        )
    with one_blas_thread():
        structure = structure or generalized_structure(design)
        core = model_of_rows(structure.core, design, spec, rows, n_agq)
        unit = _unit(design, spec, rows, structure.basis.Q @ gamma)
        zeros_unit = _zeros_unit(rows)
        core.set_unit(unit, zeros_unit)
    problem = Approximation(core, structure.basis, core.design.ntheta, False)
    of_zeros = np.concatenate(
        [np.full(np.count_nonzero(b.pattern), bool(b.part)) for b in design.blocks]
    )
    units = np.where(of_zeros, zeros_unit, unit)
    theta = generalized_theta(core.design.coordinates, units)
    begin = np.concatenate([theta, gamma, rows.start])
    for _ in range(_SHRINKAGES):
        value, gradient = core.value_and_gradient(begin)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            break
        begin[: problem.ntheta] *= 0.1
    else:
        raise DataError(
            f"the likelihood of the {spec.family} family cannot be evaluated at the start: look "
            "for responses far from all others, or take a simpler model."
        )
    try:
        report = minimize_rows(
            core,
            begin,
            options or FitOptions(),
            of_zeros,
            n_agq=int(n_agq),
            one_factor=has_one_factor(design),
        )
        return _read(problem, design, spec, rows, report, int(n_agq), units)
    except CoreError as error:
        raise DataError(
            f"no maximum of the likelihood of the {spec.family} family could be reached; take a "
            f"simpler model ({str(error).rstrip('.')})."
        ) from error


def model_of_rows(
    made: CoreDesign, design: Design, spec: FamilySpec, rows: RowParameters, n_agq: int
) -> CoreGeneralized:
    """Prepare the likelihood of rows with their parameters, for evaluation.

    Parameters
    ----------
    made : CoreDesign
        The design in its working basis.
    design : Design
    spec : FamilySpec
    rows : RowParameters
    n_agq : int
        Points of quadrature.
    """
    core = CoreGeneralized(
        made,
        spec.family,
        spec.link,
        design.y,
        weights=design.weights,
        offset=design.offset,
        power=spec.power,
        observed=True,
    )
    if rows.names:
        core.set_sides(rows.X, rows.constant, rows.zeros)
    core.set_approximation(False, *gauss_hermite(int(n_agq)))
    return core


def _unit(design: Design, spec: FamilySpec, rows: RowParameters, eta: Array) -> float:
    """Return the change in eta that one row can detect, at the start."""
    if design.offset is not None:
        eta = eta + design.offset
    in_eta, _ = row_derivatives(
        spec.family,
        spec.link,
        design.y,
        eta,
        rows.values(rows.start),
        weights=design.weights,
        power=spec.power,
        zeros=rows.zeros,
    )
    information = float(np.mean(-in_eta[:, 2]))
    return 1.0 / float(np.sqrt(information)) if information > 0 else 1.0


def _zeros_unit(rows: RowParameters) -> float:
    """Return the change in the logit of zeros that one row can detect, at the start."""
    pi = expit(rows.values(rows.start)[:, ZEROS])
    return 1.0 / float(np.sqrt(np.mean(pi * (1.0 - pi))))


def _read(
    problem: Approximation,
    design: Design,
    spec: FamilySpec,
    rows: RowParameters,
    report: FitReport,
    n_agq: int,
    units: Array,
) -> DistributionalEstimates:
    """Carry the solution back to the user's columns."""
    core, basis, ntheta = problem.core, problem.basis, problem.ntheta
    patterns = [block.pattern for block in design.blocks]
    factors = canonical(factors_of(report.end[:ntheta], patterns), patterns)
    theta = theta_of(factors, patterns)
    end = np.concatenate([theta, report.end[ntheta:]])
    core.value_and_gradient(end)
    solution = core.solution()
    rank = len(basis.columns)
    regular = all(np.all(np.diag(T) != 0) for T in factors)
    covariance, lost = _covariance(core, end, regular, ntheta + rank)
    kappa = report.end[ntheta + rank :]
    change = np.eye(len(end))
    change[ntheta : ntheta + rank, ntheta : ntheta + rank] = np.linalg.inv(basis.R)
    change[ntheta + rank :, ntheta + rank :] = rows.back
    covariance = change @ covariance @ change.T
    unknown = (np.abs(change @ lost) > 1e-6 * np.max(np.abs(change), initial=1.0)).any(axis=1)
    covariance[unknown] = covariance[:, unknown] = np.nan
    middle = slice(ntheta, ntheta + rank)
    linear = basis.Q @ solution.beta
    if design.offset is not None:
        linear = linear + design.offset
    outer = rows.values(kappa)
    dispersion = float(np.exp(outer[0, 0])) if spec.has_dispersion else 1.0
    with np.errstate(all="ignore"):
        fitted = np.asarray(family_object(spec).link.inverse(solution.eta), dtype=float)
    conditional = ConditionalEstimates(
        spec=spec,
        n_agq=n_agq,
        fast=False,
        hessian="observed",
        theta=theta,
        factors=factors,
        columns=basis.columns,
        beta=basis.coefficients(solution.beta),
        cov_conditional=covariance[middle, middle],
        dispersion=dispersion,
        objective=report.objective,
        deviance=np.nan,
        logdet_omega=solution.logdet_omega,
        u=core.design.by_term(solution.u),
        b=core.design.by_term(solution.b),
        linear_predictor=linear,
        eta=solution.eta,
        fitted=fitted,
        singular=is_singular(factors_of(core.in_units(theta) / units, patterns)),
        pirls_steps=solution.pirls_steps,
        several_modes=False,
        report=report,
        rows=rows,
        kappa=kappa,
        joint=covariance[: ntheta + rank, : ntheta + rank],
    )
    return DistributionalEstimates(
        conditional, rows.back @ kappa, outer, covariance, rows, solution.zeros
    )


def _covariance(
    core: CoreGeneralized, center: Array, regular: bool, first: int
) -> tuple[Array, Array]:
    """Return twice the inverse Hessian, by differences of the gradient.

    The second array has the directions that the data do not determine as columns; parameters
    of rows begin at `first`.
    """
    size = core.parameter_sizes()  # units of the response are theirs
    if regular:
        size = size / np.sqrt(np.maximum(size**2 * np.diag(core.curvature()), 1.0))
    H = np.empty((len(center), len(center)))
    for i, step in enumerate(_DIFFERENCE * size):
        H[i] = _change_of_gradient(core, center, i, step)
        if abs(H[i, i]) * size[i] ** 2 < _FAINT:  # less rounding, and by Richardson less of step^2
            once, twice = (
                _change_of_gradient(core, center, i, times * _WIDER * step) for times in (1.0, 2.0)
            )
            H[i] = (4.0 * once - twice) / 3.0
    core.value_and_gradient(center)
    H = (H + H.T) / 4.0
    nothing = np.full(H.shape, np.nan), np.empty((len(H), 0))
    if not np.all(np.isfinite(H)):
        return nothing
    kept, lost = _determined(H, first, size)
    part = kept.T @ H @ kept
    # Nothing may be left, as where no count is zero and the rest is constant.
    if np.diag(part).min(initial=np.inf) <= 0:
        return nothing
    scale = np.sqrt(np.diag(part))
    part /= np.outer(scale, scale)
    if np.linalg.eigvalsh(part).min(initial=np.inf) <= 0:
        return nothing
    return kept @ (np.linalg.inv(part) / np.outer(scale, scale)) @ kept.T, lost


def _change_of_gradient(core: CoreGeneralized, center: Array, i: int, step: float) -> Array:
    """Return the derivative of the gradient in parameter i, by a central difference."""
    shift = np.zeros(len(center))
    shift[i] = step
    _, above = core.value_and_gradient(center + shift)
    _, below = core.value_and_gradient(center - shift)
    return np.asarray((above - below) / (2.0 * step))


def _determined(H: Array, first: int, size: Array) -> tuple[Array, Array]:
    """Return orthonormal directions in which there is information, and those without.

    Along directions of the parameters of rows, whose columns have unit mean square, a probability
    that is 0 leaves none; they are not those of single coefficients.
    """
    values, vectors = np.linalg.eigh(H[first:, first:])
    flat = values < _NO_INFORMATION
    # As correlations of effects that no level has together; compared with the expected curvature.
    own = np.abs(np.diag(H)[:first])
    single = (own <= _FLAT * np.max(own, initial=0.0)) | (own * size[:first] ** 2 <= _UNSEEN)
    whole = np.eye(len(H))
    whole[first:, first:] = vectors
    lost = np.concatenate([single, flat])
    return whole[:, ~lost], whole[:, lost]
