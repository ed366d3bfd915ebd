"""A generalized model to be profiled: theta, coefficients and dispersion are all searched.

The deviance is -2 log-likelihood as it was approximated in the fit, by Laplace or quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._core import CoreGeneralized
from .._typing import Array
from ..fitting.apart import columns_apart
from ..fitting.estimates import GeneralizedEstimates
from ..fitting.families.row_information import row_unit
from ..fitting.generalized.approximation import prepare_at
from ..fitting.search.optimize import BY_OBJECTIVE
from ..fitting.search.warm_start import least_log_alpha
from ..frame.design import Design
from ..results.parameters import CovarianceParameters
from .constrained_minimum import ConstrainedMinimum, keep_off_zero
from .constraints import Combination, Constraint, Element
from .learned_curvature import LearnedCurvature
from .optima import Optima
from .targets import CovarianceUnits, Show, State, Target, constrained, covariance_targets, linear

__all__ = ["GeneralizedModel", "least_log_dispersion"]


# A negative binomial with alpha times the largest mean as small as this is a Poisson
# distribution, as alpha = 0 is: the profile of alpha is flat from here to its bound.
POISSON = 1e-12
# Share of the usual least alpha of a start from which a profile, with smaller steps, sees alpha.
VISIBLE = 0.01
# Elements of T below this are near zero: in them the deviance is even, so that its slope over such
# an element is its curvature there, which the approximate one cannot have negative.
SMALL = 0.05
# As a share of the approximate curvature, one that is more negative is no rounding error.
NEGATIVE = 1e-3


def least_log_dispersion(estimates: GeneralizedEstimates) -> float:
    """Return the log dispersion below which there is none."""
    if estimates.spec.family != "negative_binomial":
        return -math.inf
    return math.log(POISSON / max(1.0, float(np.max(estimates.fitted))))


class GeneralizedSurface:
    """The deviance at points x = (theta and gamma in units of theirs, log dispersion).

    Parameters
    ----------
    core : CoreGeneralized
    units : ndarray, shape (m,)
        What x is to be multiplied by to give the parameters of the core.
    diagonal : ndarray of int
        Positions in theta of the diagonal elements of T.

    Attributes
    ----------
    saddles : list of int
        Those near zero with a negative curvature there, at the x of the last `derivatives`.
    """

    def __init__(self, core: CoreGeneralized, units: Array, diagonal: NDArray[np.intp]) -> None:
        self._core, self.units, self._diagonal = core, units, diagonal
        self._outer = np.outer(units, units)
        self._gradient = np.empty(0)
        self.saddles: list[int] = []

    def keep_off_zero(self, x: Array) -> Array:
        """Return x with no diagonal element of T at zero."""
        return keep_off_zero(x, self._diagonal)

    def value(self, x: Array) -> float:
        """Return the deviance; NaN where PIRLS does not settle."""
        value, self._gradient = self._core.value_and_gradient(x * self.units)
        return value

    def derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return gradient and approximate Hessian at the x of the last `value`."""
        gradient, hessian = self._gradient * self.units, self._core.curvature() * self._outer
        self.saddles = []
        for i in self._diagonal[np.abs(x[self._diagonal]) < SMALL].tolist():
            curvature = gradient[i] / x[i] if x[i] else 0.0
            if curvature < -NEGATIVE * abs(hessian[i, i]):
                hessian[i, i] = curvature
                self.saddles.append(i)
        return gradient, hessian


