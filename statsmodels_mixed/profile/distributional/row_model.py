"""A fit with parameters of rows to be profiled: coefficients of all parts and theta are searched.

The deviance is -2 log-likelihood as it was approximated in the fit, by Laplace or quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...fitting.apart import columns_apart
from ...fitting.distributional.centered import Centered
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.distributional.likelihood import model_of_rows
from ...fitting.distributional.lowered import Lowered
from ...fitting.generalized.approximation import generalized_structure
from ...frame.design import Design
from ...results.parameters import CovarianceParameters
from ..constrained_minimum import ConstrainedMinimum, keep_off_zero
from ..constraints import Combination, Constraint
from ..generalized import GeneralizedSurface
from ..learned_curvature import LearnedCurvature
from ..optima import Optima
from ..targets import CovarianceUnits, Show, State, Target, constrained, covariance_targets, linear

__all__ = ["RowModel"]


class RowModel:
    """A fit with parameters of rows at the maximum of its likelihood.

    Parameters
    ----------
    design : Design
    estimates : DistributionalEstimates
    components : CovarianceParameters
    order : ndarray of int
        Places of the coefficients among all parameters, in the order of their names.
    infinite : ndarray
        1 or -1 for parameters that have their optimum at plus or minus infinity, else 0.
    """

    other_fit = "another optimizer=, or with fewer terms"

    def __init__(
        self,
        design: Design,
        estimates: DistributionalEstimates,
        components: CovarianceParameters,
        order: NDArray[np.intp],
        infinite: Array,
    ) -> None:
        rows = estimates.rows
        design, mean, self._coordinates = columns_apart(design, estimates.conditional)
        structure, kappa = generalized_structure(design), mean.kappa
        centered = Centered.of(design, mean.spec, rows, structure.basis)
        if centered is not None:
            design, structure = centered.design, centered.structure
            kappa = centered.inner(kappa, mean.beta)
        basis, gamma = structure.basis, structure.basis.R @ mean.beta
        lowered = Lowered.of(design, mean.spec, basis)
        if lowered is not None:
            design, gamma = lowered.design, gamma - lowered.change
        core = model_of_rows(structure.core, design, mean.spec, rows, mean.n_agq)
        nt, rank = len(mean.theta), len(mean.beta)
        end = np.concatenate([mean.theta, gamma, kappa])
        core.set_modes(mean.u, gamma)
        value, _ = core.value_and_gradient(end)
        # There is no curvature where an element of the diagonal of T is zero.
        core.value_and_gradient(keep_off_zero(end, components.diagonal))
        back = np.zeros((len(end), len(end)))
        back[:nt, :nt] = np.eye(nt)
        back[nt : nt + rank, nt : nt + rank] = np.linalg.inv(basis.R)
        back[nt + rank :, nt + rank :] = rows.back
        lifts = np.zeros(len(end))
        if centered is not None:
            back[nt + rank :, nt : nt + rank] = centered.shifts @ np.linalg.inv(basis.R)
            lifts[nt + rank :] = centered.lifts
        if lowered is not None:
            lifts[nt : nt + rank] = lowered.lift
        self.deviance, self.n_theta = value, nt
        self._components = components
        # Of every parameter about a standard error, in the basis in which they are searched.
        units = 1.0 / np.sqrt(np.maximum(np.diag(core.curvature()), 1e-6))
        sizes = np.concatenate([np.sqrt(np.mean(b.z**2, axis=0)) for b in design.blocks])
        of_row = dict(zip(components.sd_at, sizes, strict=True))
        least = [0.1 / (of_row[t, row] or 1.0) for t, row, _ in components.theta_at]
        units[:nt] = np.maximum(np.abs(mean.theta), least)
        self._surface = GeneralizedSurface(core, units, components.diagonal)
        self._x = end / units
        self._coefficients, self._lifts = back[order] * units, lifts[order]
        self._infinite = infinite[order]
        # Parameters of rows that are at an end of their range, and where they begin to be seen.
        at_ends = np.flatnonzero(estimates.ends[nt + rank :])
        self._at_ends = nt + rank + at_ends
        self._inside = rows.start[at_ends] / units[self._at_ends]

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return 1, coefficients and theta in the units of the data, row by row."""
        theta = self._coordinates.outward(np.array([theta for theta, _, _ in states]))
        theta = self._components.rectify(theta)
        return Optima(np.ones(len(states)), np.array([beta for _, _, beta in states]), theta)

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        if kind == "beta":
            targets = [
                self._target("beta", name, Combination(row), linear(1.0, lift), None)
                for name, row, lift in zip(
                    fixed_names, self._coefficients, self._lifts.tolist(), strict=True
                )
            ]
            signs = self._infinite.tolist()
            return [replace(t, infinite=int(s)) for t, s in zip(targets, signs, strict=True)]
        size, total = self._surface.units[: self.n_theta], len(self._x)
        changes = self._coordinates.C
        units = CovarianceUnits(self._components, size, 1.0, changes, total, 1.0)
        return covariance_targets(kind, units, self._target, self._least)

    def _least(self, constraint: Constraint, value: float) -> ConstrainedMinimum | None:
        return self._minimum(LearnedCurvature(self._surface), constraint, value, self._x)

    def _minimum(
        self, landscape: LearnedCurvature, constraint: Constraint, value: float, start: Array
    ) -> ConstrainedMinimum | None:
        """Return the lower minimum of those from a start and from inside all ranges."""
        starts = [start]
        if len(self._at_ends):  # the deviance is level there
            starts.append(start.copy())
            starts[1][self._at_ends] = self._inside
        found = [landscape.constrained_minimum(constraint, value, each) for each in starts]
        known = [each for each in found if each is not None]
        return min(known, key=lambda each: each.value, default=None)

    def _target(
        self,
        kind: str,
        name: str,
        constraint: Constraint,
        show: Show,
        ceiling: ConstrainedMinimum | None,
    ) -> Target:
        landscape = LearnedCurvature(self._surface)
        target = constrained(
            self._surface, kind, name, constraint, self._x, show, self._read, ceiling
        )
        return replace(target, solve=partial(self._minimum, landscape, constraint))

    def _read(self, x: Array) -> State:
        coefficients = self._coefficients @ x + self._lifts
        return x[: self.n_theta] * self._surface.units[: self.n_theta], 1.0, coefficients
