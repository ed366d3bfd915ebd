"""The optimum of a likelihood of rows with parameters: edges of their range, and poles.

A probability of zeros that tends to 0 makes the likelihood flat, and the search ends there.

With random effects in the probability of inflated zeros, h(u) need not be concave: with its zeros
of either kind, a level may have two conditional modes. Where two of them merge Omega is singular,
and Laplace's approximation, which has -log|Omega| / 2, has a pole that an integral has not.
Where a search ends at one, others begin near the model without these effects. Quadrature, whose
nodes are spread by a matrix that is never singular, has no poles.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._core import CoreGeneralized
from .._typing import Array
from .optimize import FitOptions, FitReport, minimize

__all__ = ["NEAR_NONE", "minimize_rows"]


# Evaluations after which a decrease that small is one towards a boundary.
_PATIENCE = 600
_NOTHING = 3e-9
# A decrease that is still promised where a search ended, of one that ended at a pole.
_STEEP = 0.1
# Shares of the usual start of the effects on zeros that further searches begin with.
_NEARER = (0.1, 0.03)
_SPLIT = (
    "Laplace's approximation is best where it does not hold: at parameters at which the "
    "conditional modes of a level are about to split in two, its zeros being of either kind. "
)
# What to do about it: with one grouping factor, with more, and after quadrature.
_QUADRATURE = "Take quadrature over the random effects of a level, such as n_agq=9."
_SIMPLER = (
    "Take fewer random effects, another family, hurdle=, or quadrature (n_agq=) with a single "
    "grouping factor."
)
_MORE_POINTS = "Take more points of quadrature (n_agq=), or fewer random effects."
NEAR_NONE = (
    "The search for larger variances of the random effects of zeros ended where Laplace's "
    "approximation does not hold; this is the maximum near none."
)


def minimize_rows(
    core: CoreGeneralized,
    begin: Array,
    options: FitOptions,
    of_zeros: NDArray[np.bool_],
    *,
    n_agq: int,
    one_factor: bool,
) -> FitReport:
    """Minimize the objective; of several searches the first that ends at a minimum.

    Parameters
    ----------
    core : CoreGeneralized
    begin : ndarray, shape (m,)
        Parameters to begin with, theta first.
    options : FitOptions
    of_zeros : ndarray of bool, shape (n_theta,)
        Which elements of theta are of random effects of zeros.
    n_agq : int
        Points of quadrature, which has no poles but may be coarse.
    one_factor : bool
        Whether quadrature is possible.
    """
    report = _minimize(core, begin, options)
    limits = report.status in ("MAXEVAL_REACHED", "MAXTIME_REACHED")
    ended = limits and report.evaluations != _PATIENCE  # the user's
    if report.converged or ended or not of_zeros.any() or report.gradient_norm < _STEEP:
        return report
    for share in _NEARER:
        nearer = begin.copy()
        nearer[: len(of_zeros)] *= np.where(of_zeros, share, 1.0)
        again = _minimize(core, nearer, options)
        if again.converged:
            return replace(again, message=f"{NEAR_NONE} {_QUADRATURE}" if one_factor else NEAR_NONE)
    if n_agq > 1:
        return replace(report, message=f"{report.message} {_MORE_POINTS}")
    return replace(report, message=_SPLIT + (_QUADRATURE if one_factor else _SIMPLER))


def _minimize(core: CoreGeneralized, begin: Array, options: FitOptions) -> FitReport:
    """Minimize; along a direction in which the likelihood is flat for ever, only so far."""
    some = replace(options, max_eval=min(options.max_eval, _PATIENCE) or _PATIENCE)
    report = minimize(core, begin, some)
    pole = core.design.predictors > 1 and report.gradient_norm > _STEEP
    if report.converged or report.evaluations < _PATIENCE or pole:
        return _at_boundary(report)
    if report.gradient_norm < _NOTHING:
        return _at_boundary(report)
    return _at_boundary(minimize(core, report.end, options))


def _at_boundary(report: FitReport) -> FitReport:
    if report.converged or not report.gradient_norm < _NOTHING:
        return report
    message = (
        "A parameter tends to its boundary, where the likelihood is flat; it stopped changing."
    )
    return replace(report, converged=True, message=message)
