"""Fits with parameters that are hypothesized in place of estimates, to draw responses from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._typing import Array
from ...errors import OptionError
from ...fitting.covariance import factors_of
from ...results.parameters import values_by_name
from ..simulator import Values

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit, Fit

__all__ = ["hypothesized_fit"]


def hypothesized_fit(
    fit: Fit,
    *,
    beta: Values = None,
    theta: Values = None,
    dispersion: float | None = None,
) -> Fit:
    """Return the fit with other parameters, and the same random effects.

    Parameters
    ----------
    fit : DistributionalResults
    beta : array_like or mapping, optional
        Coefficients of all parts, in the order of `params`, or some of them by name.
    theta : array_like or mapping, optional
        Covariance parameters, or some of them by name.
    dispersion : float, optional
        Where all rows have the same.

    Raises
    ------
    OptionError
        If a value does not go with the model.
    """
    if beta is None and theta is None and dispersion is None:
        return fit
    own, k = fit.estimates.conditional, len(fit._order)
    params = _numbers("beta", beta, fit._names, np.asarray(fit.params))
    whole = np.empty(len(own.theta) + k)
    whole[fit._order] = params
    first = len(own.theta)
    mean, kappa = np.split(whole[first:], [len(own.beta)])
    if dispersion is not None:
        kappa = _with_dispersion(fit, kappa, dispersion)
    covariances = _numbers("theta", theta, fit._mean_part.theta_names, own.theta)
    X = fit.model.kept_design().X[:, own.columns]
    shift = X @ (mean - own.beta)
    inner: Array = np.asarray(np.linalg.solve(own.rows.back, kappa), dtype=float)
    outer = own.rows.values(inner)
    moved = replace(
        own,
        theta=covariances,
        factors=tuple(factors_of(covariances, [block.pattern for block in fit.layout.blocks])),
        beta=mean,
        linear_predictor=own.linear_predictor + shift,
        eta=own.eta + shift,
        kappa=inner,
        dispersion=float(np.exp(outer[0, 0])) if own.spec.has_dispersion else 1.0,
    )
    zeros = fit.estimates.zeros
    if zeros is not None:
        zeros = zeros + outer[:, -1] - fit.estimates.outer[:, -1]
    return fit._changed(
        estimates=replace(fit.estimates, conditional=moved, kappa=kappa, outer=outer, zeros=zeros)
    )


def _numbers(option: str, given: Any, names: Any, estimates: Array) -> Array:
    """Return the parameters of a kind, given in order or by name."""
    if given is None:
        return estimates
    values = np.asarray(values_by_name(option, given, names, estimates), dtype=float)
    if values.shape != estimates.shape or not np.isfinite(values).all():
        raise OptionError(
            f"{option}= must hold {len(estimates)} finite numbers, in the order of "
            f"{', '.join(names)}, or some of them by name."
        )
    return values


def _with_dispersion(fit: DistributionalFit, kappa: Array, dispersion: float) -> Array:
    """Return coefficients of the rows' parameters with a dispersion that all rows have."""
    if not fit._spec.has_dispersion:
        raise OptionError(f"the family {fit._spec.family} has no dispersion to be given.")
    if "dispersion" in fit.model.formulas:
        raise OptionError(
            'the model has a formula for the dispersion: give its coefficients, "disp: ...", '
            "in beta=."
        )
    if not 0 < dispersion < np.inf:
        raise OptionError(f"dispersion={dispersion!r} is not possible; give a positive number.")
    kappa = kappa.copy()
    kappa[fit.estimates.rows.names.index("disp: Intercept")] = np.log(dispersion)
    return kappa
