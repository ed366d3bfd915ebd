"""Penalized least squares: objective, gradient and solution at a given theta.

The arithmetic is in C (``csrc/src/linear/pls.c``, which opens with its mathematics); here its
results are carried back to the units of the user's X and y.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..._core import CoreWorkspace
from ..._typing import Array
from ...frame.design import Design
from ..crossprod import Crossproducts, form_crossproducts, require_digits
from ..crossproduct_criterion import CrossproductCriterion
from ..estimates import LinearEstimates
from ..fixed_effects.basis import OnBasis, residual_response
from ..mixed_model_equations import FEW_DIGITS, FEWEST_DIGITS

__all__ = [
    "PLSSolution",
    "conditional_variances",
    "leverage",
    "objective",
    "objective_and_gradient",
    "residuals",
    "solve",
]


# Objectives of at most this many rows are evaluated with all digits.
FEW_ROWS = 1000


class PLSSolution(NamedTuple):
    """The solution at one theta, in user units.

    Attributes
    ----------
    beta : ndarray, shape (rank,)
        Coefficients of the independent columns of X.
    cov_unscaled : ndarray, shape (rank, rank)
        (X'V^-1 X)^-1.
    errors_unscaled : ndarray, shape (rank,)
        Square roots of its diagonal, even where that is beyond the range of doubles.
    unscaled_on_basis : OnBasis
        `cov_unscaled` on an orthonormal basis of X.
    sigma : float
        Square root of pwrss / dof.
    u, b : tuple of ndarray, shape (l, k)
        Conditional modes by block, spherical and on the scale of y.
    effects : ndarray, shape (n,)
        Z b.
    pwrss : float
        Penalized weighted residual sum of squares.
    logdet_omega, logdet_xvx : float
    dof : float
        n, or n - rank under REML.
    """

    beta: Array
    cov_unscaled: Array
    errors_unscaled: Array
    unscaled_on_basis: OnBasis
    sigma: float
    u: tuple[Array, ...]
    b: tuple[Array, ...]
    effects: Array
    pwrss: float
    logdet_omega: float
    logdet_xvx: float
    dof: float


def solve(products: Crossproducts) -> PLSSolution:
    """Read the solution at the current theta of the workspace.

    Parameters
    ----------
    products : Crossproducts
        Its workspace has been solved by a minimization or a gradient.
    """
    scale, basis = products.y_scale, products.basis
    ordinary = basis.surely_ordinary or basis.is_ordinary
    raw = products.workspace.estimates(scale, products.gamma, basis.R if ordinary else None)
    pwrss, logdet_omega, logdet_xvx, dof = raw.scalars
    return PLSSolution(
        beta=raw.beta if ordinary else basis.coefficients(raw.beta),
        cov_unscaled=raw.covariance if ordinary else basis.covariance(raw.inverse),
        errors_unscaled=raw.errors if ordinary else basis.standard_errors(raw.inverse),
        unscaled_on_basis=OnBasis(
            raw.back if ordinary else basis.inverse, raw.inverse, root=raw.root
        ),
        sigma=math.sqrt(pwrss / dof),
        u=raw.u,
        b=raw.b,
        effects=raw.effects,
        pwrss=pwrss,
        logdet_omega=logdet_omega,
        logdet_xvx=logdet_xvx + basis.logdet,
        dof=dof,
    )


def objective(
    design: Design, theta: Array, *, reml: bool = False, sigma: float | None = None
) -> float:
    """Return the profiled deviance, or the REML criterion, at theta.

    Parameters
    ----------
    design : Design
    theta : array_like, shape (n_theta,)
    reml : bool
        REML criterion rather than ML deviance.
    sigma : float, optional
        Residual standard deviation, profiled out when omitted.

    Returns
    -------
    float
        NaN where the objective cannot be evaluated.
    """
    criterion = _to_evaluate(design, reml, sigma)
    return criterion.workspace.value(np.asarray(theta, float)) + criterion.constant


def objective_and_gradient(
    design: Design, theta: Array, *, reml: bool = False, sigma: float | None = None
) -> tuple[float, Array]:
    """Return the objective and its exact gradient at theta; see `objective`.

    Returns
    -------
    value : float
    gradient : ndarray, shape (n_theta,)
    """
    criterion = _to_evaluate(design, reml, sigma)
    value, gradient = criterion.workspace.value_and_gradient(np.asarray(theta, float))
    return value + criterion.constant, gradient


def _to_evaluate(design: Design, reml: bool, sigma: float | None) -> CrossproductCriterion:
    """Return the criterion of a design, with all of its digits where these are cheap."""
    criterion = CrossproductCriterion.of(design, reml, sigma)
    criterion.workspace.set_precision(design.nobs <= FEW_ROWS)
    return criterion


def _solved(design: Design, estimates: LinearEstimates) -> CoreWorkspace:
    return _solve_again(form_crossproducts(design), estimates)


def _solve_again(products: Crossproducts, estimates: LinearEstimates) -> CoreWorkspace:
    products.set_criterion(estimates.reml, estimates.fixed_sigma)
    products.workspace.value_and_gradient(estimates.theta)
    return products.workspace


def conditional_variances(design: Design, estimates: LinearEstimates) -> tuple[Array, ...]:
    """Return Var(b_j | y) given beta and theta, of every level of every block.

    The diagonal blocks of sigma^2 Lambda Omega^-1 Lambda', read off the selected
    inverse: nothing is densified.

    Returns
    -------
    tuple of ndarray, shape (l, k, k)
    """
    blocks = _solved(design, estimates).condvar()
    return tuple(estimates.sigma**2 * block for block in blocks)


def leverage(design: Design, estimates: LinearEstimates) -> Array:
    """Return the diagonal of d(fitted)/dy at the estimated theta, shape (n,).

    With prior weights the derivative is with respect to y itself, as for weighted least
    squares; its sum lies between rank(X) and rank(X) + q.
    """
    products = form_crossproducts(design)
    require_digits(estimates.sigma, products.y_scale, FEWEST_DIGITS, "the leverage of a row")
    workspace = _solve_again(products, estimates)
    if estimates.sigma >= FEW_DIGITS * products.y_scale:
        return workspace.leverage()
    levels = np.column_stack([block.refs for block in design.blocks])
    z = np.hstack([block.z for block in design.blocks])
    errors = workspace.row_errors(levels, z, products.basis.Q)
    return errors if design.weights is None else design.weights * errors


def residuals(design: Design, estimates: LinearEstimates) -> tuple[Array, Array]:
    """Return y - X beta - Z b and y - X beta, both shape (n,).

    Where the response is far from zero, or weights differ widely, the differences from fitted
    values would have the rounding errors of these. The residual on the basis of X has none.
    """
    products = form_crossproducts(design)
    basis, scale = products.basis, products.y_scale
    y = design.y_less_offset
    _, left, _ = residual_response(y, design.X, basis, design.weights, design.counted)
    workspace = _solve_again(products, estimates)
    solved = workspace.estimates(scale, np.zeros(len(products.gamma)), None)
    marginal = scale * left - basis.Q @ solved.beta
    return marginal - solved.effects, marginal
