"""Ends at the edge of where a generalized model has a likelihood, where derivatives say nothing.

Some links take linear predictors to means that the family does not have: the identity and the log
of a binomial, the identity of counts. The likelihood may rise up to the edge of the range of means
(Williamson, Eliasziw and Fick 2013). Elsewhere the approximation may have no maximum: with
observed information log|Omega| falls without bound where two conditional modes merge.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._typing import Array
from ...errors import DataError
from ...frame.design import Design
from ..families.spec import FamilySpec
from .optimize import FitReport

__all__ = [
    "MERGING_MODES",
    "has_bounded_range",
    "refuse_merging_modes",
    "refuse_unreachable",
    "rows_at_the_edge",
    "with_means_at_the_edge",
]


MERGING_MODES = (
    "the approximation by observed information grows without bound where two conditional modes "
    'merge; use hessian="expected"'
)
# Expected events of a row, or expected failures, that are none.
NONE = 1e-6


def has_bounded_range(spec: FamilySpec) -> bool:
    """Return whether some linear predictors are no means of the family."""
    if spec.link == "log":
        return spec.family == "binomial"
    return spec.link in ("identity", "power") and not spec.normal


def refuse_unreachable(value: float, spec: FamilySpec) -> None:
    """Refuse an end whose objective nobody else can evaluate.

    Parameters
    ----------
    value : float
        The objective at the end for somebody who knows the parameters only.
    spec : FamilySpec

    Raises
    ------
    DataError
        If there is none.
    """
    if not np.isnan(value):
        return
    reason = (
        "it rises up to the edge of the range of means"
        if has_bounded_range(spec)
        else "conditional modes at the end of the search cannot be found again"
    )
    raise DataError(
        f"no maximum of the likelihood of the {spec.family} family with the {spec.link} link could "
        f"be reached: {reason}; use another link, or try start=."
    )


def refuse_merging_modes(report: FitReport, spec: FamilySpec) -> None:
    """Refuse an end at which the approximation by observed information grows without bound.

    Parameters
    ----------
    report : FitReport
        Of a fit with observed information whose conditional modes need not be unique.
    spec : FamilySpec

    Raises
    ------
    DataError
        If it does.
    """
    if report.hopeless:
        raise DataError(
            "the approximation by observed information has no maximum for the "
            f"{spec.family} family with the {spec.link} link: it grows without bound where two "
            'conditional modes merge; use hessian="expected".'
        )


def rows_at_the_edge(design: Design, spec: FamilySpec, fitted: Array) -> int:
    """Return how many rows have conditional means, fitted (n,), at the edge of their range."""
    sizes = np.ones(len(fitted)) if design.weights is None else design.weights
    at_edge = np.zeros(len(fitted), bool)
    if spec.family == "binomial" and spec.link in ("identity", "log"):
        at_edge |= (design.y == 1) & (sizes * (1.0 - fitted) < NONE) & (sizes > 0)
    if spec.support in ("counts", "trials") and spec.link == "identity":
        at_edge |= (design.y == 0) & (sizes * fitted < NONE) & (sizes > 0)
    return int(at_edge.sum())


def with_means_at_the_edge(
    report: FitReport, design: Design, spec: FamilySpec, fitted: Array
) -> FitReport:
    """Return the report of a fit; it has not converged where means are at the edge of their range.

    Parameters
    ----------
    report : FitReport
    design : Design
    spec : FamilySpec
    fitted : ndarray, shape (n,)
        Conditional means.
    """
    number = rows_at_the_edge(design, spec, fitted)
    if not number:
        return report
    message = (
        f"The likelihood rises up to the edge of the range of means, which {number} of "
        f"{len(fitted)} rows have reached: standard errors mean nothing there; use a link whose "
        "inverse stays inside."
    )
    return replace(report, converged=False, message=message)
