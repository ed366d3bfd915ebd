"""The objective of a generalized model: an approximation to -2 log-likelihood.

The arithmetic is in C (``glmm.c`` and ``glmm_gradient.c`` in ``csrc/src/generalized/``, which open
with their mathematics). The objective is a function of theta, then beta unless it is profiled out
(`fast`), then the logarithm of the dispersion if there is one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..._core import CoreDesign, CoreGeneralized
from ..._typing import Array
from ...errors import CoreError, DataError, OptionError
from ...frame.design import Design
from ...frame.design_checks import refuse_related
from ...frame.table.columns import surely_finite
from ...later import load
from ..crossprod import SharedStructure, core_design
from ..estimates import GeneralizedEstimates
from ..families.spec import FamilySpec, shared_family
from ..fixed_effects.basis import FixedBasis, orthonormal_basis, refuse_few_rows
from .quadrature import MOST_POINTS, gauss_hermite

__all__ = [
    "Approximation",
    "check_options",
    "conditional_variances",
    "core_model",
    "differenced_gradient",
    "generalized_structure",
    "has_one_factor",
    "hessian",
    "join_parameters",
    "leverage",
    "objective_and_gradient",
    "prepare_approximation",
    "prepare_at",
    "solve_at",
    "working_basis",
]


# Step of the central differences of the gradient, in units of each parameter's size.
_DIFFERENCE = 1e-4
# Gradients of counts of 1e9 have rounding errors of this share of such a difference, and more: then
# steps are larger, and extrapolated.
_NOISE = 1e-7
_LARGE_DIFFERENCE = 2e-2
_MAX_NODES = 100_000


def join_parameters(
    spec: FamilySpec, theta: Array, beta: Array, dispersion: float, *, fast: bool = False
) -> Array:
    """Return what the objective is a function of: theta, beta unless `fast`, log dispersion."""
    zeta = [np.log(dispersion)] if spec.has_dispersion else []
    middle = np.asarray(beta, float)[: 0 if fast else None]
    return np.concatenate([np.asarray(theta, float), middle, np.asarray(zeta, float)])


@dataclass(frozen=True)
class Approximation:
    """A generalized model ready to be evaluated, in the basis Q of its fixed effects.

    Parameters
    ----------
    core : CoreGeneralized
    basis : FixedBasis
        Q'Q = n I; beta = R^-1 gamma.
    ntheta : int
    fast : bool
    """

    core: CoreGeneralized
    basis: FixedBasis
    ntheta: int
    fast: bool

    def join(self, spec: FamilySpec, theta: Array, beta: Array, dispersion: float) -> Array:
        """Return the working parameters of theta, beta (not with `fast`) and a dispersion."""
        return self.to_working(join_parameters(spec, theta, beta, dispersion))

    def to_working(self, parameters: Array) -> Array:
        """Return parameters with gamma = R beta in place of beta."""
        out = parameters.copy()
        if not self.fast:
            out[self.beta] = self.basis.R @ parameters[self.beta]
        return out

    def to_user(self, parameters: Array) -> Array:
        """Return parameters, one set or a row for each, with beta in place of gamma."""
        out = parameters.copy()
        gamma = parameters[..., self.beta]
        if gamma.size:
            out[..., self.beta] = gamma @ self.basis.inverse.T
        return out

    def gradient_to_user(self, gradient: Array) -> Array:
        """Return the gradient in beta for the gradient in gamma."""
        out = gradient.copy()
        if not self.fast:
            out[self.beta] = self.basis.R.T @ gradient[self.beta]
        return out

    @property
    def beta(self) -> slice:
        """Positions of the coefficients; none when they are profiled out."""
        return slice(self.ntheta, self.ntheta + (0 if self.fast else self.core.design.p))


def check_options(design: Design, n_agq: int, kind: str) -> None:
    """Make sure that points and information are possible.

    Raises
    ------
    OptionError
        If they are not.
    """
    if kind not in ("expected", "observed"):
        raise OptionError(f"hessian={kind!r} is not possible; choose 'expected' or 'observed'.")
    if isinstance(n_agq, bool) or not isinstance(n_agq, (int, np.integer)) or n_agq < 1:
        raise OptionError(f"n_agq={n_agq!r} is not possible; give a number of points >= 1.")
    if n_agq > MOST_POINTS:
        raise OptionError(f"n_agq={n_agq} is not possible; the limit is {MOST_POINTS} points.")
    if n_agq == 1:
        return
    refuse_related(design, f"n_agq={n_agq}")
    if not has_one_factor(design):
        names = ", ".join(block.name for block in design.blocks)
        raise OptionError(
            f"n_agq={n_agq} needs a single grouping factor, and there are terms of several "
            f"({names}); use n_agq=1, the Laplace approximation."
        )
    dimensions = sum(len(block.names) for block in design.blocks)
    total = int(n_agq) ** dimensions
    if total > _MAX_NODES:
        raise OptionError(
            f"n_agq={n_agq} in {dimensions} dimensions makes {total} nodes; "
            f"use fewer points, so that there are at most {_MAX_NODES}."
        )


def has_one_factor(design: Design) -> bool:
    """Return whether all random effects are of the levels of one grouping factor."""
    first = design.blocks[0]
    return all(
        len(block.levels) == len(first.levels) and np.array_equal(block.refs, first.refs)
        for block in design.blocks[1:]
    )


def prepare_approximation(
    design: Design,
    spec: FamilySpec,
    *,
    n_agq: int,
    fast: bool,
    hessian: str,
    structure: SharedStructure | None = None,
) -> Approximation:
    """Set up the objective of a generalized model, with its structure if that is known.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If there are too few rows.
    """
    check_options(design, n_agq, hessian)
    if hessian == "expected" and spec.own:
        raise OptionError(
            f'hessian="expected" is not possible for the family {spec.family}, whose expected '
            "information has no closed form: leave hessian= out."
        )
    structure = structure or generalized_structure(design)
    basis = structure.basis
    refuse_few_rows(design.X.shape[0], len(basis.columns), design.x_names)
    core = core_model(
        structure.core,
        design,
        spec,
        design.y,
        n_agq=n_agq,
        fast=fast,
        hessian=hessian,
    )
    return Approximation(core, basis, core.design.ntheta, fast)


def prepare_at(design: Design, estimates: GeneralizedEstimates, *, n_agq: int = 1) -> Approximation:
    """Set up the objective of a fitted model as `prepare` does, all parameters its own.

    Its conditional modes are known, so that they are found again.
    """
    problem = prepare_approximation(
        design, estimates.spec, n_agq=n_agq, fast=False, hessian=estimates.hessian
    )
    problem.core.set_modes(estimates.u, problem.basis.R @ estimates.beta)
    return problem


def solve_at(problem: Approximation, estimates: GeneralizedEstimates) -> CoreGeneralized:
    """Return the core's model solved at the estimates.

    Raises
    ------
    DataError
        If PIRLS does not settle there.
    """
    parameters = problem.join(estimates.spec, estimates.theta, estimates.beta, estimates.dispersion)
    value, gradient = problem.core.value_and_gradient(parameters)
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        raise DataError(
            "what is asked for needs the conditional modes at the estimates, and those cannot be "
            "found there; the fit is not one to rely on: try another link, or start=."
        )
    return problem.core


def generalized_structure(design: Design) -> SharedStructure:
    """Analyse the structure of a generalized model."""
    basis = working_basis(design)
    return SharedStructure(basis, core_design(design, basis.Q))


def working_basis(design: Design) -> FixedBasis:
    """Factor X into columns of unit mean square, like those of Z in the minimizer's units."""
    unit = orthonormal_basis(design.X, None)
    root = np.sqrt(len(design.y))
    return FixedBasis(unit.columns, unit.Q * root, unit.R / root)


