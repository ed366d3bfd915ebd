"""Kenward and Roger's adjusted covariance and F tests (Biometrics 53, 983-997, 1997).

Var(y) is linear in its parameters: the elements of each covariance matrix of random effects,
and sigma^2. Scaled by sigma^2 and with V itself as the direction in place of W^-1 (a change of
parameters that the method does not notice), with P_e = X'V^-1 G_e V^-1 X,
Q_ef = X'V^-1 G_e V^-1 G_f V^-1 X, M = (X'V^-1 X)^-1 and the expected information of REML

    I_ef = tr(V^-1 G_e V^-1 G_f) - 2 tr(M Q_ef) + tr(M P_e M P_f),        A = 2 I^-1,
    adjusted covariance = sigma^2 (M + 2 M (sum A_ef (Q_ef - P_e M P_f)) M).

Covariance structures are functions of fewer parameters, in which V need not be linear; see
`kenward_roger_structures`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from .._core import blas_threads
from .._typing import Array
from ..errors import OptionError
from ..fitting.apart import columns_apart
from ..fitting.crossprod import refuse_digits, require_digits
from ..fitting.estimates import LinearEstimates
from ..fitting.fixed_effects.basis import OnBasis, orthonormal_basis, residual_response
from ..fitting.range_of_numbers import refuse_lost_variances
from ..frame.design import Design
from ..frame.design_checks import refuse_related
from ..later import load
from .contrast_tests import ContrastTests
from .kenward_roger_structures import in_parameters, second_order
from .kenward_roger_traces import traces
from .satterthwaite import pseudo_inverse

__all__ = ["KenwardRoger", "prepare_kenward_roger"]


# Where sigma is a smaller share of the deviation of the response, traces are found without
# differences, if that can be afforded.
FEW_DIGITS = 1e-2
# Below these shares those by differences have rounding errors of a thousandth: for one grouping
# factor, and for several, which have a constant in common.
FEWEST_DIGITS, FEWEST_OF_SEVERAL = 3e-6, 1e-3
# Between, what is found is compared with what covariances nearby give,
NEARBY = 2.0**-40
# and may differ by this much of its size.
AGREE = 1e-3
WHAT = "Kenward and Roger's adjustment"


@dataclass(frozen=True, eq=False)
class KenwardRoger(ContrastTests):
    """Kenward and Roger's method prepared for one fit; `covariance` is the adjusted one.

    Parameters
    ----------
    unadjusted : ndarray, shape (rank, rank)
        Covariance of the coefficients given the covariance parameters, over sigma^2.
    varpar : ndarray, shape (m, m)
        Asymptotic covariance A of the parameters of V.
    slopes : ndarray, shape (m, rank, rank)
        Derivatives of `unadjusted` in these, M P_e M.
    """

    unadjusted: Array
    varpar: Array
    slopes: Array

    def _df(self, rows: Array) -> Array:
        variance = np.einsum("ri,ij,rj->r", rows, self.unadjusted, rows)
        changes = np.einsum("ri,mij,rj->rm", rows, self.slopes, rows, optimize=True)
        shares = changes / variance[:, None]
        a1 = np.einsum("rm,mn,rn->r", shares, self.varpar, shares)  # and a2 is the same
        # What the moments give for one contrast, without their cancellation.
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 / a1)

    def _joint(self, rows: Array) -> tuple[float, float]:
        factor = np.linalg.cholesky(rows @ self.unadjusted @ rows.T)
        half = solve_triangular(factor, rows, lower=True)
        shares = half @ self.slopes @ half.T
        traced = np.trace(shares, axis1=1, axis2=2)
        a1 = float(traced @ self.varpar @ traced)
        a2 = float(np.einsum("mn,mij,nji->", self.varpar, shares, shares))
        if len(rows) == 1:
            return (2.0 / a1 if a1 > 0 else np.inf), 1.0
        df, scaling = _moments(a1, a2, len(rows))
        if df > 0 and scaling > 0:
            return df, scaling
        return np.nan, np.nan  # no F distribution has these moments


def _moments(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Match mean and variance of the scaled F statistic; return its df and scaling."""
    if not a2 > 0:
        return np.inf, 1.0
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    c = 3 * q + 2 * (1 - g)
    v0 = 1 + g / c * b
    v1 = 1 - (q - g) / c * b
    v2 = 1 - (q + 2 - g) / c * b
    mean = 1 - a2 / q  # the inverse of E[F]
    # df = 4 + (q + 2) / (q rho - 1) with rho = (mean / v1)^2 v0 / (q v2); v2 may be zero.
    ratio = 1.0 if abs(mean) < 1e-14 and abs(v1) < 1e-14 else mean / v1
    v0 = 0.0 if abs(v0) < 1e-10 else v0
    df = 4 + (q + 2) * v2 / (ratio**2 * v0 - v2)
    scaling = 1.0 if abs(df - 2) < 1e-2 else df * mean / (df - 2)
    return float(df), float(scaling)


