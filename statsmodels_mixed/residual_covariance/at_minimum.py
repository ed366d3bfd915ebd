"""What is estimated and reported at a minimum of the likelihood with correlated residuals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import OptionError
from ..fitting.covariance import lower_root
from ..fitting.fixed_effects.basis import OnBasis
from ..fitting.predictors import predictors
from ..fitting.search.trust_region import Minimum
from ..fitting.structured.linear import report_of
from ..structures.structure import Natural
from .covariance import CovarianceAt, Part, ResponseCovariance
from .estimates import CovarianceEstimate, ResidualEstimates
from .likelihood import BestCoefficients, MarginalLikelihood
from .natural import NaturalParameters, natural_parameters
from .parameters import own_phi, parameter_names, phi_of, sigma_of, slopes_of
from .problem import ResidualProblem

__all__ = ["estimates_at", "is_singular_at"]


NO_START = "V is not positive definite where the search began; give another start=."
# Curvatures of less than this share of the largest, in units of the parameters, are flat.
FLAT = 1e-6
# Correlations this close to 1 count as 1.
EDGE = 1e-7
# A random effect with at most this share of the variance of its row counts as zero.
SINGULAR = 1e-8
# A parameter with this share of its change along flat directions is not determined.
SHARE = 0.1


def estimates_at(
    problem: ResidualProblem, likelihood: MarginalLikelihood, minimum: Minimum
) -> ResidualEstimates:
    """Return everything that follows from the covariance parameters at a minimum."""
    design, basis, model, x = problem.design, problem.basis, problem.model, minimum.end
    at = model.at(x)
    solution = likelihood.solve(at)
    if solution is None:
        raise OptionError(
            "the covariance of the residuals is not positive definite at start=; give others."
        )
    gamma, _, _ = problem.split
    beta = basis.coefficients(gamma + solution.gamma)
    residual = problem.residual - basis.Q @ solution.gamma
    u, b, factors = _modes(problem, at, solution, residual)
    linear, fitted = predictors(design, basis.columns, beta, b)
    dispersion = problem.cells.dispersion
    names = () if dispersion is None else dispersion.names
    typical = float(np.sqrt(np.mean(_variances(problem, at))))
    smallest = [
        np.sqrt(SINGULAR) * typical / np.maximum(block.column_sizes(), 1e-300)
        for block in design.blocks
    ]
    natural = natural_parameters(model, problem.cells, x)
    vanishing = False  # the variance of some stratum
    if dispersion is not None:
        log_scales = dispersion.columns @ x[model.gamma]
        vanishing = bool(2.0 * np.ptp(log_scales) > -np.log(SINGULAR))
    described = _describe(likelihood, minimum, natural, names, smallest, vanishing)
    structures, spread, flat = described
    report = report_of(minimum, minimum.points, x, minimum.value, minimum.gradient, NO_START)
    return ResidualEstimates(
        reml=likelihood.reml,
        x=x,
        theta=phi_of(model, x),
        names=parameter_names(model, names),
        structures=structures,
        dispersion_names=names,
        dispersion_values=natural.values[len(natural.values) - len(names) :],
        dispersion_errors=spread,
        factors=factors,
        columns=basis.columns,
        beta=beta,
        cov_conditional=basis.covariance(solution.M),
        on_basis=OnBasis(basis.inverse, solution.M),
        objective=solution.value,
        logdet_omega=np.nan,
        u=u,
        b=b,
        linear_predictor=linear,
        fitted=fitted,
        residual_variances=_variances(problem, at),
        singular=is_singular_at(problem, at),
        report=replace(report, not_identified=flat),
        cells=problem.cells,
        natural=natural,
    )


def is_singular_at(problem: ResidualProblem, at: CovarianceAt) -> bool:
    """Return whether a covariance matrix of random effects is singular beside the residuals."""
    sigmas = at.block_sigmas([len(block.names) for block in problem.design.blocks])
    limits = zip(sigmas, _smallest(problem, at), strict=True)
    return any(_is_singular(lower_root(sigma), least) for sigma, least in limits)


def _is_singular(T: Array, least: Array) -> bool:
    diagonal = np.diag(T)
    sds = np.sqrt(np.einsum("ij,ij->i", T, T))
    return bool(np.any(np.abs(diagonal) <= np.maximum(np.sqrt(SINGULAR) * sds, least)))


def _smallest(problem: ResidualProblem, at: CovarianceAt) -> list[Array]:
    """Return the standard deviation of each random effect below which it counts as zero."""
    typical = float(np.sqrt(np.mean(_variances(problem, at))))
    return [
        np.sqrt(SINGULAR) * typical / np.maximum(problem.column_sizes(t), 1e-300)
        for t in range(len(problem.design.blocks))
    ]


def _spherical(T: Array, b: Array) -> Array:
    return np.asarray(np.linalg.lstsq(T, b.T, rcond=1e-12)[0].T)


def _modes(
    problem: ResidualProblem, at: CovarianceAt, solution: BestCoefficients, residual: Array
) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]:
    """Return spherical modes, b = Sigma Z'V^-1 (y - X beta), or Q^-1 times it, and T by block."""
    blocks = problem.design.blocks
    sigmas = at.block_sigmas([len(block.names) for block in blocks])
    sums = [np.zeros((len(block.levels), len(block.names))) for block in blocks]
    for batch, inverse in zip(problem.batches, solution.inverses, strict=True):
        e = (inverse[batch.pattern] @ residual[batch.rows][:, :, None])[:, :, 0]
        for block, z, out in zip(blocks, problem.z, sums, strict=True):
            np.add.at(out, block.refs[batch.rows], z[batch.rows] * e[:, :, None])
    u, b, factors = [], [], []
    for t, (block, each, sigma) in enumerate(zip(blocks, sums, sigmas, strict=True)):
        own = each if block.related is None else block.related.covariances(each)
        T, modes = lower_root(sigma), own @ sigma
        u.append(_spherical(T, modes))
        b.append(problem.effects_back(t, modes))
        factors.append(problem.effects_back(t, T.T).T)
    return tuple(u), tuple(b), tuple(factors)