def core_model(
    core: CoreDesign,
    design: Design,
    spec: FamilySpec,
    y: Array,
    *,
    n_agq: int,
    fast: bool,
    hessian: str,
) -> CoreGeneralized:
    """Make the core's model of a response, with the weights and offset of the design."""
    model = CoreGeneralized(
        core,
        spec.family,
        spec.link,
        y,
        weights=design.weights,
        offset=design.offset,
        power=spec.power,
        observed=hessian == "observed",
    )
    model.set_approximation(fast, *gauss_hermite(int(n_agq)))
    target = _target(spec, y)
    if target is not None:
        model.set_target(target)
    return model


def _target(spec: FamilySpec, y: Array) -> Array | None:
    """Return the responses on the scale of the linear predictor, drawn to their mean a little.

    None if there is no predictor of the mean.
    """
    link, mean = shared_family(spec).link, y.mean(keepdims=True)
    with np.errstate(all="ignore"):
        target = np.asarray(link(0.9 * y + 0.1 * mean), dtype=float)
        if surely_finite(target):
            return target
        target = np.where(np.isfinite(target), target, link(mean))
    return target if np.isfinite(target).all() else None


def objective_and_gradient(
    design: Design,
    spec: FamilySpec,
    theta: Array,
    beta: Array,
    dispersion: float = 1.0,
    *,
    n_agq: int = 1,
    hessian: str = "expected",
) -> tuple[float, Array]:
    """Return -2 log-likelihood and its exact gradient.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    theta : array_like, shape (n_theta,)
    beta : array_like, shape (rank,)
        Coefficients of the estimable columns.
    dispersion : float
        phi or alpha; ignored by no family that has it, unused by those without.
    n_agq, hessian
        As for `fit_generalized`.

    Returns
    -------
    value : float
        NaN where PIRLS does not settle.
    gradient : ndarray
        With respect to theta, beta and, if there is one, the log dispersion.
    """
    problem = prepare_approximation(design, spec, n_agq=n_agq, fast=False, hessian=hessian)
    value, gradient = problem.core.value_and_gradient(problem.join(spec, theta, beta, dispersion))
    return value, problem.gradient_to_user(gradient)