class GeneralizedModel:
    """A generalized model at the maximum of its likelihood.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
        Not those of a fast fit.
    components : CovarianceParameters
    infinite : ndarray, shape (rank,)
        1 or -1 for coefficients that have their optimum at plus or minus infinity, else 0.
    """

    other_fit = "start={theta}"

    def __init__(
        self,
        design: Design,
        estimates: GeneralizedEstimates,
        components: CovarianceParameters,
        infinite: Array,
    ) -> None:
        self._infinite = infinite
        design, estimates, self._coordinates = columns_apart(design, estimates)
        spec = estimates.spec
        problem = prepare_at(design, estimates, n_agq=estimates.n_agq)
        core, basis, ntheta = problem.core, problem.basis, problem.ntheta
        rank = len(basis.columns)
        start = problem.join(spec, estimates.theta, estimates.beta, estimates.dispersion)
        zeta = float(np.log(estimates.dispersion))
        unit = row_unit(spec, design.y, estimates.eta, design.weights, zeta)
        core.set_unit(unit)
        run = core.minimize(start, BY_OBJECTIVE, log_capacity=0)
        theta = components.rectify(run.theta[None, :ntheta])[0]
        sizes = np.concatenate([np.sqrt(np.mean(b.z**2, axis=0)) for b in design.blocks])
        rows = {at: size for at, size in zip(components.sd_at, sizes, strict=True)}
        units = np.ones(len(start))
        units[:ntheta] = [unit / (rows[t, row] or 1.0) for t, row, _ in components.theta_at]
        units[ntheta : ntheta + rank] = unit
        self.deviance = run.value
        self.n_theta = ntheta
        self._rank, self._has_dispersion = rank, spec.has_dispersion
        self._least_log_dispersion = least_log_dispersion(estimates)
        self._visible_log_dispersion = -math.inf
        if spec.family == "negative_binomial":
            self._visible_log_dispersion = least_log_alpha(design.y) + math.log(VISIBLE)
        self._components = components
        self._surface = GeneralizedSurface(core, units, components.diagonal)
        self._x = np.concatenate([theta, run.theta[ntheta:]]) / units
        self._inverse_r = basis.inverse

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return dispersion, coefficients and theta in the units of the data, row by row."""
        theta = self._coordinates.outward(np.array([theta for theta, _, _ in states]))
        theta = self._components.rectify(theta)
        beta = np.array([gamma for _, _, gamma in states]) @ self._inverse_r.T
        return Optima(np.array([scale for _, scale, _ in states]), beta, theta)

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        if kind == "beta":
            return [self._coefficient(j, name) for j, name in enumerate(fixed_names)]
        if kind == "dispersion":
            least = self._least_log_dispersion
            last = Element(len(self._x) - 1, least)

            def show(zeta: float) -> tuple[float, float]:
                size = math.exp(zeta)
                return (size if zeta > least else 0.0), size

            return [self._target(kind, "", last, show)]
        size = self._surface.units[: self.n_theta]
        changes, total = self._coordinates.C, len(self._x)
        units = CovarianceUnits(self._components, size, 1.0, changes, total, 1.0)
        return covariance_targets(kind, units, self._target, self._least)

    def _least(self, constraint: Constraint, value: float) -> ConstrainedMinimum | None:
        surface = LearnedCurvature(self._surface)
        return surface.constrained_minimum(constraint, value, self._seeing(self._x))

    def _seeing(self, x: Array) -> Array:
        """Return x with alpha large enough for the deviance to distinguish it from zero."""
        if not self._has_dispersion or x[-1] >= self._visible_log_dispersion:
            return x
        return np.append(x[:-1], self._visible_log_dispersion)

    def _coefficient(self, j: int, name: str) -> Target:
        gradient, middle = np.zeros(len(self._x)), slice(self.n_theta, self.n_theta + self._rank)
        gradient[middle] = self._inverse_r[j] * self._surface.units[middle]
        target = self._target("beta", name, Combination(gradient), linear(1.0))
        return replace(target, infinite=int(self._infinite[j]))

    def _target(
        self,
        kind: str,
        name: str,
        constraint: Constraint,
        show: Show,
        ceiling: ConstrainedMinimum | None = None,
    ) -> Target:
        surface, x = self._surface, self._x
        target = constrained(surface, kind, name, constraint, x, show, self._read, ceiling)

        def solve(value: float, start: Array) -> ConstrainedMinimum | None:
            return target.solve(value, self._seeing(start))

        return replace(target, solve=solve)

    def _read(self, x: Array) -> State:
        parameters = x * self._surface.units
        end = self.n_theta + self._rank
        scale = math.exp(parameters[-1]) if self._has_dispersion else 1.0
        return parameters[: self.n_theta], scale, parameters[self.n_theta : end]
