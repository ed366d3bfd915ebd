"""Generalized models whose covariances are functions of few parameters.

The variables are z = (x, gamma, zeta): free coordinates of all structures, then what the objective
is a function of besides theta, the coefficients unless they are profiled out and the logarithm of
the dispersion. With dT_i = dT / dx_i and Gamma the derivative with respect to Sigma = T T',

    d f / d x_i = Gamma : dSigma_i,
    d2 f / d x_i d x_j = dT_i : H : dT_j - Gamma : (dT_i dT_j' + dT_j dT_i') + Gamma : d2Sigma_ij

where H is the Hessian in T, which has the term of the second derivative of T T' in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from ..._core import CoreGeneralized
from ..._typing import Array
from ...errors import CoreError, OptionError
from ...frame.design import Design
from ...later import load
from ..covariance import theta_of
from ..estimates import GeneralizedEstimates
from ..generalized.approximation import Approximation, prepare_at
from ..search.optimize import FitOptions, FitReport, refuse_other_options
from ..search.runs import evaluated
from ..search.trust_region import Evaluation, Minimum
from .covariance_model import CovarianceModel, factor
from .fit import StructuredFit
from .linear import bounds_in_words, check_start, column_sizes, report_of
from .objective import RELATIVE_RIDGE, RIDGE, gammas
from .several_starts import best_minimum

__all__ = [
    "StructuredApproximation",
    "approximation_at",
    "cholesky_slopes",
    "minimize_structured_approximation",
    "structured_hessian",
    "structured_report",
]


# Beyond this number of elements of T the Hessian is made of differences of the gradient.
MOST_ELEMENTS = 150
DIFFERENCE = 1e-5
HESSIAN_DIFFERENCE = 1e-4
# Share of the objective to which conditional modes are found.
ROUNDING = 1e-12
TOLERANCE = 1e-9


def cholesky_slopes(T: Array, slopes: Array) -> Array:
    """Return dT_i for dSigma_i, both shape (m, k, k), at nonsingular T.

    dT = T F with F the lower triangle, its diagonal halved, of T^-1 dSigma T^-T.
    """
    out = np.empty_like(slopes)
    for i, S in enumerate(slopes):
        half = solve_triangular(T, S, lower=True)
        F = np.tril(solve_triangular(T, half.T, lower=True))
        F[np.diag_indices(len(F))] /= 2.0
        out[i] = T @ F
    return out


@dataclass(frozen=True, eq=False)
class StructuredApproximation:
    """The objective of a generalized model with its derivatives in z.

    Parameters
    ----------
    core : CoreGeneralized
        Ready to be evaluated at (theta, gamma, zeta).
    model : CovarianceModel
    ridges : tuple of ndarray, shape (k,)
        What is added to the diagonals of Sigma.
    """

    core: CoreGeneralized
    model: CovarianceModel
    ridges: tuple[Array, ...]

    @classmethod
    def of(cls, core: CoreGeneralized, design: Design, unit: float) -> StructuredApproximation:
        """Make the objective; `unit` is a typical change of the linear predictor."""
        ridges = tuple(RIDGE * (unit / size) ** 2 for size in column_sizes(design))
        return cls(core, CovarianceModel(design), ridges)

    def theta(self, x: Array, ridge: float = 1.0) -> tuple[Array, tuple[Array, ...]]:
        """Return theta and the factors it consists of."""
        factors = [np.zeros(pattern.shape) for pattern in self.model.patterns]
        for part in self.model.parts:
            own = ridge * self.ridges[part.block][part.columns]
            S = part.free.sigma(x[part.phi])
            own = own + ridge * RELATIVE_RIDGE * np.diag(S)
            factors[part.block][part.columns, part.columns] = factor(S, own)
        return theta_of(factors, self.model.patterns), tuple(factors)

    def parameters(self, z: Array, ridge: float = 1.0) -> Array:
        """Return what the core's objective is a function of."""
        m = self.model.size
        return np.concatenate([self.theta(z[:m], ridge)[0], z[m:]])

    def value_and_gradient(self, z: Array) -> tuple[float, Array]:
        """Return the objective and its gradient; infinite where there is none."""
        value, gradient, _ = self._evaluate(z)
        return value, gradient

    def _evaluate(self, z: Array) -> tuple[float, Array, list[Array]]:
        m = self.model.size
        theta, factors = self.theta(z[:m])
        value, raw = evaluated(self.core, np.concatenate([theta, z[m:]]))
        if not (np.isfinite(value) and np.isfinite(raw).all()):
            return np.inf, np.full(len(z), np.nan), []
        G = gammas(raw[: len(theta)], factors, self.model)
        out = np.concatenate([np.empty(m), raw[len(theta) :]])
        for part, own in zip(self.model.parts, G, strict=True):
            out[part.phi] = np.einsum("ij,mij->m", own, part.free.derivatives(z[part.phi]))
        if not np.isfinite(out).all():  # nor are derivatives of Sigma
            return np.inf, np.full(len(z), np.nan), []
        return float(value), out, G

    def __call__(self, z: Array) -> Evaluation:
        """Return value, gradient and approximate Hessian."""
        with np.errstate(all="ignore"):  # beyond the range of doubles there is none
            return self._with_curvature(z)

    def _with_curvature(self, z: Array) -> Evaluation:
        value, gradient, G = self._evaluate(z)
        if not np.isfinite(value):
            return value, gradient, np.full((len(z), len(z)), np.nan)
        elements = sum(int(pattern.sum()) for pattern in self.model.patterns)
        if elements <= MOST_ELEMENTS:
            try:
                return value, gradient, self._curvature(z, G)
            except CoreError:  # the model of the curvature is singular to rounding here
                pass
        hessian = self.difference(z)
        self.value_and_gradient(z)
        return value, gradient, hessian

    def theta_slopes(self, x: Array) -> tuple[Array, list[Array]]:
        """Return dtheta / dx, shape (n_theta, m), and dT / dx of each part, (own, k, k)."""
        _, factors = self.theta(x)
        columns, by_part = [], []
        for part in self.model.parts:
            at = part.columns
            dT = cholesky_slopes(factors[part.block][at, at], part.free.derivatives(x[part.phi]))
            by_part.append(dT)
            for slope in dT:
                whole = [np.zeros(pattern.shape) for pattern in self.model.patterns]
                whole[part.block][at, at] = slope
                columns.append(theta_of(whole, self.model.patterns))
        return np.array(columns).reshape(self.model.size, -1).T, by_part

    def _curvature(self, z: Array, G: list[Array]) -> Array:
        m, rest = self.model.size, len(z) - self.model.size
        H = self.core.curvature()
        slopes, by_part = self.theta_slopes(z[:m])
        J = np.zeros((len(H), len(z)))
        J[len(H) - rest :, m:] = np.eye(rest)
        J[: len(H) - rest, :m] = slopes
        out = J.T @ H @ J
        for part, own, dT in zip(self.model.parts, G, by_part, strict=True):
            bends = part.free.second_derivatives(z[part.phi])
            out[part.phi, part.phi] += np.einsum("ij,mnij->mn", own, bends)
            out[part.phi, part.phi] -= 2.0 * np.einsum("ij,mjc,nic->mn", own, dT, dT, optimize=True)
        return np.asarray((out + out.T) / 2.0)

    def difference(self, z: Array, share: float = DIFFERENCE) -> Array:
        """Return the Hessian by central differences of the gradient."""
        rows: list[Array] = []
        for i in range(len(z)):
            step = share * max(1.0, abs(float(z[i])))
            shift = np.zeros(len(z))
            shift[i] = step
            above, below = (self.value_and_gradient(z + s * shift)[1] for s in (1.0, -1.0))
            rows.append((above - below) / (2.0 * step))
        out = np.array(rows)
        return np.asarray((out + out.T) / 2.0)


