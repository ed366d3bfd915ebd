"""Where a generalized fit starts: the coefficients of the model without random effects."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.genmod import families as sm_families
from statsmodels.genmod.families import links as sm_links

from .families import FamilySpec

__all__ = ["family_object", "glm_coefficients", "start_dispersion"]

Array = NDArray[np.float64]

_FAMILIES: dict[str, Any] = {
    "gaussian": sm_families.Gaussian,
    "binomial": sm_families.Binomial,
    "poisson": sm_families.Poisson,
    "gamma": sm_families.Gamma,
    "inverse_gaussian": sm_families.InverseGaussian,
    "negative_binomial": sm_families.NegativeBinomial,
}
_LINKS: dict[str, Any] = {
    "identity": sm_links.Identity,
    "log": sm_links.Log,
    "logit": sm_links.Logit,
    "probit": sm_links.Probit,
    "cauchit": sm_links.Cauchy,
    "cloglog": sm_links.CLogLog,
    "loglog": sm_links.LogLog,
}
# Rough coefficients are enough for a start; separated data never settle.
_MAX_ITERATIONS = 25
_TOLERANCE = 1e-6


def family_object(spec: FamilySpec, dispersion: float = 1.0) -> Any:
    """Return statsmodels' family of a specification, with alpha = `dispersion`."""
    link = sm_links.Power(spec.power) if spec.link == "power" else _LINKS[spec.link]()
    kind = _FAMILIES[spec.family]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unusual links have been checked by read_family
        if spec.family == "negative_binomial":
            return kind(link, alpha=dispersion, check_link=False)
        return kind(link, check_link=False)


def glm_coefficients(
    Q: Array, y: Array, family: Any, weights: Array | None, offset: Array | None
) -> tuple[Array, Array]:
    """Fit a generalized linear model by iteratively reweighted least squares.

    Parameters
    ----------
    Q : ndarray, shape (n, p)
        Orthogonal columns.
    y : ndarray, shape (n,)
    family : statsmodels family
    weights, offset : ndarray, shape (n,), or None

    Returns
    -------
    gamma : ndarray, shape (p,)
        Coefficients of Q.
    mu : ndarray, shape (n,)
        Fitted means.
    """
    link = family.link
    shift = np.zeros(len(y)) if offset is None else offset
    with np.errstate(all="ignore"):
        mu = family.starting_mu(y)
        eta = link(mu)
        if not Q.shape[1]:
            return np.empty(0), link.inverse(shift)
        gamma: Array = np.zeros(Q.shape[1])
        for _ in range(_MAX_ITERATIONS):
            slope = link.deriv(mu)
            working = 1.0 / (slope * slope * family.variance(mu))
            if weights is not None:
                working = working * weights
            target = eta - shift + (y - mu) * slope
            usable = np.isfinite(working) & np.isfinite(target) & (working > 0)
            weighted = Q * np.where(usable, working, 0.0)[:, None]
            normal = weighted.T @ Q
            normal[np.diag_indices_from(normal)] *= 1.0 + 1e-12  # separated data lose rank
            step: Array = np.linalg.solve(normal, weighted.T @ np.where(usable, target, 0.0))
            change = float(np.max(np.abs(step - gamma)) / (1.0 + np.max(np.abs(step))))
            gamma = step
            eta = Q @ gamma + shift
            mu = link.inverse(eta)
            if change < _TOLERANCE:
                break
    return gamma, mu


def start_dispersion(spec: FamilySpec, y: Array, mu: Array, family: Any) -> float:
    """Return a moment estimate of phi, or of alpha for the negative binomial."""
    with np.errstate(all="ignore"):
        if spec.family == "negative_binomial":
            moment = float(np.mean(((y - mu) ** 2 - mu) / mu**2))
        else:
            moment = float(np.mean((y - mu) ** 2 / family.variance(mu)))
    return min(max(moment, 1e-4), 1e4) if np.isfinite(moment) and moment > 0 else 1.0
