"""Means of responses, and their parts, of rows with all of their parameters."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ..._core import row_derivatives
from ..._typing import Array
from ..families.spec import FamilySpec, family_object
from .row_parameters import SECOND_SHAPE, SHAPE, ZEROS

__all__ = ["NO_ZEROS", "conditional_mean", "mean", "part_of_mean"]


# Probabilities of zeros besides the distribution's that are none.
NO_ZEROS = 1e-4


def zero_probability(
    spec: FamilySpec, eta: Array, outer: Array, trials: Array | None = None
) -> Array:
    """Return the probability of a response of 0, of a share that no trial of a row succeeds."""
    support = spec.support
    if not spec.zeros and support in ("real", "positive", "shares", "positive counts"):
        return np.zeros(len(eta))
    in_eta, _ = row_derivatives(
        spec.family,
        spec.link,
        np.zeros(len(eta)),
        eta,
        outer,
        weights=trials,
        power=spec.power,
        zeros=spec.zeros,
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


def part_of_mean(
    which: str, spec: FamilySpec, eta: Array, outer: Array, trials: Array | None
) -> Array:
    """Return the mean of rows, or a part of it.

    Parameters
    ----------
    which : {"mean", "conditional", "zero_probability", "inflation"}
    spec : FamilySpec
    eta : ndarray, shape (n,)
        The linear predictor of the mean.
    outer : ndarray, shape (n, 4)
        The other parameters of the rows.
    trials : ndarray, shape (n,), or None
        Of rows whose response is a share of trials; one for each row if None.
    """
    if which == "zero_probability":
        return zero_probability(spec, eta, outer, trials)
    return _PARTS[which](spec, eta, outer)


_PARTS = {"mean": mean, "conditional": conditional_mean, "inflation": inflation}
