"""Satterthwaite's and Kenward and Roger's methods for models with correlated residuals.

Both need the asymptotic covariance W of the covariance parameters: twice the inverse of the
Hessian of the objective (*observed* information, as SAS and mmrm have it) or of its mean
(*expected* information, as Kenward and Roger wrote). With P_i = X'V^-1 V_i V^-1 X, Q_ij =
X'V^-1 V_i V^-1 V_j V^-1 X, R_ij = X'V^-1 V_ij V^-1 X and M = (X'V^-1 X)^-1 the adjusted
covariance is

    M + 2 M (sum_ij W_ij (Q_ij - P_i M P_j - R_ij / 4)) M,        dM / dx_i = M P_i M.

Without R_ij, which is zero where V is linear in its parameters, it does not depend on how V is
parametrized. R_ij is taken in the parameters that SAS has: variances and correlations or ranges,
and the elements of Sigma themselves where Sigma is linear in them (us, cs, toep, diag); or in
those of mmrm, see `mmrm_parameters`. With `dispersion=` the Sigmas are those at the means of its
columns, so that it does not depend on the reference level, or on where a covariate is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..fitting.crossprod import require_digits
from ..fitting.fixed_effects.basis import OnBasis
from ..frame.design import Design
from ..residual_covariance.covariance import Part, ResponseCovariance
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.likelihood import MarginalLikelihood
from ..residual_covariance.parameters import in_other_model
from ..residual_covariance.problem import ResidualProblem
from .kenward_roger import KenwardRoger
from .mmrm_parameters import check_mmrm, mmrm_jacobian
from .satterthwaite import Satterthwaite, pseudo_inverse

__all__ = ["INFORMATION", "kenward_roger_residual", "satterthwaite_residual"]


INFORMATION = ("observed", "expected")
# Traces of V^-1 have rounding errors of a thousandth where sigma is this share of the response.
FEWEST_DIGITS = 5e-5
# Step of differences of a Jacobian, in units of the parameter.
STEP = 1e-5


def _prepared(
    problem: ResidualProblem, estimates: ResidualEstimates, x: Array, information: str
) -> tuple[MarginalLikelihood, Array, Array, Array]:
    """Return the likelihood, M in the basis, W and P_i in the basis, in its unit."""
    design = problem.design
    weights = 1.0 if design.weights is None else design.weights
    sigma = float(np.sqrt(np.mean(weights * estimates.residual_variances)))
    require_digits(sigma, problem.split[2], FEWEST_DIGITS, "degrees of freedom")
    likelihood = problem.likelihood(estimates.reml)
    found = likelihood.information(x)
    matrix = found.observed if information == "observed" else found.expected
    solution = likelihood.solve(likelihood.model.at(x))
    assert solution is not None
    M = solution.M / likelihood.square
    return likelihood, M, 2.0 * pseudo_inverse(matrix), found.first


def satterthwaite_residual(
    design: Design, estimates: ResidualEstimates, information: str = "observed"
) -> Satterthwaite:
    """Prepare Satterthwaite's method.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : ResidualEstimates
    information : {"observed", "expected"}

    Raises
    ------
    DataError
        If rounding errors leave too little of it.
    """
    problem = ResidualProblem(design, estimates.cells)
    likelihood, M, varpar, first = _prepared(problem, estimates, estimates.x, information)
    slopes = M @ first @ M
    return Satterthwaite(
        beta=estimates.beta,
        covariance=estimates.cov_conditional,
        varpar=varpar,
        jacobian=(slopes + slopes.transpose(0, 2, 1)) / 2.0,
        on_basis=OnBasis(problem.basis.inverse, M, likelihood.square),
    )


def kenward_roger_residual(
    design: Design,
    estimates: ResidualEstimates,
    information: str = "observed",
    *,
    second_order: str = "sas",
) -> KenwardRoger:
    """Prepare Kenward and Roger's method.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : ResidualEstimates
        By REML.
    information : {"observed", "expected"}
    second_order : {"sas", "mmrm", ""}
        Whose parameters the second derivatives of V are taken in; none of them.

    Raises
    ------
    OptionError
        If the adjusted covariance is not positive definite, or mmrm has no such model.
    DataError
        If rounding errors leave too little of it.
    """
    searched = ResidualProblem(design, estimates.cells)
    problem = ResidualProblem(design, estimates.cells.about_means())
    x = in_other_model(searched.model, estimates.x, problem.model)
    likelihood, M, varpar, first = _prepared(problem, estimates, x, information)
    twice, curved = likelihood.weighted_products(x, varpar)
    MP = M @ first
    inner = twice - np.einsum("ij,iab,jbc->ac", varpar, first, MP)
    model, units = likelihood.model, problem.units
    if second_order == "mmrm":
        check_mmrm(model)
        inner -= _curvature(model, x, units, varpar, first, curved, _parameters_of_mmrm) / 4.0
    elif second_order and not _linear_in_elements(model):
        bent = _without_linear_effects(model, varpar)
        curved = likelihood.weighted_products(x, bent)[1]
        inner -= _curvature(model, x, units, bent, first, curved, _parameters_of_sas) / 4.0
    adjusted = M + 2.0 * M @ ((inner + inner.T) / 2.0) @ M
    if len(M) and np.linalg.eigvalsh(adjusted)[0] <= 0:
        raise OptionError(
            "Kenward and Roger's adjusted covariance is not positive definite here: take "
            'dof="satterthwaite".'
        )
    slopes = MP @ M
    return KenwardRoger(
        beta=estimates.beta,
        covariance=likelihood.square * problem.basis.covariance(adjusted),
        unadjusted=M,
        varpar=varpar,
        slopes=(slopes + slopes.transpose(0, 2, 1)) / 2.0,
        on_basis=OnBasis(problem.basis.inverse, adjusted, likelihood.square),
    )


# Derivatives of parameters with respect to coordinates x of a part, given their units: (r, m)
# and (r, m, m).
Parametrization = Callable[[Part, Array, Array], tuple[Array, Array]]


def _linear_in_elements(model: ResponseCovariance) -> bool:
    """Return whether V is linear in the elements of its Sigmas, the parameters of SAS."""
    linear = all(part.free.structure.linear for part in model.parts)
    return linear and model.gamma.stop == model.gamma.start


def _without_linear_effects(model: ResponseCovariance, W: Array) -> Array:
    """Return W without random effects in whose Sigma V is linear, which have no R_ij in SAS's."""
    out = W.copy()
    for part in model.effects:
        if part.free.structure.linear:
            out[part.parameters], out[:, part.parameters] = 0.0, 0.0
    return out


