"""Variances of responses, of rows with all of their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import expit

from ..._core import row_derivatives
from ..._typing import Array
from ..families.spec import FamilySpec, family_object
from .means import conditional_mean
from .row_parameters import DISPERSION, SECOND_SHAPE, SHAPE, ZEROS

__all__ = ["conditional_variance", "untruncated_variance", "variance"]


def variance(spec: FamilySpec, eta: Array, outer: Array, weights: Array | None = None) -> Array:
    """Return the variances of responses; NaN or infinite where a family has none.

    Parameters
    ----------
    spec : FamilySpec
    eta : ndarray, shape (n,)
        The predictor of the mean.
    outer : ndarray, shape (n, 4)
        The other parameters of the rows.
    weights : ndarray, shape (n,), optional
        Numbers of trials of proportions; of other families weights of the likelihood.
    """
    mean = conditional_mean(spec, eta, outer)
    given = conditional_variance(spec, eta, outer, weights)
    if not spec.zeros:
        return given
    other = expit(outer[:, ZEROS])
    return np.asarray((1.0 - other) * (given + other * mean**2))


def conditional_variance(
    spec: FamilySpec, eta: Array, outer: Array, weights: Array | None
) -> Array:
    """Return the variance without the part of zeros; see `variance`."""
    mean = conditional_mean(spec, eta, outer)
    with np.errstate(all="ignore"):
        mu = np.asarray(family_object(spec).link.inverse(eta), dtype=float)
    phi = np.exp(outer[:, DISPERSION])
    if spec.support == "positive counts":
        whole = spec.family.removeprefix("truncated_")
        # Second moments are those before truncation over the probability of not being 0.
        second = untruncated_variance(replace(spec, family=whole), eta, outer) + mu**2
        return np.asarray(second * mean / mu - mean**2)
    if spec.family == "ordered_beta":
        first = outer[:, SHAPE]
        one = expit(eta - first - np.exp(outer[:, SECOND_SHAPE]))
        inside = expit(eta - first) - one
        second = one + inside * (mu * (1.0 - mu) / (1.0 + phi) + mu**2)
        return np.asarray(second - mean**2)
    of_row = untruncated_variance(spec, eta, outer)
    if spec.family == "binomial" and weights is not None:
        return of_row / weights
    if spec.family == "beta_binomial":
        n = np.ones(len(mu)) if weights is None else weights
        return np.asarray(of_row * (n + phi) / (n * (1.0 + phi)))
    return of_row


def untruncated_variance(spec: FamilySpec, eta: Array, outer: Array) -> Array:
    """Return the variance of a distribution that is neither truncated nor cut at ends.

    That of proportions is of a single trial.
    """
    family, phi = spec.family, np.exp(outer[:, DISPERSION])
    with np.errstate(all="ignore"):
        mu = np.asarray(family_object(spec).link.inverse(eta), dtype=float)
    if family == "student_t":
        df = np.exp(outer[:, SHAPE])
        with np.errstate(divide="ignore"):
            return np.asarray(np.where(df > 2.0, phi**2 * df / (df - 2.0), np.inf))
    if family == "tweedie":
        return np.asarray(phi * mu ** (1.0 + expit(outer[:, SHAPE])))
    if family == "conway_maxwell_poisson":
        # The derivative of the log-likelihood in the mean is (y - mu) / variance.
        y = np.ceil(mu) + 1.0
        in_eta, _ = row_derivatives(family, spec.link, y, eta, outer, power=spec.power)
        slope = family_object(spec).link.inverse_deriv(eta)
        return np.asarray((y - mu) * slope / in_eta[:, 1])
    return np.asarray(np.broadcast_to(_OF_MEAN[family](mu, phi), mu.shape))


# By mean and dispersion of the density.
_OF_MEAN: dict[str, Callable[[Array, Array], Array]] = {
    "poisson": lambda mu, phi: mu,
    "binomial": lambda mu, phi: mu * (1.0 - mu),
    "beta_binomial": lambda mu, phi: mu * (1.0 - mu),
    "beta": lambda mu, phi: mu * (1.0 - mu) / (1.0 + phi),
    "gaussian": lambda mu, phi: phi,
    "lognormal": lambda mu, phi: phi**2,
    "negative_binomial": lambda mu, phi: mu + phi * mu**2,
    "negative_binomial1": lambda mu, phi: mu * (1.0 + phi),
    "generalized_poisson": lambda mu, phi: phi * mu,
    "gamma": lambda mu, phi: phi * mu**2,
    "inverse_gaussian": lambda mu, phi: phi * mu**3,
}
