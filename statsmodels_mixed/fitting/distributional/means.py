"""Means of responses, and their parts, of rows with all of their parameters."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ..._core import row_derivatives
from ..._typing import Array
from ..families.spec import FamilySpec, family_object
from .row_parameters import SECOND_SHAPE, SHAPE, ZEROS

__all__ = ["NO_ZEROS", "PARTS", "conditional_mean", "inflation", "mean", "zero_probability"]


# Probabilities of zeros besides the distribution's that are none.
NO_ZEROS = 1e-4


def zero_probability(spec: FamilySpec, eta: Array, outer: Array) -> Array:
    """Return the probability of a response of 0."""
    support = spec.support
    if not spec.zeros and support in ("real", "positive", "shares", "positive counts"):
        return np.zeros(len(eta))
    in_eta, _ = row_derivatives(
        spec.family, spec.link, np.zeros(len(eta)), eta, outer, power=spec.power, zeros=spec.zeros
    )
    return np.asarray(np.exp(in_eta[:, 0]))


def conditional_mean(spec: FamilySpec, eta: Array, outer: Array) -> Array:
    """Return the mean without the part of zeros."""
    with np.errstate(all="ignore"):
        mu = np.asarray(family_object(spec).link.inverse(eta), dtype=float)
    if spec.support == "positive counts":
        whole = spec.family.removeprefix("truncated_")
        in_eta, _ = row_derivatives(whole, spec.link, np.zeros(len(eta)), eta, outer)
        return np.asarray(mu / -np.expm1(in_eta[:, 0]))
    if spec.family == "ordered_beta":
        first = outer[:, SHAPE]
        one = expit(eta - first - np.exp(outer[:, SECOND_SHAPE]))
        return np.asarray(one + mu * (expit(eta - first) - one))
    return mu


def mean(spec: FamilySpec, eta: Array, outer: Array) -> Array:
    """Return the mean of the response."""
    given = conditional_mean(spec, eta, outer)
    return np.asarray(given * expit(-outer[:, ZEROS])) if spec.zeros else given


def inflation(spec: FamilySpec, eta: Array, outer: Array) -> Array:
    """Return the probability of zeros besides those of the distribution."""
    return np.asarray(expit(outer[:, ZEROS]))


PARTS = {
    "mean": mean,
    "conditional": conditional_mean,
    "zero_probability": zero_probability,
    "inflation": inflation,
}