def _curvature(
    model: ResponseCovariance,
    x: Array,
    units: Array,
    W: Array,
    first: Array,
    curved: Array,
    parametrization: Parametrization,
) -> Array:
    """Return sum_ab W_ab R_ab in parameters eta, given sum_ij W_ij R_ij in x.

    With parameters eta(x) of inverse x(eta), sum_ab W_ab d2x_i / deta_a deta_b is -J^-1 times
    the vector of sum_ij W_ij d2eta_a / dx_i dx_j, with J = deta / dx; P_i is -dX'V^-1 X / dx_i.
    """
    out = curved.copy()
    for part in model.parts:
        own = part.parameters
        slopes, second = parametrization(part, x[own], units[own])
        # In units in which all derivatives are about one.
        slopes = slopes * units[own]
        sizes = np.abs(slopes).max(axis=1)
        sizes = np.where(sizes > 0, sizes, 1.0)
        shares = W[own, own] / units[own, None] / units[own]
        second = second * units[own, None] * units[own]
        bend = np.einsum("ij,aij->a", shares, second / sizes[:, None, None])
        change = -units[own] * np.linalg.lstsq(slopes / sizes[:, None], bend, rcond=None)[0]
        out += np.einsum("i,iab->ab", change, first[own])
    return out


def _parameters_of_sas(part: Part, x: Array, units: Array) -> tuple[Array, Array]:
    """Return derivatives of elements of Sigma, or of variances and correlations or ranges."""
    if part.free.structure.linear:
        return _elements(part, x)

    def jacobian(at: Array) -> Array:
        natural = part.free.structure.natural(part.free.phi(at))
        J = natural.jacobian @ part.free.jacobian(at)
        return np.where(natural.scales[:, None], 2.0 * natural.values[:, None] * J, J)

    return _with_second(jacobian, x, units)


def _parameters_of_mmrm(part: Part, x: Array, units: Array) -> tuple[Array, Array]:
    return _with_second(partial(mmrm_jacobian, part), x, units)


def _elements(part: Part, x: Array) -> tuple[Array, Array]:
    """Return derivatives of the elements of Sigma."""
    k, m = part.free.structure.k, part.free.size
    slopes = part.free.derivatives(x).reshape(m, k * k).T
    return slopes, part.free.second_derivatives(x).reshape(m, m, k * k).transpose(2, 0, 1)


def _with_second(jacobian: Callable[[Array], Array], x: Array, units: Array) -> tuple[Array, Array]:
    """Return a Jacobian and its derivatives, by differences."""
    steps = STEP * np.maximum(np.abs(x), 1e-2 * units)
    second = [
        (jacobian(x + step) - jacobian(x - step)) / (2.0 * size)
        for size, step in zip(steps, np.diag(steps), strict=True)
    ]
    return jacobian(x), np.stack(second, axis=2)
