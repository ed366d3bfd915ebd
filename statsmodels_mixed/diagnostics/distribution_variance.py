"""What the distribution of a response adds to the variance on the scale of the linear predictor."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

import numpy as np
import pandas as pd
from scipy.special import expit, polygamma

from .._typing import Array
from ..errors import DataError, OptionError
from ..fitting.estimates import Estimates
from ..fitting.families.spec import family_object
from ..fitting.problem import problem_of
from ..frame.design import Design, RandomBlock

__all__ = [
    "LATENT",
    "distribution_variance",
    "mean_without_fixed_effects",
    "random_variances",
    "rows_counted",
    "variance_of_logits",
    "variances_of_levels",
]


# Variances of the standard distributions behind the links of a binary response.
LATENT = {
    "logit": np.pi**2 / 3,
    "probit": 1.0,
    "cloglog": np.pi**2 / 6,
    "loglog": np.pi**2 / 6,
}
COUNTS = ("poisson", "negative_binomial", "negative_binomial1", "generalized_poisson")
# Families whose variance is a function of the mean and the dispersion, with the log link.
_OF_MEAN = (*COUNTS, "conway_maxwell_poisson", "lognormal")


def rows_counted(design: Design, estimates: Estimates) -> Array:
    """Return how many rows each row counts for, shape (n,): weights of counts are rows."""
    counts = estimates.spec is not None and estimates.spec.family in COUNTS
    return design.weights if counts and design.weights is not None else np.ones(len(design.y))


def _divisors(design: Design) -> Array:
    """Return what the residual variance of each row is divided by, shape (n,)."""
    return np.ones(len(design.y)) if design.weights is None else design.weights


def random_variances(
    design: Design, factors: tuple[Array, ...], scale: float, rows: Array
) -> pd.Series:
    """Return the mean of z'Sigma z over the rows, by grouping factor."""
    variances = {
        block.name: scale**2
        * float(
            np.average(
                variances_of_levels(block) * np.sum((block.z @ T) ** 2, axis=1), weights=rows
            )
        )
        for block, T in zip(design.blocks, factors, strict=True)
        if not block.part  # those of zeros are on another scale
    }
    return pd.Series(variances, dtype=float)


def variances_of_levels(block: RandomBlock) -> Array | float:
    """Return the variance of the level of each row, in units of Sigma, shape (n,)."""
    return 1.0 if block.related is None else block.related.variances(block.refs)


@singledispatch
def distribution_variance(estimates: Estimates, design: Design, null_mean: str) -> float:
    """Return what the distribution adds on the scale of the linear predictor.

    Means of positive responses are taken to be lognormal, which gives log(1 + v) for a squared
    coefficient of variation v.
    """
    spec, phi = estimates.spec, estimates.dispersion
    if spec is None:
        return float(np.mean(phi / _divisors(design)))

    match spec.family, spec.link:
        case "gaussian", "identity":
            return float(np.mean(phi / _divisors(design)))
        case (("binomial" | "ordered"), link) if link in LATENT:
            return float(LATENT[link])
        case "poisson", "power" if spec.power == 0.5:
            return 0.25
        case family, "log" if family in _OF_MEAN:
            mean = np.full(1, mean_without_fixed_effects(design, estimates, null_mean))
            variance = np.asarray(family_object(spec, phi).variance(mean))
            return float(np.log1p(variance[0] / mean[0] ** 2))
        case (("beta" | "beta_binomial"), "logit"):
            of_shares = variance_of_logits(design, estimates, np.full(1, phi))
            return of_shares + (LATENT["logit"] if spec.family == "beta_binomial" else 0.0)
        case "gamma", "log":
            return float(np.mean(np.log1p(phi / _divisors(design))))
    raise OptionError(
        f"the variance that the family {spec.family} with the link {spec.link} adds to the linear "
        "predictor is not known; R2 and ICC are for gaussian (identity), binomial and ordered "
        "categories (logit, probit, cloglog, loglog), poisson (log, sqrt), negative binomial "
        "of both kinds, generalized and Conway-Maxwell-Poisson, lognormal and gamma (log), and "
        "beta and beta-binomial (logit)."
    )


def variance_of_logits(design: Design, estimates: Estimates, phi: Array) -> float:
    """Return the variance of the logit of a beta variable at the mean without fixed effects.

    Parameters
    ----------
    design : Design
    estimates : Estimates
    phi : ndarray
        Precisions, over which the variance is averaged.
    """
    mu = expit(np.log(mean_without_fixed_effects(design, estimates, "conditional")))
    return float(np.mean(polygamma(1, mu * phi) + polygamma(1, (1.0 - mu) * phi)))


def mean_without_fixed_effects(design: Design, estimates: Estimates, null_mean: str) -> float:
    """Return the mean count of the model with the same random effects and an intercept only."""
    rows = rows_counted(design, estimates)
    constant = replace(design, X=np.ones((len(design.y), 1)), x_names=("Intercept",))
    null = problem_of(constant, estimates).fit()
    if not null.report.converged:
        raise DataError(
            "the model without fixed effects, which R2 and ICC of counts need, did not converge: "
            + null.report.message
        )
    log_mean = float(null.beta[0])
    if null_mean == "marginal":
        log_mean += 0.5 * float(random_variances(design, null.factors, 1.0, rows).sum())
    exposure = 1.0
    if design.offset is not None:
        exposure = float(np.average(np.exp(design.offset), weights=rows))
    return exposure * float(np.exp(log_mean))
