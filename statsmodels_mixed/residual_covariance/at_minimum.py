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
from .covariance import CovarianceAt, Part
from .estimates import CovarianceEstimate, ResidualEstimates
from .likelihood import BestCoefficients, MarginalLikelihood
from .natural import natural_parameters
from .parameters import parameter_names, phi_of
from .problem import ResidualProblem

__all__ = ["estimates_at", "is_singular_at"]


NO_START = "V is not positive definite where the search began; give another start=."
# Curvatures of less than this share of the largest, in units of the parameters, are flat.
FLAT = 1e-6
# Correlations this close to 1 count as 1.
EDGE = 1e-7
# A random effect with at most this share of the variance of its row counts as zero.
SINGULAR = 1e-8


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
    b, factors = _modes(problem, at, solution, residual)
    linear, fitted = predictors(design, basis.columns, beta, b)
    dispersion = problem.cells.dispersion
    names = () if dispersion is None else dispersion.names
    smallest = _smallest(problem, at)
    structures, spread, flat = _describe(likelihood, minimum, names, smallest)
    values = x[model.gamma]
    if dispersion is not None and dispersion.ratios:
        values = np.exp(values)
        spread = spread * values
    report = report_of(minimum, minimum.points, x, minimum.value, minimum.gradient, NO_START)
    return ResidualEstimates(
        reml=likelihood.reml,
        x=x,
        theta=phi_of(model, x),
        names=parameter_names(model, names),
        structures=structures,
        dispersion_names=names,
        dispersion_values=values,
        dispersion_errors=spread,
        factors=factors,
        columns=basis.columns,
        beta=beta,
        cov_conditional=basis.covariance(solution.M),
        on_basis=OnBasis(basis.inverse, solution.M),
        objective=solution.value,
        logdet_omega=np.nan,
        u=tuple(_spherical(T, modes) for T, modes in zip(factors, b, strict=True)),
        b=b,
        linear_predictor=linear,
        fitted=fitted,
        residual_variances=_variances(problem, at),
        singular=is_singular_at(problem, at),
        report=replace(report, not_identified=flat),
        cells=problem.cells,
        natural=natural_parameters(model, problem.cells, x),
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
        np.sqrt(SINGULAR) * typical / np.maximum(block.column_sizes(), 1e-300)
        for block in problem.design.blocks
    ]


def _spherical(T: Array, b: Array) -> Array:
    return np.asarray(np.linalg.lstsq(T, b.T, rcond=1e-12)[0].T)


def _modes(
    problem: ResidualProblem, at: CovarianceAt, solution: BestCoefficients, residual: Array
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return b = Sigma Z'V^-1 (y - X beta), or Q^-1 times it, and T of each block."""
    blocks = problem.design.blocks
    sigmas = at.block_sigmas([len(block.names) for block in blocks])
    sums = [np.zeros((len(block.levels), len(block.names))) for block in blocks]
    for batch, inverse in zip(problem.batches, solution.inverses, strict=True):
        e = (inverse[batch.pattern] @ residual[batch.rows][:, :, None])[:, :, 0]
        for block, z, out in zip(blocks, problem.z, sums, strict=True):
            np.add.at(out, block.refs[batch.rows], z[batch.rows] * e[:, :, None])
    b = []
    for block, each, sigma in zip(blocks, sums, sigmas, strict=True):
        own = each if block.related is None else block.related.covariances(each)
        b.append(own @ sigma)
    return tuple(b), tuple(lower_root(sigma) for sigma in sigmas)


def _variances(problem: ResidualProblem, at: CovarianceAt) -> Array:
    """Return the variance of the residual of each row."""
    out = np.diag(at.sigma)[problem.cells.place]
    dispersion = problem.cells.dispersion
    if dispersion is not None:
        out = out * np.exp(2.0 * dispersion.values @ at.x[at.model.gamma])
    return out if problem.design.weights is None else out / problem.design.weights


def _describe(
    likelihood: MarginalLikelihood,
    minimum: Minimum,
    dispersion: tuple[str, ...],
    smallest: list[Array],
) -> tuple[tuple[CovarianceEstimate, ...], Array, tuple[str, ...]]:
    """Return what is reported of each structure, errors of gamma, and what is not determined."""
    model, x = likelihood.model, minimum.end
    observed = likelihood.information(x).observed
    covariance, flat = _parameter_covariance(observed)
    found = tuple(
        _one(
            part,
            x,
            covariance,
            flat,
            smallest[part.block][part.columns] if part.block >= 0 else np.zeros(0),
        )
        for part in model.parts
    )
    gamma = np.sqrt(np.maximum(np.diag(covariance)[model.gamma], 0.0))
    gamma[flat[model.gamma]] = np.nan
    lost: tuple[str, ...] = ()
    bounded = any(each.at_bounds for each in found)
    if flat.any() and not bounded and minimum.converged:
        names = parameter_names(model, dispersion)
        at = [name for name, is_flat in zip(names, flat, strict=True) if is_flat]
        lost = (f"the data do not distinguish {', '.join(at)}",)
    return found, gamma, lost


def _parameter_covariance(observed: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return twice the inverse of a Hessian on its positive part, and what is left out."""
    diagonal = np.diag(observed)
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(observed / np.outer(size, size))
    kept = values > FLAT * max(float(values.max(initial=0.0)), 1e-300)
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    flat = np.any(np.abs(vectors[:, ~kept]) > 0.1, axis=1)
    return 2.0 * inverse / np.outer(size, size), flat


def _one(
    part: Part, x: Array, covariance: Array, flat: NDArray[np.bool_], least: Array
) -> CovarianceEstimate:
    own = x[part.parameters]
    structure, phi = part.free.structure, part.free.phi(own)
    natural = structure.natural(phi)
    J = natural.jacobian @ part.free.jacobian(own)
    spread = np.sqrt(
        np.maximum(np.einsum("ri,ij,rj->r", J, covariance[part.parameters, part.parameters], J), 0)
    )
    touched = np.abs(J) @ flat[part.parameters].astype(float) > 0
    # A correlation at the edge of its range has no standard error there.
    touched |= ~natural.scales & (np.abs(natural.values) > 1.0 - EDGE) & (structure.name == "us")
    limits = part.free.coordinates.at_bounds(phi)
    touched |= np.abs(J) @ (limits != 0).astype(float) > 0
    names = [name for name, limit in zip(structure.read().names, limits, strict=True) if limit]
    if len(least):  # a standard deviation of random effects may be zero
        zero = natural.scales & (natural.values <= least.max())
        names += [name for name, none in zip(natural.names, zero, strict=True) if none]
        touched |= zero
    return CovarianceEstimate(
        name=part.name,
        kind=structure.name,
        is_residual=part.block < 0,
        labels=structure.labels,
        matrix=part.free.sigma(own),
        names=tuple(natural.names),
        values=np.asarray(natural.values, dtype=float),
        errors=np.where(touched, np.nan, spread),
        at_bounds=tuple(names),
    )
