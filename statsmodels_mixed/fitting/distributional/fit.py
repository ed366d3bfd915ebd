"""Fitting a model whose rows have parameters besides their mean, by maximum likelihood."""

from __future__ import annotations

from dataclasses import replace

from ..._core import one_blas_thread
from ..._typing import Array
from ...errors import CoreError, DataError, OptionError
from ...frame.design import Design
from ..crossprod import SharedStructure
from ..families.limit_of_dispersion import ends_at_a_response, rows_that_do_not_vary
from ..families.spec import FamilySpec
from ..generalized.approximation import check_options, generalized_structure
from ..linear.unbounded import refuse_constant_within
from ..search.edge_of_range import has_bounded_range, with_means_at_the_edge
from ..search.optimize import FitOptions
from .centered import Centered
from .estimates import DistributionalEstimates
from .estimates_at import estimates_at
from .explanations_of_zeros import OtherExplanations
from .likelihood import RowLikelihood
from .lowered import Lowered
from .optimum import RowSearch, is_jump, minimize_rows
from .row_parameters import DISPERSION, RowParameters

__all__ = ["fit_distributional"]


_AT_A_RESPONSE = (
    "The likelihood is largest where the underdispersed distribution of a row ends at its response "
    'and it has no derivative; "conway_maxwell_poisson" has underdispersed counts without an end.'
)
_DO_NOT_VARY = (
    "The dispersion of {} of {} rows tends to 0, where counts vary as little as the family allows "
    "and its likelihood is flat: leave terms out of dispersion=, or of the mean."
)


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
    lowered = Lowered.of(design, spec, structure.basis)
    if lowered is not None:
        return lowered.back(
            fit_distributional(
                lowered.design,
                spec,
                rows,
                gamma - lowered.change,
                n_agq=n_agq,
                options=options,
                structure=structure,
            )
        )
    likelihood = RowLikelihood.of(design, spec, rows, structure, gamma, int(n_agq))
    begin = likelihood.start(gamma)
    try:
        return _with_reason(_best(likelihood, begin, options or FitOptions()), design)
    except CoreError as error:
        ends = spec.support != "real" and has_bounded_range(spec)
        link = "use a link whose inverse stays inside the range of means, or " if ends else ""
        raise DataError(
            f"no maximum of the likelihood of the {spec.family} family could be reached; {link}"
            f"take a simpler model ({str(error).rstrip('.')})."
        ) from error


def _best(likelihood: RowLikelihood, begin: Array, options: FitOptions) -> DistributionalEstimates:
    """Return the estimates at the best end of a search, and of others where zeros may mislead."""
    search = RowSearch(likelihood, options)
    report = minimize_rows(search, begin)
    estimates, least, ends = estimates_at(likelihood, report)
    others = OtherExplanations(likelihood, begin)
    if not others.needed(report, least, ends, options):
        return estimates
    best = others.improve(report, options, search.go_on, search.splits)
    if best.end is report.end:  # the core may not find its modes there again
        return replace(estimates, conditional=replace(estimates.conditional, report=best))
    return estimates_at(likelihood, best).estimates


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