def prepare_kenward_roger(
    design: Design, estimates: LinearEstimates, *, linear: bool = False
) -> KenwardRoger:
    """Compute what the tests of all contrasts share.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : LinearEstimates
        The fit, by REML.
    linear : bool
        Without second derivatives of V, where it is not linear in its parameters.

    Returns
    -------
    KenwardRoger

    Raises
    ------
    OptionError
        After a fit by maximum likelihood, if too many random effects depend on one another, or the
        adjusted covariance is not positive definite.
    DataError
        If rounding errors leave too little of it.
    """
    refuse_related(design, "Kenward and Roger's method")
    refuse_lost_variances(design, estimates)
    if not estimates.reml:
        raise OptionError(
            "Kenward and Roger's method is for fits by REML: refit with reml=True, or use "
            "dof='satterthwaite'."
        )
    size = _residual_size(design)
    few = estimates.sigma < FEW_DIGITS * size
    if few and load("standard_errors.kenward_roger_spherical:is_affordable")(design):
        return _prepared(design, estimates, linear, spherical=True)
    fewest = FEWEST_DIGITS if len(design.blocks) == 1 else FEWEST_OF_SEVERAL
    require_digits(estimates.sigma, size, fewest, WHAT)
    prepared = _prepared(design, estimates, linear)
    if few:
        # The same but for rounding errors: how many digits differences of traces keep depends on
        # how much of a constant crossed factors and slopes have in common.
        factors = tuple(T * (1.0 + NEARBY) for T in estimates.factors)
        again = _prepared(design, replace(estimates, factors=factors), linear)
        rows = np.eye(len(estimates.beta))
        for one, other in (
            (prepared.errors(rows), again.errors(rows)),
            (prepared.df(rows), again.df(rows)),
        ):
            if not np.allclose(other, one, rtol=AGREE, atol=0.0):
                refuse_digits(estimates.sigma, size, WHAT)
    return prepared


def _residual_size(design: Design) -> float:
    """Return the standard deviation of the response less its fixed effects."""
    y = design.y_less_offset
    basis = orthonormal_basis(design.X, design.weights)
    return float(residual_response(y, design.X, basis, design.weights)[2])


def _prepared(
    design: Design, estimates: LinearEstimates, linear: bool, *, spherical: bool = False
) -> KenwardRoger:
    design, estimates, _ = columns_apart(design, estimates)
    effects = sum(block.z.shape[1] * len(block.levels) for block in design.blocks)
    with blas_threads(effects):
        basis = orthonormal_basis(design.X, design.weights)
        change = np.eye(len(basis.columns))
        if spherical:
            structured = estimates.structured is not None
            without_differences = load("standard_errors.kenward_roger_spherical:spherical_traces")
            sums, change = without_differences(
                design, basis.Q, estimates.factors, elements_of_sigma=structured
            )
        else:
            sums = traces(design, basis.Q, estimates.factors)
    M = np.asarray(np.linalg.inv(sums.xvx))
    elements = sums
    if estimates.structured is not None:
        sums = in_parameters(sums, design, estimates, estimates.structured)
    MP, MQ = M @ sums.first, M @ sums.second
    information = (
        sums.double - 2.0 * np.trace(MQ, axis1=2, axis2=3) + np.einsum("eij,fji->ef", MP, MP)
    )
    m = len(information)
    if not estimates.sigma_fixed:
        # The direction V: P = X'V^-1 X, and tr(V^-1 V V^-1 G_e) = tr(V^-1 G_e).
        edge = sums.single - np.trace(MP, axis1=1, axis2=2)
        corner = design.nobs - len(M)
        information = np.block([[information, edge[:, None]], [edge, np.array([[corner]])]])
    varpar = 2.0 * pseudo_inverse(information)
    # V as a direction changes Cov(beta) by a factor only, and so adds nothing here.
    inner = np.einsum("ef,efij->ij", varpar[:m, :m], sums.second)
    inner -= np.einsum("ef,eij,fjk->ik", varpar[:m, :m], sums.first, MP)
    if estimates.structured is not None and not linear:
        inner -= second_order(elements, sums, design, estimates, varpar) / 4.0
    adjusted = M + 2.0 * M @ ((inner + inner.T) / 2.0) @ M
    if elements is not sums and not linear and np.linalg.eigvalsh(adjusted)[0] <= 0:
        raise OptionError(
            "Kenward and Roger's adjusted covariance is not positive definite here: take "
            'dof="kenward-roger-linear" or "satterthwaite".'
        )
    slopes = MP @ M
    if not estimates.sigma_fixed:
        slopes = np.concatenate([slopes, M[None]])
    scale = estimates.sigma**2
    return KenwardRoger(
        beta=estimates.beta,
        covariance=scale * basis.covariance(change @ adjusted @ change.T),
        unadjusted=M,
        varpar=varpar,
        slopes=(slopes + slopes.transpose(0, 2, 1)) / 2.0,
        on_basis=OnBasis(basis.inverse @ change, adjusted, scale),
    )
