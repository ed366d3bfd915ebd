"""Fitting a model whose rows have parameters besides their mean, by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from ..._core import CoreDesign, CoreGeneralized, one_blas_thread, row_derivatives
from ..._typing import Array
from ...errors import CoreError, DataError, OptionError
from ...frame.design import Design
from ..covariance import canonical, factors_of, is_singular, theta_of
from ..crossprod import SharedStructure
from ..families.limit_of_dispersion import ends_at_a_response, rows_that_do_not_vary
from ..families.spec import FamilySpec, family_object
from ..generalized.approximation import (
    Approximation,
    check_options,
    generalized_structure,
    has_one_factor,
)
from ..generalized.quadrature import gauss_hermite
from ..linear.unbounded import refuse_constant_within
from ..search.edge_of_range import has_bounded_range, with_means_at_the_edge
from ..search.optimize import FitOptions, FitReport
from ..search.warm_start import generalized_theta
from .centered import Centered
from .conditional_estimates import ConditionalEstimates
from .explanations_of_zeros import OtherExplanations
from .hessian import covariance_at
from .optimum import RowSearch, edges_of, is_jump, minimize_rows
from .row_parameters import DISPERSION, ZEROS, RowParameters

__all__ = ["DistributionalEstimates", "fit_distributional", "model_of_rows"]


_SHRINKAGES = 6
_AT_A_RESPONSE = (
    "The likelihood is largest where the underdispersed distribution of a row ends at its response "
    'and it has no derivative; "conway_maxwell_poisson" has underdispersed counts without an end.'
)
_DO_NOT_VARY = (
    "The dispersion of {} of {} rows tends to 0, where counts vary as little as the family allows "
    "and its likelihood is flat: leave terms out of dispersion=, or of the mean."
)


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
    def ends(self) -> Array:
        """1 and -1 for parameters at the upper and lower end of their range, 0 for all others.

        In the order of `covariance`. Such a parameter is the same for all rows, and no information
        on it is left: a probability of zeros that is none, overdispersion that is none.
        """
        sign = np.zeros(len(self.covariance))
        first = len(sign) - len(self.kappa)
        alone = [self.rows.alone(place) for place in range(len(self.rows.X))]
        for at in [at for at in alone if at is not None]:
            if not np.isfinite(self.covariance[first + at, first + at]):
                sign[first + at] = np.sign(self.kappa[at])
        return sign

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
    refuse_constant_within(design, spec)
    if design.is_structured:
        raise OptionError(
            "formulas for zeros or dispersion, families with shapes and ordered categories do not "
            "go with covariance structures, such as those of ar1() or mm()."
        )
    with one_blas_thread():
        structure = structure or generalized_structure(design)
    centered = Centered.of(design, spec, rows, structure.basis)
    if centered is not None:
        thresholds, gamma = centered.start(rows, gamma)
        found = fit_distributional(
            centered.design,
            spec,
            thresholds,
            gamma,
            n_agq=n_agq,
            options=options,
            structure=centered.structure,
        )
        return centered.back(found)
    with one_blas_thread():
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
        search = RowSearch(
            core,
            options or FitOptions(),
            rows,
            structure.basis.Q,
            [block.pattern for block in design.blocks],
            of_zeros,
            edges_of(spec, rows, problem.ntheta + len(gamma)),
            int(n_agq),
            has_one_factor(design),
            spec.family.endswith("conway_maxwell_poisson"),
        )
        report = minimize_rows(search, begin)
        estimates, least, ends = _read(problem, design, spec, rows, report, int(n_agq), units)
        others = OtherExplanations(problem, design, spec, rows, begin)
        if others.needed(report, least, ends, search.options):
            best = others.improve(report, search.options, search.go_on, search.splits)
            if best.end is report.end:  # the core may not find its modes there again
                mean = replace(estimates.conditional, report=best)
                return _with_reason(replace(estimates, conditional=mean), design)
            estimates, *_ = _read(problem, design, spec, rows, best, int(n_agq), units)
        return _with_reason(estimates, design)
    except CoreError as error:
        ends = spec.support != "real" and has_bounded_range(spec)
        link = "use a link whose inverse stays inside the range of means, or " if ends else ""
        raise DataError(
            f"no maximum of the likelihood of the {spec.family} family could be reached; {link}"
            f"take a simpler model ({str(error).rstrip('.')})."
        ) from error


def _with_reason(estimates: DistributionalEstimates, design: Design) -> DistributionalEstimates:
    """Say why a search has not converged: at the edge of means, or at an end of distributions."""
    own = estimates.conditional
    report = with_means_at_the_edge(own.report, design, own.spec, own.fitted)
    log_phi = estimates.outer[:, DISPERSION]
    if not own.report.converged and ends_at_a_response(
        own.spec.family, log_phi, own.fitted, design.y
    ):
        report = replace(own.report, message=_AT_A_RESPONSE)
    still = rows_that_do_not_vary(own.spec.family, log_phi, own.fitted)
    if still and not own.report.converged and not is_jump(own.report):
        message = _DO_NOT_VARY.format(still, len(log_phi))
        report = replace(own.report, message=message)
    if report is own.report:
        return estimates
    return replace(estimates, conditional=replace(own, report=report))


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
) -> tuple[DistributionalEstimates, float, bool]:
    """Return estimates in columns of the user, the least eigenvalue, whether some have an end."""
    core, basis, ntheta = problem.core, problem.basis, problem.ntheta
    patterns = [block.pattern for block in design.blocks]
    factors = canonical(factors_of(report.end[:ntheta], patterns), patterns)
    theta = theta_of(factors, patterns)
    end = np.concatenate([theta, report.end[ntheta:]])
    if np.isnan(core.value_and_gradient(end)[0]):
        raise CoreError("Conditional modes at the end of the search cannot be found again.")
    solution = core.solution()
    rank = len(basis.columns)
    regular = all(np.all(np.diag(T) != 0) for T in factors)
    spread = np.zeros(len(end) - ntheta)
    spread[:rank] = _deviation_of_effects(design, factors)
    covariance, lost, least = covariance_at(core, end, regular, ntheta, spread)
    kappa = report.end[ntheta + rank :]
    change = np.eye(len(end))
    change[ntheta : ntheta + rank, ntheta : ntheta + rank] = np.linalg.inv(basis.R)
    change[ntheta + rank :, ntheta + rank :] = rows.back
    covariance = change @ covariance @ change.T
    # Columns far from zero have an intercept in very different units.
    rows_of_change = np.abs(change).max(axis=1, keepdims=True)
    unknown = (np.abs(change @ lost) > 1e-6 * rows_of_change).any(axis=1)
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
    kappa_of_user = rows.back @ kappa
    estimates = DistributionalEstimates(
        conditional, kappa_of_user, outer, covariance, rows, solution.zeros
    )
    return estimates, least, bool(np.any(lost[ntheta:]))


def _deviation_of_effects(design: Design, factors: Sequence[Array]) -> float:
    """Return the standard deviation of what the random effects of the mean add to a typical row."""
    parts = [
        np.mean(np.square(block.z @ T).sum(axis=1))
        for block, T in zip(design.blocks, factors, strict=True)
        if not block.part
    ]
    return math.sqrt(sum(parts))