def minimize_structured_approximation(
    objective: StructuredApproximation,
    design: Design,
    unit: float,
    rest: Array,
    start: Array | None,
    options: FitOptions,
    *,
    dispersion: bool,
) -> Minimum:
    """Minimize over z.

    Parameters
    ----------
    objective : StructuredApproximation
    design : Design
    unit : float
        Typical size of a change in the linear predictor.
    rest : ndarray
        Where the other parameters start.
    start : ndarray, shape (m,), optional
        Parameters phi to start from, in place of several starts.
    options : FitOptions
        Of which `max_eval` is taken.
    dispersion : bool
        Whether the last of the other parameters is a log dispersion.

    Raises
    ------
    OptionError
        If the likelihood cannot be evaluated at the start.
    """
    refuse_other_options(options, ("max_eval", "solver"), "models with covariance structures")
    model, sizes = objective.model, column_sizes(design)
    errors = [unit / size for size in sizes]
    # Those of the columns of Z, that these do not matter.
    units = np.concatenate([model.units([1.0 / size for size in sizes]), np.ones(len(rest))])
    if start is None:
        phis = model.starts([0.5 * sds for sds in errors])
    else:
        check_start(model, start)
        phis = [start]
    begins = [np.concatenate([model.x(phi), rest]) for phi in phis]
    longest = np.concatenate([model.longest(begins[0][: model.size]), np.full(len(rest), np.inf)])

    def least(starts: list[Array]) -> Minimum:
        return best_minimum(
            objective,
            starts,
            longest=longest,
            max_eval=options.max_eval,
            tolerance=TOLERANCE,
            rounding=ROUNDING,
            units=units,
        )

    minimum = least(begins)
    if minimum.status == "FAILURE":
        raise OptionError(
            "the likelihood cannot be evaluated at the start; give other values by start=, or use "
            "another link."
        )
    if start is not None:
        return minimum
    large = load("fitting.structured.large_effects:")
    smaller = load("fitting.search.nearly_one:smaller_dispersions")
    found: Minimum = large.lower_with_large_effects(
        minimum,
        [begins[0], *(smaller(minimum.end) if dispersion else [])],
        large.terms_nearly_one(design, model, errors),
        lambda z: (objective.value_and_gradient(z)[0], z),
        lambda z: least([z]),
    )
    return found