def hessian(design: Design, estimates: GeneralizedEstimates) -> tuple[Array, Array]:
    """Return the Hessian of the objective at the estimates, by differencing its gradient.

    It is in the working parameters, in which the columns of X are orthonormal.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates

    Returns
    -------
    working : ndarray
        Symmetric, with respect to theta, the working coefficients and, if there is one, the log
        dispersion.
    change : ndarray
        What takes working parameters to theta, beta and the log dispersion.
    """
    problem, spec = prepare_at(design, estimates, n_agq=estimates.n_agq), estimates.spec
    zeta = float(np.log(estimates.dispersion))
    row_unit = load("fitting.families.row_information:row_unit")  # linear fits do not need it
    problem.core.set_unit(row_unit(spec, design.y, estimates.eta, design.weights, zeta))
    solve_at(problem, estimates)
    rounded = float(np.abs(estimates.eta).max()) / np.sqrt(len(design.y))
    return differenced_gradient(problem, estimates, rounded)


def differenced_gradient(
    problem: Approximation, estimates: GeneralizedEstimates, rounded: float
) -> tuple[Array, Array]:
    """Return what `hessian` does, of a problem that is solved at the estimates.

    Parameters
    ----------
    problem : Approximation
    estimates : GeneralizedEstimates
    rounded : float
        The largest linear predictor over the root of the number of rows, of which rounding errors
        of the gradient are a share.
    """
    core, spec = problem.core, estimates.spec
    center = problem.join(spec, estimates.theta, estimates.beta, estimates.dispersion)
    size = typical = core.parameter_sizes()
    if np.all(np.concatenate([np.diag(T) for T in estimates.factors]) != 0):
        with suppress(CoreError):  # no matrix that gives the curvature is positive definite
            size = size / np.sqrt(np.maximum(size**2 * np.diag(core.curvature()), 1e-12))
    # Units of columns of Z do not matter: theta is taken in those of coefficients.
    nt, common = problem.ntheta, size.copy()
    common[:nt] /= typical[:nt]
    if problem.core.design.p:
        common[:nt] *= typical[nt]
    largest, least = 1.0 / common.min() ** 2, 1.0 / common.max() ** 2
    noise = np.finfo(float).eps * rounded * largest
    noisy = noise > _NOISE * _DIFFERENCE * np.sqrt(least)

    def difference(shift: Array) -> Array:
        _, above = problem.core.value_and_gradient(center + shift)
        _, below = problem.core.value_and_gradient(center - shift)
        return above - below

    rows = []
    for i, step in enumerate((_LARGE_DIFFERENCE if noisy else _DIFFERENCE) * size):
        shift = np.zeros(len(center))
        shift[i] = step
        slope = difference(shift) / (2.0 * step)
        if noisy:  # Richardson's extrapolation
            slope = (4.0 * slope - difference(2.0 * shift) / (4.0 * step)) / 3.0
        rows.append(slope)
    working = np.array(rows)
    working = (working + working.T) / 2.0
    change = np.eye(len(center))
    change[problem.beta, problem.beta] = problem.basis.inverse
    return working, change


def _solved(design: Design, estimates: GeneralizedEstimates) -> CoreGeneralized:
    return solve_at(prepare_at(design, estimates), estimates)


def conditional_variances(design: Design, estimates: GeneralizedEstimates) -> tuple[Array, ...]:
    """Return Var(b_j | y) of every level of every block, given all parameters.

    The curvature at the modes with the expected information, of shape (l, k, k) by block.
    """
    return _solved(design, estimates).solution().condvar


def leverage(design: Design, estimates: GeneralizedEstimates) -> Array:
    """Return the leverages of the last weighted least squares problem of PIRLS, shape (n,).

    The diagonal of W^(1/2) F (F'WF + P)^-1 F' W^(1/2), with F = [Z Lambda, X], W the expected
    information of the rows and P the identity for u, zero for beta.
    """
    return _solved(design, estimates).leverage()
