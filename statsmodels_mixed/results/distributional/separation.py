"""Coefficients of the mean and of zeros that have no finite estimate.

That rows are zero or not is a binary response to the columns of a hurdle, which may separate. It
separates a part of zero inflation too: positive rows have log(1 - p), which grows as p falls, and
a zero has log(p + (1 - p) f(0)), which grows with p.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._typing import Array
from ...errors import SeparationWarning, warn_caller
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.families.spec import FamilySpec
from ...fitting.fixed_effects.basis import OnBasis
from ...fitting.separation import separation
from ...standard_errors.contrast_tests import FixedContrastTests

if TYPE_CHECKING:
    from .base import DistributionalFit

__all__ = [
    "infinite_parameters",
    "tests_of_coefficients",
    "warn_of_infinite",
    "with_infinite",
]


_BINARY = FamilySpec("binomial", "logit")


def infinite_parameters(fit: DistributionalFit) -> Array:
    """Return 1 for parameters that go to infinity, -1 for minus infinity, 0 for all others.

    Parameters
    ----------
    fit : DistributionalResults

    Returns
    -------
    ndarray
        In the order of the covariance matrix of all parameters.
    """
    sign = _signs(fit, fit.estimates, fit.model.kept_design().y, fit._mean_part.separation.sign)
    if fit.without_zeros:  # which says more than that its coefficients are infinite
        sign[len(sign) - len(fit.estimates.kappa) :] = 0.0
    return sign


def with_infinite(
    fit: DistributionalFit, estimates: DistributionalEstimates, y: Array
) -> tuple[Array, Array]:
    """Return coefficients of the mean and of rows of a fit to another response, some infinite.

    Infinite are those along which the response separates, and those at an end of their range.

    Parameters
    ----------
    fit : DistributionalResults
    estimates : DistributionalEstimates
        Of the same model, fitted to `y`.
    y : ndarray, shape (n,)
    """
    own = estimates.conditional
    X = fit.model.kept_design().X[:, own.columns]
    converged = own.report.converged
    mean = separation(X, y, own.spec, own.cov_conditional, converged=converged).sign
    sign = _signs(fit, estimates, y, mean)
    sign = np.where(sign, sign, estimates.ends)[len(own.theta) :]
    values = np.concatenate([own.beta, estimates.kappa])
    values = np.where(sign != 0, np.copysign(np.inf, sign), values)
    return values[: len(own.beta)], values[len(own.beta) :]


def _signs(
    fit: DistributionalFit, estimates: DistributionalEstimates, y: Array, mean: Array
) -> Array:
    own, names = estimates.conditional, estimates.rows.names
    first = len(own.theta)
    sign = np.zeros(len(estimates.covariance))
    sign[first : first + len(mean)] = mean
    for part in ("zero_inflation", "hurdle"):
        if part not in fit.model._pieces:
            continue
        X, columns = fit.model._pieces[part]
        label = "hurdle" if part == "hurdle" else "zi"
        known = [i for i, name in enumerate(columns) if f"{label}: {name}" in names]
        at = [first + len(own.beta) + names.index(f"{label}: {columns[i]}") for i in known]
        zero = (y == 0).astype(float)
        covariance = estimates.covariance[np.ix_(at, at)]
        converged = own.report.converged
        sign[at] = separation(X[:, known], zero, _BINARY, covariance, converged=converged).sign
    return sign


def tests_of_coefficients(beta: Array, covariance: OnBasis) -> FixedContrastTests:
    """Return normal tests of coefficients, also of combinations without those that have no error.

    Parameters
    ----------
    beta : ndarray, shape (rank,)
    covariance : OnBasis
        None of coefficients without a finite estimate or at an end of their range.
    """
    lost = ~covariance.known
    return FixedContrastTests(
        beta,
        covariance.covariance,
        np.inf,
        on_basis=covariance.combined(np.diag(np.where(lost, 0.0, 1.0))),
        infinite=lost if lost.any() else None,
    )


def warn_of_infinite(fit: DistributionalFit) -> None:
    """Warn the caller of `fit` or `refit` of coefficients without a finite estimate."""
    if fit.separated:
        message = (
            f"no finite estimate exists for the coefficients of {', '.join(fit.separated)}: "
            "the response separates along them."
        )
        warn_caller(message, SeparationWarning)
