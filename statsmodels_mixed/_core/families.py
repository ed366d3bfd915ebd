"""Names of distributions and links, and the likelihood of single rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles, floats

__all__ = ["DISTRIBUTIONS", "LINKS", "ZEROS", "core_family", "family_rows", "row_derivatives"]


DISTRIBUTIONS = {
    "gaussian": lib.SMM_GAUSSIAN,
    "binomial": lib.SMM_BINOMIAL,
    "poisson": lib.SMM_POISSON,
    "gamma": lib.SMM_GAMMA,
    "inverse_gaussian": lib.SMM_INVERSE_GAUSSIAN,
    "negative_binomial": lib.SMM_NEGATIVE_BINOMIAL,
    "negative_binomial1": lib.SMM_NEGATIVE_BINOMIAL_1,
    "generalized_poisson": lib.SMM_GENERALIZED_POISSON,
    "conway_maxwell_poisson": lib.SMM_COM_POISSON,
    "truncated_poisson": lib.SMM_POISSON + lib.SMM_TRUNCATED,
    "truncated_negative_binomial": lib.SMM_NEGATIVE_BINOMIAL + lib.SMM_TRUNCATED,
    "truncated_negative_binomial1": lib.SMM_NEGATIVE_BINOMIAL_1 + lib.SMM_TRUNCATED,
    "truncated_generalized_poisson": lib.SMM_GENERALIZED_POISSON + lib.SMM_TRUNCATED,
    "truncated_conway_maxwell_poisson": lib.SMM_COM_POISSON + lib.SMM_TRUNCATED,
    "beta": lib.SMM_BETA,
    "beta_binomial": lib.SMM_BETA_BINOMIAL,
    "student_t": lib.SMM_STUDENT_T,
    "lognormal": lib.SMM_LOGNORMAL,
    "tweedie": lib.SMM_TWEEDIE,
    "ordered_beta": lib.SMM_ORDERED_BETA,
    "ordered": lib.SMM_ORDERED,
}
ZEROS = {"": lib.SMM_NO_ZEROS, "inflation": lib.SMM_INFLATED, "hurdle": lib.SMM_HURDLE}
LINKS = {
    "identity": lib.SMM_IDENTITY,
    "log": lib.SMM_LOG,
    "logit": lib.SMM_LOGIT,
    "probit": lib.SMM_PROBIT,
    "cloglog": lib.SMM_CLOGLOG,
    "loglog": lib.SMM_LOGLOG,
    "cauchit": lib.SMM_CAUCHIT,
    "power": lib.SMM_POWER,
}


# What is known of a row, in the order of ``smm_family_rows``.
ROW_QUANTITIES = ("loglik", "l", "w", "wo", "dw", "loglik_zeta", "l_zeta", "w_zeta")


def core_family(distribution: str, link: str, power: float, observed: bool) -> Any:
    """Make the `smm_family` of a distribution and a link."""
    family = ffi.new("smm_family *")
    family.distribution = DISTRIBUTIONS[distribution]
    family.link = LINKS[link]
    family.power = power
    family.observed = int(observed)
    return family


def family_rows(
    distribution: str,
    link: str,
    y: Array,
    eta: Array,
    *,
    weights: Array | None = None,
    zeta: float = 0.0,
    power: float = 1.0,
    observed: bool = False,
    wanted: Sequence[str] = ROW_QUANTITIES,
) -> dict[str, Array]:
    """Return the log-likelihood of every row and its derivatives.

    Parameters
    ----------
    distribution, link : str
    y, eta : ndarray, shape (n,)
    weights : ndarray, shape (n,), optional
    zeta : float
        Log dispersion.
    power : float
        Exponent of the power link.
    observed : bool
        Whether ``w`` is the observed information rather than the expected one.
    wanted : sequence of str
        Which of the `ROW_QUANTITIES` to return.

    Returns
    -------
    dict of ndarray, shape (n,)
    """
    y = floats(y, y.shape, "y")
    eta = floats(eta, y.shape, "eta")
    given = None if weights is None else floats(weights, y.shape, "weights")
    out = {name: np.empty(y.shape) for name in wanted}
    status = lib.smm_family_rows(
        core_family(distribution, link, power, observed),
        len(y),
        doubles(y),
        ffi.NULL if given is None else doubles(given),
        doubles(eta),
        zeta,
        *(doubles(out[name]) if name in out else ffi.NULL for name in ROW_QUANTITIES),
    )
    check_status(status, "evaluate the family")
    return out


def row_derivatives(
    distribution: str,
    link: str,
    y: Array,
    eta: Array,
    outer: Array,
    *,
    weights: Array | None = None,
    power: float = 1.0,
    zeros: str = "",
) -> tuple[Array, Array]:
    """Return derivatives of the log-likelihood of every row; see `smm_row_derivatives`.

    Parameters
    ----------
    distribution, link : str
    y, eta : ndarray, shape (n,)
    outer : ndarray, shape (n, 4)
        Parameters of the rows besides eta.
    weights : ndarray, shape (n,), optional
    power : float
        Exponent of the power link.
    zeros : {"", "inflation", "hurdle"}

    Returns
    -------
    in_eta : ndarray, shape (n, 4)
        d^k/d eta^k.
    in_others : ndarray, shape (n, 3, 4)
        d^k/d eta^k of the derivatives in the other parameters.
    """
    y, eta = floats(y, y.shape, "y"), floats(eta, y.shape, "eta")
    outer = floats(outer, (len(y), 4), "outer")
    given = None if weights is None else floats(weights, y.shape, "weights")
    out = np.empty((len(y), 16))
    status = lib.smm_row_derivatives(
        core_family(distribution, link, power, True),
        ZEROS[zeros],
        len(y),
        doubles(y),
        ffi.NULL if given is None else doubles(given),
        doubles(eta),
        doubles(outer),
        doubles(out),
    )
    check_status(status, "evaluate the family")
    return out[:, :4], out[:, 4:].reshape(-1, 3, 4)
