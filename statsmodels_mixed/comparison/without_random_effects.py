"""Fits of statsmodels without random effects, to be compared with mixed models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from statsmodels.genmod.generalized_linear_model import GLMResults
from statsmodels.regression.linear_model import OLS, WLS, RegressionResults

from ..errors import OptionError
from ..fitting.estimates import Estimates
from ..fitting.families.spec import read_family

__all__ = ["Plain", "is_plain", "read_plain"]


# Responses, weights and offsets that differ by less than this share are the same.
SAME = 1e-10


class Plain(NamedTuple):
    """What a comparison needs of a fit without random effects.

    Attributes
    ----------
    llf : float
    dof : int
        Number of parameters.
    """

    llf: float
    dof: int


def is_plain(fit: Any) -> bool:
    """Return whether this is a fit of statsmodels' OLS, WLS or GLM."""
    plain = getattr(fit, "_results", fit)
    linear = isinstance(plain, RegressionResults) and isinstance(plain.model, OLS | WLS)
    return linear or isinstance(plain, GLMResults)


def read_plain(full: Any, plain: Any) -> Plain | None:
    """Read a fit of statsmodels' OLS, WLS or GLM.

    Parameters
    ----------
    full : MixedModelResults
        What it is to be compared with.
    plain : object

    Returns
    -------
    Plain or None
        None if it is something else.

    Raises
    ------
    OptionError
        If its likelihood is not comparable with that of the mixed model.
    """
    plain = getattr(plain, "_results", plain)
    estimates: Estimates = full.estimates
    if isinstance(plain, RegressionResults) and isinstance(plain.model, OLS | WLS):
        if not estimates.linear or estimates.reml or not estimates.scale_estimated:
            raise OptionError(
                "the likelihood of a fit by OLS or WLS is compared with that of a linear mixed "
                "model by maximum likelihood: fit with reml=False and without sigma=. anova() "
                "refits fits by REML."
            )
        weights = plain.model.weights if isinstance(plain.model, WLS) else None
        _check_data(full, plain.model.endog, weights, None)
        return Plain(float(plain.llf), int(plain.df_model + plain.k_constant) + 1)
    if not isinstance(plain, GLMResults):
        return None
    spec = estimates.spec
    if spec is None or spec.has_dispersion or read_family(plain.family) != spec:
        raise OptionError(
            "a fit by GLM is compared with a generalized mixed model of the same family, binomial "
            "or Poisson, and the same link: other likelihoods of GLM are not at their maximum "
            "over the dispersion."
        )
    model = plain.model
    weights = np.asarray(model.freq_weights) * model.var_weights * model.n_trials
    _check_data(full, model.endog, weights, model._offset_exposure)
    return Plain(float(plain.llf), int(plain.df_model) + int(model.k_constant))


def _check_data(full: Any, y: Any, weights: Any, offset: Any) -> None:
    """Raise OptionError unless response, weights and offset are those of the mixed model."""
    design = full.kept_design()
    ones, zeros = np.ones(len(design.y)), np.zeros(len(design.y))
    pairs = (
        (design.y, y),
        (ones if design.weights is None else design.weights, ones if weights is None else weights),
        (zeros if design.offset is None else design.offset, zeros if offset is None else offset),
    )
    for ours, theirs in pairs:
        given = np.broadcast_to(np.asarray(theirs, dtype=float), np.shape(theirs) or ours.shape)
        if given.shape != ours.shape or not np.allclose(given, ours, rtol=SAME, atol=SAME):
            raise OptionError(
                "the models were fitted to different data: response, weights, offset and the rows "
                "used must be the same."
            )