def _variances(problem: ResidualProblem, at: CovarianceAt) -> Array:
    """Return the variance of the residual of each row."""
    out = np.diag(at.sigma)[problem.cells.place]
    dispersion = problem.cells.dispersion
    if dispersion is not None:
        out = out * np.exp(2.0 * dispersion.columns @ at.x[at.model.gamma])
    return out if problem.design.weights is None else out / problem.design.weights


def _describe(
    likelihood: MarginalLikelihood,
    minimum: Minimum,
    natural: NaturalParameters,
    dispersion: tuple[str, ...],
    smallest: list[Array],
    vanishing: bool,
) -> tuple[tuple[CovarianceEstimate, ...], Array, tuple[str, ...]]:
    """Return what is reported of each structure, errors of gamma, and what is not determined."""
    model, x = likelihood.model, minimum.end
    observed = likelihood.information(x).observed
    covariance, size, flat = _parameter_covariance(observed)
    with np.errstate(over="ignore", invalid="ignore"):
        variances = np.einsum("ri,ij,rj->r", natural.jacobian, covariance, natural.jacobian)
        errors = np.sqrt(np.maximum(variances, 0.0))
    errors[_changes(natural.jacobian / size, flat) | ~np.isfinite(errors)] = np.nan
    found, start = [], 0
    for part in model.parts:
        own = part.free.structure.natural(own_phi(part, x))
        rows = slice(start, start + len(own.names))
        least = smallest[part.block][part.columns] if part.block >= 0 else np.zeros(0)
        found.append(_one(model, part, x, own, natural.values[rows], errors[rows], least))
        start = rows.stop
    lost: tuple[str, ...] = ()
    bounded = vanishing or any(each.at_bounds for each in found)
    if flat.size and not bounded and minimum.converged:
        names = parameter_names(model, dispersion)
        moved = _changes(slopes_of(model, x) / size, flat)
        at = [name for name, is_flat in zip(names, moved, strict=True) if is_flat]
        lost = (f"the data do not distinguish {', '.join(at)}",)
    return tuple(found), errors[start:], lost


def _changes(jacobian: Array, flat: Array) -> NDArray[np.bool_]:
    """Return which rows of a Jacobian change along directions in which the likelihood is flat."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(jacobian, axis=1, keepdims=True)
        return np.asarray(np.any(np.abs(jacobian @ flat) > SHARE * lengths, axis=1))


def _parameter_covariance(observed: Array) -> tuple[Array, Array, Array]:
    """Return twice the inverse of a Hessian on its positive part, sizes, and what is left out.

    These are directions, (m, f), in coordinates times the sizes, shape (m,).
    """
    diagonal = np.diag(observed)
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(observed / np.outer(size, size))
    kept = values > FLAT * max(float(values.max(initial=0.0)), 1e-300)
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return 2.0 * inverse / np.outer(size, size), size, vectors[:, ~kept]


def _one(
    model: ResponseCovariance,
    part: Part,
    x: Array,
    own: Natural,
    values: Array,
    errors: Array,
    least: Array,
) -> CovarianceEstimate:
    """Return what is reported of a part, of which `own` are the parameters that are searched."""
    structure, phi = part.free.structure, part.free.phi(x[part.parameters])
    # A correlation at the edge of its range has no standard error there.
    touched = ~own.scales & (np.abs(own.values) > 1.0 - EDGE) & (structure.name == "us")
    limits = part.free.coordinates.at_bounds(phi)
    J = own.jacobian @ part.L @ part.free.jacobian(x[part.parameters])
    touched |= np.abs(J) @ (limits != 0).astype(float) > 0
    names = [name for name, limit in zip(structure.read().names, limits, strict=True) if limit]
    if len(least):  # a standard deviation of random effects may be zero
        zero = own.scales & (own.values <= least.max())
        names += [name for name, none in zip(own.names, zero, strict=True) if none]
        touched |= zero
    return CovarianceEstimate(
        name=part.name,
        kind=structure.name,
        is_residual=part.block < 0,
        labels=structure.labels,
        matrix=sigma_of(model, part, x),
        names=tuple(own.names),
        values=values,
        errors=np.where(touched, np.nan, errors),
        at_bounds=tuple(names),
    )