def structured_report(
    objective: StructuredApproximation, minimum: Minimum, design: Design
) -> tuple[FitReport, StructuredFit, tuple[Array, ...]]:
    """Leave the model solved at a minimum, and say what happened."""
    model = objective.model
    m = model.size
    z = minimum.end.copy()
    z[:m] = model.positive(z[:m])
    theta, factors = objective.theta(z[:m], ridge=0.0)
    end = np.concatenate([theta, z[m:]])
    value, gradient = objective.core.value_and_gradient(end)
    if not np.isfinite(value):  # T is singular; next to it there is an objective
        theta, factors = objective.theta(z[:m])
        end = np.concatenate([theta, z[m:]])
        value, gradient = objective.core.value_and_gradient(end)
    log = np.array([objective.parameters(point) for point in minimum.points])
    phi = model.phi(z[:m])
    values, _, scales = model.natural(phi)
    fit = StructuredFit(
        parts=model.reported,
        values=values,
        scales=scales,
        phi=phi,
        z=z,
        gradient=minimum.gradient,
        at_bounds=bounds_in_words(model, phi, column_sizes(design)),
    )
    return report_of(minimum, log, end, value, gradient), fit, factors


def approximation_at(
    problem: Approximation, design: Design, estimates: GeneralizedEstimates
) -> tuple[StructuredApproximation, Array]:
    """Return the objective of a fit, with all its parameters, and z at the estimates."""
    assert estimates.structured is not None
    objective = StructuredApproximation.of(problem.core, design, 1.0)
    m = objective.model.size
    working = problem.join(estimates.spec, estimates.theta, estimates.beta, estimates.dispersion)
    return objective, np.concatenate([estimates.structured.z[:m], working[problem.ntheta :]])


def structured_hessian(design: Design, estimates: GeneralizedEstimates) -> tuple[Array, Array]:
    """Return the Hessian of the objective at the estimates, by differences of its gradient.

    With respect to free coordinates of the structures, working coefficients and, if there is
    one, the log dispersion; and what takes these to beta, as `hessian` does.
    """
    problem = prepare_at(design, estimates, n_agq=estimates.n_agq)
    objective, z = approximation_at(problem, design, estimates)
    working = objective.difference(z, HESSIAN_DIFFERENCE)
    m = objective.model.size
    change = np.eye(len(z))
    beta = slice(m, m + len(estimates.beta))
    change[beta, beta] = problem.basis.inverse
    return working, change
